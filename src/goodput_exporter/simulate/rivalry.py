"""A run with priority makes room for itself: others are preempted."""

from __future__ import annotations

from goodput_exporter.simulate.attempts import happen
from goodput_exporter.simulate.effort import Effort, Status
from goodput_exporter.simulate.mishaps import Mishap
from goodput_exporter.simulate.stage import Stage


def make_room(stage: Stage, effort: Effort) -> None:
    """
    Preempt as few lesser runs as will do, the youngest of the least first.

    A queue takes quota from runs of the queue, the scheduler takes nodes from
    pods of its own; where no number of victims is enough, none has to go.
    """
    if effort not in stage.waiting:
        return
    wanted = len(effort.missing) * effort.plan.gpus_per_pod
    free = stage.pool.room(effort.plan.gpus_per_pod) * effort.plan.gpus_per_pod
    victims = []
    for other in _lesser(stage, effort):
        if free >= wanted:
            break
        victims.append(other)
        free += other.plan.asked
    if free < wanted:
        return
    queued = effort.plan.is_queued
    mishap = Mishap.QUEUE_PREEMPTION if queued else Mishap.PREEMPTION
    for victim in victims:
        happen(stage, victim, mishap, 0)


def _lesser(stage: Stage, effort: Effort) -> list[Effort]:
    """Return who may be preempted, by priority, then the youngest attempt first."""
    found = [
        other
        for other in stage.efforts
        if other.status is Status.TRAINING
        and other.plan.priority < effort.plan.priority
        and other.plan.is_queued == effort.plan.is_queued
        and other.life is not None
    ]
    return sorted(
        found,
        key=lambda o: (o.plan.priority, -o.life.start_ns if o.life else 0, o.name),
    )
