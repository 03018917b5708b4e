"""Run: what one run does, what it lost to what, and what a crash would cost now."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from dashboards.board import CLUSTER, NAMESPACE, TEAM, Board, Note, Row
from dashboards.board import RUN as A_RUN
from dashboards.boards.selections import (
    AVAILABLE,
    HERE,
    PRODUCTIVE,
    RUN,
    RUN_SECONDS,
    RUNS,
    STEP,
    TO_NODE,
    WALL,
    appeared,
    hours,
    increase,
    kilowatt_hours,
    rate,
    share,
    xids_of,
)
from dashboards.palette import CAUSE_COLOURS, RATIO_COLOURS, STATE_COLOURS
from dashboards.panels import (
    COUNT,
    EVENTS,
    HIGH_IS_GOOD,
    RATIO,
    SECONDS,
    Query,
    bars,
    lines,
    number,
    stack,
    timeline,
)
from dashboards.tables import Column, rows
from goodput_exporter.exposition.run_families import LIVE_STATES

BADPUT: Final = "goodput_run_badput_gpu_seconds_total"
ENERGY: Final = "goodput_run_energy_joules_total"
CODES: Final = {
    code: (state.value, STATE_COLOURS[state])
    for code, state in enumerate(LIVE_STATES, start=1)
}


def _newest(metric: str, *matchers: str) -> str:
    return f"max by ({RUN}) ({metric}{{{','.join((RUNS, *matchers))}}})"


def _state_code() -> str:
    """Return the state as a number, for a timeline has one row per series."""
    coded = (
        f'goodput_run_state{{{RUNS},state="{word}"}} * {code}'
        for code, (word, _) in CODES.items()
    )
    return f"max by ({RUN}) (" + "\n  or ".join(coded) + "\n)"


def _ratio(layer: str, window: str) -> str:
    return _newest("goodput_run_ratio", f'layer="{layer}"', f'window="{window}"')


def _wall(*matchers: str) -> str:
    """Return seconds of the run: its GPU time over its GPUs."""
    seconds = increase(RUN_SECONDS, RUNS, *matchers, by=RUN)
    return f"{seconds} / on ({RUN}) {_newest('goodput_run_asked_devices')}"


def _increase(metric: str) -> str:
    return increase(metric, RUNS, by=RUN)


SAVES: Final = (
    f"max by ({RUN}) (changes(goodput_run_durable_step{{{RUNS}}}[$__range]) > 0)"
)
CHECKPOINTING: Final = 'state="checkpointing"'
FIRST_TIME: Final = 'execution="first"'
BLOCKED_PER_SAVE: Final = f"{_wall(CHECKPOINTING)} / on ({RUN}) {SAVES}"
MTTI: Final = (
    f"{_wall(AVAILABLE)} / on ({RUN}) "
    f"({_increase('goodput_run_interruptions_total')} > 0)"
)
YOUNG: Final = f"sqrt(2 * ({BLOCKED_PER_SAVE}) * on ({RUN}) ({MTTI}))"
INTERVAL: Final = f"{_wall(AVAILABLE)} / on ({RUN}) {SAVES}"
EXPOSED: Final = (
    f"{_newest('goodput_run_exposure_gpu_seconds')} / on ({RUN}) "
    f"{_newest('goodput_run_asked_devices')}"
)
STEP_TIME: Final = (
    f"{rate(RUN_SECONDS, RUNS, STEP, by=RUN)} / on ({RUN}) "
    f"{_newest('goodput_run_asked_devices')} / on ({RUN}) "
    f"({rate('goodput_run_steps_total', RUNS, FIRST_TIME, by=RUN)} > 0)"
)

NOW: Final = Row(
    "Now",
    (
        timeline(
            "State",
            "What the run was doing at every instant.",
            Query(_state_code(), "{{run}}"),
            CODES,
        ),
        number(
            "Goodput, the run's life",
            "Productive share of all observed time since the run was admitted, the "
            "open tail included.",
            Query(_ratio("goodput", "lifetime"), "{{run}}"),
            unit=RATIO,
            bounds=HIGH_IS_GOOD,
        ),
        number(
            "Goodput, last hour",
            "The same of the last hour.",
            Query(_ratio("goodput", "1h"), "{{run}}"),
            unit=RATIO,
            bounds=HIGH_IS_GOOD,
        ),
        number(
            "Goodput, this range",
            "Sealed productive time over sealed time in the dashboard's range.",
            Query(
                share(
                    increase(RUN_SECONDS, RUNS, PRODUCTIVE, by=RUN),
                    increase(RUN_SECONDS, RUNS, WALL, by=RUN),
                ),
                "{{run}}",
            ),
            unit=RATIO,
            bounds=HIGH_IS_GOOD,
        ),
        number(
            "Step",
            "Last completed optimizer step; falls back on a restart.",
            Query(_newest("goodput_run_step"), "{{run}}"),
            unit="none",
        ),
        number(
            "A crash now would cost",
            "Progress since the last durable checkpoint, on every GPU. Absent without "
            "a durable checkpoint.",
            Query(EXPOSED, "{{run}}"),
            unit=SECONDS,
        ),
        number(
            "GPUs",
            "Devices that the run's book counts.",
            Query(_newest("goodput_run_asked_devices"), "{{run}}"),
            unit="none",
        ),
        rows(
            "Why it is down",
            "The cause, and the node that it began on; the node's name leads to its "
            "dashboard. Empty while the run is up.",
            {"run": "Run", "cause": "Cause", "gpu_node": "Node"},
            Column(
                "Now",
                f"max by (run, cause, gpu_node) (goodput_run_outage_info{{{RUNS}}})",
            ),
            links={"Node": TO_NODE},
            width=12,
            height=5,
        ),
        rows(
            "Restarts",
            "Times that the run came back, over its life, by what brought it back and "
            "why it had stopped. Each incident with its evidence is in the API and on "
            "the exporter's page.",
            {"run": "Run", "how": "How", "cause": "Cause"},
            Column(
                "Restarts",
                f"max by (run, how, cause) (goodput_run_restarts_total{{{RUNS}}})",
                EVENTS,
            ),
            first="Restarts",
            width=12,
            height=5,
        ),
    ),
)

LOST: Final = Row(
    "Where did the time go?",
    (
        stack(
            "GPUs by state",
            "Sealed time by state; all states together are the run's GPUs.",
            Query(rate(RUN_SECONDS, RUNS, by="state") + " > 0", "{{state}}"),
            unit=COUNT,
            colours=STATE_COLOURS,
        ),
        bars(
            "GPU-hours by state",
            "Of the dashboard's range, the largest first.",
            Query(
                "sort_desc(" + hours(increase(RUN_SECONDS, RUNS, by="state")) + " > 0)",
                "{{state}}",
            ),
            unit="h",
            colours=STATE_COLOURS,
            width=6,
        ),
        bars(
            "GPU-hours lost, by cause",
            "Of the dashboard's range. No interruption caused first starts, saves and "
            "waiting for data.",
            Query(
                "sort_desc(" + hours(appeared(BADPUT, RUNS, by="cause")) + " > 0)",
                "{{cause}}",
            ),
            unit="h",
            colours=CAUSE_COLOURS,
            empty="nothing was lost in this range",
            width=6,
        ),
        lines(
            "Layers",
            "Over the last hour at each instant, the open tail included. "
            "infrastructure × framework × pace = goodput.",
            *(
                Query(_ratio(layer, "1h"), f"{layer} {{{{run}}}}")
                for layer in RATIO_COLOURS
            ),
            unit=RATIO,
            colours=RATIO_COLOURS,
            most=1,
        ),
        lines(
            "Corrected afterwards",
            "GPU time that later evidence moved: in the settled view, or to a better "
            "known cause. The counters above stay as they were.",
            Query(
                f"sum by (from_state, to_state) "
                f"(goodput_run_restated_gpu_seconds_total{{{RUNS}}})",
                "{{from_state}} → {{to_state}}",
            ),
            Query(
                f"sum by (from_cause, to_cause) "
                f"(goodput_run_reattributed_gpu_seconds_total{{{RUNS}}})",
                "{{from_cause}} → {{to_cause}}",
            ),
            unit=SECONDS,
            empty="nothing was corrected",
        ),
    ),
)

INCIDENTS: Final = Row(
    "What would a crash cost, and how often to save?",
    (
        lines(
            "Steps: done, saved, durable",
            "The gap between the highest step and the durable one is what a crash "
            "costs; a step below the high-water mark is redone work.",
            *(
                Query(_newest(metric), legend)
                for metric, legend in (
                    ("goodput_run_high_water_step", "high-water mark {{run}}"),
                    ("goodput_run_step", "step {{run}}"),
                    ("goodput_run_saved_step", "saved {{run}}"),
                    ("goodput_run_durable_step", "durable {{run}}"),
                )
            ),
            unit="none",
        ),
        lines(
            "Exposure",
            "What a crash would cost, as time on every GPU.",
            Query(EXPOSED, "{{run}}"),
            unit=SECONDS,
            empty="no durable checkpoint is known",
        ),
        number(
            "Checkpoint interval now",
            "Available time over durable checkpoints seen in this range. Saves closer "
            "together than the scrape are counted once.",
            Query(INTERVAL, "{{run}}"),
            unit=SECONDS,
            width=6,
        ),
        number(
            "Interval that wastes least",
            "An estimate, Young's square root of 2 × blocking time per save × mean "
            "time to interruption, from this range. The report has Daly's form, limits "
            "and the gain.",
            Query(YOUNG, "{{run}}"),
            unit=SECONDS,
            width=6,
        ),
        number(
            "A save blocks for",
            "Time that the training loop was blocked by saves, per durable checkpoint.",
            Query(BLOCKED_PER_SAVE, "{{run}}"),
            unit=SECONDS,
            width=6,
        ),
        number(
            "Mean time to interruption",
            "Available time over interruptions in this range. Few events say little: "
            "see the limits on the Reliability dashboard.",
            Query(MTTI, "{{run}}"),
            unit=SECONDS,
            width=6,
        ),
    ),
)

MODEL: Final = Row(
    "How fast, and with how much energy?",
    (
        lines(
            "Step time",
            "Time per new step, beside the run's reference: what is above it is slow.",
            Query(STEP_TIME, "step {{run}}"),
            Query(_newest("goodput_run_reference_step_seconds"), "reference {{run}}"),
            unit=SECONDS,
            width=8,
        ),
        lines(
            "MFU",
            "Model FLOPs over peak FLOPs in step time. Compare only equal conventions "
            "and dtypes; absent where FLOPs or peak are unknown.",
            Query(
                "max by (run, convention, peak_dtype) "
                f"(goodput_run_mfu_ratio{{{RUNS}}})",
                "life {{run}} ({{convention}}, {{peak_dtype}})",
            ),
            Query(_ratio("model", "1h"), "last hour {{run}}"),
            unit=RATIO,
            empty="the job reports no FLOPs, or the peak of its GPUs is not known",
            width=8,
        ),
        lines(
            "Tokens per second",
            "Of steps done for the first time.",
            Query(rate("goodput_run_tokens_total", RUNS, by="run"), "{{run}}"),
            unit=COUNT,
            empty="the job reports no tokens",
            width=8,
        ),
        lines(
            "Ranks heard of",
            "Share of the expected ranks that report. A silent rank lowers this, not "
            "the book.",
            Query(_newest("goodput_run_rank_coverage_ratio"), "{{run}}"),
            unit=RATIO,
            width=8,
            most=1,
        ),
        bars(
            "Energy by state",
            "What the run's GPUs drew in the dashboard's range, by what it was doing: "
            "what is beside productive bought no progress.",
            Query(
                "sort_desc("
                + kilowatt_hours(increase(ENERGY, RUNS, by="state"))
                + " > 0)",
                "{{state}}",
            ),
            unit="kwatth",
            colours=STATE_COLOURS,
            empty="no agent reports the energy of its GPUs",
            width=8,
        ),
        rows(
            "What the figures rest on",
            "source: who told; upper_bound: redone steps cannot be seen; devices: "
            "ranks where there are no GPUs.",
            {
                "run": "Run",
                "run_namespace": "Namespace",
                "source": "Source",
                "verified": "Verified",
                "upper_bound": "Upper bound",
                "outcome": "Outcome",
                "devices": "Devices",
            },
            Column(
                "Known",
                "max by (run, run_namespace, source, verified, upper_bound, outcome, "
                f"devices) (goodput_run_info{{{RUNS}}})",
            ),
            width=8,
        ),
    ),
)

RUN_BOARD: Final = Board(
    uid="goodput-run",
    title="Goodput / Run",
    text="What one run does, what it lost to what, and what a crash would cost now.",
    # Hundreds of runs on one panel say nothing: it begins with one, and takes more.
    choices=(CLUSTER, NAMESPACE, TEAM, replace(A_RUN, has_all=False)),
    rows=(NOW, LOST, INCIDENTS, MODEL),
    notes=(
        Note(
            "Incidents",
            f"sum by (run) (increase(goodput_run_interruptions_total{{{RUNS}}}"
            "[$__rate_interval])) > 0",
            "{{run}} was interrupted",
        ),
        Note(
            "XIDs",
            xids_of(HERE),
            "XID {{xid}} on {{gpu_node}}",
        ),
    ),
)
