"""Alerts about the exporter itself: absent, blind, behind, or unable to keep books."""

from __future__ import annotations

from typing import Final

from dashboards.rules.recording import CLUSTERS, RUNS, grown
from dashboards.rules.rule import Alert, Condition, LookUp, Severity
from dashboards.rules.signals import (
    CLUSTER,
    EXPORTER,
    FOUND_HOURS,
    FOUND_RUN,
    age,
    counted,
    largest,
    listed,
)

STALE_S: Final = 600
COVERAGE: Final = 0.9
LAG_S: Final = 10
REFUSED: Final = 0.05


_UNSEEN: Final = LookUp(
    "topk(1, sum by (run_namespace, run) "
    f'({RUNS.increase("1h")}{{cluster{{=}},layer="none"}}) / 3600 > 0)',
    CLUSTER,
    f"Run {FOUND_RUN} has most of the rest: {FOUND_HOURS}.",
)


def _refused() -> str:
    by = listed(EXPORTER)
    rejected = f"sum by ({by}) (rate(goodput_datagrams_rejected_total[15m]))"
    accepted = f"sum by ({by}) (rate(goodput_datagrams_accepted_total[15m]))"
    return f"{rejected} / ({accepted} > 0)"


def _unscraped() -> str:
    by = ("cluster",)
    heard = largest('goodput_nodes{gpu="true",agent="present"}', by)
    scraped = "count by (cluster) (count by (cluster, gpu_node) (goodput_node_gpus))"
    return f"{heard} - ({scraped} or {heard} * 0)"


