"""What a window says about interruptions and nodes, as figures with their limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from goodput_exporter.analysis.exposure import Exposure
from goodput_exporter.analysis.preemptions import (
    Cascade,
    Displaced,
    cascades,
    displaced,
)
from goodput_exporter.analysis.rates import (
    NS_PER_DAY,
    RateTable,
    rates_by_cause,
    rates_by_model,
    rates_by_node,
)
from goodput_exporter.analysis.records import RunBook
from goodput_exporter.analysis.statistics import MeanTime, mtti, mttr
from goodput_exporter.analysis.suspects import Suspect, suspect_nodes


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """
    Failures over the time in which the cluster book knows the runs' nodes.

    Args:
        node_days: Of all nodes together.
        by_node, by_model, by_cause: Failures per 1,000 node-days; by cause it is
            interruptions, preemptions included.
        suspects: Nodes that fail too often for chance.
        outside: Interruptions at times in which the nodes of their run were not
            known; they are in none of these figures.
    """

    node_days: float
    by_node: RateTable
    by_model: RateTable
    by_cause: RateTable
    suspects: tuple[Suspect, ...]
    outside: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """
    What a window says about interruptions; few events say little.

    Args:
        mtti, mttr: With their limits.
        nodes: None where the cluster book knows no node of these runs.
        cascades: What restarts cost other runs; those that cost others nothing are
            left out.
        displaced: What preemptions cost, by who preempted, the costliest first.
    """

    mtti: MeanTime
    mttr: MeanTime
    nodes: NodeFigures | None = None
    cascades: tuple[Cascade, ...] = ()
    displaced: tuple[Displaced, ...] = ()


def reliability(books: Sequence[RunBook], exposure: Exposure) -> Reliability:
    """
    Estimate mean times and rates, and say what preemptions cost.

    Args:
        books: Of the runs of one window.
        exposure: What the same runs held in it.
    """
    every = [one for book in books for one in book.interruptions]
    return Reliability(
        mtti(books),
        mttr(every),
        _of_nodes(books, exposure) if exposure.nodes else None,
        tuple(one for one in cascades(every) if one.preempted),
        displaced(every),
    )


def _of_nodes(books: Sequence[RunBook], exposure: Exposure) -> NodeFigures:
    every = [one for book in books for one in book.interruptions]
    known = [one for one in every if exposure.holds(one)]
    nodes = exposure.nodes
    return NodeFigures(
        node_days=sum(one.node_ns for one in nodes) / NS_PER_DAY,
        by_node=rates_by_node(nodes, known),
        by_model=rates_by_model(nodes, known),
        by_cause=rates_by_cause(nodes, known),
        suspects=suspect_nodes(nodes, known),
        outside=sum(one.is_interruption for one in every)
        - sum(one.is_interruption for one in known),
    )
