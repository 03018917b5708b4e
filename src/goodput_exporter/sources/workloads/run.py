"""What is kept of one run between two looks at its pods and workloads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from goodput_exporter.domain.placement import Owner, Placement, Stage
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.sources.workloads.asks import Voices
from goodput_exporter.sources.workloads.devices import Claim
from goodput_exporter.sources.workloads.history import Since, forget
from goodput_exporter.sources.workloads.pod_words import PodWord
from goodput_exporter.sources.workloads.pods import PodRecord
from goodput_exporter.sources.workloads.waits import Wait, wait_of
from goodput_exporter.sources.workloads.workload import WorkRecord


@dataclass(frozen=True, slots=True)
class Crew:
    """
    Who ran when all of a run's pods last did; the next crew tells what came back.

    Args:
        lives: The running containers' ids, by pod.
        tops: The workloads at the top.
        restarts: What the workload, or its pods, count.
        asked: Devices that the run asked for.
    """

    lives: Mapping[str, str]
    tops: frozenset[str]
    restarts: int
    asked: int


@dataclass(frozen=True, slots=True)
class View:
    """
    What one sweep over a run looks at.

    Args:
        lives: What each pod was since when, in the light of its node.
        speakers: Who speaks for the run.
        size: How many GPUs a claim of the run's namespace is for.
        owner: Whose the run is.
        is_bare: Nobody makes its pods anew.
        pods, nodes: Of the run, as placements name them.
        index: Returns a pod's place among those of its run.
        estimated: Instants at which something ended that nobody saw end.
    """

    lives: Mapping[str, Sequence[Since[PodWord]]]
    speakers: Voices
    size: Callable[[Claim], int]
    owner: Owner
    is_bare: bool
    pods: tuple[str, ...]
    nodes: tuple[str, ...]
    estimated: frozenset[int] = frozenset()
    index: Callable[[PodRecord], int | None] = lambda _: None


@dataclass(slots=True)
class Run:
    """
    What is kept of one run between sweeps.

    Args:
        key: The run.
        pods, works, queues: Its objects, by uid.
        last: The last placement; None before the first.
        largest: The most devices that were there at a time.
        peak: The most since all ran last, or since it was let in.
        was_admitted, has_run: It was let in; one of its pods ran.
        crew: Who ran when all did, last.
        waits_ns: How long it waited, by reason.
        waits_since_ns: Since when it waits, or does not, as it does now.
        waiting_from_ns: Since when it waits for anything; None while it does not.
        past: Pods that are gone since all ran last, with their nodes.
        broke: The reason of what broke last.
        seen_ns: When the first of its objects was seen.
        due_ns: When it is looked at again, whatever happens; None for never.
        since_ns: Where it goes on with what another run's book held before.
        left_ns: Until when it stood as the last placement says, as an earlier life of
            this program saw; None once it was looked at.
    """

    key: RunKey
    pods: dict[str, PodRecord] = field(default_factory=dict)
    works: dict[str, WorkRecord] = field(default_factory=dict)
    queues: dict[str, WorkRecord] = field(default_factory=dict)
    last: Placement | None = None
    largest: int = 0
    peak: int = 0
    was_admitted: bool = False
    has_run: bool = False
    crew: Crew | None = None
    waits_ns: dict[Wait, int] = field(default_factory=dict)
    waits_since_ns: int = 0
    waiting_from_ns: int | None = None
    past: dict[str, str] = field(default_factory=dict)
    broke: str = ""
    seen_ns: int = 0
    due_ns: int | None = None
    since_ns: int | None = None
    left_ns: int | None = None


def take_over(run: Run, before: Run, began_ns: int) -> None:
    """
    Let a run go on with the objects of another one, from where that one is left.

    What the other has waited stays in its book. Since its pods run nothing is
    booked there: they start up for the run that their ranks name.

    Args:
        run: Changed in place, unless pods of its own are in it.
        before: Whose objects they were.
        began_ns: When the process began that named the run.
    """
    last = before.last
    if last is None or (run.last is not None and run.last.ended is None):
        return
    is_running = last.stage is Stage.RUNNING
    left_ns = last.at_ns if is_running else max(last.at_ns, began_ns)
    run.since_ns = max(left_ns, run.since_ns or left_ns)
    run.was_admitted |= before.was_admitted
    run.has_run |= before.has_run


def is_empty(run: Run) -> bool:
    """Return whether nothing belongs to a run any more."""
    return not (run.pods or run.works or run.queues)


def devices_of(record: PodRecord, view: View) -> int:
    """Return a pod's devices, those of its claims included."""
    return record.ask.devices + sum(view.size(claim) for claim in record.ask.claims)


def waited_ns(run: Run, now_ns: int) -> dict[Wait, int]:
    """Return how long a run has waited by now, by reason; the present wait included."""
    spent = dict(run.waits_ns)
    last = run.last
    wait = None if last is None else wait_of(last.stage, last.reason)
    if last is not None and wait is not None and last.ended is None:
        spent[wait] = spent.get(wait, 0) + max(0, now_ns - run.waits_since_ns)
    return spent


def tidy(run: Run, now_ns: int) -> list[str]:
    """
    Forget what no later placement can need; return the objects that are forgotten.

    Names of pods that are gone stay until all run again: what happened to them is
    why the run is down. The last pods of a run without a workload stay until the
    run ends, and workloads stay as long as there are pods.
    """
    last = run.last
    if last is not None:
        for record in run.pods.values():
            forget(record.words, last.at_ns)
        for work in (*run.works.values(), *run.queues.values()):
            forget(work.words, last.at_ns)
    is_running = last is not None and last.stage is Stage.RUNNING
    if is_running:
        run.past.clear()
    gone = _gone_pods(run, now_ns)
    for uid in gone:
        pod = run.pods.pop(uid)
        if not is_running:
            run.past[f"{pod.ref.namespace}/{pod.ref.name}"] = pod.node
    return gone + _gone_works(run)


def _gone_pods(run: Run, now_ns: int) -> list[str]:
    gone = [
        uid
        for uid, pod in run.pods.items()
        if pod.is_gone and pod.words[-1].at_ns <= now_ns
    ]
    has_ended = run.last is None or run.last.ended is not None
    is_kept = not run.works and len(gone) == len(run.pods) and not has_ended
    return [] if is_kept else gone


def _gone_works(run: Run) -> list[str]:
    if run.pods:
        return []
    found = []
    for works in (run.works, run.queues):
        for uid in [uid for uid, work in works.items() if work.gone_ns is not None]:
            del works[uid]
            found.append(uid)
    return found
