"""Where a run's pods stand, as a cluster tells it; state, not events."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.states import How, RunState


class Stage(StrEnum):
    """How far the missing ranks' pods are; ``running`` where none is missing."""

    QUEUED = "queued"
    SUSPENDED = "suspended"
    DOWN = "down"
    SCHEDULING = "scheduling"
    PROVISIONING = "provisioning"
    RUNNING = "running"


STATE_OF_STAGE = {
    Stage.QUEUED: RunState.QUEUED,
    Stage.SUSPENDED: RunState.SUSPENDED,
    Stage.DOWN: RunState.DOWN,
    Stage.SCHEDULING: RunState.SCHEDULING,
    Stage.PROVISIONING: RunState.PROVISIONING,
    Stage.RUNNING: RunState.INITIALIZING,
}
"""What a run's time is while its ranks say nothing; containers that run and have
begun no step are starting up."""


MOVED_TO = "MovedTo/"
"""Begins the reason of a run whose pods turned out to be another run's, named next."""


class Ended(StrEnum):
    """How a workload ended, by its terminal condition."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Owner:
    """
    Whose a run is: what groups of runs are formed by; None is not said.

    Args:
        kind, name, uid: Of the workload at the top of the owner chain.
        team: The value of the configured label.
        queue: The queue that admits it.
        gpu_model: The product label of its nodes.
        pool: The node pool.
    """

    kind: str = "process"
    name: str | None = None
    uid: str | None = None
    team: str | None = None
    queue: str | None = None
    gpu_model: str | None = None
    pool: str | None = None


@dataclass(frozen=True, slots=True)
class Seat:
    """
    Where some of a run's ranks are.

    Args:
        pod: ``NAMESPACE/NAME``.
        node: The node that it is bound to.
        index: Its place among the run's pods, which its ranks follow from; None
            where nothing numbers it.
    """

    pod: str
    node: str
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """
    Where one run's pods stand from an instant on, until the next such word.

    Args:
        key: The run.
        at_ns: From when, by the objects' own dating, on the ledger's clock.
        stage: By the missing ranks' pods alone: ``down`` while a replacement does
            not exist or waits after a crash, else ``scheduling`` while one is not
            bound, else ``provisioning`` while a container does not run.
        asked: Devices that the workload asks for, running or not.
        running: Devices of pods whose containers run.
        is_elastic: The workload declares that it goes on with fewer.
        owner: Whose the run is.
        pods: Its trainer pods, as ``NAMESPACE/NAME``.
        nodes: The nodes that they are, or were last, bound to.
        how: By what the pods came back, where that is seen; None else.
        ended: Set by the workload's terminal condition.
        reason: The machine-readable word behind the stage, such as
            ``"Unschedulable"`` or ``"ErrImagePull"``; for people.
        crew: The pods that run, where all of them do; in the order of their indices.
        is_estimated: The instant was not seen: it lies in a gap of the watch.
    """

    key: RunKey
    at_ns: int
    stage: Stage
    asked: int
    running: int = 0
    is_elastic: bool = False
    owner: Owner = Owner()
    pods: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    how: How | None = None
    ended: Ended | None = None
    reason: str = ""
    is_estimated: bool = False
    crew: tuple[Seat, ...] = ()
