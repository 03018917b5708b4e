"""What the page says of each run."""

from __future__ import annotations

from functools import cache
from operator import attrgetter
from typing import Final

from goodput_exporter.domain.ratios import LayerRatios
from goodput_exporter.domain.snapshot import RunView, Snapshot
from goodput_exporter.domain.states import STATE_TABLE, RunState
from goodput_exporter.exposition import catalogue as names
from goodput_exporter.exposition.family import (
    AnyFamily,
    Family,
    Group,
    Labels,
    Samples,
    Single,
)

LIVE_STATES: Final[tuple[tuple[RunState, Labels], ...]] = tuple(
    (row.state, (row.state.value, row.layer.value))
    for row in STATE_TABLE
    if row.state is not RunState.LOST
)
"""Every state that a counter can hold; ``lost`` exists in the settled view only."""

RATIOS: Final = tuple(LayerRatios.__dataclass_fields__)
_ratio_values = attrgetter(*RATIOS)


def gpu_seconds(run: RunView) -> Samples:
    """Give every live state, with 0 from the start, so that ``rate`` sees it rise."""
    booked = run.sealed.gpu_ns
    return {labels: booked.get(state, 0) for state, labels in LIVE_STATES}


def badput(run: RunView) -> Samples:
    """Give every cause seen so far."""
    return {(cause.value,): ns for cause, ns in run.sealed.bad_gpu_ns.items()}


def restated(run: RunView) -> Samples:
    """Give what moved in the settled view, by where from and where to."""
    return {(source, target): ns for (source, target), ns in run.restated.items()}


def ratio(run: RunView) -> Samples:
    """Give every ratio that is known, per window."""
    return {
        labels: value
        for window, layers in run.ratios.items()
        for labels, value in zip(
            _ratio_labels(window), _ratio_values(layers), strict=True
        )
        if value is not None
    }


def run_info(run: RunView) -> Samples:
    """Say what the run's figures rest on."""
    devices = "gpus" if run.devices_are_gpus else "ranks"
    labels = (
        run.source,
        _yes(value=run.verified),
        _yes(value=run.upper_bound),
        run.outcome,
        devices,
    )
    return {labels: 1}


def rank_coverage(run: RunView) -> float | None:
    """Give the share of ranks that report; absent where none is expected."""
    if not run.ranks_expected:
        return None
    return run.ranks_reporting / run.ranks_expected


def steps(run: RunView) -> Samples:
    """Give the steps executed, first time and redone."""
    return {("first",): run.steps_first_time, ("redone",): run.steps_redone}


def restarts(run: RunView) -> Samples:
    """Give the restarts by how and cause, those seen so far."""
    return {
        (how.value, cause.value): count for (how, cause), count in run.restarts.items()
    }


def mfu(run: RunView) -> Samples:
    """Give MFU with what it rests on; absent where a part is unknown."""
    model = run.model
    if model.mfu is None:
        return {}
    return {(model.convention, model.dtype, model.gpu_model): model.mfu}


FAMILIES: Final[tuple[AnyFamily[RunView], ...]] = (
    Family(names.RUN_GPU_SECONDS, gpu_seconds),
    Family(names.RUN_BADPUT, badput),
    Family(names.RUN_RESTATED, restated),
    Family(names.RUN_RATIO, ratio),
    Single(names.RUN_OPEN, lambda run: run.tail_ns),
    Family(names.RUN_INFO, run_info),
    Family(names.RUN_STATE, lambda run: {(run.state.value,): 1}),
    Single(names.RUN_STARTED, lambda run: run.opened_ns),
    Single(names.RUN_ENDED, lambda run: run.ended_ns),
    Single(names.RUN_SEALED, lambda run: run.sealed_through_ns),
    Single(names.RUN_ASKED_DEVICES, lambda run: run.asked_devices),
    Single(names.RUN_RANK_COVERAGE, rank_coverage),
    Single(names.RUN_STEP, lambda run: run.step),
    Single(names.RUN_HIGH_WATER_STEP, lambda run: run.high_water_step),
    Single(names.RUN_SAVED_STEP, lambda run: run.saved_step),
    Single(names.RUN_DURABLE_STEP, lambda run: run.durable_step),
    Single(names.RUN_EXPOSURE, lambda run: run.exposure_gpu_ns),
    Single(names.RUN_REFERENCE_STEP, lambda run: run.reference_step_ns),
    Family(names.RUN_STEPS, steps),
    Family(names.RUN_RESTARTS, restarts),
    Single(names.RUN_INTERRUPTIONS, lambda run: run.interruptions),
    Single(names.RUN_TOKENS, lambda run: run.model.tokens),
    Family(names.RUN_MFU, mfu),
    Single(names.RUN_PEAK_UNKNOWN, lambda run: int(run.model.peak_flops is None)),
    Single(names.RUN_MODEL_FLOPS, lambda run: run.model.first_time_flops),
)


def _subjects(snapshot: Snapshot) -> tuple[RunView, ...]:
    return snapshot.runs


def _labels(run: RunView) -> Labels:
    return (run.key.run, run.key.namespace, run.kind)


@cache
def _ratio_labels(window: str) -> tuple[Labels, ...]:
    return tuple((name, window) for name in RATIOS)


def _yes(*, value: bool) -> str:
    return "true" if value else "false"


RUNS: Final = Group(FAMILIES, _subjects, _labels)
