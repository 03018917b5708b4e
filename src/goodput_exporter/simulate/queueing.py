"""How a run comes to its machines: submission, admission, pods, binding, containers."""

from __future__ import annotations

from goodput_exporter.domain.states import RunState
from goodput_exporter.simulate.chance import uid_of
from goodput_exporter.simulate.effort import Effort, Status
from goodput_exporter.simulate.mishaps import IN_START_UP, Mishap
from goodput_exporter.simulate.objects import Names
from goodput_exporter.simulate.plans import SECOND_NS, Restart, RunPlan
from goodput_exporter.simulate.pods import Pod
from goodput_exporter.simulate.raw import Verb
from goodput_exporter.simulate.scribe import admitted
from goodput_exporter.simulate.stage import Stage, What

PATIENCE_NS = SECOND_NS
"""So long a run with priority waits before others have to go."""
REQUEUE_S = 60.0
"""Kueue's first back-off of a workload that was evicted."""


def names_of(plan: RunPlan, seed: int, workloads: int, attempt: int = 0) -> Names:
    """Name a run's workload; each one has a UID of its own, a JobSet's jobs too."""
    top = "JobSet" if plan.restart is Restart.GANG else "Job"
    uid = uid_of(seed, plan.name, workloads)
    job_uid = uid_of(seed, plan.name, workloads, attempt) if top == "JobSet" else uid
    return Names(plan, top, uid, job_uid, attempt)


def submit(stage: Stage, effort: Effort) -> None:
    """Somebody submits a workload; the queue takes it, or its pods are made at once."""
    at_ns, plan, run = stage.now_ns, effort.plan, effort.book.run
    if not run.spans or run.outcome == "succeeded":
        effort.book.cursor_ns = at_ns
        run.spans.append((at_ns, at_ns))
    elif run.outcome == "deleted":
        before_ns = run.gpu_ns.get(RunState.DOWN, 0)
        effort.book.wait(at_ns, effort.state)
        run.between_gpu_ns += run.gpu_ns.get(RunState.DOWN, 0) - before_ns
    run.outcome = "running"
    effort.names = names_of(plan, stage.seed, effort.workloads)
    effort.created_ns, effort.admitted_ns = at_ns, None
    effort.pods, effort.places = [], [None] * plan.pods
    effort.missing = list(range(plan.pods))
    stage.scribe.workload(effort, at_ns, Verb.ADDED, suspended=plan.is_queued)
    if plan.is_queued:
        stage.scribe.queue(effort, at_ns, [], Verb.ADDED)
        effort.state = RunState.SUSPENDED if effort.attempts else RunState.QUEUED
        wait(stage, effort)
    else:
        effort.state = RunState.DOWN if effort.attempts else RunState.SCHEDULING
        effort.status = Status.COMING
        created_ns = at_ns + stage.chance.between_ns(0.2, 2)
        stage.later(created_ns, What.CREATE, effort)


def wait(stage: Stage, effort: Effort) -> None:
    """Queue up, and see who can be served."""
    if effort.life is None:
        effort.status = Status.WAITING
    effort.waits_since_ns = stage.now_ns
    if effort not in stage.waiting:
        stage.waiting.append(effort)
    serve(stage)
    if effort in stage.waiting and effort.plan.priority:
        stage.later(stage.now_ns + PATIENCE_NS, What.MAKE_ROOM, effort)


def serve(stage: Stage) -> list[Effort]:
    """
    Give machines to those who wait, by priority, then by age.

    Who does not fit lets smaller ones pass.
    """
    served = []
    by_rank = sorted(
        stage.waiting, key=lambda e: (-e.plan.priority, e.waits_since_ns, e.name)
    )
    for effort in by_rank:
        found = stage.pool.place(len(effort.missing), effort.plan.gpus_per_pod)
        if found is None:
            continue
        for index, place in zip(effort.missing, found, strict=True):
            effort.places[index] = place
        stage.waiting.remove(effort)
        if effort.life is None:
            effort.status = Status.COMING
        served.append(effort)
        _placed(stage, effort)
    return served


def _placed(stage: Stage, effort: Effort) -> None:
    """The queue admits, or the scheduler binds."""
    if effort.plan.is_queued and effort.admitted_ns is None:
        _admit(stage, effort)
        return
    stage.later(stage.now_ns + stage.chance.between_ns(0.5, 3), What.BIND, effort)


