"""Runs to look at: one coherent two-hour story on 8 GPUs, and names meant to harm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from goodput_exporter.domain.accounting import Segment, tally
from goodput_exporter.domain.ratios import LayerRatios, ratios
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.snapshot import Incident, RunView, Snapshot
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.domain.states import Cause, How, RunState
from tests.fakes.snapshots import gpu_lost, gpu_sample, run_view, segments, snapshot

OPENED_NS: Final = 1_760_000_000 * NS_PER_SECOND
DEVICES: Final = 8
NOW_SECONDS: Final = 7_212
MFU: Final = 0.412
WINDOWS: Final = (
    ("5m", 300),
    ("1h", 3_600),
    ("24h", 86_400),
    ("lifetime", NOW_SECONDS),
)

HOSTILE: Final = (
    "<script>window.harmed = 1; alert(1)</script>",
    "'\"><img src=x onerror=window.harmed=1>",
    "../../etc",
    "..",
    "</script><b>out</b>",
    "bidi-\u202egnp.exe",
    "surrogate-\udc80",
    "x" * 128,
)

_CRASH = Cause.GPU_ERROR
_HANG = Cause.HANG
_STORY: Final = (
    (0, 140, RunState.INITIALIZING, Cause.NONE),
    (140, 1_500, RunState.PRODUCTIVE, Cause.NONE),
    (1_500, 1_530, RunState.CHECKPOINTING, Cause.NONE),
    (1_530, 2_460, RunState.PRODUCTIVE, Cause.NONE),
    (2_460, 2_620, RunState.DATA_WAIT, Cause.NONE),
    (2_620, 3_000, RunState.PRODUCTIVE, Cause.NONE),
    (3_000, 3_030, RunState.CHECKPOINTING, Cause.NONE),
    (3_030, 3_900, RunState.PRODUCTIVE, Cause.NONE),
    (3_900, 3_908, RunState.INTERRUPTED, _CRASH),
    (3_908, 4_650, RunState.DOWN, _CRASH),
    (4_650, 4_740, RunState.INITIALIZING, _CRASH),
    (4_740, 4_790, RunState.RESTORING, _CRASH),
    (4_790, 5_080, RunState.RECOMPUTING, _CRASH),
    (5_080, 5_400, RunState.PRODUCTIVE, Cause.NONE),
    (5_400, 5_520, RunState.EVALUATING, Cause.NONE),
    (5_520, 5_550, RunState.CHECKPOINTING, Cause.NONE),
    (5_550, 5_620, RunState.UNOBSERVED, Cause.NONE),
    (5_620, 6_300, RunState.PRODUCTIVE, Cause.NONE),
    (6_300, 6_410, RunState.SLOW, Cause.NONE),
    (6_410, 6_900, RunState.PRODUCTIVE, Cause.NONE),
    (6_900, 6_930, RunState.CHECKPOINTING, Cause.NONE),
    (6_930, 7_200, RunState.PRODUCTIVE, Cause.NONE),
    (7_200, NOW_SECONDS, RunState.PRODUCTIVE, Cause.NONE),
)

_HUNG: Final = (
    *_STORY[:-5],
    (6_300, 6_492, RunState.PRODUCTIVE, Cause.NONE),
    (6_492, NOW_SECONDS, RunState.STALLED, _HANG),
)


def trainer(
    name: str = "llama-70b-pretrain",
    story: Sequence[tuple[int, int, RunState, Cause]] = _STORY,
) -> RunView:
    """Return a run that trained for two hours on 8 GPUs and lost one to an XID."""
    timeline = tuple(segments(story, devices=DEVICES, opened_ns=OPENED_NS))
    whole = tally(timeline)
    return run_view(
        name,
        opened_ns=OPENED_NS,
        state_since_ns=_at(6_930),
        why="step 2,841 completed 1.9 s ago; the run trains at its reference pace",
        asked_devices=DEVICES,
        ranks_reporting=DEVICES,
        ranks_expected=DEVICES,
        sealed=tally(timeline[:-1]),
        sealed_through_ns=timeline[-1].span.start_ns,
        tail=tally(timeline[-1:]),
        tail_ns=timeline[-1].span.length_ns,
        ratios={window: _layers(timeline, seconds) for window, seconds in WINDOWS},
        settled=whole.copy(),
        step=2_841,
        high_water_step=2_841,
        saved_step=2_720,
        durable_step=2_720,
        exposure_gpu_ns=282 * DEVICES * NS_PER_SECOND,
        reference_step_ns=2_200_000_000,
        restarts={(How.POD, _CRASH): 1},
        timeline=timeline,
        incidents=(_crash(),),
    )


def scene() -> Snapshot:
    """Return a node with a trainer, a hung run, a small one, and a failed one."""
    small = trainer("tiny-finetune")
    runs = (
        trainer(),
        replace(
            trainer("mixtral-8x22b", _HUNG),
            state=RunState.STALLED,
            cause=_HANG,
            state_since_ns=_at(NOW_SECONDS - 720),
            why="no step has completed for 12 min, yet all 8 ranks report: a hang",
        ),
        replace(
            small,
            asked_devices=DEVICES,
            devices_are_gpus=False,
            upper_bound=True,
            notes=("a rank without a GPU counts as one device",),
        ),
        replace(
            trainer("ablation-lr3"),
            outcome="failed",
            ended_ns=_at(NOW_SECONDS),
            why="rank 0 exited with code 1 and was not restarted",
        ),
    )
    gpus = [gpu_sample(index) for index in range(3)]
    return snapshot(*runs, gpus=[*gpus, gpu_lost(3)], at_ns=_at(NOW_SECONDS))


def hostile() -> Snapshot:
    """Return one run for each name that means harm."""
    named = [
        replace(trainer(), key=RunKey("local", "default", name), why=name)
        for name in HOSTILE
    ]
    return snapshot(*named, at_ns=_at(NOW_SECONDS))


def _crash() -> Incident:
    story = segments(_STORY, devices=DEVICES, opened_ns=OPENED_NS)
    return Incident(
        number=1,
        began_ns=_at(3_900),
        detected_ns=_at(3_908),
        cause=_CRASH,
        rule="xid-fatal",
        evidence=("XID 79 on GPU 3: fallen off the bus", "rank 3: SIGABRT 2 s later"),
        returned_ns=_at(4_650),
        recovered_ns=_at(5_090),
        how=How.POD,
        restored_step=1_236,
        lost_steps=132,
        gpu_ns=tally(s for s in story if s.incident == 1).gpu_ns,
    )


def _layers(timeline: tuple[Segment, ...], seconds: int) -> LayerRatios:
    start_ns = max(OPENED_NS, _at(NOW_SECONDS - seconds))
    found = ratios(tally(timeline, Span(start_ns, _at(NOW_SECONDS))))
    if found.infrastructure is None or found.framework is None:
        return found
    overall = found.infrastructure * found.framework * MFU
    return replace(found, model=MFU, overall=overall)


def _at(second: int) -> int:
    return OPENED_NS + second * NS_PER_SECOND
