"""Failures per 1,000 node-days, by node, GPU model and cause, with exact limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from goodput_exporter.analysis.distributions import poisson_lower, poisson_upper
from goodput_exporter.analysis.records import Interruption, NodeTime
from goodput_exporter.analysis.statistics import CONFIDENCE, FEW_EVENTS
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.errors import BadInputError

NS_PER_DAY: Final = 86_400 * NS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Rate:
    """
    Failures per 1,000 node-days, with limits; None without exposure.

    A node without failures has a measured rate of zero, and an upper limit.
    """

    events: int
    node_days: float
    per_1000_node_days: float | None
    low: float | None
    high: float | None
    confidence: float

    @property
    def too_few(self) -> bool:
        """Tell whether the figure is an order of magnitude at best."""
        return self.events < FEW_EVENTS


@dataclass(frozen=True, slots=True)
class RateTable:
    """
    Rates by node, GPU model or cause.

    Args:
        rows: A node's, model's or cause's rate; None is an unknown GPU model.
        unplaced: Failures in no row: their node is unknown, or has no time.
    """

    rows: Mapping[str | None, Rate]
    unplaced: int


def rate(node_ns: int, events: int, *, confidence: float = CONFIDENCE) -> Rate:
    """
    Return failures per 1,000 node-days with exact Poisson limits.

    Args:
        node_ns: Exposure of all nodes together.
        events: Failures in it.
        confidence: The chance that the limits hold the truth; two-sided.
    """
    node_days = node_ns / NS_PER_DAY
    if node_ns == 0:
        return Rate(events, node_days, None, None, None, confidence)
    miss = (1 - confidence) / 2
    scale = 1_000 / node_days
    return Rate(
        events=events,
        node_days=node_days,
        per_1000_node_days=events * scale,
        low=poisson_lower(events, miss) * scale,
        high=poisson_upper(events, miss) * scale,
        confidence=confidence,
    )


def rates_by_node(
    times: Iterable[NodeTime], interruptions: Iterable[Interruption]
) -> RateTable:
    """Return each node's failures per 1,000 node-days; preemptions are no failures."""
    return _rates(times, interruptions, lambda time: time.node)


def rates_by_model(
    times: Iterable[NodeTime], interruptions: Iterable[Interruption]
) -> RateTable:
    """Return each GPU model's failures per 1,000 node-days; one model to a node."""
    return _rates(times, interruptions, lambda time: time.gpu_model)


def rates_by_cause(
    times: Iterable[NodeTime], interruptions: Iterable[Interruption]
) -> RateTable:
    """
    Return interruptions per 1,000 node-days of the fleet, for each cause seen.

    All but the deliberate ones are rows, so preemptions are here and not in the
    other two tables. No node needs to be known for it.
    """
    fleet_ns = sum(time.node_ns for time in times)
    counts = Counter(one.cause for one in interruptions if one.is_interruption)
    rows = {cause: rate(fleet_ns, counts[cause]) for cause in sorted(counts)}
    return RateTable(dict(rows.items()), unplaced=0)


def whole_times(times: Iterable[NodeTime]) -> dict[str, NodeTime]:
    """
    Add up the time of each node, in order of name.

    Raises:
        BadInputError: A node is said to have two GPU models.
    """
    whole: dict[str, NodeTime] = {}
    for time in sorted(times, key=lambda time: time.node):
        before = whole.get(time.node, NodeTime(time.node, time.gpu_model, 0))
        if before.gpu_model != time.gpu_model:
            msg = (
                f"node {time.node} has two GPU models, {before.gpu_model} and "
                f"{time.gpu_model}; a rebuilt node needs a name of its own"
            )
            raise BadInputError(msg)
        node_ns = before.node_ns + time.node_ns
        whole[time.node] = NodeTime(time.node, time.gpu_model, node_ns)
    return whole


def _rates(
    times: Iterable[NodeTime],
    interruptions: Iterable[Interruption],
    row_of: Callable[[NodeTime], str | None],
) -> RateTable:
    whole = whole_times(times)
    exposure: Counter[str | None] = Counter()
    for time in whole.values():
        exposure[row_of(time)] += time.node_ns
    failures = [one for one in interruptions if one.is_failure]
    places = [whole[one.node] for one in failures if one.node in whole]
    counts = Counter(row_of(place) for place in places)
    rows = {key: rate(node_ns, counts[key]) for key, node_ns in exposure.items()}
    return RateTable(rows, unplaced=len(failures) - len(places))
