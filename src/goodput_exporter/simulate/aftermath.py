"""What follows a blow: pods go, machines are repaired, and something comes back."""

from __future__ import annotations

from goodput_exporter.domain.states import RunState
from goodput_exporter.simulate.effort import Effort, Status
from goodput_exporter.simulate.mishaps import TABLE, Mishap, Takes
from goodput_exporter.simulate.objects import condition
from goodput_exporter.simulate.plans import HOUR_NS, MINUTE_NS, SECOND_NS, Restart
from goodput_exporter.simulate.pods import Pod
from goodput_exporter.simulate.queueing import REQUEUE_S, names_of
from goodput_exporter.simulate.raw import Body, Verb
from goodput_exporter.simulate.scribe import evicted
from goodput_exporter.simulate.stage import Stage, What
from goodput_exporter.simulate.traces import Blow, Traces

BY_PLAN = frozenset({Mishap.DRAIN, Mishap.PLANNED_WORK, Mishap.DISRUPTION})
REPLACED = frozenset({Mishap.SPOT, Mishap.SCALE_IN})
LONGEST_BACK_OFF_S = 300.0


def aftermath(
    stage: Stage, effort: Effort, blow: Blow, traces: Traces, last_ns: int
) -> None:
    """
    Let go what is lost, and plan what comes back.

    Args:
        stage: The cluster.
        effort: Whose attempt has ended.
        blow: What ended it.
        traces: What is seen of it.
        last_ns: When the last rank is gone.
    """
    takes = TABLE[blow.mishap].takes
    effort.state = RunState.DOWN
    if takes is Takes.NODE:
        _break_machine(stage, effort, blow)
    if takes is Takes.WORKLOAD:
        _take_away(stage, effort, blow, traces, last_ns)
    elif takes is Takes.GANG or effort.plan.restart is Restart.GANG:
        _remake(stage, effort, blow, traces, last_ns)
    elif takes is Takes.PROCESS:
        _start_again(stage, effort, blow, traces, last_ns)
    else:
        _replace_pod(stage, effort, blow, traces, last_ns)


def _break_machine(stage: Stage, effort: Effort, blow: Blow) -> None:
    """The machine is out until it is repaired, or another one takes its place."""
    if blow.place is None:
        return
    machine = stage.pool.machines[blow.place]
    mean_ns = HOUR_NS if blow.mishap in BY_PLAN else stage.preset.repair_ns
    away_ns = 10 * MINUTE_NS + blow.chance.after_ns(mean_ns)
    if blow.mishap in REPLACED:
        away_ns = blow.chance.between_ns(600, 1800)
    if machine.is_usable:
        machine.is_usable = False
        if blow.mishap in REPLACED:
            gone_ns = blow.ended_ns + blow.chance.between_ns(40, 120)
            stage.scribe.machine(gone_ns, machine.name, machine.gpus, Verb.DELETED)
            machine.generation += 1
        stage.later(blow.ended_ns + away_ns, What.REPAIR, places=(blow.place,))
    stage.pool.release(blow.place, effort.plan.gpus_per_pod)
    effort.places[blow.pod] = None


def repair(stage: Stage, index: int) -> None:
    """A machine is well again, or a new one stands in its place."""
    machine = stage.pool.machines[index]
    machine.is_usable = True
    verb = Verb.MODIFIED
    if machine.generation:
        base = machine.name.partition("-v")[0]
        machine.name = f"{base}-v{machine.generation}"
        verb = Verb.ADDED
    stage.scribe.machine(stage.now_ns, machine.name, machine.gpus, verb)


def _release(stage: Stage, effort: Effort, at_ns: int) -> None:
    places = tuple(place for place in effort.places if place is not None)
    effort.places = [None] * effort.plan.pods
    stage.later(at_ns, What.RELEASE, effort, places=places)


