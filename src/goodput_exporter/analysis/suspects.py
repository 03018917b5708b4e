"""Nodes whose failures are unlikely to be chance, at the rate of their peers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from goodput_exporter.analysis.distributions import binomial_tails
from goodput_exporter.analysis.rates import NS_PER_DAY, whole_times
from goodput_exporter.analysis.records import Interruption, NodeTime
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND

ERROR: Final = 0.05
EPISODE_NS: Final = 3_600 * NS_PER_SECOND
"""A run that fails again on the same node within this is in one crash loop."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """
    A node that fails too often for chance.

    Args:
        node: Its name.
        gpu_model: What its peers are: the nodes with the same GPUs.
        failures: Crash loops counted once.
        runs: How many different runs failed on it; one run may be at fault itself.
        node_days: Its exposure.
        expected: How many failures its peers' rate makes likely in that time.
        p_value: The chance of as many or more, corrected for all nodes tested.
    """

    node: str
    gpu_model: str | None
    failures: int
    runs: int
    node_days: float
    expected: float
    p_value: float


@dataclass(frozen=True, slots=True)
class _Tested:
    time: NodeTime
    failures: int
    runs: int


def suspect_nodes(
    times: Iterable[NodeTime],
    interruptions: Iterable[Interruption],
    *,
    error: float = ERROR,
) -> tuple[Suspect, ...]:
    """
    Name the nodes that fail more often than their peers, the worst first.

    Under one common rate, each of a GPU model's failures falls on a node with the
    node's share of the exposure as its chance. So the count of a node is binomial,
    and no rate has to be estimated. Counts of nodes compete for the same failures,
    hence are negatively dependent; the guarantee of Benjamini and Hochberg asks for
    positive dependence, Holm's for nothing. And somebody drains a node because of
    this list, so the promise is Holm's: with chance 1 - *error* it names no healthy
    node at all. Each node found leaves the pool before the next is tested, or the
    worst would make the second worst look normal.

    Causes that are the job's own, or that somebody decided, count against no node.

    Args:
        times: Exposure of every node, the healthy ones too.
        interruptions: Of all runs; those without a node, or whose node has no
            time, take no part.
        error: The chance to name any healthy node.

    Raises:
        BadInputError: A node is said to have two GPU models.

    Source:
        J. Przyborowski, H. Wilenski, Biometrika 31 (1940) 313, for the test;
        S. Holm, Scandinavian Journal of Statistics 6 (1979) 65, for the
        correction; Y. Benjamini, D. Yekutieli, Annals of Statistics 29 (2001)
        1165, for what the other one would need.
    """
    pool = _tested(times, interruptions)
    found: list[Suspect] = []
    p_value = 0.0
    while pool:
        chances = _chances(pool)
        best = min(range(len(pool)), key=lambda i: (chances[i], pool[i].time.node))
        p_value = max(p_value, chances[best] * len(pool))
        if p_value > error:
            break
        worst = pool.pop(best)
        found.append(_suspect(worst, pool, p_value))
    return tuple(found)


def _tested(
    times: Iterable[NodeTime], interruptions: Iterable[Interruption]
) -> list[_Tested]:
    whole = whole_times(times)
    failures: dict[str, list[RunKey]] = {node: [] for node in whole}
    for one in _episodes(interruptions):
        if one.node in failures:
            failures[one.node].append(one.run)
    return [
        _Tested(time, len(failures[node]), len(set(failures[node])))
        for node, time in whole.items()
        if time.node_ns > 0
    ]


def _episodes(interruptions: Iterable[Interruption]) -> list[Interruption]:
    """Keep the first failure of every crash loop on one node."""
    kept = []
    last: dict[tuple[RunKey, str | None], int] = {}
    for one in sorted(interruptions, key=lambda one: one.detected_ns):
        if one.implicates_node:
            before_ns = last.get((one.run, one.node))
            if before_ns is None or one.detected_ns - before_ns > EPISODE_NS:
                kept.append(one)
            last[one.run, one.node] = one.detected_ns
    return kept


def _chances(pool: Sequence[_Tested]) -> list[float]:
    """Return each node's chance of its failures or more; 1 where it had none."""
    node_ns: dict[str | None, int] = {}
    failures: dict[str | None, int] = {}
    for one in pool:
        model = one.time.gpu_model
        node_ns[model] = node_ns.get(model, 0) + one.time.node_ns
        failures[model] = failures.get(model, 0) + one.failures
    failed = [i for i, one in enumerate(pool) if one.failures]
    chances = [1.0] * len(pool)
    tails = binomial_tails(
        [pool[i].failures for i in failed],
        [failures[pool[i].time.gpu_model] for i in failed],
        [pool[i].time.node_ns / node_ns[pool[i].time.gpu_model] for i in failed],
    )
    for i, tail in zip(failed, tails, strict=True):
        chances[i] = tail
    return chances


def _suspect(worst: _Tested, pool: Sequence[_Tested], p_value: float) -> Suspect:
    peers = [one for one in pool if one.time.gpu_model == worst.time.gpu_model]
    peers_ns = sum(one.time.node_ns for one in peers)
    return Suspect(
        node=worst.time.node,
        gpu_model=worst.time.gpu_model,
        failures=worst.failures,
        runs=worst.runs,
        node_days=worst.time.node_ns / NS_PER_DAY,
        expected=sum(one.failures for one in peers) * worst.time.node_ns / peers_ns,
        p_value=p_value,
    )
