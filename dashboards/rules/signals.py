"""Pieces of PromQL that alerts share: one series per run, with its team and cause."""

from __future__ import annotations

from typing import Final

from dashboards.rules.recording import Level
from dashboards.rules.rule import LookUp

RUN: Final = ("cluster", "run_namespace", "run")
GPU: Final = ("cluster", "gpu_node", "gpu_uuid")
NODE: Final = ("cluster", "gpu_node")
EXPORTER: Final = ("cluster", "instance")
THE_RUN: Final = "{{ $labels.run_namespace }}/{{ $labels.run }}"
"""A run in a summary: two namespaces may have runs of one name."""
FOUND_RUN: Final = '{{ label "run_namespace" . }}/{{ label "run" . }}'
"""The same of a look-up's answer."""
FOUND_HOURS: Final = '{{ value . | printf "%.1f" }} GPU-hours'
CLUSTER: Final = ("cluster",)


def listed(labels: tuple[str, ...]) -> str:
    """Return labels as PromQL writes them."""
    return ", ".join(labels)


def largest(signal: str, by: tuple[str, ...]) -> str:
    """
    Return one series per subject, whoever was scraped.

    After a restart two targets may tell of the same run for a moment; the
    larger of the two is the one that knows more.
    """
    return f"max by ({listed(by)}) ({signal})"


def of_team(signal: str) -> str:
    """Add the team to a signal per run, so that the alert can be sent there."""
    run = listed(RUN)
    owner = f"max by ({run}, team) (goodput_run_owner_info)"
    return f"({signal}) * on ({run}) group_left (team) {owner}"


def with_cause(signal: str, level: Level, window: str, on: tuple[str, ...]) -> str:
    """Add the cause that took most GPU time of the window to a signal."""
    labels = listed(on)
    by_cause = f"sum by ({labels}, cause) ({level.causes(window)}) > 0"
    largest_cause = f"topk by ({labels}) (1, {by_cause})"
    # To the power of 0: the label is wanted, not the time.
    return f"({signal}) * on ({labels}) group_left (cause) ({largest_cause} ^ 0)"


def told_of_cause(otherwise: str, named: str) -> str:
    """
    Return a piece of a summary that depends on the cause which ``with_cause`` adds.

    Args:
        otherwise: Where most of the time followed from no interruption.
        named: Before the cause, where it did.
    """
    is_none = '{{ if eq $labels.cause "none" }}'
    cause = "{{ $labels.cause }}"
    return f"{is_none}{otherwise}{{{{ else }}}}{named} {cause}{{{{ end }}}}"


def counted(what: str) -> str:
    """Return an alert's value as a count in a summary: ``1 GPU`` or ``8 GPUs``."""
    return f"{{{{ $value }}}} {what}{{{{ if ne $value 1.0 }}}}s{{{{ end }}}}"


def loser(level: Level, window: str) -> LookUp:
    """Name the run that lost most in a window of its cluster, and how much."""
    causes = f"{level.causes(window)}{{cluster{{=}}}}"
    return LookUp(
        f"topk(1, sum by (run_namespace, run) ({causes}) / 3600 > 0)",
        CLUSTER,
        f"Run {FOUND_RUN} lost most: {FOUND_HOURS}.",
    )


def worst_state(level: Level, window: str) -> LookUp:
    """Name the state that took most of a run's window, and how much."""
    of_run = "cluster{=},run_namespace{=},run{=}"
    bad = f'{level.increase(window)}{{{of_run},layer!~"good|none|outside"}}'
    return LookUp(
        f"topk(1, sum by (state) ({bad}) / 3600 > 0)",
        RUN,
        f'The state with most of it: {{{{ label "state" . }}}}, {FOUND_HOURS}.',
    )


def holder() -> LookUp:
    """Name the pod that holds an alert's GPU."""
    held = "goodput_gpu_held_ratio{cluster{=},gpu_node{=},gpu_uuid{=}}"
    return LookUp(
        f"topk(1, sum by (holder_namespace, holder_pod) ({held}))",
        GPU,
        'Pod {{ label "holder_namespace" . }}/{{ label "holder_pod" . }} holds it.',
    )


def age(timestamp: str, by: tuple[str, ...]) -> str:
    """Return how many seconds ago something was."""
    return f"time() - {largest(timestamp, by)}"
