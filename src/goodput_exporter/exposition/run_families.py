"""What the page says of each run."""

from __future__ import annotations

from functools import cache
from itertools import chain, compress
from operator import attrgetter
from typing import Final

from goodput_exporter.analysis.incident_record import blamed_node, named_nodes
from goodput_exporter.domain.ratios import LayerRatios
from goodput_exporter.domain.snapshot import RunView, Snapshot
from goodput_exporter.domain.states import STATE_TABLE, RunState
from goodput_exporter.exposition import run_metrics as names
from goodput_exporter.exposition.family import (
    NO_SERIES,
    AnyFamily,
    Fan,
    Group,
    Keys,
    Labels,
    Single,
    Values,
)

LIVE_STATES: Final[tuple[RunState, ...]] = tuple(
    row.state for row in STATE_TABLE if row.state is not RunState.LOST
)
"""Every state that a counter can hold; ``lost`` exists in the settled view only."""
LIVE_KEYS: Final[Keys] = tuple(
    (row.state.value, row.layer.value)
    for row in STATE_TABLE
    if row.state in LIVE_STATES
)
_ZEROS: Final = (0,) * len(LIVE_STATES)
_STEP_KEYS: Final[Keys] = (("first",), ("redone",))
_IS_SO: Final = (1,)

RATIOS: Final = tuple(LayerRatios.__dataclass_fields__)
_ratio_values = attrgetter(*RATIOS)


def gpu_seconds(run: RunView) -> tuple[Keys, Values]:
    """Give every live state, with 0 from the start, so that ``rate`` sees it rise."""
    return LIVE_KEYS, list(map(run.sealed.gpu_ns.get, LIVE_STATES, _ZEROS))


def badput(run: RunView) -> tuple[Keys, Values]:
    """Give every cause seen so far."""
    bad_gpu_ns = run.sealed.bad_gpu_ns
    return tuple(zip(bad_gpu_ns, strict=True)), bad_gpu_ns.values()


def restated(run: RunView) -> tuple[Keys, Values]:
    """Give what moved in the settled view, by where from and where to."""
    return tuple(run.restated), run.restated.values()


def reattributed(run: RunView) -> tuple[Keys, Values]:
    """Give the badput whose cause was corrected, by which it had and which it has."""
    return tuple(run.recaused), run.recaused.values()


def ratio(run: RunView) -> tuple[Keys, Values]:
    """Give every ratio that is known, per window."""
    keys = _ratio_keys(tuple(run.ratios))
    values = list(chain.from_iterable(map(_ratio_values, run.ratios.values())))
    if None not in values:
        return keys, values
    known = [value is not None for value in values]
    return tuple(compress(keys, known)), list(compress(values, known))


def run_info(run: RunView) -> tuple[Keys, Values]:
    """Say what the run's figures rest on."""
    devices = "gpus" if run.devices_are_gpus else "ranks"
    labels = (
        run.source,
        _yes(value=run.verified),
        _yes(value=run.upper_bound),
        run.outcome,
        devices,
    )
    return (labels,), _IS_SO


def run_owner(run: RunView) -> tuple[Keys, Values]:
    """Say whose the run is; what is not known is empty, so that joins keep the run."""
    owner = run.owner
    return ((owner.team, owner.queue, owner.gpu_model, owner.pool),), _IS_SO


def run_state(run: RunView) -> tuple[Keys, Values]:
    """Give the state a run is in now; one that is over is in none."""
    return (((run.state,),), _IS_SO) if run.ended_ns is None else ((), ())


def rank_coverage(run: RunView) -> float | None:
    """Give the share of ranks that report; absent where none is expected."""
    if not run.ranks_expected:
        return None
    return run.ranks_reporting / run.ranks_expected


def steps(run: RunView) -> tuple[Keys, Values]:
    """Give the steps executed, first time and redone."""
    return _STEP_KEYS, (run.steps_first_time, run.steps_redone)


def restarts(run: RunView) -> tuple[Keys, Values]:
    """Give the restarts by how and cause, those seen so far."""
    return tuple(run.restarts), run.restarts.values()


def run_outage(run: RunView) -> tuple[Keys, Values]:
    """Say why ranks are missing and where it began; absent while none is."""
    last = run.incidents[0] if run.incidents else None  # the newest comes first
    if last is None or last.returned_ns is not None or run.ended_ns is not None:
        return NO_SERIES, ()
    node = blamed_node(named_nodes(last.evidence) or last.nodes, None, last.cause)
    return ((node or "", last.cause),), _IS_SO


def mfu(run: RunView) -> tuple[Keys, Values]:
    """Give MFU with what it rests on; absent where a part is unknown."""
    model = run.model
    if model.mfu is None:
        return NO_SERIES, ()
    return ((model.convention, model.dtype, model.gpu_model),), (model.mfu,)


FAMILIES: Final[tuple[AnyFamily[RunView], ...]] = (
    Fan(names.RUN_GPU_SECONDS, gpu_seconds),
    Fan(names.RUN_BADPUT, badput),
    Fan(names.RUN_RESTATED, restated),
    Fan(names.RUN_REATTRIBUTED, reattributed),
    Single(names.RUN_LATE, lambda run: run.late_ns),
    Fan(names.RUN_RATIO, ratio),
    Single(names.RUN_OPEN, lambda run: run.tail_ns),
    Fan(names.RUN_INFO, run_info),
    Fan(names.RUN_OWNER_INFO, run_owner),
    Fan(names.RUN_STATE, run_state),
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
    Fan(names.RUN_STEPS, steps),
    Fan(names.RUN_RESTARTS, restarts),
    Single(names.RUN_INTERRUPTIONS, lambda run: run.interruptions),
    Fan(names.RUN_OUTAGE_INFO, run_outage),
    Single(names.RUN_TOKENS, lambda run: run.model.tokens),
    Fan(names.RUN_MFU, mfu),
    Single(names.RUN_PEAK_UNKNOWN, lambda run: int(run.model.peak_flops is None)),
    Single(names.RUN_MODEL_FLOPS, lambda run: run.model.first_time_flops),
)


def _subjects(snapshot: Snapshot) -> tuple[RunView, ...]:
    return snapshot.runs


def _labels(run: RunView) -> Labels:
    return (run.key.run, run.key.namespace, run.kind)


@cache
def _ratio_keys(windows: tuple[str, ...]) -> Keys:
    return tuple((name, window) for window in windows for name in RATIOS)


def _yes(*, value: bool) -> str:
    return "true" if value else "false"


RUNS: Final = Group(FAMILIES, _subjects, _labels)
