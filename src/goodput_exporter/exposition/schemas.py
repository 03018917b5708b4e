"""
What the API answers, as types; OpenAPI and the reference page are made from them.

GPU time and spans are decimal strings of nanoseconds, because a JSON number
is rounded above 2**53 by most readers and these numbers must add up; a field
in seconds stands beside each where a rounded one will do. None is "not
measured", never zero.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

ExactNs = Annotated[
    int,
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^-?[0-9]+$"}),
]
"""Integer nanoseconds (or nanoseconds x devices), written as a string."""

Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""RFC 3339 in UTC with nanoseconds."""


class Shape(BaseModel):
    """Base of all: immutable, and nothing that is not named."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(Shape):
    """Why a request was refused."""

    detail: str
    candidates: list[str] = Field(
        default=[], description="Full names that it could mean."
    )
    nearest: str | None = Field(
        default=None, description="The known name that is most alike."
    )


class Key(Shape):
    """Who a run is."""

    cluster: str
    namespace: str
    run: str


class Now(Shape):
    """What a run does now; includes the open tail."""

    state: str
    layer: str
    since: Instant
    cause: str
    why: str = Field(description="One sentence a person can act on.")


class Devices(Shape):
    """Whom the run asked for, and who is heard."""

    asked: int
    are_gpus: bool = Field(
        description="False where ranks have no GPU and count as one device each."
    )
    ranks_reporting: int
    ranks_expected: int


class Share(Shape):
    """One line of an account."""

    name: str = Field(description="A state, or a cause.")
    layer: str | None = Field(
        default=None, description="Whose time it is; None for a cause."
    )
    gpu_ns: ExactNs
    gpu_seconds: float


class Books(Shape):
    """GPU time by state, and the bad part of it by cause; both conserve."""

    states: list[Share]
    causes: list[Share]
    total_gpu_ns: ExactNs


class Stretch(Shape):
    """Wall time over which one number of devices was asked for."""

    wall_ns: ExactNs
    devices: int


class AddsUp(Shape):
    """The proof: the states sum to devices x wall time."""

    exact: bool
    sum_gpu_ns: ExactNs
    devices_x_wall_gpu_ns: ExactNs
    terms: list[Stretch]


class Layers(Shape):
    """The ratios of the definitions, section 6; None where a part is unknown."""

    infrastructure: float | None
    framework: float | None
    pace: float | None
    goodput: float | None
    model: float | None
    overall: float | None
    ettr: float | None
    coverage: float | None
    goodput_with_evaluation: float | None


class Window(Shape):
    """The part of the run's book that an answer is about."""

    name: str = Field(description="5m, 1h, 24h, lifetime or custom.")
    start: Instant
    end: Instant
    complete: bool = Field(
        description="The timeline below reaches back to the window's start."
    )


class Piece(Shape):
    """One state of some devices over one span."""

    state: str
    start: Instant
    end: Instant
    devices: int
    gpu_ns: ExactNs
    cause: str
    incident: int | None
    first_step: int | None
    last_step: int | None
    bridged: bool = Field(description="Filled in over the exporter's own downtime.")


class Interruption(Shape):
    """One interruption, from the last completed step to the first new one."""

    number: int
    began: Instant
    detected: Instant
    returned: Instant | None
    recovered: Instant | None
    cause: str
    rule: str = Field(description="The rule that decided the cause.")
    evidence: list[str] = Field(description="The observations it rests on.")
    how: str | None = Field(description="By what the run came back.")
    restored_step: int | None
    lost_steps: int | None
    preempted_by: str | None = Field(
        description="Who took its place, as run/NAMESPACE/NAME; None unknown."
    )
    gpu_ns: dict[str, ExactNs] = Field(description="What it cost, by state.")


class Progress(Shape):
    """Steps, and what a crash now would cost."""

    step: int | None
    high_water_step: int | None
    saved_step: int | None
    durable_step: int | None
    exposure_gpu_ns: ExactNs | None
    exposure_gpu_seconds: float | None
    steps_first_time: int
    steps_redone: int
    reference_step_seconds: float | None


class ModelFlops(Shape):
    """MFU and what it rests on."""

    mfu: float | None
    convention: str | None
    flops_per_token: float | None
    gpu_model: str | None
    dtype: str | None
    peak_flops: float | None
    peak_source: str
    tokens: int | None


class EnergyShare(Shape):
    """What the GPUs drew in one state, of one cause."""

    state: str
    cause: str
    joules: float | None = Field(description="None where none of it was measured.")
    integrated_joules: float = Field(
        description="What of it is from samples of power, of GPUs that count none."
    )
    measured_gpu_ns: ExactNs = Field(description="GPU time with known energy.")
    unknown_gpu_ns: ExactNs = Field(description="GPU time without.")


class RunEnergy(Shape):
    """What the GPUs drew that the run held, by what the run was doing; live view."""

    through: Instant = Field(description="Up to where it is divided over states.")
    shares: list[EnergyShare]
    joules: float | None


class Restarts(Shape):
    """How often a run came back, by what and after what."""

    how: str
    cause: str
    count: int


class Moved(Shape):
    """GPU time that later evidence moved; shows in the settled view only."""

    from_state: str
    to_state: str
    gpu_ns: ExactNs


class Trust(Shape):
    """What the numbers rest on."""

    source: str = Field(description="sdk, auto, log or inferred.")
    verified: bool = Field(description="The kernel vouches for every sender.")
    upper_bound: bool = Field(description="Redone steps cannot be seen.")
    sealed_through: Instant
    open_tail_ns: ExactNs
    notes: list[str]


class RunLine(Shape):
    """One run in the list."""

    key: Key
    url: str = Field(description="Path of the run's own answer.")
    kind: str
    outcome: str
    opened: Instant
    ended: Instant | None
    now: Now
    devices: Devices
    layers: dict[str, Layers] = Field(description="By window.")
    bad_gpu_ns: ExactNs = Field(description="Lifetime badput, live view.")
    bad_gpu_seconds: float
    exposure_gpu_ns: ExactNs | None


class RunList(Shape):
    """Every run that is known, those that need attention first."""

    at: Instant
    node: str
    runs: list[RunLine]


class RunDetail(Shape):
    """Everything that is known of one run, in one window."""

    at: Instant
    key: Key
    url: str
    kind: str
    outcome: str
    opened: Instant
    ended: Instant | None
    now: Now
    devices: Devices
    window: Window
    live: Books = Field(
        description="As known now: counters, the open tail, and later corrections."
    )
    adds_up: AddsUp
    layers: Layers = Field(description="Over the window of this answer.")
    layers_by_window: dict[str, Layers]
    settled: Books = Field(description="The settled view of the whole run so far.")
    progress: Progress
    model: ModelFlops
    restarts: list[Restarts]
    interruptions: int
    moved: list[Moved]
    incidents: list[Interruption] = Field(description="Newest first.")
    timeline: list[Piece]
    rests_on: Trust
    energy: RunEnergy | None = Field(
        description="Of the whole run so far; None where it is not known."
    )


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