def _admit(stage: Stage, effort: Effort) -> None:
    at_ns = stage.now_ns
    effort.book.wait(at_ns, effort.state)
    effort.admitted_ns = at_ns
    # After an interruption the pods are missed; before the first one nothing is.
    effort.state = RunState.DOWN if effort.attempts else RunState.SCHEDULING
    stage.scribe.queue(effort, at_ns, admitted(at_ns), Verb.MODIFIED)
    stage.scribe.workload(effort, at_ns, Verb.MODIFIED, suspended=False)
    created_ns = at_ns + stage.chance.between_ns(0.2, 2)
    stage.later(created_ns, What.CREATE, effort)


def resume(stage: Stage, effort: Effort) -> None:
    """Somebody lets a suspended run go on; the queue has a word in it."""
    at_ns = stage.now_ns
    if effort.plan.is_queued:
        wait(stage, effort)
        return
    effort.book.wait(at_ns, effort.state)
    effort.state, effort.status = RunState.DOWN, Status.COMING
    stage.scribe.workload(effort, at_ns, Verb.MODIFIED, suspended=False)
    created_ns = at_ns + stage.chance.between_ns(0.2, 2)
    stage.later(created_ns, What.CREATE, effort)


def create(stage: Stage, effort: Effort) -> None:
    """The controller makes the pods that are missing."""
    at_ns = stage.now_ns
    _go_over(effort, at_ns, RunState.SCHEDULING)
    if not effort.pods:
        effort.pods = [_made(stage, effort, i, at_ns) for i in range(effort.plan.pods)]
    else:
        for index in effort.missing:
            effort.pods[index] = _made(stage, effort, index, at_ns)
    for index in effort.missing:
        stage.scribe.pod(effort, at_ns, effort.pods[index], Verb.ADDED)
    _seek(stage, effort)


def _go_over(effort: Effort, at_ns: int, state: RunState) -> None:
    """Charge what has been waited for; a run that steps on waits for nothing."""
    if effort.life is None:
        effort.book.wait(at_ns, effort.state)
        effort.state = state


def _seek(stage: Stage, effort: Effort) -> None:
    if all(place is not None for place in effort.places):
        _placed(stage, effort)
        return
    kept = [index for index in effort.missing if effort.places[index] is not None]
    effort.missing = [i for i in effort.missing if effort.places[i] is None]
    wait(stage, effort)
    effort.missing = sorted({*effort.missing, *kept})


def _made(stage: Stage, effort: Effort, index: int, at_ns: int) -> Pod:
    effort.pods_made += 1
    uid = uid_of(stage.seed, effort.name, "pod", effort.pods_made)
    name = f"{effort.names.job}-{index}-{uid[:5]}"
    return Pod(name, uid, index, at_ns)


def bind(stage: Stage, effort: Effort) -> None:
    """The scheduler binds the missing pods; images are pulled, volumes mounted."""
    at_ns = stage.now_ns
    _go_over(effort, at_ns, RunState.PROVISIONING)
    kept_away = _kept_away(stage, effort)
    for index in effort.missing:
        place = effort.places[index]
        if place is None or kept_away == (Mishap.DEVICES_REFUSED, index):
            continue
        one, machine = effort.pods[index], stage.pool.machines[place]
        one.bound_ns, one.node = at_ns, machine.name
        one.skew_ns = stage.skew_ns(machine.name)
        stage.scribe.pod(effort, at_ns, one)
    ready_ns = at_ns + stage.chance.between_ns(8, 60)
    if kept_away is None:
        what = What.RUN if effort.life is None else What.REGROW
        stage.later(ready_ns, what, effort, attempt=effort.attempts)
        return
    effort.kept_away = kept_away
    if kept_away[0] is Mishap.DEVICES_REFUSED:
        effort.state = RunState.SCHEDULING
    stage.later(ready_ns, What.GIVE_UP, effort)


def _kept_away(stage: Stage, effort: Effort) -> tuple[Mishap, int] | None:
    """
    Return what keeps one pod of a new gang from running, and which pod.

    Only where others come up before it, or no incarnation ends of it; and not at a
    restart, which is no new interruption as long as ranks of it are missing.
    """
    if effort.attempts or effort.plan.pods < 2:  # noqa: PLR2004 - two make a gang
        return None
    for mishap, chance in stage.preset.start_up:
        if mishap in IN_START_UP and stage.chance.happens(chance):
            return mishap, stage.chance.below(effort.plan.pods)
    return None
