"""Which GPUs did what, where, for whom: what a price or a meter is put on."""

from __future__ import annotations

from dataclasses import dataclass

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.gpu_stands import Category
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.slots import WHOLE, Slots
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState

__all__ = ["Category", "Place", "State", "Usage", "usage_of"]

State = RunState | Category
"""What a GPU does, by whichever book knows."""


@dataclass(frozen=True, slots=True)
class Place:
    """
    What decides the price of a GPU, and where it is.

    Args:
        gpu_model: As NVML names it.
        node_pool: The pool that its node is bought in; None unknown or none.
        node: Its node; None unknown.
    """

    gpu_model: str
    node_pool: str | None = None
    node: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """
    Some GPUs of one place in one state over one span, and who asked for them.

    Args:
        span: When.
        devices: How many GPUs.
        state: Of the run book or, where no run holds them, of the cluster book.
        place: Which GPUs.
        cause: Why, where the state is bad.
        team: Whose; None carries no label.
        run: Which run; None in the cluster book's own categories.
        slots: Which part of each GPU, where they are shared.
    """

    span: Span
    devices: int
    state: State
    place: Place
    cause: Cause = Cause.NONE
    team: str | None = None
    run: RunKey | None = None
    slots: Slots = WHOLE

    @property
    def gpu_ns(self) -> int:
        """Return the GPU time it holds, in nanoseconds x devices."""
        return self.slots.within(self.span) * self.devices


def usage_of(
    segment: Segment,
    place: Place,
    *,
    devices: int | None = None,
    team: str | None = None,
    run: RunKey | None = None,
) -> Usage:
    """
    Say where a segment's GPUs are.

    Args:
        segment: Of the run book.
        place: Where the GPUs, or *devices* of them, are.
        devices: How many of the segment's are there; None is all.
        team: Whose run it is.
        run: Which run it is.
    """
    there = segment.devices if devices is None else devices
    return Usage(segment.span, there, segment.state, place, segment.cause, team, run)
