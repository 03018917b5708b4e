"""``POST /v1/observations`` as a bare ASGI application: no framework on this path."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from math import ceil
from typing import NamedTuple

import msgspec

from goodput_exporter.ingest.commits import Commits
from goodput_exporter.ingest.inbox import Delivery, Fate, FullError
from goodput_exporter.ingest.limits import Allowances, Limits, LogGate
from goodput_exporter.ingest.reading import Reading, frames_of, read
from goodput_exporter.ingest.refusals import Counts, Reason, RefusedError
from goodput_exporter.ingest.requests import (
    App,
    Headers,
    Receive,
    Scope,
    Send,
    caller_of,
    checked_length,
    headers_of,
    read_body,
    respond,
)
from goodput_exporter.ingest.senders import Caller, Refusal, Sender, Who
from goodput_exporter.wire.answers import (
    LEADER_HEADER,
    PATH,
    Answer,
    Outcome,
    encode_answer,
    encode_refusal,
)

Take = Callable[[Delivery], Future[Fate]]
"""Takes a batch; the future is done once the ledger has it."""

_log = logging.getLogger(__name__)


def ingest_app(  # noqa: PLR0913 - the edges of one application, each named
    *,
    take: Take,
    who: Who,
    now_ns: Callable[[], int],
    limits: Limits | None = None,
    leader: Callable[[], str | None] = lambda: None,
    counts: Counts | None = None,
) -> App:
    """
    Return the application that takes agents' pushes.

    Args:
        take: Where batches go; a request is answered when all of its are committed.
        who: Answers who sends.
        now_ns: The ledger's clock; agents measure theirs against it.
        limits: What senders may cost.
        leader: None while this replica takes pushes; else the name of the one that
            does, empty where nobody knows.
        counts: Where to count; for metrics.
    """
    return Ingest(
        take=take,
        who=who,
        now_ns=now_ns,
        limits=limits or Limits(),
        leader=leader,
        counts=counts or Counts(),
    )


def beside(ingest: App, others: App) -> App:
    """Return an application that gives pushes to *ingest* and the rest to *others*."""

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        is_push = scope["type"] == "http" and scope["path"] == PATH
        await (ingest if is_push else others)(scope, receive, send)

    return route


class Pending(NamedTuple):
    """One batch on its way into the ledger; without a future it will never be."""

    outcome: Outcome
    future: Future[Fate] | None = None

    def settled(self) -> Outcome | None:
        """Return what became of it, or None while that is open."""
        if self.future is None:
            return self.outcome
        if not self.future.done():
            return None
        fate = self.future.result()
        if fate == self.outcome.fate:
            return self.outcome
        return msgspec.structs.replace(self.outcome, fate=fate)


class Ingest:
    """
    One request from its head to its answer.

    Args:
        take, who, now_ns, limits, leader, counts: As of ``ingest_app``.
    """

    def __init__(  # noqa: PLR0913 - see ingest_app
        self,
        *,
        take: Take,
        who: Who,
        now_ns: Callable[[], int],
        limits: Limits,
        leader: Callable[[], str | None],
        counts: Counts,
    ) -> None:
        self._take = take
        self._who = who
        self._now_ns = now_ns
        self._limits = limits
        self._leader = leader
        self._counts = counts
        self._allowances = Allowances(limits)
        self._gate = LogGate(limits.log_lines_per_minute)
        self._held_bytes = 0
        self._commits = Commits(limits.commit_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        received_ns = self._now_ns()
        headers = headers_of(scope)
        caller = caller_of(scope, headers)
        try:
            length = checked_length(scope, headers, self._limits)
            self._check_leads()
            sender = await self._known(caller)
            self._charge(sender, caller, length, received_ns)
            self._hold(length)
            try:
                body = await read_body(receive, length, self._limits)
                outcomes, detail = await self._book(body, sender, headers)
            finally:
                self._held_bytes -= length
        except RefusedError as refusal:
            await self._refuse(refusal, caller, send)
            return
        self._counts.requests += 1
        self._counts.bytes += length
        answer = Answer(received_ns, self._now_ns(), outcomes, detail)
        await respond(send, 200, encode_answer(answer))

    def _check_leads(self) -> None:
        leader = self._leader()
        if leader is None:
            return
        named = (LEADER_HEADER.encode(), leader.encode("ascii", "replace"))
        detail = f"this replica takes no pushes; the leader is {leader or 'not known'}"
        raise RefusedError(Reason.FOLLOWER, detail, (named, *retry_after(1)))

    async def _known(self, caller: Caller) -> Sender:
        known = await self._who(caller)
        if isinstance(known, Refusal):
            challenge = ((b"www-authenticate", b"Bearer"),)
            raise RefusedError(Reason.SENDER, known.detail, challenge, known.status)
        return known

    def _charge(self, sender: Sender, caller: Caller, length: int, now_ns: int) -> None:
        # Nodes that share one token must not share one account.
        name = sender.node or f"{sender.name} at {caller.address}"
        seconds = self._allowances.wait_seconds(name, length, now_ns)
        if seconds > 0:
            detail = f"{name} sends more than it may; wait {seconds:.1f} s"
            raise RefusedError(Reason.RATE, detail, retry_after(seconds))

    def _hold(self, length: int) -> None:
        if self._held_bytes + length > self._limits.held_bytes:
            detail = f"{self._held_bytes} bytes of other requests are held already"
            raise RefusedError(Reason.BUSY, detail, retry_after(1))
        self._held_bytes += length

    async def _book(
        self, body: bytes, sender: Sender, headers: Headers
    ) -> tuple[list[Outcome], str]:
        """Hand on every batch, wait for their commits, and say what became of each."""
        pending: list[Pending] = []
        detail = ""
        for frame in frames_of(body, sender):
            if pending:
                await asyncio.sleep(0)  # a long body must not keep others waiting
            reading = read(frame, headers)
            self._count(reading, frame.header.sender)
            try:
                pending.append(self._hand_on(reading))
            except FullError as exc:
                detail = str(exc)
                break
        # In order, for the ledger takes them in order.
        await self._commits.wait(
            [each.future for each in pending if each.future is not None]
        )
        outcomes = _prefix(pending)
        if pending and len(outcomes) < len(pending):
            detail = f"no commit within {self._limits.commit_seconds} s; send it again"
        if detail and not outcomes:
            reason = Reason.UNCOMMITTED if pending else Reason.BUSY
            raise RefusedError(reason, detail, retry_after(1))
        return outcomes, detail

    def _hand_on(self, reading: Reading) -> Pending:
        if reading.delivery is None:
            return Pending(reading.outcome)
        future = self._take(reading.delivery)
        self._counts.observations += len(reading.delivery.observations)
        return Pending(reading.outcome, future)

    def _count(self, reading: Reading, sender: str) -> None:
        if reading.delivery is None:
            self._counts.unreadable += 1
        for why, count in reading.skipped.items():
            self._counts.skipped[why] += count
        outcome = reading.outcome
        if outcome.detail:
            self._say(sender, f"batch {outcome.sequence}: {outcome.detail}")

    async def _refuse(self, refusal: RefusedError, caller: Caller, send: Send) -> None:
        self._counts.refused[refusal.reason] += 1
        self._say(caller.address or "the Unix socket", str(refusal))
        # The body was perhaps not read, or another replica should be found.
        headers = (*refusal.headers, (b"connection", b"close"))
        body = encode_refusal(refusal.reason, refusal.detail)
        await respond(send, refusal.status, body, headers)

    def _say(self, sender: str, what: str) -> None:
        if self._gate.opens(sender, self._now_ns()):
            _log.warning("a push from %s: %s", sender, what)


def _prefix(pending: Sequence[Pending]) -> list[Outcome]:
    """Return what became of the first batches, up to one that is still open."""
    outcomes: list[Outcome] = []
    for each in pending:
        outcome = each.settled()
        if outcome is None:
            break
        outcomes.append(outcome)
    return outcomes


def retry_after(seconds: float) -> tuple[tuple[bytes, bytes], ...]:
    """Return the header that says when to come again; whole seconds, at least one."""
    return ((b"retry-after", str(max(1, ceil(seconds))).encode()),)
