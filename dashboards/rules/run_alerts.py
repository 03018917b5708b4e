"""Alerts about single runs: those that stand, loop, wait, idle or risk too much."""

from __future__ import annotations

from typing import Final

from dashboards.rules.goodput_alerts import OVER, SETTLED_S
from dashboards.rules.rule import Alert, Condition, LookUp, Severity
from dashboards.rules.signals import (
    CLUSTER,
    RUN,
    THE_RUN,
    age,
    counted,
    largest,
    listed,
    of_team,
)

EXPOSURE_S: Final = 3600
"""Progress that a run may risk: this much of its own time, on all its GPUs."""
QUEUE_S: Final = 14_400
LOOPS: Final = 3
STORM_RESTARTS: Final = 5
STORM_RUNS: Final = 3


def _devices_in(*states: str) -> str:
    """Return how many GPUs stand in one of some states, per run."""
    run = listed(RUN)
    state = largest(f'goodput_run_state{{state=~"{"|".join(states)}"}}', RUN)
    return f"{state} * on ({run}) {largest('goodput_run_asked_devices', RUN)}"


def _exposure() -> str:
    run = listed(RUN)
    at_risk = largest("goodput_run_exposure_gpu_seconds", RUN)
    return f"{at_risk} / on ({run}) {largest('goodput_run_asked_devices', RUN)}"


_OF_RUN: Final = "cluster{=},run_namespace{=},run{=}"
_OUTAGE: Final = LookUp(
    f"topk(1, goodput_run_outage_info{{{_OF_RUN}}})",
    RUN,
    'It went down for: {{ label "cause" . }}'
    '{{ with label "gpu_node" . }}, on node {{ . }}{{ end }}.',
)
_WHY_SO_OFTEN: Final = LookUp(
    f"topk(1, sum by (cause) (goodput_run_restarts_total{{{_OF_RUN}}}))",
    RUN,
    'Most of its restarts so far: {{ label "cause" . }}.',
)
_DURABLE: Final = LookUp(
    f"max(goodput_run_durable_step{{{_OF_RUN}}})",
    RUN,
    'Its last durable step is {{ value . | printf "%.0f" }}.',
)
_BROKEN: Final = (
    'goodput_run_outage_info{gpu_node!="",cause=~"gpu_error|gpu_lost|node_lost"}'
)
_ENDS: Final = "increase(goodput_run_interruptions_total[15m])"

