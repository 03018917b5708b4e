"""What the API answers about runs as they are now, as types."""

from __future__ import annotations

from pydantic import Field

from goodput_exporter.exposition.shapes import Books, ExactNs, Instant, Layers, Shape


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
        description=(
            "As known now: counters, the open tail, and later corrections. The "
            "ledger's `view=live` is the counters alone."
        )
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
