"""Batches between their arrival and their commit: each applied once, then answered."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from goodput_exporter.errors import BadInputError, LedgerCorruptError
from goodput_exporter.ingest.marks import (
    Marks,
    decode_marks,
    encode_marks,
    mark_of,
    with_mark,
)
from goodput_exporter.wire.kinds import Observation

META: Final = "pushed/"
"""Names in the ledger's meta begin with this; ``NODE/AGENT`` follows."""
MOST_WAITING: Final = 20_000
MOST_WAITING_OBSERVATIONS: Final = 150_000
"""Fewer than the bookkeeper's backlog holds, which drops its oldest when it is full:
what an agent was told to forget must not fall out there."""
MOST_AGENTS: Final = 50_000

_log = logging.getLogger(__name__)

Fate = Literal["applied", "duplicate"]
Key = tuple[str, str, int]
"""An agent, its epoch and a sequence: one batch, however often it comes."""


class FullError(BadInputError):
    """There is no room for another batch; it is to be sent again later."""


class Parcel(Protocol):
    """One batch of one agent, which may not be read yet."""

    @property
    def key(self) -> Key:
        """Return which batch of whom it is."""

    @property
    def count(self) -> int:
        """Return how many observations it holds, at most."""

    def open(self) -> Delivery | None:
        """Return what there is to apply; None if it can never be read."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    One batch of one agent, its instants on our clock.

    Args:
        node, agent: Who saw it; *epoch*, *sequence*: which batch of theirs it is.
        observations: In the order in which they were seen.
    """

    node: str
    agent: str
    epoch: str
    sequence: int
    observations: list[Observation] = field(default_factory=list)

    @property
    def sender(self) -> str:
        """Return the name under which its batches are counted."""
        return f"{self.node}/{self.agent}"

    @property
    def key(self) -> Key:
        """Return which batch of whom it is."""
        return self.sender, self.epoch, self.sequence

    @property
    def count(self) -> int:
        """Return how many observations it holds."""
        return len(self.observations)

    def open(self) -> Delivery:
        """Return itself: it is read already."""
        return self


@dataclass(frozen=True, slots=True)
class Drained:
    """
    What one commit is about.

    Args:
        deliveries: New ones, to be applied.
        meta: To be committed with what they change, or not at all.
    """

    deliveries: list[Delivery]
    meta: dict[str, str]


