"""Lines of the cluster book: who held which GPUs of a node over one span."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from goodput_exporter.domain.gpu_stands import Category, Hold, Reason
from goodput_exporter.domain.slots import WHOLE, Slots
from goodput_exporter.domain.spans import Span


class Kind(StrEnum):
    """
    What a line does to the book.

    ``live`` is what counters show and is never taken back; the settled view is live
    less ``reversal`` plus ``restated``. ``left`` holds no time: GPUs left the book.
    """

    LIVE = "live"
    REVERSAL = "reversal"
    RESTATED = "restated"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class GpuBooking:
    """
    Some GPUs of one node in one hold over one span.

    Args:
        kind: What the line does.
        node: Where the GPUs are.
        span: When; empty for ``left``.
        gpu_model, node_pool: Of the GPUs.
        hold: What they were and whose.
        gpus: Their UUIDs, in order, each once.
        slots: Which part of each of them.
    """

    kind: Kind
    node: str
    span: Span
    gpu_model: str
    node_pool: str | None
    hold: Hold
    gpus: tuple[str, ...]
    slots: Slots = WHOLE

    @property
    def gpu_ns(self) -> int:
        """Return the GPU time it holds, in nanoseconds x GPUs."""
        return self.within(self.span)

    def within(self, window: Span) -> int:
        """Return the GPU time that it holds of a window, in nanoseconds x GPUs."""
        inside = self.span.clip(window)
        return 0 if inside is None else self.slots.within(inside) * len(self.gpus)


@dataclass(frozen=True, slots=True, order=True)
class GpuGroup:
    """What counters tell apart: GPUs of one model and pool in one category."""

    gpu_model: str
    node_pool: str
    category: Category
    reason: Reason


def group_of(gpu_model: str, node_pool: str | None, hold: Hold) -> GpuGroup:
    """Return the group that a hold of some GPU counts in."""
    return GpuGroup(gpu_model, node_pool or "", hold.category, hold.reason)
