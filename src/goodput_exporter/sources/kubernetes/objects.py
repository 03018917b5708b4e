"""The few fields of nodes, events and workloads that anybody here reads, lean."""

from __future__ import annotations

from typing import Any

from goodput_exporter.sources.kubernetes.lean import Condition, Lean, Object, Quantity
from goodput_exporter.sources.kubernetes.pod_objects import PodSpec


class Taint(Lean, frozen=True):
    """Why pods should stay away from a node."""

    key: str | None = None
    value: str | None = None
    effect: str | None = None
    time_added: str | None = None


class NodeSpec(Lean, frozen=True):
    """What a node was asked to be."""

    taints: tuple[Taint, ...] | None = None
    unschedulable: bool | None = None


class NodeStatus(Lean, frozen=True):
    """What a node has, and how it is."""

    capacity: dict[str, Quantity] | None = None
    allocatable: dict[str, Quantity] | None = None
    conditions: tuple[Condition, ...] | None = None


class Node(Object, frozen=True):
    """A node."""

    spec: NodeSpec | None = None
    status: NodeStatus | None = None


class Reference(Lean, frozen=True):
    """What an event is about."""

    api_version: str | None = None
    kind: str | None = None
    namespace: str | None = None
    name: str | None = None
    uid: str | None = None


class Series(Lean, frozen=True):
    """An event that comes again and again."""

    count: int | None = None
    last_observed_time: str | None = None


class Source(Lean, frozen=True):
    """Who reports an event."""

    component: str | None = None
    host: str | None = None


class Event(Object, frozen=True):
    """An event, of the core API or of ``events.k8s.io``."""

    type: str | None = None
    reason: str | None = None
    message: str | None = None
    note: str | None = None
    involved_object: Reference | None = None
    regarding: Reference | None = None
    related: Reference | None = None
    source: Source | None = None
    reporting_component: str | None = None
    event_time: str | None = None
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    count: int | None = None
    series: Series | None = None


class PodTemplate(Lean, frozen=True):
    """The pods that a workload makes."""

    spec: PodSpec | None = None


class WorkloadSpec(Lean, frozen=True):
    """What kinds of workloads were asked to be, as far as they agree."""

    suspend: bool | None = None
    active: bool | None = None
    parallelism: int | None = None
    completions: int | None = None
    replicas: int | None = None
    backoff_limit: int | None = None
    min_member: int | None = None
    queue_name: str | None = None
    priority_class_name: str | None = None
    template: PodTemplate | None = None


class WorkloadStatus(Lean, frozen=True):
    """What became of a workload, as far as kinds agree."""

    conditions: tuple[Condition, ...] | None = None
    phase: str | None = None
    restarts: int | None = None
    active: int | None = None
    ready: int | None = None
    succeeded: int | None = None
    failed: int | None = None
    replicas: int | None = None
    ready_replicas: int | None = None
    start_time: str | None = None
    completion_time: str | None = None


class Workload(Object, frozen=True):
    """A Job, or whatever else makes pods that train together."""

    spec: WorkloadSpec | None = None
    status: WorkloadStatus | None = None


class Manifest(Object, frozen=True):
    """
    A workload of any kind, whole: each kind keeps its pod templates elsewhere.

    There are some thousands of them where there are a hundred thousand pods.
    """

    spec: dict[str, Any] | None = None
    status: dict[str, Any] | None = None
