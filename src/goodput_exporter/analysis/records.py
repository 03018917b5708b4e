"""What the analysis reads: interruptions, the books of runs, and the time of nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from types import MappingProxyType
from typing import Final

from goodput_exporter.domain.accounting import Account, is_bad
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.snapshot import Incident
from goodput_exporter.domain.states import Cause, RunState

DELIBERATE: Final = frozenset({Cause.USER, Cause.PLANNED, Cause.SCALE_IN})
"""Somebody wanted the run to stop: no interruption in any mean time."""

PREEMPTIONS: Final = frozenset({Cause.PREEMPTED, Cause.QUEUE_PREEMPTED})
"""Another workload got the place."""

DECIDED: Final = DELIBERATE | PREEMPTIONS | {Cause.SPOT_RECLAIM, Cause.NODE_MAINTENANCE}
"""Decided elsewhere: these interrupt a run, but no node broke."""

JOBS_OWN: Final = frozenset({Cause.APPLICATION_ERROR, Cause.OOM_KILLED})
"""The program follows its bug to any node: these speak against none."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """
    One interruption, closed at the latest where the observation ends.

    Args:
        run: Whose.
        number: Counts within the run.
        cause: Why.
        detected_ns: When the first rank's incarnation ended.
        ended_ns: When the run was back above its high-water mark, or the next
            interruption took over, or the observation ended.
        recovered: It ended by new progress.
        gpu_ns: GPU time of the segments that carry it, by state.
        node: Where the first rank ended; None unknown.
        preempted_by: Whose pods took the place of this run's; None unknown.
    """

    run: RunKey
    number: int
    cause: Cause
    detected_ns: int
    ended_ns: int
    recovered: bool
    gpu_ns: Mapping[RunState, int] = field(default_factory=dict)
    node: str | None = None
    preempted_by: RunKey | None = None

    @property
    def lasted_ns(self) -> int:
        """Return the time from the first rank's end to where it ended."""
        return self.ended_ns - self.detected_ns

    @property
    def cost_gpu_ns(self) -> int:
        """Return the GPU time that it cost: bad states only."""
        return sum(ns for state, ns in self.gpu_ns.items() if is_bad(state))

    @property
    def is_interruption(self) -> bool:
        """Tell whether it counts in mean times: nobody wanted it."""
        return self.cause not in DELIBERATE

    @property
    def is_failure(self) -> bool:
        """Tell whether something broke, whatever it was."""
        return self.cause not in DECIDED

    @property
    def implicates_node(self) -> bool:
        """Tell whether the node may be to blame; ``unknown`` may be the node, too."""
        return self.is_failure and self.cause not in JOBS_OWN


@dataclass(frozen=True, slots=True)
class RunBook:
    """
    One run's account and interruptions over one window.

    Args:
        account: GPU time by state.
        devices: The asked devices; of a resized run their mean over the window.
        interruptions: All of the window, the deliberate ones too.
    """

    account: Account
    devices: float
    interruptions: tuple[Interruption, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeTime:
    """
    How long one node was exposed; several of the same node add up.

    Args:
        node: Its name.
        gpu_model: NVML's name of its GPUs; None unknown.
        node_ns: Time in which a failure of it would have interrupted a run.
    """

    node: str
    gpu_model: str | None
    node_ns: int


def interruptions_of(
    run: RunKey,
    incidents: Iterable[Incident],
    until_ns: int,
    *,
    nodes: Mapping[int, str] = MappingProxyType({}),
    preemptors: Mapping[int, RunKey] = MappingProxyType({}),
) -> tuple[Interruption, ...]:
    """
    Close a run's incidents, in time order.

    An incident that another one took over never recovers: its time counts up to
    there, and the recovery counts for the last one.

    Args:
        run: Whose.
        incidents: All of one run, in any order.
        until_ns: Where the observation ends; open incidents end there.
        nodes: Where the first rank ended, by incident number, where known.
        preemptors: Who took the place, by incident number, where known.
    """
    known = sorted(incidents, key=lambda incident: incident.detected_ns)
    return tuple(
        Interruption(
            run=run,
            number=one.number,
            cause=one.cause,
            detected_ns=one.detected_ns,
            ended_ns=_end_of(one, following, until_ns),
            recovered=one.recovered_ns is not None,
            gpu_ns=one.gpu_ns,
            node=nodes.get(one.number),
            preempted_by=preemptors.get(one.number),
        )
        for one, following in zip_longest(known, known[1:])
    )


def _end_of(one: Incident, following: Incident | None, until_ns: int) -> int:
    if one.recovered_ns is not None:
        return one.recovered_ns
    return until_ns if following is None else following.detected_ns
