"""
Reliability: how often runs are interrupted, how long they take, and by which nodes.

Few events say little, so that every rate has its limits. They are Byar's
approximation of the exact Poisson limits, because PromQL has no quantiles of
chi-square; the report has the exact ones.

Source:
    Breslow and Day, Statistical Methods in Cancer Research II (1987), section
    2.3: lower = n (1 - 1/9n - z/3 sqrt n)^3, upper the same of n + 1 with + z.
"""

from __future__ import annotations

from typing import Final

from dashboards.board import OF_RUNS, Board, Note, Row
from dashboards.boards.selections import (
    AVAILABLE,
    HERE,
    RUN,
    RUN_SECONDS,
    RUNS,
    TO_NODE,
    TO_RUN,
    appeared,
    hours,
    increase,
)
from dashboards.palette import CAUSE_COLOURS
from dashboards.panels import COUNT, EVENTS, RATIO, SECONDS, Query, bars, lines, number
from dashboards.tables import Column, rows

Z95: Final = 1.96
OURS: Final = 'cause=~"user|planned|scale_in"'
HARDWARE: Final = 'cause=~"gpu_error|gpu_lost|node_lost"'
NOT_NONE: Final = 'cause!="none"'
RESTARTS: Final = "goodput_run_restarts_total"
BADPUT: Final = "goodput_run_badput_gpu_seconds_total"
BOOK: Final = "goodput_cluster_gpu_seconds_total"
NODE_FAILURES: Final = "goodput_node_failures_total"
DAY_S: Final = 86_400

LOST_BY_RUN: Final = appeared(BADPUT, RUNS, NOT_NONE, by=f"{RUN}, cause")

UNWANTED: Final = (
    f"(({increase('goodput_run_interruptions_total', RUNS)})"
    f" - (sum({appeared(RESTARTS, RUNS, OURS, by='run, cause')}) or vector(0)))"
)
"""Interruptions, without those that somebody wanted."""
AVAILABLE_S: Final = increase(RUN_SECONDS, RUNS, AVAILABLE)
LOST_S: Final = f"sum({appeared(BADPUT, RUNS, NOT_NONE, by='run, cause')})"


def upper(events: str) -> str:
    """Return the upper 95 % limit of a Poisson count; defined for none, too."""
    n = f"({events} + 1)"
    return f"({n} * (1 - 1 / (9 * {n}) + {Z95} / (3 * sqrt({n}))) ^ 3)"


def lower(events: str) -> str:
    """Return the lower 95 % limit of a Poisson count; absent for less than one."""
    n = f"({events} >= 0.5)"
    return f"({n} * (1 - 1 / (9 * {n}) - {Z95} / (3 * sqrt({n}))) ^ 3)"


NODE_DAYS: Final = (
    f"({increase(BOOK, HERE)} / {DAY_S}"
    f" * count(max by (cluster, gpu_node) (goodput_node_gpus{{{HERE}}}) > 0)"
    f" / sum(max by (cluster, gpu_node) (goodput_node_gpus{{{HERE}}})))"
)
"""GPU-days of the cluster book over GPUs per node as they are now."""
HARDWARE_EVENTS: Final = (
    f"(sum({appeared(RESTARTS, HERE, HARDWARE, by='run, cause')}) or vector(0))"
)

INTERRUPTIONS: Final = Row(
    "How often, and how long",
    (
        number(
            "Interruptions",
            "In this range, without those by user, planned or scale_in. Below about "
            "ten, believe the limits and not the mean.",
            Query(UNWANTED),
            unit=EVENTS,
        ),
        number(
            "GPU-hours per interruption",
            "Available GPU time over interruptions: MTTI, weighted by GPUs.",
            Query(f"{hours(AVAILABLE_S)} / ({UNWANTED} >= 0.5)"),
            unit="h",
        ),
        number(
            "Per interruption, at least",
            "The lower 95 % limit of the mean; known even where nothing happened.",
            Query(f"{hours(AVAILABLE_S)} / {upper(UNWANTED)}"),
            unit="h",
        ),
        number(
            "Per interruption, at most",
            "The upper 95 % limit of the mean; absent where nothing happened.",
            Query(f"{hours(AVAILABLE_S)} / {lower(UNWANTED)}"),
            unit="h",
        ),
        number(
            "GPU-hours lost per interruption",
            "Badput that an interruption caused, from the last completed step to the "
            "first new one, over interruptions.",
            Query(f"{hours(LOST_S)} / ({UNWANTED} >= 0.5)"),
            unit="h",
        ),
        number(
            "Time lost to interruptions",
            "Badput with a cause over all available time and that.",
            Query(f"{LOST_S} / ({AVAILABLE_S} > 0)"),
            unit=RATIO,
        ),
        rows(
            "By run",
            "MTTI and MTTR as time of the run, in this range. A run with few events "
            "says little by itself.",
            {"run": "Run", "run_namespace": "Namespace"},
            Column(
                "Interruptions",
                increase(
                    "goodput_run_interruptions_total", RUNS, by="run, run_namespace"
                ),
                EVENTS,
            ),
            Column(
                "MTTI",
                f"sum by (run, run_namespace) "
                f"({increase(RUN_SECONDS, RUNS, AVAILABLE, by=RUN)} / on ({RUN}) "
                f"max by ({RUN}) (goodput_run_asked_devices{{{RUNS}}}) / on ({RUN}) "
                f"({increase('goodput_run_interruptions_total', RUNS, by=RUN)} "
                ">= 0.5))",
                SECONDS,
            ),
            Column(
                "MTTR",
                f"sum by (run, run_namespace) "
                f"(sum by ({RUN}) ({LOST_BY_RUN}) / on ({RUN}) "
                f"max by ({RUN}) (goodput_run_asked_devices{{{RUNS}}}) / on ({RUN}) "
                f"({increase('goodput_run_interruptions_total', RUNS, by=RUN)} "
                ">= 0.5))",
                SECONDS,
            ),
            links={"Run": TO_RUN},
            first="Interruptions",
        ),
    ),
)

