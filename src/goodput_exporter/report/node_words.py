"""Failures of nodes, and what preemptions cost others, in sentences of a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from goodput_exporter.analysis.figures import shown
from goodput_exporter.analysis.preemptions import Cascade, Displaced
from goodput_exporter.analysis.rates import Rate, RateTable
from goodput_exporter.analysis.reliability import NodeFigures, Reliability
from goodput_exporter.analysis.suspects import Suspect
from goodput_exporter.report.account import hours_decimals
from goodput_exporter.report.words import count, gpu_hours

LEAST_CHANCE: Final = 0.001
"""Below it "0.0%" would read as certainty."""
MOST: Final = 10
"""Nodes and preemptions that get a sentence of their own."""


def node_words(found: NodeFigures | None) -> Iterator[str]:
    """Say how often nodes failed, and which of them too often for chance."""
    if found is None:
        yield (
            "Failures per 1,000 node-days and suspect nodes are not known: the cluster "
            "book does not say on which nodes the runs were."
        )
        return
    yield from _rates(found.by_model, "")
    yield from _rates(found.by_cause, "caused by ")
    yield from _rates(_worst(found.by_node), "node ")
    yield from _suspects(found.suspects)
    if found.by_node.unplaced:
        yield (
            "Left out of the figures of nodes and GPU models: "
            f"{count(found.by_node.unplaced, 'failure')} on a node that nobody knows."
        )
    if found.outside:
        yield (
            f"Left out of these figures: {count(found.outside, 'interruption')} at a "
            "time of which the cluster book does not know the run's nodes."
        )


def _worst(table: RateTable) -> RateTable:
    """Keep the nodes that failed most often, those with most failures first."""
    order = sorted(
        (item for item in table.rows.items() if item[1].events),
        key=lambda item: (-item[1].events, -_height(item[1]), item[0] or ""),
    )
    return RateTable(dict(order[:MOST]), table.unplaced)


def _height(rate: Rate) -> float:
    return rate.per_1000_node_days or 0.0


def _rates(table: RateTable, prefix: str) -> Iterator[str]:
    for name, rate in table.rows.items():
        if rate.per_1000_node_days is None or rate.low is None or rate.high is None:
            continue
        few = " – too few to rely on" if rate.too_few else ""
        label = "unknown GPU model" if name is None else f"{prefix}{shown(name)}"
        yield (
            f"Failures per 1,000 node-days, {label}: {rate.per_1000_node_days:.1f} "
            f"({rate.confidence:.0%} limits {rate.low:.1f} to {rate.high:.1f}; "
            f"{rate.events} in {rate.node_days:,.1f} node-days){few}."
        )


def _suspects(found: Sequence[Suspect]) -> Iterator[str]:
    if not found:
        yield "No node fails more often than chance explains; that is no proof."
    for one in found:
        yield (
            f"Suspect node {shown(one.node)}: {count(one.failures, 'failure')} where "
            f"{one.expected:.1f} are likely, in {count(one.runs, 'run')} "
            f"(chance {_chance(one.p_value)})."
        )


def _chance(p_value: float) -> str:
    return f"{p_value:.1%}" if p_value >= LEAST_CHANCE else f"below {LEAST_CHANCE:.1%}"


def preemption_words(found: Reliability) -> Iterator[str]:
    """Say who preempted whom, at which cost, and which failures led to it."""
    if not found.displaced:
        return
    digits = hours_decimals(sum(one.gpu_ns for one in found.displaced))
    for one in found.displaced[:MOST]:
        yield _displaced(one, digits)
    rest = found.displaced[MOST:]
    if rest:
        hours = gpu_hours(sum(one.gpu_ns for one in rest), digits)
        yield f"Preemptions by {count(len(rest), 'other run')} cost {hours} GPU-hours."
    for cascade in found.cascades[:MOST]:
        yield _cascade(cascade, digits)


def _displaced(one: Displaced, digits: int) -> str:
    cost = (
        f"{count(one.interruptions, 'preemption')} of {count(one.runs, 'run')} cost "
        f"{gpu_hours(one.gpu_ns, digits)} GPU-hours"
    )
    if one.by is None:
        return f"By whom is not known: {cost}."
    return f"Preempted by {shown(one.by.run)}: {cost}."


def _cascade(one: Cascade, digits: int) -> str:
    root = one.root
    return (
        f"Secondary cost of {shown(root.run.run)} #{root.number}: its restart "
        f"preempted others ({count(one.preempted, 'interruption')}), which cost "
        f"{gpu_hours(one.secondary_gpu_ns, digits)} GPU-hours beside its own "
        f"{gpu_hours(one.own_gpu_ns, digits)}."
    )
