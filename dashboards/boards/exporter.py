"""Exporter health: is it there, does it see, does it keep its books?"""

from __future__ import annotations

from typing import Final

from dashboards.board import CLUSTER, Board, Row
from dashboards.boards.selections import HERE
from dashboards.panels import (
    COUNT,
    ONE_IS_GOOD,
    RATIO,
    SECONDS,
    ZERO_IS_GOOD,
    Query,
    lines,
    number,
)
from dashboards.tables import Column, rows

OURS: Final = f"goodput_build_info{{{HERE}}}"
BY_PROGRAM: Final = "cluster, instance"


def _rate(metric: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}{{{HERE}}}[$__rate_interval]))"


def _largest(metric: str, by: str = BY_PROGRAM) -> str:
    return f"max by ({by}) ({metric}{{{HERE}}})"


def _process(metric: str) -> str:
    """Return a metric that every program has, of ours only."""
    return f"max by (instance) ({metric} and on (cluster, job, instance) {OURS})"


def _process_rate(metric: str) -> str:
    rated = f"rate({metric}[$__rate_interval])"
    return f"max by (instance) ({rated} and on (cluster, job, instance) {OURS})"


THERE: Final = Row(
    "Is it there, and does it see?",
    (
        number(
            "Programs",
            "Exporters, agents and aggregators that are scraped.",
            Query(f"count({OURS})"),
            unit="none",
        ),
        number(
            "Observed, last hour",
            "Share of the runs' GPU time that anybody saw.",
            Query(
                "min(goodput_group_ratio"
                f'{{{HERE},group_kind="cluster",layer="coverage",window="1h"}})'
            ),
            unit=RATIO,
            bounds=ONE_IS_GOOD,
        ),
        number(
            "Ledgers that write",
            "Share of the programs whose last commit succeeded.",
            Query(f"avg(goodput_ledger_up{{{HERE}}})"),
            unit=RATIO,
            bounds=ONE_IS_GOOD,
        ),
        number(
            "GPU nodes without an agent",
            "Their GPUs are unobserved.",
            Query(
                f'sum(max by (cluster) (goodput_nodes{{{HERE},gpu="true",'
                'agent="missing"}))'
            ),
            unit="none",
            bounds=ZERO_IS_GOOD,
        ),
        number(
            "Leaders",
            "Replicas that write; one per shard.",
            Query(f"sum(goodput_leader{{{HERE}}})"),
            unit="none",
        ),
        number(
            "Kinds that RBAC refuses",
            "What they would tell is not known.",
            Query(f"sum(max by (kind) (goodput_source_forbidden{{{HERE}}}))"),
            unit="none",
            bounds=ZERO_IS_GOOD,
        ),
        rows(
            "What runs where",
            "Versions, and how far each program has come.",
            {"instance": "Program", "version": "Version", "python_version": "Python"},
            Column("Up", f"max by (instance, version, python_version) ({OURS})"),
            width=12,
        ),
        lines(
            "Behind",
            "How late ticks begin. Above the tick's own length, counters lag.",
            Query(_largest("goodput_tick_lag_seconds"), "lag {{instance}}"),
            Query(_largest("goodput_tick_duration_seconds"), "length {{instance}}"),
            unit=SECONDS,
        ),
    ),
)

BOOKS: Final = Row(
    "Books",
    (
        lines(
            "Entries and commits",
            "Written to the ledger, per second.",
            Query(
                _rate("goodput_ledger_entries_total", "instance"),
                "entries {{instance}}",
            ),
            Query(
                _rate("goodput_ledger_commits_total", "instance"),
                "commits {{instance}}",
            ),
            unit="cps",
            width=8,
        ),
        lines(
            "What failed",
            "Commits that failed (they are retried), ticks that were not recorded, "
            "runs that were set back.",
            Query(
                _rate("goodput_ledger_failures_total", "instance"),
                "commits {{instance}}",
            ),
            Query(
                _rate("goodput_recording_failures_total", "instance"),
                "recording {{instance}}",
            ),
            Query(
                _rate("goodput_runs_set_back_total", "instance"),
                "set back {{instance}}",
            ),
            Query(
                _rate("goodput_evidence_failures_total", "source"),
                "evidence of {{source}}",
            ),
            unit="cps",
            width=8,
        ),
        lines(
            "Unsealed",
            "The newest time that is in gauges and not yet in counters.",
            Query(f"max(goodput_run_open_seconds{{{HERE}}})", "longest open tail"),
            Query(_largest("goodput_clock_skew_seconds"), "clock skew {{instance}}"),
            unit=SECONDS,
            width=8,
        ),
    ),
)

