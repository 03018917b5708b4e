"""What the API answers from the ledger, as types: past windows of runs."""

from __future__ import annotations

from pydantic import Field

from goodput_exporter.exposition.shapes import Books, ExactNs, Layers, Shape


class PastAccount(Shape):
    """One run's booked time in one window and one view."""

    run: str
    view: str = Field(description="settled (in hindsight) or live (as counters had it)")
    start: str
    end: str
    books: Books
    layers: Layers


class MeanTimeFound(Shape):
    """A mean time with its limits; None where there were no events to tell it."""

    events: int
    exposure_seconds: float
    seconds: float | None
    low_seconds: float
    high_seconds: float | None
    confidence: float
    too_few: bool = Field(description="It is an order of magnitude at best.")


class RateFound(Shape):
    """Failures per 1,000 node-days, with limits; None without exposure."""

    name: str | None = Field(description="Of what; None: nobody told the GPU model.")
    events: int
    node_days: float
    per_1000_node_days: float | None
    low: float | None
    high: float | None
    too_few: bool = Field(description="It is an order of magnitude at best.")


class SuspectFound(Shape):
    """A node that fails too often for chance."""

    node: str
    gpu_model: str | None
    failures: int
    runs: int = Field(description="How many different runs failed on it.")
    node_days: float
    expected: float = Field(description="What its peers' rate makes likely.")
    p_value: float = Field(description="Corrected for all nodes tested.")


class NodesFound(Shape):
    """Failures over the time in which the cluster book knows the runs' nodes."""

    node_days: float
    by_node: list[RateFound] = Field(
        description="Nodes that failed, those with most failures first."
    )
    by_gpu_model: list[RateFound]
    by_cause: list[RateFound] = Field(
        description="Interruptions, preemptions included."
    )
    suspects: list[SuspectFound]
    unplaced: int = Field(
        description="Failures on a node that nobody knows: in no row by node or model."
    )
    outside: int = Field(
        description="Interruptions while the runs' nodes were not known: in no row."
    )


class DisplacedFound(Shape):
    """What the preemptions by one run cost the runs that made room."""

    by: str | None = Field(description="Who preempted; None: nobody knows.")
    interruptions: int
    runs: int
    gpu_ns: ExactNs
    gpu_seconds: float


class CascadeFound(Shape):
    """What a run's restart cost the runs that were preempted for it."""

    run: str
    incident: int
    preempted: int = Field(description="Interruptions of other runs.")
    own_gpu_ns: ExactNs
    secondary_gpu_ns: ExactNs


class PastReliability(Shape):
    """How often runs were interrupted, how soon they were back, and by which nodes."""

    view: str
    start: str
    end: str
    mtti: MeanTimeFound
    mttr: MeanTimeFound
    nodes: NodesFound | None = Field(
        description="None where the cluster book knows no node of these runs."
    )
    displaced: list[DisplacedFound] = Field(
        description="Sums to the cost of all preemptions of these runs."
    )
    secondary: list[CascadeFound] = Field(
        description="Restarts that preempted others, the costliest first."
    )


class GroupFound(Shape):
    """One group of runs in one window; its ratios are ratios of sums."""

    name: str | None = Field(
        description="What its runs have in common; None: of those nobody said it."
    )
    runs: list[str]
    books: Books
    layers: Layers


class PastGroups(Shape):
    """Runs by what they have in common; the groups add up to the total."""

    by: str
    view: str
    start: str
    end: str
    groups: list[GroupFound] = Field(description="The largest first.")
    total: Books
    layers: Layers = Field(description="Of all of them together.")
    cut: list[str] = Field(
        description="Runs of which a part of the window is kept as daily accounts "
        "only, and is not in these sums."
    )
