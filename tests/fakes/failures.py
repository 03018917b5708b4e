"""Interruptions, nodes and books, told in the words of the analysis."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Final

from goodput_exporter.analysis.records import Interruption, NodeTime, RunBook
from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Cause, RunState

HOUR: Final = 3_600 * NS_PER_SECOND
DAY: Final = 24 * HOUR


def key(run: str) -> RunKey:
    """Return the run of that name."""
    return RunKey("local", "ml", run)


def interruption(  # noqa: PLR0913 - a story names the facts that matter to it
    *,
    run: str = "llama",
    number: int = 1,
    cause: Cause = Cause.GPU_ERROR,
    at_hours: float = 0,
    hours: float = 1,
    recovered: bool = True,
    node: str | None = None,
    by: str | None = None,
    cost: Mapping[RunState, int] | int = 0,
) -> Interruption:
    """Return an interruption; a *cost* without a state is ``down``, in GPU-ns."""
    detected_ns = round(at_hours * HOUR)
    return Interruption(
        run=key(run),
        number=number,
        cause=cause,
        detected_ns=detected_ns,
        ended_ns=detected_ns + round(hours * HOUR),
        recovered=recovered,
        gpu_ns={RunState.DOWN: cost} if isinstance(cost, int) else cost,
        node=node,
        preempted_by=None if by is None else key(by),
    )


def book(
    hours: Mapping[RunState, float],
    *interruptions: Interruption,
    devices: float = 1,
) -> RunBook:
    """Return the book of a run whose devices spent these hours in these states."""
    account = Account()
    for state, spent in hours.items():
        account.add(state, round(spent * HOUR * devices))
    return RunBook(account, devices, interruptions)


def fleet(count: int, *, days: float = 30, gpu_model: str = "H100") -> list[NodeTime]:
    """Return nodes n0, n1, ... of one kind."""
    node_ns = round(days * DAY)
    return [NodeTime(f"n{i}", gpu_model, node_ns) for i in range(count)]


def failures(
    counts: Mapping[str, int], cause: Cause = Cause.GPU_ERROR
) -> list[Interruption]:
    """Return so many failures on each node, each in a run of its own."""
    return [
        interruption(run=f"{node}-{i}", cause=cause, at_hours=i, node=node)
        for node, count in counts.items()
        for i in range(count)
    ]


def failures_by_chance(
    rng: random.Random, weights: Mapping[str, float], total: int
) -> list[Interruption]:
    """Return *total* failures dealt out to nodes in proportion to *weights*."""
    hit = rng.choices(list(weights), list(weights.values()), k=total)
    return failures({node: hit.count(node) for node in weights})


def trained(
    interval: float,
    write: float,
    mean: float,
    *,
    restart: float,
    outage: float = 0.0,
) -> float:
    """
    Train, save, crash and come back, 20,000 times over; return what was kept.

    One failure clock runs while the run is available. What it meets, a step, a
    save or a restart, is lost.
    """
    rng = random.Random(2410)  # noqa: S311 - a simulation, not a secret
    kept = wall = 0.0
    behind = 0.0  # of the restart that has to come before training
    for _ in range(20_000):
        left = rng.expovariate(1 / mean)
        wall += left + outage
        saves = max(0, math.floor((left - behind) / (interval + write)))
        kept += saves * interval
        behind = restart
    return kept / wall
