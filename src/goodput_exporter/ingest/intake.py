"""What every push goes through, whichever way its bytes came: checked, held, taken."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from math import ceil
from typing import NamedTuple

import msgspec

from goodput_exporter.ingest.commits import Commits
from goodput_exporter.ingest.inbox import Fate, Parcel
from goodput_exporter.ingest.limits import Allowances, Limits, LogGate
from goodput_exporter.ingest.reading import Letter, Reading, offset_ns
from goodput_exporter.ingest.refusals import Counts, Reason, RefusedError
from goodput_exporter.ingest.requests import Headers, Pairs
from goodput_exporter.ingest.senders import Caller, Sender
from goodput_exporter.wire.answers import (
    LEADER_HEADER,
    Answer,
    Outcome,
    encode_answer,
    encode_refusal,
)
from goodput_exporter.wire.frames import Frame

Take = Callable[[Parcel], Future[Fate]]
"""Takes a batch; the future is done once the ledger has it."""

_log = logging.getLogger(__name__)


class Pending(NamedTuple):
    """One batch on its way into the ledger; without a future it will never be."""

    letter: Letter
    future: Future[Fate] | None = None

    @property
    def is_settled(self) -> bool:
        """Tell whether it is known what became of it."""
        return self.future is None or self.future.done()

    def outcome(self) -> Outcome:
        """Return what became of it, once that is known."""
        header, reading = self.letter.frame.header, self.letter.reading
        fate = "applied" if self.future is None else self.future.result()
        if reading is None:
            # Another one like it was taken in its place.
            return Outcome(header.epoch, header.sequence, fate)
        if reading.delivery is None or fate == reading.outcome.fate:
            return reading.outcome
        return msgspec.structs.replace(reading.outcome, fate=fate)


class Reply(NamedTuple):
    """What is answered to a push: HTTP's status, headers of its own, and JSON."""

    status: int
    body: bytes
    headers: Pairs = ()


class Intake:
    """
    The bounds, the counts and the way to the ledger that all pushes share.

    Args:
        take: Where batches go; a request is answered when all of its are committed.
        now_ns: The ledger's clock; agents measure theirs against it.
        limits: What senders may cost.
        leader: None while this replica takes pushes; else the name of the one that
            does, empty where nobody knows.
        counts: Where to count; for metrics.
    """

    def __init__(
        self,
        take: Take,
        now_ns: Callable[[], int],
        limits: Limits,
        leader: Callable[[], str | None],
        counts: Counts,
    ) -> None:
        self.now_ns = now_ns
        self.limits = limits
        self.commits = Commits(limits.commit_seconds)
        self._take = take
        self._leader = leader
        self._counts = counts
        self._allowances = Allowances(limits)
        self._gate = LogGate(limits.log_lines_per_minute)
        self._held_bytes = 0

    def check_leads(self) -> None:
        """
        Let pushes through where this replica books them.

        Raises:
            RefusedError: Another one does.
        """
        leader = self._leader()
        if leader is None:
            return
        named = (LEADER_HEADER.encode(), leader.encode("ascii", "replace"))
        detail = f"this replica takes no pushes; the leader is {leader or 'not known'}"
        raise RefusedError(Reason.FOLLOWER, detail, (named, *retry_after(1)))

    def charge(
        self, sender: Sender, caller: Caller, length: int, received_ns: int
    ) -> None:
        """
        Take one request and its bytes from what a sender may ask for.

        Raises:
            RefusedError: It has asked for too much already.
        """
        # Nodes that share one token must not share one account.
        name = sender.node or f"{sender.name} at {caller.address}"
        seconds = self._allowances.wait_seconds(name, length, received_ns)
        if seconds > 0:
            detail = f"{name} sends more than it may; wait {seconds:.1f} s"
            raise RefusedError(Reason.RATE, detail, retry_after(seconds))

    def hold(self, length: int) -> None:
        """
        Make room for the bytes of a request; ``let_go`` gives it back.

        Raises:
            RefusedError: Others fill it.
        """
        if self._held_bytes + length > self.limits.held_bytes:
            detail = f"{self._held_bytes} bytes of other requests are held already"
            raise RefusedError(Reason.BUSY, detail, retry_after(1))
        self._held_bytes += length

    def let_go(self, length: int) -> None:
        """Give back what ``hold`` took."""
        self._held_bytes -= length

    def accept(self, frame: Frame, headers: Headers) -> Pending:
        """
        Hand a batch on.

        Raises:
            FullError: Too much waits for its commit already.
        """
        letter = Letter(frame, offset_ns(frame.header, headers))
        reading = letter.reading
        if reading is not None and reading.delivery is None:
            return Pending(letter)
        return Pending(letter, self._take(letter))

    def outcome(self, pending: Pending) -> Outcome:
        """Count a batch that is settled, and return what became of it."""
        letter = pending.letter
        self._counts.observations += letter.count
        if letter.reading is not None:
            self._count(letter.reading, letter.frame.header.sender)
        return pending.outcome()

    def _count(self, reading: Reading, sender: str) -> None:
        counts, outcome = self._counts, reading.outcome
        if reading.delivery is None:
            counts.unreadable += 1
        for why, count in reading.skipped.items():
            counts.skipped[why] += count
        if outcome.detail:
            self._say(sender, f"batch {outcome.sequence}: {outcome.detail}")

    def taken(
        self, outcomes: list[Outcome], detail: str, length: int, received_ns: int
    ) -> Reply:
        """Count a request that was taken, and return its answer."""
        self._counts.requests += 1
        self._counts.bytes += length
        answer = Answer(received_ns, self.now_ns(), outcomes, detail)
        return Reply(200, encode_answer(answer))

    def refused(self, refusal: RefusedError, caller: Caller) -> Reply:
        """Count a request that was not taken, say so, and return its answer."""
        self._counts.refused[refusal.reason] += 1
        self._say(caller.address or "the Unix socket", str(refusal))
        # The body was perhaps not read, or another replica should be found.
        headers = (*refusal.headers, (b"connection", b"close"))
        body = encode_refusal(refusal.reason, refusal.detail)
        return Reply(refusal.status, body, headers)

    def uncommitted(self) -> RefusedError:
        """Return the refusal of a request whose commit did not come."""
        detail = f"no commit within {self.limits.commit_seconds} s; send it again"
        return RefusedError(Reason.UNCOMMITTED, detail, retry_after(1))

    def _say(self, sender: str, what: str) -> None:
        if self._gate.opens(sender, self.now_ns()):
            _log.warning("a push from %s: %s", sender, what)


def retry_after(seconds: float) -> Pairs:
    """Return the header that says when to come again; whole seconds, at least one."""
    return ((b"retry-after", str(max(1, ceil(seconds))).encode()),)
