"""Where each kind of workload keeps its pod templates, and how many pods of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from goodput_exporter.sources.loose import Fields, fields, rows, text, whole

MOST: Final = 10_000_000
"""No part has more pods; a number above it is a fault, not a fact."""


@dataclass(frozen=True, slots=True)
class Part:
    """
    Pods of one template.

    Args:
        role: The kind's own word: a replica type, a task, a replicated job.
        count: How many pods the workload wants of it.
        template: The pod template, with metadata and spec.
        inner: Pods per group, where the kind numbers groups and pods in them.
    """

    role: str
    count: int
    template: Fields
    inner: int = 1


Parts: TypeAlias = Callable[[Fields], Iterator[Part]]


def count_at(value: object, *path: str, otherwise: int = 1) -> int:
    """Return a number of pods; *otherwise* where none is said."""
    found = whole(value, *path)
    return found if found is not None and 0 <= found <= MOST else otherwise


def _job_pods(spec: Fields) -> int:
    """Return the pods that a Job runs at a time: never more than it has to complete."""
    parallelism = count_at(spec, "parallelism")
    return min(parallelism, count_at(spec, "completions", otherwise=parallelism))


def of_job(raw: Fields) -> Iterator[Part]:
    """Yield a Job's only part."""
    spec = fields(raw, "spec")
    count = _job_pods(spec)
    yield Part("", count, fields(spec, "template"), count)


def of_jobset(raw: Fields) -> Iterator[Part]:
    """Yield a JobSet's replicated jobs."""
    for row in rows(raw, "spec", "replicatedJobs"):
        spec = fields(row, "template", "spec")
        pods = _job_pods(spec)
        count = pods * count_at(row, "replicas")
        yield Part(text(row, "name"), count, fields(spec, "template"), pods)


def of_replica_specs(name: str) -> Parts:
    """Return a reader of the training operator's map of replica types."""

    def read(raw: Fields) -> Iterator[Part]:
        largest = whole(raw, "spec", "elasticPolicy", "maxReplicas")
        for role, value in fields(raw, "spec", name).items():
            desired = largest if role == "Worker" and largest is not None else 1
            count = count_at(value, "replicas", otherwise=desired)
            yield Part(role, count, fields(value, "template"))

    return read


def of_ray(*path: str) -> Parts:
    """Return a reader of a Ray cluster's head and worker groups under *path*."""

    def read(raw: Fields) -> Iterator[Part]:
        spec = fields(raw, *path)
        head = fields(spec, "headGroupSpec")
        if head:
            yield Part("headgroup", 1, fields(head, "template"))
        for group in rows(spec, "workerGroupSpecs"):
            least = count_at(group, "minReplicas", otherwise=0)
            hosts = count_at(group, "numOfHosts")
            count = count_at(group, "replicas", otherwise=least) * hosts
            yield Part(text(group, "groupName"), count, fields(group, "template"))

    return read


def of_volcano(raw: Fields) -> Iterator[Part]:
    """Yield a Volcano job's tasks."""
    for task in rows(raw, "spec", "tasks"):
        count = count_at(task, "replicas")
        yield Part(text(task, "name"), count, fields(task, "template"))


def of_leader_worker_set(raw: Fields) -> Iterator[Part]:
    """Yield leaders and workers; a group's leader is its first pod."""
    spec = fields(raw, "spec")
    made = fields(spec, "leaderWorkerTemplate")
    groups, size = count_at(spec, "replicas"), count_at(made, "size")
    worker = fields(made, "workerTemplate")
    leader = fields(made, "leaderTemplate") or worker
    yield Part("leader", groups, leader, size)
    yield Part("worker", groups * max(size - 1, 0), worker, size)


def of_stateful_set(raw: Fields) -> Iterator[Part]:
    """Yield a StatefulSet's only part."""
    count = count_at(raw, "spec", "replicas")
    yield Part("", count, fields(raw, "spec", "template"), count)


def nowhere(_raw: Fields) -> Iterator[Part]:
    """Yield nothing: this kind leaves its pods to another object that it owns."""
    yield from ()
