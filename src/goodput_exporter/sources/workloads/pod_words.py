"""A pod's own account of itself: what it was since when, read from one version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from goodput_exporter.domain.evidence import exit_reason
from goodput_exporter.sources.loose import Fields, fields, instant_ns, rows, text, whole
from goodput_exporter.sources.workloads.devices import rank_containers
from goodput_exporter.sources.workloads.history import Since, dated


class PodStage(StrEnum):
    """How far one pod is."""

    GATED = "gated"
    SCHEDULING = "scheduling"
    PROVISIONING = "provisioning"
    RUNNING = "running"
    LEAVING = "leaving"
    CRASHED = "crashed"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"
    STUCK = "stuck"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class PodWord:
    """
    What holds of a pod.

    Args:
        stage: How far it is.
        reason: The machine-readable word behind it.
        life: The running containers' ids; another life is a restart in place.
    """

    stage: PodStage
    reason: str = ""
    life: str = ""


def words_of(
    raw: Fields, created_ns: int, seen_ns: int, *, was_gated: bool = False
) -> list[Since[PodWord]]:
    """
    Return a pod's own account of itself, by its own dates; the last holds now.

    Args:
        raw: The pod.
        created_ns: When it was created.
        seen_ns: When it was seen; what carries no date is dated so.
        was_gated: It was gated when it was last seen; no date tells until when.
    """
    waits = _condition(raw, "PodScheduled")
    if text(waits, "status") != "True" and not text(raw, "spec", "nodeName"):
        told = _unbound(raw, waits, created_ns, seen_ns, was_gated=was_gated)
        return [*told, *_over(raw, created_ns, seen_ns)]
    bound_ns = instant_ns(waits, "lastTransitionTime")
    if bound_ns is None:
        bound_ns = instant_ns(raw, "status", "startTime")
    bound_ns = dated(bound_ns, created_ns, seen_ns)
    return [
        Since(created_ns, PodWord(PodStage.SCHEDULING)),
        *_provisioning(raw, bound_ns, seen_ns),
        *_lives(raw, bound_ns, seen_ns),
        *_over(raw, created_ns, seen_ns),
    ]


def _unbound(
    raw: Fields, waits: Fields, created_ns: int, seen_ns: int, *, was_gated: bool
) -> list[Since[PodWord]]:
    """Return what a pod without a node waits for."""
    if rows(raw, "spec", "schedulingGates"):
        return [Since(created_ns, PodWord(PodStage.GATED, "SchedulingGated"))]
    # The condition was False before, for the gate: its date says nothing of now.
    own_ns = None if was_gated else instant_ns(waits, "lastTransitionTime")
    from_ns = max(created_ns, seen_ns) if was_gated else created_ns
    told = [Since(from_ns, PodWord(PodStage.SCHEDULING))]
    reason = text(waits, "reason")
    if reason:
        at_ns = dated(own_ns, created_ns, seen_ns)
        told.append(Since(at_ns, PodWord(PodStage.SCHEDULING, reason)))
    return told


def _condition(raw: Fields, kind: str) -> Fields:
    found = rows(raw, "status", "conditions")
    return next((row for row in found if text(row, "type") == kind), {})


def _provisioning(raw: Fields, bound_ns: int, seen_ns: int) -> list[Since[PodWord]]:
    """Return what a bound pod waits for before its containers run."""
    sandbox = _condition(raw, "PodReadyToStartContainers")
    init = _condition(raw, "Initialized")
    has_init = bool(rows(raw, "spec", "initContainers"))
    told = []
    at_ns = bound_ns
    if sandbox:
        told.append(Since(at_ns, _waits("PodSandbox")))
        if text(sandbox, "status") != "True":
            return told
        at_ns = dated(instant_ns(sandbox, "lastTransitionTime"), at_ns, seen_ns)
    if has_init:
        told.append(Since(at_ns, _waits("PodInitializing")))
        if text(init, "status") != "True":
            return told + _failing(raw, "initContainerStatuses", seen_ns)
        at_ns = dated(instant_ns(init, "lastTransitionTime"), at_ns, seen_ns)
    told.append(Since(at_ns, _waits("ContainerCreating")))
    return told + _failing(raw, "containerStatuses", seen_ns)


def _waits(reason: str) -> PodWord:
    return PodWord(PodStage.PROVISIONING, reason)


_ORDINARY: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
CRASH_LOOP: Final = "CrashLoopBackOff"


def _failing(raw: Fields, where: str, seen_ns: int) -> list[Since[PodWord]]:
    """Return the first odd reason for which a container waits; it has no date."""
    waiting = (text(row, "state", "waiting", "reason") for row in _ranks(raw, where))
    odd = next((reason for reason in waiting if reason not in _ORDINARY), "")
    if not odd or (odd == CRASH_LOOP and where == "containerStatuses"):
        return []
    return [Since(seen_ns, _waits(odd))]


def _ranks(raw: Fields, where: str = "containerStatuses") -> list[Fields]:
    """Return the containers that decide: those with GPUs, else all of them."""
    found = rows(raw, "status", where)
    if where != "containerStatuses":
        return found
    names = rank_containers(raw.get("spec"))
    return [row for row in found if text(row, "name") in names] or found


def _lives(raw: Fields, bound_ns: int, seen_ns: int) -> list[Since[PodWord]]:
    """Return when the rank containers ran, ended, and ran again."""
    containers = _ranks(raw)
    told = _former(containers, bound_ns, seen_ns)
    states = [fields(each, "state") for each in containers]
    starts = [_date(state, "running", "startedAt", seen_ns) for state in states]
    began = [at_ns for at_ns in starts if at_ns is not None]
    # One of several that is done leaves the pod to the others.
    done = sum(whole(state, "terminated", "exitCode") == 0 for state in states)
    if began and len(began) + done == len(states):
        life = " ".join(sorted(text(each, "containerID") for each in containers))
        word = PodWord(PodStage.RUNNING, "", life)
        told.append(Since(max(bound_ns, *began), word))
    else:
        told += _ended(states, bound_ns, seen_ns)
    return told


def _date(state: Fields, of: str, date: str, seen_ns: int) -> int | None:
    """Return when a container's state began; None where it is in another one."""
    inner = fields(state, of)
    return dated(instant_ns(inner, date), 0, seen_ns) if inner else None


