"""What a sweep over one run has to look at, put together from the register."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import partial

from goodput_exporter.domain.placement import Owner
from goodput_exporter.sources.workloads.asks import Voices, voices
from goodput_exporter.sources.workloads.history import Since
from goodput_exporter.sources.workloads.lookups import index_of
from goodput_exporter.sources.workloads.owners import Ref
from goodput_exporter.sources.workloads.pods import PodRecord, lives
from goodput_exporter.sources.workloads.register import Register
from goodput_exporter.sources.workloads.run import Run, View
from goodput_exporter.sources.workloads.table import QUEUE_LABELS
from goodput_exporter.sources.workloads.workload import WorkRecord


def view_of(register: Register, run: Run) -> View:
    """Return what a run's placements follow from."""
    speakers = voices(
        run.works.values(), run.queues.values(), partial(_above, register)
    )
    top = _top(register, run, speakers)
    names = {f"{p.ref.namespace}/{p.ref.name}": p.node for p in run.pods.values()}
    names = {**run.past, **names}
    return View(
        {
            uid: lives(pod, _losses(register, pod.node))
            for uid, pod in run.pods.items()
            if pod.words
        },
        speakers,
        partial(register.size, run.key.namespace),
        _owner(register, run, speakers, top),
        top is None or top.kind == "Pod",
        tuple(sorted(names)),
        tuple(sorted({node for node in names.values() if node})),
        _estimated(run),
        partial(index_of, register),
    )


def _above(register: Register, work: WorkRecord) -> frozenset[str]:
    return frozenset(ref.uid for ref in register.owners.chain(work.ref)[1:])


def _losses(register: Register, name: str) -> list[Since[bool]]:
    node = register.nodes.get(name)
    return [] if node is None else node.losses


def _top(register: Register, run: Run, speakers: Voices) -> Ref | None:
    """Return the top owner that decides whose the run is: the youngest's."""
    members: list[WorkRecord | PodRecord] = [*(speakers.tops or run.pods.values())]
    youngest = max(members, key=lambda one: (one.created_ns, one.ref.uid), default=None)
    return None if youngest is None else register.owners.chain(youngest.ref)[-1]


def _owner(register: Register, run: Run, speakers: Voices, top: Ref | None) -> Owner:
    labels = [work.labels for work in speakers.tops]
    labels += [work.labels for work in run.works.values()]
    labels += [pod.labels for pod in run.pods.values()]
    named = [work.queue for work in (*speakers.queues, *speakers.tops)]
    queue = next(filter(None, named), None) or _label(labels, QUEUE_LABELS)
    here = [register.nodes.get(pod.node) for pod in run.pods.values()]
    before = Owner() if run.last is None else run.last.owner
    if top is None:
        return before
    return Owner(
        top.kind,
        top.name,
        top.uid,
        _label(labels, register.team_labels) or before.team,
        queue or before.queue,
        _most(node.gpu_model for node in here if node is not None) or before.gpu_model,
        _most(node.pool for node in here if node is not None) or before.pool,
    )


def _label(labels: Iterable[dict[str, str]], names: Iterable[str]) -> str | None:
    found = list(labels)
    return next(
        (each[name] for name in names for each in found if each.get(name)), None
    )


def _most(values: Iterable[str | None]) -> str | None:
    """Return the value that most have; the first by name where as many have another."""
    counts = Counter(value for value in values if value)
    return min(counts, key=lambda value: (-counts[value], value), default=None)


def _estimated(run: Run) -> frozenset[int]:
    ends = {
        pod.words[-1].at_ns
        for pod in run.pods.values()
        if pod.is_estimated and pod.words
    }
    works = (*run.works.values(), *run.queues.values())
    return frozenset(ends) | {
        work.gone_ns for work in works if work.is_estimated and work.gone_ns is not None
    }