EXPORTER_ALERTS: Final = (
    Alert(
        name="GoodputExporterAbsent",
        severity=Severity.PAGE,
        main=Condition(
            "absent(goodput_build_info)", rare="present means that it is absent"
        ),
        lasting="5m",
        summary="No goodput-exporter has been scraped for 5 minutes.",
        first="Look at Prometheus' targets: is it selected, up, and reachable?",
    ),
    Alert(
        name="GoodputExporterBlind",
        severity=Severity.PAGE,
        main=Condition(
            largest(f'{CLUSTERS.ratio("1h")}{{layer="coverage"}}', ("cluster",)),
            f"< {COVERAGE}",
        ),
        lasting="10m",
        summary=(
            "Only {{ $value | humanizePercentage }} of the runs' GPU time of the last "
            "hour was observed; the ratios rest on that part."
        ),
        first="See whether the agents of that run's nodes deliver, and if others' do.",
        look_ups=(_UNSEEN,),
    ),
    Alert(
        name="GoodputAgentMissing",
        severity=Severity.TICKET,
        main=Condition(
            largest('goodput_nodes{gpu="true",agent="missing"}', ("cluster",)), "> 0"
        ),
        lasting="10m",
        summary=f"No agent for 10 minutes on {counted('node')} with GPUs.",
        first="Compare the DaemonSet's desired pods with the GPU nodes and taints.",
    ),
    Alert(
        name="GoodputAgentsNotScraped",
        severity=Severity.TICKET,
        main=Condition(_unscraped(), "> 0"),
        lasting="15m",
        summary=(
            f"The agents of {counted('node')} deliver to the aggregator and are not "
            "scraped; no alert about the GPUs there can fire."
        ),
        first="Look at Prometheus' targets: does it select the agents' monitor?",
    ),
    Alert(
        name="GoodputWatchStale",
        severity=Severity.PAGE,
        main=Condition(
            age("goodput_watch_last_event_timestamp_seconds", ("cluster", "kind")),
            f"> {STALE_S}",
        ),
        lasting="2m",
        summary=(
            "Nothing was heard of {{ $labels.kind }} for "
            "{{ $value | humanizeDuration }}; the books follow an old cluster."
        ),
        first="Read the aggregator's log for that kind, and the API server's health.",
    ),
    Alert(
        name="GoodputSourceForbidden",
        severity=Severity.TICKET,
        main=Condition(largest("goodput_source_forbidden", ("cluster", "kind")), "> 0"),
        lasting="15m",
        summary="RBAC does not let the aggregator read {{ $labels.kind }}.",
        first="Compare its ClusterRole with the chart's; what is refused is not known.",
    ),
    Alert(
        name="GoodputLedgerFailing",
        severity=Severity.PAGE,
        main=Condition(f"min by ({listed(EXPORTER)}) (goodput_ledger_up)", "< 1"),
        lasting="2m",
        summary=(
            "{{ $labels.instance }} cannot write its ledger; what it books is held in "
            "memory and lost with the process."
        ),
        first="Look at the volume's free space and at the database, then at its log.",
    ),
    Alert(
        name="GoodputSpoolDiskFull",
        severity=Severity.TICKET,
        main=Condition(f"min by ({listed(EXPORTER)}) (goodput_spool_durable)", "< 1"),
        lasting="5m",
        summary=(
            "The disk of agent {{ $labels.instance }} takes nothing; what waits for "
            "the aggregator would be lost with the agent."
        ),
        first="Free space on the node's disk, or move the agent's spool.",
    ),
    Alert(
        name="GoodputPushStuck",
        severity=Severity.TICKET,
        main=Condition(
            age("goodput_spool_oldest_timestamp_seconds", EXPORTER),
            f"> {STALE_S}",
            rare="nothing waits where all is delivered",
        ),
        lasting="5m",
        summary=(
            "Agent {{ $labels.instance }} has not delivered for "
            "{{ $value | humanizeDuration }}; it keeps its observations meanwhile."
        ),
        first="Look at the aggregator's readiness, Service and network policies.",
    ),
    Alert(
        name="GoodputObservationsLost",
        severity=Severity.TICKET,
        main=Condition(
            grown("goodput_spool_dropped_batches_total", (*EXPORTER, "reason"), "15m"),
            "> 0",
        ),
        summary=(
            "Agent {{ $labels.instance }} gave up {{ $value }} batches in 15 minutes "
            "before they were delivered ({{ $labels.reason }}); that time stays "
            "unobserved."
        ),
        first="Bring the aggregator back, or give the spool more room.",
    ),
    Alert(
        name="GoodputTickLate",
        severity=Severity.TICKET,
        main=Condition(largest("goodput_tick_lag_seconds", EXPORTER), f"> {LAG_S}"),
        lasting="5m",
        summary="{{ $labels.instance }} is {{ $value | humanizeDuration }} behind.",
        first="Compare its CPU with its limit; throttled CPU is the usual reason.",
    ),
    Alert(
        name="GoodputHeartbeatsRefused",
        severity=Severity.TICKET,
        main=Condition(_refused(), f"> {REFUSED}"),
        lasting="15m",
        summary=(
            "{{ $labels.instance }} refuses {{ $value | humanizePercentage }} of the "
            "heartbeats; those jobs lose progress in the books."
        ),
        first="The reason label and the log name the field and the sender.",
    ),
    Alert(
        name="GoodputRunSetBack",
        severity=Severity.TICKET,
        main=Condition(
            largest("increase(goodput_runs_set_back_total[15m])", EXPORTER), "> 0"
        ),
        summary=(
            "{{ $labels.instance }} set runs back to their last commit "
            '{{ $value | printf "%.0f" }} times in 15 minutes: a bug of ours.'
        ),
        first="Send us the traceback in its log.",
    ),
    Alert(
        name="GoodputSeriesDropped",
        severity=Severity.TICKET,
        main=Condition(
            grown("goodput_series_dropped_total", (*EXPORTER, "family"), "15m"), "> 0"
        ),
        summary=(
            "{{ $labels.instance }} left {{ $value }} series of {{ $labels.family }} "
            "off its page in 15 minutes; sums over groups are not affected."
        ),
        first="Raise the budget of series, or find out who makes so many runs.",
    ),
    Alert(
        name="GoodputFamilyNotRendered",
        severity=Severity.TICKET,
        main=Condition(
            grown("goodput_collector_errors_total", (*EXPORTER, "family"), "15m"),
            "> 0",
        ),
        summary=(
            "{{ $labels.instance }} could not render {{ $labels.family }} "
            "{{ $value }} times in 15 minutes."
        ),
        first="Send us the traceback in its log; the other families are whole.",
    ),
    Alert(
        name="GoodputWatchdog",
        severity=Severity.NONE,
        main=Condition("vector(1)"),
        summary="Always fires: whoever does not get it gets no alert at all.",
        first="Route it to a dead man's switch.",
    ),
)
