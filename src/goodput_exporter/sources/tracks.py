"""One incarnation as last accepted, and what its next message may say."""

from __future__ import annotations

from typing import Final

from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Phase
from goodput_exporter.sources.claims import Name
from goodput_exporter.sources.processes import Process
from goodput_exporter.sources.refusals import Flaw, Reason, RefusedError

# How far a sender's clock may run ahead of ours: 2 % and one second.
RATE_PERCENT: Final = 2
SLACK_NS: Final = NS_PER_SECOND


class Track:
    """
    One incarnation, as last accepted.

    Args:
        inc: Its id.
        owner: Who may speak for it.
        pid: The process it lives in, where the kernel said so.
        process: The same, where its exit is watched.
        is_vouched: The kernel or the network says who its owner is.
    """

    __slots__ = (
        "at_ns", "cum_ns", "ended", "first_at_ns", "first_up_ns", "inc", "is_vouched",
        "name", "owner", "pid", "process", "rank", "seq", "up_ns",
    )  # fmt: skip

    def __init__(
        self,
        inc: str,
        owner: str,
        pid: int | None,
        process: Process | None,
        *,
        is_vouched: bool,
    ) -> None:
        self.inc = inc
        self.owner = owner
        self.pid = pid
        self.process = process
        self.is_vouched = is_vouched
        self.name: Name | None = None
        self.rank: int | None = None
        self.seq = -1
        self.first_at_ns = 0
        self.first_up_ns = 0
        self.at_ns = 0
        self.up_ns = 0
        self.cum_ns: dict[Phase, int] = {}
        self.ended = False

    @property
    def run_id(self) -> str | None:
        """Return the run that it has named."""
        return None if self.name is None else self.name[1]

    @property
    def is_fresh(self) -> bool:
        """Return whether no message of it has been accepted yet."""
        return self.seq < 0


def refuse_the_impossible(
    track: Track, seq: int, up_ns: int, cum_ns: dict[Phase, int]
) -> None:
    """
    Let a message go on that can follow the last one of its incarnation.

    Args:
        track: The incarnation, as last accepted.
        seq: The message's number.
        up_ns: The age of the incarnation, as it says.
        cum_ns: Its cumulative time per phase, likewise.

    Raises:
        RefusedError: It is over, the message was there before, or time went back.
    """
    if track.ended:
        raise RefusedError(Reason.ENDED, f"inc {track.inc}")
    if seq <= track.seq:
        raise RefusedError(Reason.DUPLICATE, f"inc {track.inc} seq {seq}")
    if up_ns < track.up_ns:
        detail = f"inc {track.inc}: up went from {track.up_ns} ns to {up_ns} ns"
        raise RefusedError(Reason.BACKWARDS, detail)
    for phase, ns in track.cum_ns.items():
        if cum_ns.get(phase, 0) < ns:
            detail = f"inc {track.inc}: {phase.value} was {ns} ns before"
            raise RefusedError(Reason.BACKWARDS, detail)


def begin(
    track: Track, at_ns: int, up_ns: int, cum_ns: dict[Phase, int]
) -> tuple[int, tuple[Flaw, ...]]:
    """Take a first message: no incarnation is older than its process."""
    flaws: tuple[Flaw, ...] = ()
    if track.process is not None and track.process.started_ns is not None:
        track.first_at_ns = track.process.started_ns
        up_ns, flaws = clamp(track, at_ns, up_ns, cum_ns)
    track.first_at_ns, track.first_up_ns = at_ns, up_ns
    return up_ns, flaws


def clamp(
    track: Track, at_ns: int, up_ns: int, cum_ns: dict[Phase, int]
) -> tuple[int, tuple[Flaw, ...]]:
    """
    Limit an incarnation's age to what our clock allows since its first message.

    Counted from the first message and not from the last: a queue that waited
    while the exporter was frozen arrives at one instant, and must not be taken
    for a lie; and one second is granted once, not with every message.
    """
    elapsed_ns = max(0, at_ns - track.first_at_ns)
    allowed_ns = elapsed_ns + elapsed_ns * RATE_PERCENT // 100 + SLACK_NS
    limit_ns = track.first_up_ns + allowed_ns
    if up_ns <= limit_ns:
        return up_ns, ()
    growth_ns = max(0, limit_ns - track.up_ns)
    for phase, ns in cum_ns.items():
        cum_ns[phase] = min(ns, track.cum_ns.get(phase, 0) + growth_ns)
    return max(limit_ns, track.up_ns), (Flaw.CLAMPED,)
