"""What preemptions cost, by who preempted, and which failure led to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from goodput_exporter.analysis.records import PREEMPTIONS, Interruption
from goodput_exporter.domain.runs import RunKey

Root = tuple[RunKey, int]
"""A run and the number of its interruption."""


@dataclass(frozen=True, slots=True)
class Cascade:
    """
    The cost of one interruption that no other one led to.

    Args:
        root: Whose, and which.
        own_gpu_ns: What it cost its own run.
        secondary_gpu_ns: What it cost the runs preempted for its restart, and
            those preempted for theirs.
        preempted: How many interruptions of other runs that was.
    """

    root: Interruption
    own_gpu_ns: int
    secondary_gpu_ns: int
    preempted: int


@dataclass(frozen=True, slots=True)
class Displaced:
    """
    What one run's preemptions cost the runs that made room for it.

    Args:
        by: Who preempted; None where nobody knows.
        interruptions: How many. *runs*: of how many different runs.
        gpu_ns: What they cost, in nanoseconds x GPUs.
    """

    by: RunKey | None
    interruptions: int
    runs: int
    gpu_ns: int


def displaced(interruptions: Iterable[Interruption]) -> tuple[Displaced, ...]:
    """
    Add up what preemptions cost, by who preempted, the costliest first.

    The costs add up to those of all interruptions that are due to a preemption,
    exactly; who is not known has a line of its own.

    Args:
        interruptions: Of every run of the cluster, in any order.
    """
    found: defaultdict[RunKey | None, list[Interruption]] = defaultdict(list)
    for one in interruptions:
        if one.cause in PREEMPTIONS:
            found[one.preempted_by].append(one)
    every = (
        Displaced(
            by,
            len(victims),
            len({one.run for one in victims}),
            sum(one.cost_gpu_ns for one in victims),
        )
        for by, victims in found.items()
    )
    return tuple(sorted(every, key=lambda one: (-one.gpu_ns, str(one.by or ""))))


def cascades(interruptions: Iterable[Interruption]) -> tuple[Cascade, ...]:
    """
    Charge every interruption to the one that started it, the costliest first.

    A run that was preempted by a run which was restarting just then would not
    have been, had that one not failed. A preemption by a run that was not
    interrupted, or by nobody knows whom, stands for itself. The costs of all
    cascades add up to the costs of all interruptions, exactly.

    Args:
        interruptions: Of every run of the cluster, in any order.

    Source:
        The second-order effect of failures in arXiv:2410.21680; that each one
        is charged once, to the first of its chain, is ours.
    """
    known = sorted(interruptions, key=_order)
    by_run: defaultdict[RunKey, list[Interruption]] = defaultdict(list)
    for one in known:
        by_run[one.run].append(one)
    roots: dict[Root, Interruption] = {}
    charged: defaultdict[Root, list[Interruption]] = defaultdict(list)
    # In time order, so that the root of the one before is known by now. What
    # preempts at the very instant of its own preemption cannot be its reason.
    for one in known:
        reason = _reason(one, by_run)
        root = roots[_name(reason)] if reason is not None else one
        roots[_name(one)] = root
        charged[_name(root)].append(one)
    found = [_cascade(roots[root], of_it) for root, of_it in charged.items()]
    return tuple(
        sorted(found, key=lambda c: (-c.own_gpu_ns - c.secondary_gpu_ns, _name(c.root)))
    )


def _reason(
    one: Interruption, by_run: Mapping[RunKey, Sequence[Interruption]]
) -> Interruption | None:
    """Return the interruption that the preempting run was coming back from."""
    if one.preempted_by is None or one.preempted_by == one.run:
        return None
    for other in by_run.get(one.preempted_by, ()):
        if other.detected_ns < one.detected_ns < other.ended_ns:
            return other
    return None


def _cascade(root: Interruption, all_of_it: Iterable[Interruption]) -> Cascade:
    others = [one for one in all_of_it if one is not root]
    return Cascade(
        root=root,
        own_gpu_ns=root.cost_gpu_ns,
        secondary_gpu_ns=sum(one.cost_gpu_ns for one in others),
        preempted=len(others),
    )


def _name(one: Interruption) -> Root:
    return one.run, one.number


def _order(one: Interruption) -> tuple[int, RunKey, int]:
    return one.detected_ns, one.run, one.number
