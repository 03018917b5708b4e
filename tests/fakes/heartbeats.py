"""A sender of wire v1 and a clock that stands still, for the heartbeat tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

from goodput_exporter.domain.observations import RunObservation
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.sources.heartbeats import HeartbeatSource
from goodput_exporter.sources.limits import Bucket, Limits
from goodput_exporter.sources.reception import Reception
from goodput_exporter.sources.senders import CREDENTIALS, Sender, unix_sender

T = TypeVar("T")

INC = "0123456789abcdef"
NOON_NS = 1_700_000_000 * NS_PER_SECOND
BOOT_NS = NOON_NS - 1_000_000 * NS_PER_SECOND


class StillClock:
    """A ledger clock that moves only when told to."""

    def __init__(self, now_ns: int = NOON_NS) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        """Return the instant it shows."""
        return self._now_ns

    def from_monotonic(self, mono_ns: int) -> int:
        """Return the ledger's instant for a monotonic one of the same kernel."""
        return BOOT_NS + mono_ns

    def forward(self, seconds: float) -> None:
        """Move on."""
        self._now_ns += round(seconds * NS_PER_SECOND)


def fields(**changes: object) -> dict[str, object]:
    """Return a plain heartbeat as a dict; None takes a field out."""
    base: dict[str, object] = {
        "v": 1,
        "t": "hb",
        "inc": INC,
        "seq": 1,
        "up": 10.0,
        "ph": "train_step",
        "pa": 0.5,
        "cum": {"init": 4.0, "train_step": 6.0},
    }
    base.update(changes)
    return {key: value for key, value in base.items() if value is not None}


def heartbeat(**changes: object) -> bytes:
    """Return a plain heartbeat as a datagram."""
    return json.dumps(fields(**changes)).encode()


def process(pid: int = 4711) -> Sender:
    """Return a sender for whom the kernel vouches; pid 0 is one it does not know."""
    return unix_sender(CREDENTIALS.pack(pid, 1000, 1000), Bucket(Limits(), 0))


class Desk:
    """
    A reception with a clock at hand.

    Args:
        limits: As of the real one.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.clock = StillClock()
        self.reception = Reception(self.clock, limits or Limits())

    def hear(self, data: bytes, sender: Sender | None = None) -> list[RunObservation]:
        """Take one datagram, now."""
        return self.reception.accept(data, sender or process(), self.clock.now_ns())

    def refused(self) -> dict[str, int]:
        """Return the counts of refused datagrams, without the zeros."""
        counted = self.reception.counted().refused
        return {str(reason): count for reason, count in counted.items() if count}

    def flaws(self) -> dict[str, int]:
        """Return the counts of flaws in kept datagrams, without the zeros."""
        counted = self.reception.counted().flaws
        return {str(flaw): count for flaw, count in counted.items() if count}


def drain_until(
    source: HeartbeatSource, enough: Callable[[list[RunObservation]], T]
) -> list[RunObservation]:
    """
    Drain a real source until *enough* holds, or give up after many turns.

    Each turn waits on the kernel for the reading thread, never for a fixed time.
    """
    seen: list[RunObservation] = []
    for _ in range(500):
        seen += source.drain()
        if enough(seen):
            return seen
        source.wait(0.01)
    msg = f"gave up waiting; seen so far: {seen}, counted: {source.counts()}"
    raise AssertionError(msg)
