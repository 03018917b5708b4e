"""Which alerts are needless while another one, that says more, fires."""

from __future__ import annotations

from typing import Final

from dashboards.rules.rule import Inhibition

_RUN: Final = ("cluster", "run_namespace", "run")
_OF_RUNS: Final = ("GoodputDropped", "GoodputRunDown", "GoodputMfuDropped")

INHIBITIONS: Final = (
    Inhibition(
        "GoodputBudgetBurnsFast",
        ("GoodputBudgetBurnsSteadily", "GoodputBudgetBurnsSlowly"),
        ("cluster",),
        "the faster burn says the same, sooner",
    ),
    Inhibition(
        "GoodputBudgetBurnsSteadily",
        ("GoodputBudgetBurnsSlowly",),
        ("cluster",),
        "the faster burn says the same, sooner",
    ),
    Inhibition(
        "GoodputRunStalled", _OF_RUNS, _RUN, "the run stands; that is why it lost time"
    ),
    Inhibition(
        "GoodputCrashLoop", _OF_RUNS, _RUN, "the run loops; that is why it lost time"
    ),
    Inhibition(
        "GoodputRunLostNode",
        ("GoodputRunDown",),
        _RUN,
        "the node is why it lacks GPUs",
    ),
    Inhibition(
        "GoodputRestartStorm",
        ("GoodputDropped", "GoodputRunDown"),
        ("cluster",),
        "what the runs share is failing; single runs are not the matter",
    ),
    Inhibition(
        "GoodputGpuXidFatal",
        ("GoodputGpuLost", "GoodputGpuXidRecoverable"),
        ("cluster", "gpu_node", "gpu_uuid"),
        "the XID says why the GPU is lost",
    ),
    Inhibition(
        "GoodputNvmlOutage",
        ("GoodputGpuLost", "GoodputGpusMissing", "GoodputBusyWithoutProgress"),
        ("cluster", "gpu_node"),
        "nothing is known of any GPU of the node",
    ),
    Inhibition(
        "GoodputGpusMissing",
        ("GoodputGpusWithheld",),
        ("cluster", "gpu_node"),
        "a GPU that is not there cannot be offered",
    ),
    Inhibition(
        "GoodputLedgerFailing",
        ("GoodputTickLate", "GoodputRunSetBack"),
        ("cluster", "instance"),
        "both follow from a ledger that takes nothing",
    ),
    Inhibition(
        "GoodputExporterAbsent",
        (
            "GoodputExporterBlind",
            "GoodputAgentMissing",
            "GoodputAgentsNotScraped",
            "GoodputWatchStale",
        ),
        ("cluster",),
        "nothing is scraped at all",
    ),
)
