"""
Snapshots to show and to render, without a fold behind them.

The default run is one coherent story: a start, steps, a blocking save, a
crash, the outage, the restore, the redone steps, and an open tail; its
account is the tally of its own timeline, so whatever adds up in the real
program adds up here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

from goodput_exporter.domain.accounting import Account, Segment, tally
from goodput_exporter.domain.cluster_watch import (
    ClusterWatch,
    KindWatch,
    NodesSeen,
    Pushed,
    RunWait,
)
from goodput_exporter.domain.energy import Energy
from goodput_exporter.domain.energy_totals import NOBODY, EnergyTotals
from goodput_exporter.domain.gpu_bookings import GpuGroup
from goodput_exporter.domain.gpu_stands import Category, Reason
from goodput_exporter.domain.gpu_view import ClusterView
from goodput_exporter.domain.observations import GpuLost, GpuSample
from goodput_exporter.domain.ratios import ratios
from goodput_exporter.domain.rollups import GroupKey, GroupView
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.snapshot import (
    ExporterHealth,
    Incident,
    ModelView,
    RunView,
    Snapshot,
)
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.domain.states import Cause, How, RunState

EPOCH_NS: Final = 1_760_000_000 * NS_PER_SECOND
"""When the default run opened: 2025-10-09 08:53:20 UTC."""

DEVICES: Final = 4
TAIL_SECONDS: Final = 8

STORY: Final = (
    (0, 5, RunState.INITIALIZING, Cause.NONE),
    (5, 85, RunState.PRODUCTIVE, Cause.NONE),
    (85, 97, RunState.CHECKPOINTING, Cause.NONE),
    (97, 117, RunState.PRODUCTIVE, Cause.NONE),
    (117, 121, RunState.INTERRUPTED, Cause.APPLICATION_ERROR),
    (121, 161, RunState.DOWN, Cause.APPLICATION_ERROR),
    (161, 166, RunState.INITIALIZING, Cause.APPLICATION_ERROR),
    (166, 169, RunState.RESTORING, Cause.APPLICATION_ERROR),
    (169, 189, RunState.RECOMPUTING, Cause.APPLICATION_ERROR),
    (189, 289, RunState.PRODUCTIVE, Cause.NONE),
    (289, 295, RunState.SLOW, Cause.NONE),
)
"""Seconds after the run opened: from, to, state, cause. All but the tail."""


def segments(
    story: Sequence[tuple[int, int, RunState, Cause]] = STORY,
    *,
    devices: int = DEVICES,
    opened_ns: int = EPOCH_NS,
) -> tuple[Segment, ...]:
    """
    Turn a story told in seconds into segments.

    Args:
        story: From, to (seconds after the run opened), state and cause.
        devices: How many devices each segment holds.
        opened_ns: When second 0 was.
    """
    return tuple(
        Segment(
            Span(opened_ns + start * NS_PER_SECOND, opened_ns + end * NS_PER_SECOND),
            state,
            devices,
            cause,
            incident=None if cause is Cause.NONE else 1,
        )
        for start, end, state, cause in story
    )


def incident(**changes: Any) -> Incident:  # noqa: ANN401 - any field of the dataclass
    """Return the default run's one crash, with some fields changed."""
    of_crash = [s for s in segments() if s.incident == 1]
    crash = Incident(
        number=1,
        began_ns=_at(117),
        detected_ns=_at(121),
        cause=Cause.APPLICATION_ERROR,
        rule="exit_code",
        evidence=("pid 4711: SIGSEGV", "rank 0 fell silent at step 9"),
        returned_ns=_at(161),
        recovered_ns=_at(199),
        how=How.PROCESS,
        restored_step=7,
        lost_steps=2,
        gpu_ns=tally(of_crash).gpu_ns,
    )
    return replace(crash, **changes)