CAUSES: Final = Row(
    "Why",
    (
        bars(
            "Restarts, by cause",
            "In this range.",
            Query(
                f"sort_desc({appeared(RESTARTS, RUNS, by='cause')} > 0)", "{{cause}}"
            ),
            unit=EVENTS,
            colours=CAUSE_COLOURS,
            empty="no run restarted in this range",
            width=8,
        ),
        bars(
            "Restarts, by what brought the run back",
            "In this range.",
            Query(f"sort_desc({appeared(RESTARTS, RUNS, by='how')} > 0)", "{{how}}"),
            unit=EVENTS,
            empty="no run restarted in this range",
            width=8,
        ),
        bars(
            "GPU-hours lost, by cause",
            "In this range, interruptions only.",
            Query(
                "sort_desc("
                + hours(appeared(BADPUT, RUNS, NOT_NONE, by="cause"))
                + " > 0)",
                "{{cause}}",
            ),
            unit="h",
            colours=CAUSE_COLOURS,
            empty="no interruption cost any",
            width=8,
        ),
    ),
)

NODES: Final = Row(
    "Nodes",
    (
        number(
            "Failures per 1,000 node-days",
            "Restarts by gpu_error, gpu_lost and node_lost over node-days of the "
            "cluster book.",
            Query(f"1000 * {HARDWARE_EVENTS} / ({NODE_DAYS} > 0)"),
            unit=COUNT,
            width=6,
        ),
        number(
            "Failures, at most",
            "Per 1,000 node-days, the upper 95 % limit; it says how little is known "
            "after a quiet week.",
            Query(f"1000 * {upper(HARDWARE_EVENTS)} / ({NODE_DAYS} > 0)"),
            unit=COUNT,
            width=6,
        ),
        number(
            "Node-days",
            "GPU-days of the cluster book in this range, over GPUs per node.",
            Query(NODE_DAYS),
            unit=COUNT,
            width=6,
        ),
        number(
            "GPUs unavailable",
            "Share of the physical GPU time in which nobody could have used it.",
            Query(
                increase(BOOK, HERE, 'category="unavailable"')
                + f" / ({increase(BOOK, HERE)} > 0)"
            ),
            unit=RATIO,
            width=6,
        ),
        rows(
            "Suspect nodes",
            "Failures of runs that began on a node since the ledger began, hardware "
            "XIDs, uncorrected ECC errors and GPUs that do not answer. A suspicion to "
            "look into, not a verdict: the report divides by node-days and tests it.",
            {"gpu_node": "Node"},
            Column(
                "Failures of runs",
                f"topk(20, sum by (gpu_node) ({NODE_FAILURES}{{{HERE}}}))",
                EVENTS,
            ),
            Column(
                "Hardware XIDs",
                "topk(20, sum by (gpu_node) (goodput_gpu_xid_total"
                f'{{{HERE},class=~"hw_recoverable|hw_fatal"}}))',
            ),
            Column(
                "Uncorrected ECC",
                "topk(20, sum by (gpu_node) (increase(goodput_gpu_ecc_errors_total"
                f'{{{HERE},kind="uncorrected"}}[$__range])))',
            ),
            Column(
                "Not answering",
                "topk(20, sum by (gpu_node) (1 - min by (gpu_node, gpu_uuid) "
                f"(goodput_gpu_up{{{HERE}}})))",
                EVENTS,
            ),
            links={"Node": TO_NODE},
            first="Failures of runs",
            width=12,
        ),
        lines(
            "Unavailable GPUs, by reason",
            "Physical GPUs that nobody could use.",
            Query(
                f"sum by (reason) (rate({BOOK}"
                f'{{{HERE},category="unavailable"}}[$__rate_interval]))',
                "{{reason}}",
            ),
            unit=COUNT,
            empty="every GPU could be used",
        ),
    ),
)

RELIABILITY: Final = Board(
    uid="goodput-reliability",
    title="Goodput / Reliability",
    text="How often runs are interrupted, what that costs, and which nodes do it.",
    choices=OF_RUNS,
    rows=(INTERRUPTIONS, CAUSES, NODES),
    notes=(
        Note(
            "Incidents",
            f"sum by (run) (increase(goodput_run_interruptions_total{{{RUNS}}}"
            "[$__rate_interval])) > 0",
            "{{run}} was interrupted",
        ),
    ),
)
