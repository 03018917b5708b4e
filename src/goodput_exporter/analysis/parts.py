"""Pieces of a run's book with what was moved since: the workings of hindsight."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.analysis.stretches import Stretch
from goodput_exporter.domain.accounting import is_bad
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState

LOSABLE: Final = (RunState.PRODUCTIVE, RunState.SLOW)
"""What an execution of a step may be, if it is kept."""

Due = tuple[int | None, Cause]
"""An incident, or none, and a cause."""


@dataclass(slots=True)
class Loss:
    """GPU time at the end of a part that was not kept, and what it is due to."""

    gpu_ns: int
    kept: RunState
    cause: Cause
    incident: int | None


@dataclass(slots=True)
class Part:
    """
    A segment, or a piece of one, with what was moved since.

    Args:
        in_lineage: Its steps are among those that the run's weights contain.
    """

    span: Span
    devices: int
    state: RunState
    kept: RunState
    cause: Cause
    incident: int | None
    first_step: int | None = None
    last_step: int | None = None
    losses: list[Loss] = field(default_factory=list)
    in_lineage: bool = False

    @property
    def gpu_ns(self) -> int:
        """Return its GPU time, in nanoseconds x devices."""
        return self.span.length_ns * self.devices

    @property
    def left_gpu_ns(self) -> int:
        """Return what could still be lost of it."""
        if self.kept not in LOSABLE:
            return 0
        return self.gpu_ns - sum(loss.gpu_ns for loss in self.losses)

    def as_known(self) -> Stretch:
        """Return it in the live view's words, whatever was lost of it."""
        return self._stretch(self.state, self.cause, self.incident, (0, self.gpu_ns))

    def as_settled(self) -> Iterator[Stretch]:
        """Yield what is kept of it, and before its end what is lost, latest first."""
        end = self.gpu_ns
        lost: list[Stretch] = []
        for loss in self.losses:
            if loss.gpu_ns:
                ends = end - loss.gpu_ns, end
                lost.append(
                    self._stretch(RunState.LOST, loss.cause, loss.incident, ends)
                )
                end -= loss.gpu_ns
        if end:
            # An execution that is kept is nobody's cost; what it replaced is lost.
            same = self.kept is self.state
            cause = self.cause if same else Cause.NONE
            incident = self.incident if same else None
            yield self._stretch(self.kept, cause, incident, (0, end))
        yield from reversed(lost)

    def _stretch(
        self, state: RunState, cause: Cause, incident: int | None, ends: tuple[int, int]
    ) -> Stretch:
        bad = is_bad(state)
        return Stretch(
            self.span,
            self.devices,
            state,
            cause if bad else Cause.NONE,
            incident if bad else None,
            *ends,
        )