def run_view(
    name: str = "llama-7b",
    **changes: Any,  # noqa: ANN401 - any field of the dataclass
) -> RunView:
    """
    Return one run that trains, crashed once and came back.

    Args:
        name: The run id.
        changes: Fields of ``RunView`` to replace, as they stand.
    """
    booked = segments()
    tail = segments(((295, 295 + TAIL_SECONDS, RunState.PRODUCTIVE, Cause.NONE),))
    whole = tally((*booked, *tail))
    model = model_view()
    layers = ratios(
        whole, model_flops=model.first_time_flops, peak_flops=model.peak_flops
    )
    view = RunView(
        key=RunKey("local", "default", name),
        kind="process",
        source="sdk",
        verified=True,
        upper_bound=False,
        opened_ns=EPOCH_NS,
        ended_ns=None,
        outcome="running",
        state=RunState.PRODUCTIVE,
        state_since_ns=_at(295),
        cause=Cause.NONE,
        why="step 20 completed 2 s ago; the run trains at its reference pace",
        asked_devices=DEVICES,
        devices_are_gpus=True,
        ranks_reporting=DEVICES,
        ranks_expected=DEVICES,
        sealed=tally(booked),
        sealed_through_ns=_at(295),
        tail=tally(tail),
        tail_ns=TAIL_SECONDS * NS_PER_SECOND,
        restated={("productive", "lost"): 80 * NS_PER_SECOND},
        recaused={(Cause.UNKNOWN, Cause.GPU_LOST): 12 * NS_PER_SECOND},
        ratios=dict.fromkeys(("5m", "1h", "24h", "lifetime"), layers),
        settled=whole.copy(),
        step=20,
        high_water_step=20,
        saved_step=18,
        durable_step=16,
        exposure_gpu_ns=40 * DEVICES * NS_PER_SECOND,
        steps_first_time=21,
        steps_redone=2,
        restarts={(How.PROCESS, Cause.APPLICATION_ERROR): 1},
        interruptions=1,
        reference_step_ns=10 * NS_PER_SECOND,
        model=model,
        timeline=(*booked, *tail),
        incidents=(incident(),),
        notes=(),
    )
    return replace(view, **changes)


def group_view() -> GroupView:
    """Return a team with the run of ``run_view`` and others that are over."""
    sealed = tally(segments())
    sealed.add(RunState.DOWN, 99 * NS_PER_SECOND, Cause.NODE_LOST)
    layers = {"1h": ratios(sealed), "lifetime": ratios(sealed)}
    restated = {("down", "outside"): 5 * NS_PER_SECOND}
    return GroupView(GroupKey("team", "blue"), sealed, restated, layers)


def bare_run_view(
    name: str = "just-appeared",
    **changes: Any,  # noqa: ANN401 - any field of the dataclass
) -> RunView:
    """Return a run of which nothing but its existence is known yet."""
    nothing: dict[str, Any] = {
        "verified": False,
        "state": RunState.UNOBSERVED,
        "state_since_ns": EPOCH_NS,
        "why": "no heartbeat has been understood yet",
        "devices_are_gpus": False,
        "asked_devices": 1,
        "ranks_reporting": 0,
        "ranks_expected": 1,
        "sealed": Account(),
        "sealed_through_ns": EPOCH_NS,
        "tail": Account(),
        "tail_ns": 0,
        "restated": {},
        "ratios": {"lifetime": ratios(Account())},
        "settled": Account(),
        "step": None,
        "high_water_step": None,
        "saved_step": None,
        "durable_step": None,
        "exposure_gpu_ns": None,
        "steps_first_time": 0,
        "steps_redone": 0,
        "restarts": {},
        "interruptions": 0,
        "reference_step_ns": None,
        "model": ModelView(peak_source="no device has been named"),
        "timeline": (),
        "incidents": (),
        "notes": ("a rank without a GPU counts as one device",),
    }
    return run_view(name, **(nothing | changes))


def model_view(**changes: Any) -> ModelView:  # noqa: ANN401 - any field of it
    """Return a model whose FLOPs and peak are known, with some fields changed."""
    model = ModelView(
        convention="causal",
        flops_per_token=4.5e10,
        gpu_model="NVIDIA H100 80GB HBM3",
        dtype="bf16",
        peak_flops=9.89e14,
        peak_source="H100 SXM data sheet, dense",
        first_time_flops=3.6e17,
        mfu=0.42,
        tokens=8_000_000,
    )
    return replace(model, **changes)


def gpu_sample(
    index: int = 0,
    **changes: Any,  # noqa: ANN401 - any field of the dataclass
) -> GpuSample:
    """Return one healthy GPU that supports everything, with some fields changed."""
    sample = GpuSample(
        index=index,
        uuid=f"GPU-00000000-0000-0000-0000-{index:012d}",
        name="NVIDIA H100 80GB HBM3",
        at_ns=_at(303),
        busy_ratio=0.97,
        memory_used_bytes=60 * 2**30,
        memory_total_bytes=80 * 2**30,
        power_watts=642.5,
        power_limit_watts=700.0,
        energy_joules=123_456.789,
        temperature_celsius=61,
        sm_clock_hertz=1_980_000_000,
        memory_clock_hertz=2_619_000_000,
    )
    return replace(sample, **changes)


def gpu_lost(
    index: int = 3,
    **changes: Any,  # noqa: ANN401 - any field of the dataclass
) -> GpuLost:
    """Return one GPU that fell off the bus, with some fields changed."""
    lost = GpuLost(
        index=index,
        at_ns=_at(303),
        uuid=f"GPU-00000000-0000-0000-0000-{index:012d}",
        code=15,
        reason="lost",
        detail="GPU is lost",
    )
    return replace(lost, **changes)


