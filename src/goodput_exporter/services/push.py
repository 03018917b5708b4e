"""What the agent saw, brought to the aggregator: sealed, spooled, sent, and let go."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from goodput_exporter.domain.repetition import Retelling
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.errors import BadInputError, SourceUnavailableError
from goodput_exporter.ledger.spool.records import Record
from goodput_exporter.ledger.spool.spool import Spool
from goodput_exporter.services.courier import Courier, Reply
from goodput_exporter.services.offset import Offset, better, measured
from goodput_exporter.wire.answers import (
    FOR_EVER,
    LEADER_HEADER,
    OFFSET_HEADER,
    Outcome,
    decode_answer,
    decode_refusal,
)
from goodput_exporter.wire.frames import encode_frame
from goodput_exporter.wire.kinds import Observation

EVERY_SECONDS: Final = 5.0
REQUEST_BYTES: Final = 2**20
FEWEST_BYTES: Final = 2**16
QUEUED: Final = 50_000
"""Observations between two seals: 16 ranks and 16 GPUs make 32 a second."""
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 20.0
"""Short enough to begin catching up soon after the aggregator is back."""
LAST_SECONDS: Final = 3.0
"""For the last push before the end; Kubernetes gives a pod 30 s for all of it."""
STOP_SECONDS: Final = 2 * LAST_SECONDS
"""For a request that is under way, and for the last push."""
LONGEST_WISH_SECONDS: Final = 60.0
"""An aggregator that asks for a longer pause is asked again after this one."""
OK: Final = 200

_log = logging.getLogger(__name__)


def pause_seconds(failures: int, chance: float) -> float:
    """
    Return how long to wait after so many failures in a row.

    Doubles up to a bound; *chance*, from 0 to 1, takes off up to half, so that the
    nodes of a cluster do not come back all at once.
    """
    doubled = FIRST_PAUSE_SECONDS * float(2 ** min(failures - 1, 10))
    return min(LONGEST_PAUSE_SECONDS, doubled) * (1 - chance / 2)


@dataclass(slots=True)
class PushCounts:
    """
    What has become of things since the start; any thread may read it.

    Args:
        applied, duplicates: Batches that the ledger has.
        refused: Batches that the aggregator can never read, given up.
        unsendable: Observations that could not be written down.
        overflow: Observations lost because the pusher did not keep up.
        requests, failures: Exchanges that ended well, and that did not.
        delivered_ns: When the aggregator last had everything; None before.
        offset: Of the aggregator's clock; None before the first answer.
        leader: Who takes pushes, as a follower said; empty otherwise.
    """

    applied: int = 0
    duplicates: int = 0
    refused: int = 0
    unsendable: int = 0
    overflow: int = 0
    requests: int = 0
    failures: int = 0
    delivered_ns: int | None = None
    offset: Offset | None = None
    leader: str = ""


class Pusher:
    """
    Seals what it is given into numbered batches, and sends them in their order.

    The tick gives; everything that may wait for a disk or for the network happens
    in ``step``, on a thread of its own. A batch leaves the spool when the
    aggregator says that its ledger has it, so it may arrive twice and is numbered
    for that.

    Args:
        courier: The way to the aggregator.
        spool: Where batches wait; the pusher is its only user.
        agent, node: Who speaks. Names of letters, digits and ``._:-``.
        now_ns: The agent's clock, in nanoseconds; it never goes back.
        chance: Draws from 0 to 1.
        epoch: Names this life of the agent; no other life may have the same.
        every_seconds: How often a batch is sealed.
    """

    def __init__(  # noqa: PLR0913 - services take values, each named at the call
        self,
        courier: Courier,
        spool: Spool,
        *,
        agent: str,
        node: str,
        now_ns: Callable[[], int],
        chance: Callable[[], float],
        epoch: str | None = None,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        self._courier = courier
        self._spool = spool
        self._agent = agent
        self._node = node
        self._now_ns = now_ns
        self._chance = chance
        self._epoch = epoch or secrets.token_hex(8)
        self._every_ns = round(every_seconds * NS_PER_SECOND)
        self._lock = threading.Lock()
        # For the spool: at the end another thread seals while an answer is waited for.
        self._turn = threading.RLock()
        self._is_over = False
        self._queue: list[Observation] = []
        self._retelling = Retelling()
        self._sequence = 0
        self._seal_ns = now_ns() + self._every_ns
        # Nodes that start together must not push together for ever.
        self._send_ns = now_ns() + round(chance() * self._every_ns)
        self._request_bytes = REQUEST_BYTES
        self._failed = 0
        self.counts = PushCounts()

    def take(self, observations: Iterable[Observation]) -> None:
        """Take what sources saw; never waits. The newest is lost where it must be."""
        with self._lock:
            self._queue.extend(observations)
            over = len(self._queue) - QUEUED
            if over > 0:
                del self._queue[QUEUED:]
                self.counts.overflow += over

    def step(self) -> float:
        """
        Do what is due: seal a batch, send one request.

        Returns:
            Seconds until something is due again.
        """
        now_ns = self._now_ns()
        if now_ns >= self._seal_ns:
            self.seal()
            self._seal_ns = now_ns + self._every_ns
        if now_ns >= self._send_ns:
            self._send()
        due_ns = min(self._seal_ns, self._send_ns)
        return max(0, due_ns - self._now_ns()) / NS_PER_SECOND

    def seal(self) -> None:
        """Spool what was taken and is no repetition, durably where that can be."""
        with self._lock:
            taken, self._queue = self._queue, []
        if taken:
            now_ns = self._now_ns()
            with self._turn:
                told = self._retelling.thinned(taken)
                self._spool.append(self._sealed(told, now_ns), now_ns)

    def finish(self, seconds: float = LAST_SECONDS) -> None:
        """
        Spool what was taken, and bring away what can be within so many seconds.

        The first push that fails is the last one: what is left waits in the spool.
        """
        self.seal()
        self._courier.hurry(seconds)
        ends_ns = self._now_ns() + round(seconds * NS_PER_SECOND)
        failures = self.counts.failures
        while self._spool.waiting().records and self._now_ns() < ends_ns:
            self._send()
            if self.counts.failures > failures:
                break
        self._courier.close()

    def abandon(self) -> None:
        """
        Spool what was taken while another thread still waits for an answer.

        That answer is not heeded any more. Its batches stay, and are sent again by
        our next life; the aggregator knows their numbers.
        """
        if not self._turn.acquire(timeout=LAST_SECONDS):
            _log.warning("the spool's disk hangs; what was seen last is lost")
            return
        try:
            self.seal()
            self._is_over = True
        finally:
            self._turn.release()

    def _sealed(self, observations: Sequence[Observation], now_ns: int) -> list[Record]:
        """Write down a batch; in halves where it is too large or one of it is bad."""
        offset = self.counts.offset
        try:
            frame = encode_frame(
                observations,
                agent=self._agent,
                node=self._node,
                epoch=self._epoch,
                sequence=self._sequence + 1,
                made_ns=now_ns,
                offset_ns=None if offset is None else offset.ns,
                is_needed_only=True,
            )
        except BadInputError as exc:
            if len(observations) == 1:
                self.counts.unsendable += 1
                _log.warning("an observation is lost: %s", exc)
                return []
            half = len(observations) // 2
            first = self._sealed(observations[:half], now_ns)
            return first + self._sealed(observations[half:], now_ns)
        self._sequence += 1
        return [Record(self._sequence, now_ns, frame)]

    def _send(self) -> None:
        offset = self.counts.offset
        # Before the first answer, ask for the time: with it the rest is well dated.
        with self._turn:
            records = [] if offset is None else self._spool.oldest(self._request_bytes)
        if offset is not None and not records:
            self._rest()
            return
        headers = {} if offset is None else {OFFSET_HEADER: self._offset(offset)}
        body = b"".join(record.payload for record in records)
        try:
            reply = self._courier.post(body, headers)
        except SourceUnavailableError as exc:
            self._fail(str(exc))
            return
        with self._turn:
            if self._is_over:
                return
            if reply.status == OK:
                self._heard(reply, records)
            else:
                self._refused(reply, records)

    def _offset(self, offset: Offset) -> str:
        return f"{self._epoch} {offset.ns}"

    def _heard(self, reply: Reply, records: Sequence[Record]) -> None:
        try:
            answer = decode_answer(reply.body)
        except BadInputError as exc:
            self._fail(str(exc))
            return
        exchange = measured(
            reply.sent_ns, answer.received_ns, answer.answered_ns, reply.heard_ns
        )
        self.counts.offset = better(self.counts.offset, exchange)
        known = _matching(records, answer.outcomes)
        self._spool.forget(len(known))
        for outcome in known:
            self._count(outcome)
        if records and not known:
            self._fail(answer.detail or "the answer speaks of none of the batches")
            return
        self._succeed()

    def _count(self, outcome: Outcome) -> None:
        counts = self.counts
        if outcome.fate == "refused":
            counts.refused += 1
            _log.warning("batch %d is given up: %s", outcome.sequence, outcome.detail)
        elif outcome.fate == "duplicate":
            counts.duplicates += 1
        else:
            counts.applied += 1

    def _refused(self, reply: Reply, records: Sequence[Record]) -> None:
        refusal = decode_refusal(reply.body)
        self.counts.leader = reply.headers.get(LEADER_HEADER, "")
        # Another replica may be behind the same name by now.
        self._courier.close()
        if refusal.reason in FOR_EVER and records:
            self._narrow(records, refusal.detail)
            return
        self._fail(f"status {reply.status}: {refusal.detail}", _wish(reply))

    def _narrow(self, records: Sequence[Record], detail: str) -> None:
        """Look for the batch that cannot be taken; let go of it once it is found."""
        self.counts.failures += 1
        if len(records) > 1:
            self._request_bytes = sum(record.size for record in records) // 2
            return
        self._spool.forget(1)
        self.counts.refused += 1
        _log.warning("batch %d is given up: %s", records[0].sequence, detail)

    def _succeed(self) -> None:
        if self._failed:
            waiting = self._spool.waiting().records
            _log.info("the aggregator answers again; %d batches wait", waiting)
        self._failed = 0
        self.counts.requests += 1
        self.counts.leader = ""
        self._request_bytes = min(REQUEST_BYTES, 2 * self._request_bytes)
        if not self._spool.waiting().records:
            self._rest()

    def _rest(self) -> None:
        """Everything is delivered: the next send follows the next seal."""
        self.counts.delivered_ns = self._now_ns()
        self._send_ns = self._seal_ns

    def _fail(self, why: str, wish_seconds: float = 0.0) -> None:
        self._failed += 1
        self.counts.failures += 1
        if self._failed == 1:
            _log.warning("a push failed, batches wait in the spool: %s", why)
        # What was too much for a network or a proxy may pass in smaller pieces.
        self._request_bytes = max(FEWEST_BYTES, self._request_bytes // 2)
        pause = pause_seconds(self._failed, self._chance())
        # The wish is the least that is kept to; chance spreads what comes after it.
        pause = max(pause, wish_seconds * (1 + self._chance() / 2))
        self._send_ns = self._now_ns() + round(pause * NS_PER_SECOND)


class PushThread(threading.Thread):
    """
    Steps a pusher until stopped.

    Args:
        pusher: Whose steps; a step that raises is logged and tried again.
    """

    def __init__(self, pusher: Pusher) -> None:
        super().__init__(name="push", daemon=True)
        self._pusher = pusher
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Step until told to stop, and finish then."""
        pause = 0.0
        while not self._stop_asked.wait(pause):
            try:
                pause = self._pusher.step()
            except Exception:  # noqa: BLE001 - this thread's one, with traceback
                _log.exception("a push failed; it is tried again")
                pause = EVERY_SECONDS
        self._pusher.finish()

    def ask_to_stop(self) -> None:
        """Let it push once more and end, and do not wait for that."""
        self._stop_asked.set()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """
        Push once more and end; what nobody takes in time stays in the spool.

        Args:
            seconds: As long as this waits for a request under way, and for the last.
        """
        self.ask_to_stop()
        if self.is_alive():
            self.join(seconds)
        self._pusher.abandon()


def _matching(records: Sequence[Record], outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes of the first records, as far as they are about them."""
    known: list[Outcome] = []
    for record, outcome in zip(records, outcomes, strict=False):
        if outcome.sequence != record.sequence:
            break
        known.append(outcome)
    return known


def _wish(reply: Reply) -> float:
    """Return how many seconds the other side asks to wait; 0 if it does not say."""
    said = reply.headers.get("retry-after", "")
    if not (said.isascii() and said.isdigit()):
        return 0.0
    return min(float(said), LONGEST_WISH_SECONDS)