def _former(
    containers: Sequence[Fields], bound_ns: int, seen_ns: int
) -> list[Since[PodWord]]:
    """Return the life before the present one, as far as the kubelet remembers it."""
    ended = [fields(each, "lastState", "terminated") for each in containers]
    dead = [one for one in ended if one]
    if not dead:
        return []
    first = min(dead, key=lambda one: instant_ns(one, "finishedAt") or seen_ns)
    from_ns = dated(instant_ns(first, "startedAt"), bound_ns, seen_ns)
    until_ns = dated(instant_ns(first, "finishedAt"), from_ns, seen_ns)
    life = text(first, "containerID")
    return [
        Since(from_ns, PodWord(PodStage.RUNNING, "", life)),
        Since(until_ns, PodWord(PodStage.CRASHED, _exit(first))),
    ]


def _ended(
    states: Sequence[Fields], bound_ns: int, seen_ns: int
) -> list[Since[PodWord]]:
    ended = [one for state in states if (one := fields(state, "terminated"))]
    if not ended:
        return []
    failed = [one for one in ended if whole(one, "exitCode") != 0]
    if not failed and len(ended) < len(states):
        return []  # one of several is done, and another does not run yet, or again
    pick = min if failed else max
    deciding = pick(
        failed or ended, key=lambda one: instant_ns(one, "finishedAt") or seen_ns
    )
    from_ns = dated(instant_ns(deciding, "startedAt"), bound_ns, seen_ns)
    at_ns = dated(instant_ns(deciding, "finishedAt"), from_ns, seen_ns)
    stage = PodStage.CRASHED if failed else PodStage.DONE
    life = text(deciding, "containerID")
    return [
        Since(from_ns, PodWord(PodStage.RUNNING, "", life)),
        Since(at_ns, PodWord(stage, _exit(deciding))),
    ]


def _exit(ended: Fields) -> str:
    reason, code = text(ended, "reason"), whole(ended, "exitCode")
    if code is None or reason not in {"", "Error"}:
        return reason
    return exit_reason(code)


def _over(raw: Fields, created_ns: int, seen_ns: int) -> list[Since[PodWord]]:
    """Return the pod's end, where its phase is final."""
    phase = text(raw, "status", "phase")
    if phase not in {"Succeeded", "Failed"}:
        return []
    stage = PodStage.DONE if phase == "Succeeded" else PodStage.FAILED
    ended = [
        one for each in _ranks(raw) if (one := fields(each, "state", "terminated"))
    ]
    if not ended:
        rejected = _condition(raw, "DisruptionTarget") or _condition(raw, "Ready")
        own_ns = instant_ns(rejected, "lastTransitionTime")
        at_ns = dated(own_ns, created_ns, seen_ns)
        return [Since(at_ns, PodWord(stage, text(raw, "status", "reason") or phase))]
    bad = [one for one in ended if whole(one, "exitCode") != 0] or ended
    dates = [dated(instant_ns(one, "finishedAt"), created_ns, seen_ns) for one in bad]
    at_ns = min(dates) if stage is PodStage.FAILED else max(dates)
    reason = text(raw, "status", "reason") or _exit(bad[0])
    return [Since(at_ns, PodWord(stage, reason))]