def cluster_view() -> ClusterView:
    """Return the book of three GPUs: one trains, one is shared, one is lost."""
    model = "NVIDIA H100 80GB HBM3"
    trains = GpuGroup(model, "pool-a", Category.HELD, Reason.NONE)
    serves = GpuGroup(model, "pool-a", Category.OTHER_WORKLOAD, Reason.NONE)
    lost = GpuGroup(model, "", Category.UNAVAILABLE, Reason.LOST)
    return ClusterView(
        _at(298),
        {
            trains: 400 * NS_PER_SECOND + 1,
            serves: 49 * NS_PER_SECOND,
            lost: 149 * NS_PER_SECOND,
        },
        {trains: Fraction(3, 2), serves: Fraction(1, 2)},
        {("unobserved", "held"): 12 * NS_PER_SECOND},
        too_late=1,
        disputes=2,
        energy=run_energy(),
    )


def run_energy() -> tuple[EnergyTotals, ...]:
    """Return what a run's GPUs drew, one of which counts none, and the others."""
    key = run_view().key
    groups = {
        ("productive", "none"): Energy(250_000_001, 390 * NS_PER_SECOND, 0, 90_000_000),
        ("stalled", "hang"): Energy(1_500, 5 * NS_PER_SECOND, 5 * NS_PER_SECOND),
        ("down", "hang"): Energy(None, 0, NS_PER_SECOND),
    }
    other = {
        ("other_workload", "none"): Energy(9_000_000, 49 * NS_PER_SECOND),
        ("unplaced", "none"): Energy(70_000),
    }
    return (
        EnergyTotals(key, _at(290), groups),
        EnergyTotals(NOBODY, _at(298), other),
    )


def cluster_watch() -> ClusterWatch:
    """Return a leader that follows two kinds, one of which it may not read."""
    pods = KindWatch(
        "Pod",
        _at(302),
        is_synced=True,
        is_forbidden=False,
        objects=24,
        relists=1,
        errors={"gone": 1, "silent": 0},
        decode_faults=2,
        vanished=3,
    )
    jobs = replace(pods, kind="Job", is_synced=False, is_forbidden=True, errors={})
    waited = {"suspended": 90 * NS_PER_SECOND, "image_pull": 12 * NS_PER_SECOND}
    place = ("NVIDIA-H100-80GB-HBM3", "pool-a")
    return ClusterWatch(
        is_leader=True,
        kinds=(pods, jobs),
        waits=(RunWait(RunKey("prod", "ml", "waits"), "Job", waited),),
        queues={"research": 102 * NS_PER_SECOND},
        nodes=NodesSeen(
            {(True, True): 2, (True, False): 1, (False, False): 4},
            {place: 24},
            {place: 23},
            {"node-b": 1},
        ),
        pushed=Pushed(
            {"applied": 40, "duplicate": 2, "unreadable": 0},
            {"node": 1, "too_big": 0},
            {"foreign": 3},
            missing=1,
            waiting=2,
            claims_refused=1,
            unplaced=1,
        ),
        unclaimed=5,
    )


def health(**changes: Any) -> ExporterHealth:  # noqa: ANN401 - any field of it
    """Return an exporter that is doing well, with some fields changed."""
    well = ExporterHealth(
        started_ns=EPOCH_NS - 60 * NS_PER_SECOND,
        tick_lag_seconds=0.002,
        tick_seconds=0.015,
        ticks=303,
        datagrams_accepted={"unix": 1200, "udp": 34},
        datagrams_rejected={"not_json": 2, "bad_field": 1},
        evidence_failures={"maintenance": 1},
        datagrams_lost=5,
        ledger_entries=42,
        ledger_commits=40,
        clock_skew_seconds=0.001,
        gpu_source_up=True,
        gpu_source_detail="4 GPUs",
    )
    return replace(well, **changes)


def snapshot(
    *runs: RunView,
    gpus: Sequence[GpuSample | GpuLost] = (),
    **changes: Any,  # noqa: ANN401 - any field of the dataclass
) -> Snapshot:
    """
    Return what one tick publishes.

    Args:
        runs: What is known of the runs; see ``run_view``.
        gpus: What the node's GPUs said; see ``gpu_sample`` and ``gpu_lost``.
        changes: Other fields of ``Snapshot`` to replace.
    """
    published = Snapshot(
        at_ns=_at(303), node="node-a", runs=runs, gpus=tuple(gpus), health=health()
    )
    return replace(published, **changes)


def _at(second: int) -> int:
    return EPOCH_NS + second * NS_PER_SECOND
