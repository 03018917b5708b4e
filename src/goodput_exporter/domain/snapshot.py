"""What the domain knows of every run now: the one value that exposition reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from goodput_exporter.domain.accounting import Account, Segment
from goodput_exporter.domain.bookings import Reattribution, Restatement
from goodput_exporter.domain.cluster_watch import ClusterWatch
from goodput_exporter.domain.energy_totals import EnergyTotals
from goodput_exporter.domain.gpu_view import ClusterView
from goodput_exporter.domain.node_view import NodeView
from goodput_exporter.domain.observations import GpuLost, GpuSample
from goodput_exporter.domain.placement import Owner
from goodput_exporter.domain.ratios import LayerRatios
from goodput_exporter.domain.rollups import GroupView
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, How, RunState


@dataclass(frozen=True, slots=True)
class Incident:
    """
    One interruption, from the last completed step to the first new one.

    Args:
        number: Counts within the run, from 1.
        began_ns: The last completed step before it (or the incarnation's start).
        detected_ns: When the first rank's incarnation ended.
        returned_ns: When the last missing rank was back; None while down.
        recovered_ns: When the first step above the high-water mark was complete.
        cause, rule, evidence: Why, by which rule, on which observations.
        how: By what the run came back; None while it has not.
        nodes: Where the run's pods were; empty where nobody knows.
        lost_tokens: What these steps were worth; None unknown.
        settled_gpu_ns: As *gpu_ns* in the settled view, ``lost`` included.
        corrected_by, note: Of a person's correction of the cause.
        restored_step: What it resumed from; None unknown.
        lost_steps: High-water mark minus restored step, or None until known.
        gpu_ns: GPU time of the segments that carry this incident, by state.
        preempted_by: Who took its place, as ``"run/NAMESPACE/NAME"``; empty unknown.
    """

    number: int
    began_ns: int
    detected_ns: int
    cause: Cause
    rule: str
    evidence: tuple[str, ...]
    returned_ns: int | None = None
    recovered_ns: int | None = None
    how: How | None = None
    restored_step: int | None = None
    lost_steps: int | None = None
    gpu_ns: Mapping[RunState, int] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()
    lost_tokens: int | None = None
    settled_gpu_ns: Mapping[RunState, int] = field(default_factory=dict)
    corrected_by: str = ""
    note: str = ""
    preempted_by: str = ""


@dataclass(frozen=True, slots=True)
class ModelView:
    """
    MFU and what it rests on; every figure is None where a part is unknown.

    Args:
        convention: ``"user"``, ``"causal"``, ``"full"`` or ``"6n"``.
        flops_per_token: Model FLOPs per token under that convention.
        gpu_model: NVML's name of the devices, or None where there are none.
        peak_flops: Dense peak per device and second for *dtype*.
        peak_source: Where that figure is from, or why there is none.
        first_time_flops: Model FLOPs of first-time steps booked so far.
        mfu: Lifetime MFU over booked step time.
        tokens: Tokens of its first-time steps so far, or None.
    """

    convention: str | None = None
    flops_per_token: float | None = None
    gpu_model: str | None = None
    dtype: str | None = None
    peak_flops: float | None = None
    peak_source: str = ""
    first_time_flops: float | None = None
    mfu: float | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class RunView:
    """
    One run, as published. GPU time is in nanoseconds x devices.

    Args:
        kind: ``"process"`` without Kubernetes, else the workload's kind.
        source: What the numbers rest on: sdk, auto, log or inferred.
        verified: The kernel vouches for every sender of the run.
        upper_bound: Recomputation cannot be seen (local step numbers, inference).
        opened_ns, ended_ns: The book's span; *ended_ns* is None while it is open.
        outcome: ``"running"``, ``"succeeded"`` or ``"failed"``.
        state, state_since_ns, cause: What it does now, and why; includes the open tail.
        why: One sentence a person can act on.
        asked_devices: Devices that the book counts.
        devices_are_gpus: False where ranks have no GPU and count as one device each.
        ranks_reporting, ranks_expected: Ranks heard of lately, and asked.
        sealed: What counters show: booked, committed, never taken back.
        sealed_through_ns: Everything before it is sealed or an open step.
        tail: What is not sealed yet, by the state it would get now.
        tail_ns: How long the open tail is.
        restated: GPU time moved afterwards, by (from, to); ``"outside"`` is no book.
        ratios: Layer ratios by window: ``5m``, ``1h``, ``24h``, ``lifetime``.
        settled: The settled view's account of everything so far.
        step, high_water_step, saved_step, durable_step: None until reported.
        exposure_gpu_ns: What a crash now would cost; None without a durable step.
        restarts: Count by how and cause.
        reference_step_ns: The reference step time; None until known.
        timeline: Recent segments in time order, the open tail last, for the page.
        incidents: Newest first.
        notes: What a reader must know to trust the figures.
        corrections: What *sealed* and *tail* lack to say what is known today, as
            negative and positive GPU time: late evidence, and what was booked
            after the run's end. The three together are ``wall_ns`` x devices.
        wall_ns: The book's wall time up to now, by how many devices it counts.
        outside: The latest spans between an end and a reopening: in no book.
        outside_ns: All of them together.
        owner: Whose it is; what groups are formed by.
        recaused: GPU time whose cause was corrected afterwards, by (from, to).
        late_ns: Time of ranks that was heard of after it had been booked.
        moves: The latest restatements of time, for who reads the ledger's segments.
    """

    key: RunKey
    kind: str
    source: str
    verified: bool
    upper_bound: bool
    opened_ns: int
    ended_ns: int | None
    outcome: str
    state: RunState
    state_since_ns: int
    cause: Cause
    why: str
    asked_devices: int
    devices_are_gpus: bool
    ranks_reporting: int
    ranks_expected: int
    sealed: Account
    sealed_through_ns: int
    tail: Account
    tail_ns: int
    restated: Mapping[tuple[str, str], int]
    ratios: Mapping[str, LayerRatios]
    settled: Account
    step: int | None
    high_water_step: int | None
    saved_step: int | None
    durable_step: int | None
    exposure_gpu_ns: int | None
    steps_first_time: int
    steps_redone: int
    restarts: Mapping[tuple[How, Cause], int]
    interruptions: int
    reference_step_ns: int | None
    model: ModelView
    timeline: tuple[Segment, ...]
    incidents: tuple[Incident, ...]
    notes: tuple[str, ...]
    corrections: Account = field(default_factory=Account)
    wall_ns: Mapping[int, int] = field(default_factory=dict)
    outside: tuple[Span, ...] = ()
    outside_ns: int = 0
    moves: tuple[Restatement | Reattribution, ...] = ()
    owner: Owner = field(default_factory=Owner)
    recaused: Mapping[tuple[Cause, Cause], int] = field(default_factory=dict)
    late_ns: int = 0


@dataclass(frozen=True, slots=True)
class ExporterHealth:
    """
    How this program itself is doing.

    Args:
        tick_lag_seconds: How late the last tick began.
        tick_seconds: How long it took.
        datagrams_accepted: Per transport (``unix``, ``udp``).
        datagrams_rejected: Whole datagrams refused, and fields dropped, per reason.
        ledger_entries, ledger_commits, ledger_failures: Counts since the start.
        ledger_up: The last commit succeeded.
        clock_skew_seconds: Wall clock minus ledger clock.
        collector_errors: Per metric family that failed to render.
        recording_failures: Ticks that could not be recorded.
        evidence_failures: Times that a source of evidence could not be read.
        runs_refused, run_setbacks: What the bookkeeper could not take, or go on with.
        gpu_source_up: NVML answered the last time; None where there is no driver.
    """

    started_ns: int
    tick_lag_seconds: float = 0.0
    tick_seconds: float = 0.0
    ticks: int = 0
    datagrams_accepted: Mapping[str, int] = field(default_factory=dict)
    datagrams_rejected: Mapping[str, int] = field(default_factory=dict)
    datagrams_lost: int = 0
    ledger_entries: int = 0
    ledger_commits: int = 0
    ledger_failures: int = 0
    ledger_up: bool = True
    clock_skew_seconds: float = 0.0
    recording_failures: int = 0
    evidence_failures: Mapping[str, int] = field(default_factory=dict)
    runs_refused: int = 0
    run_setbacks: int = 0
    gpu_source_up: bool | None = None
    gpu_source_detail: str = ""


NodeCause = tuple[str, Cause]
"""A node, and why a run failed on it."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    Everything that one tick publishes; immutable, shared by all readers.

    Args:
        told_energy: Of the runs here, where another shard keeps the cluster book.
    """

    at_ns: int
    node: str
    runs: tuple[RunView, ...]
    gpus: tuple[GpuSample | GpuLost, ...]
    health: ExporterHealth
    groups: tuple[GroupView, ...] = ()
    node_view: NodeView = field(default_factory=NodeView)
    cluster: ClusterView | None = None
    watched: ClusterWatch | None = None
    node_failures: Mapping[NodeCause, int] = field(default_factory=dict)
    told_energy: tuple[EnergyTotals, ...] = ()

    @property
    def energy(self) -> tuple[EnergyTotals, ...]:
        """Return what GPUs drew, by the cluster book, whoever keeps it."""
        return self.told_energy if self.cluster is None else self.cluster.energy