def _take_away(
    stage: Stage, effort: Effort, blow: Blow, traces: Traces, last_ns: int
) -> None:
    """A queue or a person takes the whole workload away."""
    began_ns, about = blow.began_ns, TABLE[blow.mishap]
    for one in effort.pods:
        _tell_to_go(stage, effort, one, began_ns + SECOND_NS // 2)
        _gone(stage, effort, one, blow.ended_ns, last_ns, code=143)
    _release(stage, effort, last_ns)
    effort.pods, effort.missing = [], list(range(effort.plan.pods))
    effort.status = Status.AWAY
    back_ns = blow.ended_ns + blow.chance.between_ns(*about.away_s)
    if blow.mishap is Mishap.DELETION:
        stage.scribe.queue(effort, began_ns, [], Verb.DELETED)
        stage.scribe.workload(effort, began_ns, Verb.DELETED, suspended=False)
        effort.book.run.outcome = "deleted"
        effort.workloads += 1
        stage.later(back_ns, What.SUBMIT, effort)
        return
    effort.state = RunState.SUSPENDED
    effort.admitted_ns = None
    rows: list[Body] = []
    if traces.word_is_seen:
        rows = [condition("Suspended", began_ns, "JobSuspended", "Job suspended")]
        by_queue = blow.mishap is Mishap.QUEUE_PREEMPTION
        words = evicted(began_ns) if by_queue else _deactivated(began_ns)
        stage.scribe.queue(effort, began_ns, words, Verb.MODIFIED)
    stage.scribe.workload(
        effort, began_ns, Verb.MODIFIED, suspended=True, conditions=rows
    )
    if blow.mishap is Mishap.QUEUE_PREEMPTION:
        again_ns = last_ns + round(REQUEUE_S * SECOND_NS)
        stage.later(again_ns, What.WAIT, effort)
    else:
        stage.later(back_ns, What.RESUME, effort)


def _deactivated(at_ns: int) -> list[Body]:
    said = "The workload is deactivated"
    return [
        condition("Admitted", at_ns, "NoReservation", said, holds=False),
        condition("Evicted", at_ns, "Deactivated", said),
    ]


def _remake(
    stage: Stage, effort: Effort, blow: Blow, traces: Traces, last_ns: int
) -> None:
    """All pods are made anew, on the machines that are left."""
    preempted = TABLE[blow.mishap].takes is Takes.GANG
    # The kubelet and two controllers pass a failure on before others are deleted.
    told_ns = blow.ended_ns + blow.chance.between_ns(1.2, 3)
    if preempted:
        told_ns = blow.began_ns
    last_ns = max(last_ns, told_ns + SECOND_NS)
    for one in effort.pods:
        if one.index == blow.pod:
            _mark(stage, effort, one, blow, traces)
            continue
        _tell_to_go(stage, effort, one, told_ns)
        _gone(stage, effort, one, told_ns, last_ns, code=143)
    if preempted:
        _release(stage, effort, last_ns)
    created_ns = last_ns + blow.chance.between_ns(1.5, 6)
    if effort.plan.restart is Restart.GANG:
        stage.scribe.children(effort, last_ns + SECOND_NS, Verb.DELETED)
        attempt = effort.names.attempt + 1
        effort.names = names_of(effort.plan, stage.seed, effort.workloads, attempt)
        stage.scribe.workload(effort, created_ns, Verb.MODIFIED, suspended=False)
    effort.pods, effort.missing = [], list(range(effort.plan.pods))
    effort.status = Status.COMING
    stage.later(created_ns, What.CREATE, effort)


def _start_again(
    stage: Stage, effort: Effort, blow: Blow, traces: Traces, last_ns: int
) -> None:
    """Containers or processes restart where they were."""
    effort.missing, effort.status = [], Status.COMING
    if effort.plan.restart is Restart.PROCESSES:
        stage.later(last_ns + blow.chance.between_ns(4, 15), What.AGAIN, effort)
        return
    for one in effort.pods:
        _crash_in_place(stage, effort, one, blow, traces, last_ns)
    back_off_s = min(LONGEST_BACK_OFF_S, 10.0 * 2 ** min(5, effort.loops))
    back_ns = last_ns + blow.chance.between_ns(back_off_s, back_off_s + 5)
    stage.later(back_ns, What.AGAIN, effort)


def _crash_in_place(  # noqa: PLR0913, PLR0917 - where, who, what, how much is seen, and when
    stage: Stage, effort: Effort, one: Pod, blow: Blow, traces: Traces, last_ns: int
) -> None:
    is_hit = one.index == blow.pod
    at_ns = blow.ended_ns if is_hit else last_ns
    about = TABLE[blow.mishap]
    code = (128 + about.signal if about.signal else about.code) if is_hit else 143
    if not is_hit or traces.exit_is_seen:
        one.exit = (at_ns, _exit_reason(traces) if is_hit else "Error", code)
    else:
        one.exit = None
    one.waiting = ("CrashLoopBackOff", "back-off restarting failed container")
    stage.scribe.pod(effort, at_ns + SECOND_NS, one)


def _replace_pod(
    stage: Stage, effort: Effort, blow: Blow, traces: Traces, last_ns: int
) -> None:
    """One pod is made anew; the others' processes wait for it."""
    effort.missing, effort.status = [blow.pod], Status.COMING
    _mark(stage, effort, effort.pods[blow.pod], blow, traces)
    if effort.plan.restart is Restart.IN_PLACE:
        back_ns = last_ns + blow.chance.between_ns(10, 15)
        effort.restarted_ns = back_ns
        for one in effort.pods:
            if one.index == blow.pod:
                continue
            _crash_in_place(stage, effort, one, blow, traces, last_ns)
            one.waiting, one.started_ns = None, back_ns
            one.restarts += 1
            stage.scribe.pod(effort, back_ns, one)
        last_ns = back_ns
    created_ns = last_ns + blow.chance.between_ns(1.5, 5)
    stage.later(created_ns, What.CREATE, effort)


def lose_pod(stage: Stage, effort: Effort, blow: Blow, traces: Traces) -> None:
    """One pod of an elastic run is gone; a new one comes while the others step on."""
    if TABLE[blow.mishap].takes is Takes.NODE:
        _break_machine(stage, effort, blow)
    _mark(stage, effort, effort.pods[blow.pod], blow, traces)
    created_ns = blow.ended_ns + blow.chance.between_ns(1.5, 5)
    stage.later(created_ns, What.CREATE, effort)


def _mark(stage: Stage, effort: Effort, one: Pod, blow: Blow, traces: Traces) -> None:
    """Write down the end of the pod that is hit, with what tells of the reason."""
    about = TABLE[blow.mishap]
    for sign in traces.signs:
        if sign.disrupted is not None:
            one.disrupted = sign.disrupted
        if sign.status is not None:
            one.reason, one.message = sign.status
    if blow.mishap is Mishap.NODE_SILENT:
        told_ns = blow.ended_ns + 340 * SECOND_NS
        _tell_to_go(stage, effort, one, told_ns)
        stage.scribe.pod(effort, told_ns + 5 * MINUTE_NS, one, Verb.DELETED)
        return
    if about.is_graceful or blow.mishap is Mishap.DEVICES_REFUSED:
        began_ns = min(blow.ended_ns - SECOND_NS // 5, blow.began_ns + SECOND_NS)
        if about.is_graceful:
            began_ns = max(began_ns, blow.ended_ns - 29 * SECOND_NS)
            _tell_to_go(stage, effort, one, began_ns)
    code = 128 + about.signal if about.signal else about.code
    ended_ns = blow.ended_ns + blow.chance.between_ns(0.1, 0.8)
    if traces.exit_is_seen:
        one.exit = (ended_ns, _exit_reason(traces), code)
        stage.scribe.pod(effort, ended_ns + SECOND_NS // 5, one)
    stage.scribe.pod(effort, ended_ns + SECOND_NS, one, Verb.DELETED)


def _exit_reason(traces: Traces) -> str:
    said = (sign.exit_reason for sign in traces.signs if sign.exit_reason is not None)
    return next(said, "Error")


def _tell_to_go(stage: Stage, effort: Effort, one: Pod, at_ns: int) -> None:
    one.told_ns = at_ns
    stage.scribe.pod(effort, at_ns, one)


def _gone(  # noqa: PLR0913 - where, who, when, how
    stage: Stage, effort: Effort, one: Pod, after_ns: int, last_ns: int, *, code: int
) -> None:
    """A pod that was told to go ends, and is gone with the last of them."""
    one.exit = (max(after_ns, last_ns - SECOND_NS), "Error", code)
    stage.scribe.pod(effort, last_ns, one)
    stage.scribe.pod(effort, last_ns + SECOND_NS // 2, one, Verb.DELETED)


def retire(stage: Stage, effort: Effort, over_ns: int) -> None:
    """A run is done: its pods have succeeded, its workload is complete."""
    for one in effort.pods:
        one.exit = (over_ns, "Completed", 0)
        stage.scribe.pod(effort, over_ns + SECOND_NS // 2, one)
    rows = [condition("Complete", over_ns, "CompletionsReached", "all pods succeeded")]
    if effort.names.top == "JobSet":
        rows = [condition("Completed", over_ns, "AllJobsCompleted", "jobset completed")]
    at_ns = over_ns + SECOND_NS
    stage.scribe.workload(
        effort, at_ns, Verb.MODIFIED, suspended=False, conditions=rows
    )
    stage.scribe.queue(
        effort, at_ns, [condition("Finished", over_ns, "Succeeded")], Verb.MODIFIED
    )
    for one in effort.pods:
        stage.scribe.pod(effort, over_ns + HOUR_NS, one, Verb.DELETED)
    stage.scribe.workload(
        effort, over_ns + HOUR_NS, Verb.DELETED, suspended=False, conditions=rows
    )
    _release(stage, effort, over_ns)