RUN_ALERTS: Final = (
    Alert(
        name="GoodputRunStalled",
        severity=Severity.PAGE,
        main=Condition(
            of_team(_devices_in("stalled")), "> 0", rare="no healthy run is stalled"
        ),
        on=RUN,
        lasting="2m",
        summary=(
            f"Run {THE_RUN} has not completed a step for longer than its limit; "
            f"{counted('GPU')} that it holds may well look busy."
        ),
        first=(
            "Take a stack of every rank (py-spy dump, NCCL flight recorder) before "
            "you restart it."
        ),
    ),
    Alert(
        name="GoodputCrashLoop",
        severity=Severity.PAGE,
        main=Condition(
            of_team(largest("increase(goodput_run_interruptions_total[30m])", RUN)),
            f"> {LOOPS - 0.5}",
        ),
        also=(
            Condition(
                largest(
                    'increase(goodput_run_steps_total{execution="first"}[30m])', RUN
                ),
                "< 0.5",
            ),
        ),
        unless=(OVER,),
        on=RUN,
        summary=(
            f'Run {THE_RUN} ended {{{{ $value | printf "%.0f" }}}} times in 30 '
            "minutes and made no new step in between."
        ),
        first="Suspend it, and read the log of the first rank that ended.",
        look_ups=(_WHY_SO_OFTEN,),
    ),
    Alert(
        name="GoodputRestartStorm",
        severity=Severity.PAGE,
        main=Condition(f"sum by (cluster) ({_ENDS})", f"> {STORM_RESTARTS - 0.5}"),
        also=(
            Condition(
                f"count by (cluster) (sum by ({listed(RUN)}) ({_ENDS}) > 0.5)",
                f"> {STORM_RUNS - 0.5}",
                rare="counts the runs that were interrupted in the last 15 minutes",
            ),
        ),
        on=CLUSTER,
        summary=(
            '{{ $value | printf "%.0f" }} interruptions of several runs in 15 minutes: '
            "something that they share is failing."
        ),
        first=(
            "Look for one node, switch, volume or rollout that all of them have in "
            "common, before anybody's code."
        ),
    ),
    Alert(
        name="GoodputRunDown",
        severity=Severity.TICKET,
        main=Condition(
            of_team(_devices_in("down", "scheduling", "provisioning")),
            "> 0",
            rare="a healthy run has all its pods",
        ),
        on=RUN,
        lasting="15m",
        summary=(
            f"Run {THE_RUN} has been without its full set of GPUs for 15 minutes; "
            f"it asks for {counted('GPU')} and makes no progress."
        ),
        first="Describe its pending pods: the scheduler and the kubelet say why.",
        look_ups=(_OUTAGE,),
    ),
    Alert(
        name="GoodputRunLostNode",
        severity=Severity.TICKET,
        main=Condition(
            of_team(largest(_BROKEN, (*RUN, "gpu_node", "cause"))),
            "> 0",
            rare="a healthy run has all its nodes",
        ),
        on=RUN,
        lasting="1m",
        summary=(
            f"Run {THE_RUN} has been down since node {{{{ $labels.gpu_node }}}} "
            "failed ({{ $labels.cause }})."
        ),
        first=(
            "See that its pods are on another node; if they hang on this one, cordon "
            "it and delete them."
        ),
    ),
    Alert(
        name="GoodputRunIdle",
        severity=Severity.TICKET,
        main=Condition(
            of_team(_devices_in("idle")), "> 0", rare="a healthy run does not idle"
        ),
        on=RUN,
        lasting="30m",
        summary=(
            f"Run {THE_RUN} holds {counted('GPU')} and has had nothing to do for 30 "
            "minutes."
        ),
        first="Ask its owner whether it is over; its pods are still there.",
    ),
    Alert(
        name="GoodputCheckpointTooOld",
        severity=Severity.TICKET,
        main=Condition(of_team(_exposure()), f"> {EXPOSURE_S}"),
        unless=(OVER,),
        on=RUN,
        lasting="5m",
        summary=(
            f"A crash of run {THE_RUN} would now cost "
            "{{ $value | humanizeDuration }} of work on every GPU."
        ),
        first="See whether saves fail or are not committed: saved and durable step.",
        look_ups=(_DURABLE,),
    ),
    Alert(
        name="GoodputNoCheckpoint",
        severity=Severity.TICKET,
        main=Condition(
            of_team(age("goodput_run_started_timestamp_seconds", RUN)),
            f"> {SETTLED_S}",
        ),
        also=(Condition(largest("goodput_run_step", RUN), "> 0"),),
        unless=(Condition(largest("goodput_run_durable_step", RUN)), OVER),
        on=RUN,
        lasting="5m",
        summary=(
            f"Run {THE_RUN} has trained for {{{{ $value | humanizeDuration }}}} and "
            "reported no durable checkpoint."
        ),
        first="Ask whether it saves at all, or only does not report it.",
    ),
    Alert(
        name="GoodputQueueWait",
        severity=Severity.TICKET,
        main=Condition(
            largest("goodput_queue_longest_wait_seconds", ("cluster", "queue")),
            f"> {QUEUE_S}",
        ),
        lasting="5m",
        summary=(
            "A run has waited {{ $value | humanizeDuration }} in queue "
            "{{ $labels.queue }}."
        ),
        first="Compare the quota with what is held idle, unavailable or unallocated.",
    ),
)
