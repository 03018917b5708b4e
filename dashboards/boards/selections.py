"""Selectors and sums that the dashboards share; names of what the reader chose."""

from __future__ import annotations

from typing import Final

from dashboards.rules.recording import grown, grown_of_runs

HERE: Final = 'cluster=~"$cluster"'
RUNS: Final = f'{HERE},run_namespace=~"$namespace",run=~"$run"'
OF_TEAM: Final = f'{HERE},run_namespace=~"$namespace",team=~"$team"'
NODES: Final = f'{HERE},gpu_node=~"$node"'

RUN: Final = "cluster, run_namespace, run"
RUN_LABELS: Final = ("cluster", "run_namespace", "run")
RUN_AND_KIND: Final = "cluster, run_namespace, run, run_kind"
GPU: Final = "cluster, gpu_node, gpu_uuid"

RUN_SECONDS: Final = "goodput_run_gpu_seconds_total"
GROUP_SECONDS: Final = "goodput_group_gpu_seconds_total"

WALL: Final = 'layer=~"infrastructure|framework|model|good"'
AVAILABLE: Final = 'layer=~"framework|model|good"'
STEP: Final = 'layer=~"model|good"'
PRODUCTIVE: Final = 'state="productive"'

RATE_INTERVAL: Final = "$__rate_interval"

TO_RUN: Final = (
    "Open the run",
    (
        "/d/goodput-run?var-run=${__data.fields.Run}"
        "&var-namespace=${__data.fields.Namespace}"
        "&${datasource:queryparam}&${cluster:queryparam}&${__url_time_range}"
    ),
)
"""A table's cell leads to the run of its row; it has a column of namespaces, too."""
TO_NODE: Final = (
    "Open the node",
    (
        "/d/goodput-nodes?var-node=${__data.fields.Node}"
        "&${datasource:queryparam}&${cluster:queryparam}&${__url_time_range}"
    ),
)
"""A table's cell leads to the node of its row."""


def team_of(signal: str) -> str:
    """Keep of a signal per run the runs of the chosen teams, those that ended too."""
    owner = f"goodput_run_owner_info{{{OF_TEAM}}}"
    known = f"max by ({RUN}) (last_over_time({owner}[$__range]))"
    return f"({signal}) * on ({RUN}) group_left () {known}"


def increase(metric: str, *matchers: str, by: str = "") -> str:
    """Return how much a counter grew over the dashboard's range."""
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (increase({metric}{{{','.join(matchers)}}}[$__range]))"


def appeared(metric: str, *matchers: str, by: str) -> str:
    """Return what ``increase`` does, for runs' counters that appear with an event."""
    selector = f"{metric}{{{','.join(matchers)}}}"
    wanted = by.split(", ")
    labels = (*RUN_LABELS, *(label for label in wanted if label not in RUN_LABELS))
    of_runs = grown_of_runs(selector, labels, "$__range", "$__range_s")
    return f"sum by ({by}) ({of_runs})"


def xids_of(*matchers: str) -> str:
    """Return the XIDs that came of late, the first of its code on a GPU too."""
    selector = f"goodput_gpu_xid_total{{{','.join(matchers)}}}"
    came = grown(selector, ("cluster", "gpu_node", "gpu_uuid", "xid"), RATE_INTERVAL)
    return f"({came}) > 0"


def rate(metric: str, *matchers: str, by: str = "") -> str:
    """Return how fast a counter grows: of GPU-seconds, how many GPUs."""
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate({metric}{{{','.join(matchers)}}}[$__rate_interval]))"


def share(above: str, below: str) -> str:
    """Return one sum over another; absent where the whole is 0."""
    return f"{above} / ({below} > 0)"


def hours(seconds: str) -> str:
    """Return GPU-hours of GPU-seconds."""
    return f"({seconds}) / 3600"


def kilowatt_hours(joules: str) -> str:
    """Return kilowatt-hours of joules."""
    return f"({joules}) / 3.6e6"