class Inbox:
    """
    Takes batches from the server's thread and gives them to the tick's, once each.

    The tick calls ``drain``, applies the deliveries, commits what they change in
    one piece with their meta, and calls ``settle``. A commit that fails keeps
    their senders waiting, and its meta comes again with the next ``drain``.

    Args:
        meta: All of the ledger's, as it is resumed from.
        most_waiting, most_observations: Of batches that are not committed yet.
        most_agents: Whose marks are kept; further ones are refused.
    """

    def __init__(
        self,
        meta: Mapping[str, str],
        *,
        most_waiting: int = MOST_WAITING,
        most_observations: int = MOST_WAITING_OBSERVATIONS,
        most_agents: int = MOST_AGENTS,
    ) -> None:
        self._most_waiting = most_waiting
        self._most_observations = most_observations
        self._most_agents = most_agents
        self._lock = threading.Lock()
        self._arrival = threading.Event()
        self._marks = marks_of(meta)
        self._arrived: list[Parcel] = []
        self._waiting: dict[Key, tuple[Future[Fate], int]] = {}
        self._round = _pending()
        self._rounds: list[Future[Fate]] = []
        self._held = 0
        self._drained: list[Key] = []
        self._unapplied = 0
        self._unsettled: dict[str, str] = {}
        self.applied = 0
        self.duplicates = 0
        self.missing = 0

    def take(self, parcel: Parcel) -> Future[Fate]:
        """
        Take a batch; the future is done when the ledger has it.

        What is committed together shares its future: whoever waits for it is woken
        once a commit, and not once a batch.

        Raises:
            FullError: Too much waits for its commit already.
        """
        key, count = parcel.key, parcel.count
        with self._lock:
            known = self._waiting.get(key)
            if known is not None:
                self.duplicates += 1
                return known[0]
            if self._has(key):
                self.duplicates += 1
                self._remember(key)
                return _done("duplicate")
            self._check_room(key[0], count)
            future = self._round
            self._waiting[key] = future, count
            self._held += count
            self._arrived.append(parcel)
            is_first = len(self._arrived) == 1
        if is_first:
            self._arrival.set()
        return future

    def wait(self, seconds: float) -> bool:
        """Wait until something has arrived since the last ``drain``."""
        return self._arrival.wait(seconds)

    def drain(self) -> Drained:
        """Return what is new, and the meta to commit with it."""
        with self._lock:
            arrived, self._arrived = self._arrived, []
            self._arrival.clear()
            self._rounds.append(self._round)
            self._round = _pending()
        deliveries = self._opened(arrived)
        with self._lock:
            self._drained += [each.key for each in arrived]
            self._unapplied += len(arrived) - len(deliveries)
            for each in deliveries:
                self._advance(each)
            return Drained(deliveries, dict(self._unsettled))

    def _opened(self, arrived: list[Parcel]) -> list[Delivery]:
        """Open what arrived, while the server goes on."""
        found: list[Delivery] = []
        for at, each in enumerate(arrived):
            try:
                delivery = each.open()
            except BaseException:
                # A fault of ours: it must not cost the others their next turn.
                with self._lock:
                    self._arrived[:0] = [*arrived[:at], *arrived[at + 1 :]]
                    self._held -= self._waiting.pop(each.key)[1]
                raise
            if delivery is not None:
                found.append(delivery)
        return found

    def settle(self, *, is_committed: bool) -> None:
        """Tell whether what was drained so far is in the ledger, its meta included."""
        if not is_committed:
            return
        with self._lock:
            settled = [self._waiting.pop(key) for key in self._drained]
            self._held -= sum(count for _, count in settled)
            self._drained, self._unsettled = [], {}
            self.applied += len(settled) - self._unapplied
            self._unapplied = 0
            rounds, self._rounds = self._rounds, []
        for each in rounds:
            each.set_result("applied")

    @property
    def waiting(self) -> int:
        """Return how many batches are not committed yet."""
        return len(self._waiting)

    def _has(self, key: Key) -> bool:
        sender, epoch, sequence = key
        return mark_of(self._marks.get(sender, ()), epoch).has(sequence)

    def _remember(self, key: Key) -> None:
        """Keep an epoch as one that was just heard of; the next commit writes it."""
        sender, epoch, _ = key
        marks = self._marks[sender]
        self._marks[sender] = with_mark(marks, mark_of(marks, epoch))

    def _check_room(self, sender: str, count: int) -> None:
        held = self._held + count
        if len(self._waiting) >= self._most_waiting or (
            self._held and held > self._most_observations
        ):
            msg = (
                f"{len(self._waiting)} batches of {self._held} observations wait for "
                "their commit already; look at the ledger's disk"
            )
            raise FullError(msg)
        if sender not in self._marks:
            if len(self._marks) >= self._most_agents:
                msg = (
                    f"{len(self._marks)} agents are known already and "
                    f"{sender} is none of them; look for one that makes up "
                    "its name"
                )
                raise FullError(msg)
            self._marks[sender] = ()

    def _advance(self, delivery: Delivery) -> None:
        sender = delivery.sender
        marks = self._marks.get(sender, ())
        before = mark_of(marks, delivery.epoch)
        after = before.with_taken(delivery.sequence)
        self.missing += max(0, delivery.sequence - before.high - 1)
        if delivery.sequence < before.high:
            self.missing -= 1
        self._marks[sender] = marks = with_mark(marks, after)
        self._unsettled[META + sender] = encode_marks(marks)


def marks_of(meta: Mapping[str, str]) -> dict[str, Marks]:
    """Return every agent's marks; those that cannot be read begin anew."""
    found: dict[str, Marks] = {}
    for name, text in meta.items():
        if not name.startswith(META):
            continue
        try:
            found[name.removeprefix(META)] = decode_marks(text)
        except LedgerCorruptError:
            _log.exception("%s: a batch may be applied twice", name)
    return found


def _pending() -> Future[Fate]:
    future: Future[Fate] = Future()
    future.set_running_or_notify_cancel()  # a caller that goes cancels nothing
    return future


def _done(fate: Fate) -> Future[Fate]:
    future: Future[Fate] = Future()
    future.set_result(fate)
    return future