COMING: Final = Row(
    "What comes in",
    (
        lines(
            "Heartbeats",
            "Taken in, refused (the five most frequent reasons) and lost, per second.",
            Query(
                _rate("goodput_datagrams_accepted_total", "transport"), "{{transport}}"
            ),
            Query(
                f"topk(5, {_rate('goodput_datagrams_rejected_total', 'reason')})",
                "refused: {{reason}}",
            ),
            Query(_rate("goodput_datagrams_lost_total", "cluster"), "lost on the way"),
            unit="cps",
            width=8,
        ),
        lines(
            "Agents' batches at the aggregator",
            "By what became of them; anything but applied deserves a look.",
            Query(_rate("goodput_pushed_batches_total", "fate"), "{{fate}}"),
            Query(
                _rate("goodput_pushes_refused_total", "reason"), "refused: {{reason}}"
            ),
            unit="cps",
            width=8,
        ),
        lines(
            "Waiting at the agents",
            "Batches that are spooled until the aggregator takes them.",
            Query(_largest("goodput_spool_batches"), "{{instance}}"),
            unit=COUNT,
            width=8,
        ),
        lines(
            "Lost for good",
            "Given up before it was delivered or taken: batches by reason, "
            "observations, gaps in agents' numbers, runs without room.",
            Query(
                _rate("goodput_spool_dropped_batches_total", "reason"),
                "spool: {{reason}}",
            ),
            Query(
                _rate("goodput_push_lost_observations_total", "reason"),
                "observations: {{reason}}",
            ),
            Query(_rate("goodput_pushed_missing_total", "instance"), "never came"),
            Query(_rate("goodput_runs_refused_total", "instance"), "runs without room"),
            unit="cps",
        ),
        lines(
            "Reading GPUs and the kubelet",
            "1 is good for NVML, 0 for the others: asked the kubelet in vain, and "
            "readers stuck in the driver.",
            Query(_largest("goodput_gpu_source_up", "gpu_node"), "NVML {{gpu_node}}"),
            Query(_largest("goodput_gpu_attribution_degraded"), "kubelet {{instance}}"),
            Query(_largest("goodput_nvml_children_stuck"), "stuck {{instance}}"),
            unit="none",
        ),
        lines(
            "Silence of the API server, by kind",
            "Since it last said anything, bookmarks included.",
            Query(
                "time() - max by (kind) "
                f"(goodput_watch_last_event_timestamp_seconds{{{HERE}}})",
                "{{kind}}",
            ),
            unit=SECONDS,
            width=8,
        ),
        lines(
            "Watches that began anew",
            "Lists after the first one, and errors by class.",
            Query(_rate("goodput_watch_relists_total", "kind"), "{{kind}} listed"),
            Query(
                _rate("goodput_watch_errors_total", "kind, trouble"),
                "{{kind}}: {{trouble}}",
            ),
            unit="cps",
            width=8,
        ),
        lines(
            "Objects held",
            "What the aggregator keeps of the cluster.",
            Query(_largest("goodput_watch_objects", "kind"), "{{kind}}"),
            unit=COUNT,
            width=8,
        ),
    ),
)

PAGE: Final = Row(
    "The page, and what it costs",
    (
        lines(
            "Series",
            "On each page.",
            Query(_largest("goodput_series"), "{{instance}}"),
            unit=COUNT,
            width=8,
        ),
        rows(
            "Left out",
            "Series dropped, and families that could not be rendered, since the "
            "program started.",
            {"instance": "Program", "family": "Family"},
            Column(
                "Dropped", _largest("goodput_series_dropped_total", "instance, family")
            ),
            Column(
                "Errors", _largest("goodput_collector_errors_total", "instance, family")
            ),
            width=8,
        ),
        lines(
            "Memory",
            "Resident, of each program.",
            Query(_process("process_resident_memory_bytes"), "{{instance}}"),
            unit="bytes",
            width=8,
        ),
        lines(
            "CPU",
            "Cores used by each program.",
            Query(_process_rate("process_cpu_seconds_total"), "{{instance}}"),
            unit=COUNT,
            width=8,
        ),
        lines(
            "Open files",
            "Of each program; a steady climb is a leak.",
            Query(_process("process_open_fds"), "{{instance}}"),
            unit="none",
            width=8,
        ),
        lines(
            "Scrape",
            "Whether Prometheus reached it: 1 is up.",
            Query(
                f"min by (instance) (up and on (cluster, job, instance) {OURS})",
                "{{instance}}",
            ),
            unit="none",
            width=8,
        ),
    ),
)

EXPORTER: Final = Board(
    uid="goodput-exporter",
    title="Goodput / Exporter health",
    text="Is the exporter there, does it see, does it keep its books?",
    choices=(CLUSTER,),
    rows=(THERE, BOOKS, COMING, PAGE),
)
