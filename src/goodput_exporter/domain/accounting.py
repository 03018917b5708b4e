"""Segments and accounts: GPU time by state and cause, in exact integers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import OverlapError


@dataclass(frozen=True, slots=True)
class Segment:
    """
    One state of some of a run's devices over one span.

    Args:
        span: When.
        state: What, in the live view.
        devices: How many of the run's asked devices; at every instant the
            counts of a run's segments sum to its asked devices.
        cause: What made it so; ``none`` where no interruption did.
        incident: Number of the interruption that it follows from, or None.
        first_step, last_step: The executed optimizer steps that it holds, or None.
        kept_as: For executed steps, what the settled view calls the time if the
            execution is kept: productive, slow, or (warm-up) initializing.
        bridged: Booked in one window from cumulative state, over our own downtime.
        model_flops: Of the first-time steps that it holds; None unknown.
    """

    span: Span
    state: RunState
    devices: int
    cause: Cause = Cause.NONE
    incident: int | None = None
    first_step: int | None = None
    last_step: int | None = None
    kept_as: RunState | None = None
    bridged: bool = False
    model_flops: float | None = None

    @property
    def gpu_ns(self) -> int:
        """Return the GPU time it holds, in nanoseconds x devices."""
        return self.span.length_ns * self.devices


@dataclass(slots=True)
class Account:
    """GPU-nanoseconds by state, and of the bad states by cause."""

    gpu_ns: dict[RunState, int] = field(default_factory=dict)
    bad_gpu_ns: dict[Cause, int] = field(default_factory=dict)

    @property
    def total_gpu_ns(self) -> int:
        """Return the sum over the states."""
        return sum(self.gpu_ns.values())

    def of(self, *states: RunState) -> int:
        """Return the GPU time of some states, together."""
        return sum(self.gpu_ns.get(state, 0) for state in states)

    def add(self, state: RunState, gpu_ns: int, cause: Cause = Cause.NONE) -> None:
        """Book *gpu_ns* under *state*, and under *cause* where the state is bad."""
        self.gpu_ns[state] = self.gpu_ns.get(state, 0) + gpu_ns
        if is_bad(state):
            self.bad_gpu_ns[cause] = self.bad_gpu_ns.get(cause, 0) + gpu_ns

    def merge(self, other: Account) -> None:
        """Add another account to this one."""
        for state, gpu_ns in other.gpu_ns.items():
            self.gpu_ns[state] = self.gpu_ns.get(state, 0) + gpu_ns
        for cause, gpu_ns in other.bad_gpu_ns.items():
            self.bad_gpu_ns[cause] = self.bad_gpu_ns.get(cause, 0) + gpu_ns

    def copy(self) -> Account:
        """Return an independent copy."""
        return Account(dict(self.gpu_ns), dict(self.bad_gpu_ns))


def is_bad(state: RunState) -> bool:
    """Tell whether time in *state* is badput: neither kept progress nor unseen."""
    return state not in (RunState.PRODUCTIVE, RunState.UNOBSERVED)


def tally(segments: Iterable[Segment], window: Span | None = None) -> Account:
    """
    Add up segments, or their parts inside *window*.

    Nothing is filled in: the law that the sum is time x devices is checked
    by ``verify_tiling``, not repaired here.

    Args:
        segments: One run's segments, or several runs', in any order.
        window: The half-open span to account for; None takes all.
    """
    account = Account()
    for segment in segments:
        inside = segment.span if window is None else segment.span.clip(window)
        if inside is not None:
            gpu_ns = inside.length_ns * segment.devices
            account.add(segment.state, gpu_ns, segment.cause)
    return account


def verify_tiling(segments: Iterable[Segment]) -> None:
    """
    Check that devices never change without a hole or an overlap at one instant.

    Segments that share an instant must be ``degraded`` beside one other state.

    Args:
        segments: One run's segments, in any order.

    Raises:
        OverlapError: Two segments other than ``degraded`` cover the same instant.
    """
    end_ns: int | None = None
    last: Segment | None = None
    whole = [s for s in segments if s.state is not RunState.DEGRADED]
    for segment in sorted(whole, key=lambda s: s.span):
        if end_ns is not None and last is not None and segment.span.start_ns < end_ns:
            msg = (
                f"{segment.state.value} from {segment.span.start_ns} ns overlaps "
                f"{last.state.value}, which is booked up to {end_ns} ns; "
                "each instant is booked once"
            )
            raise OverlapError(msg)
        end_ns, last = segment.span.end_ns, segment
