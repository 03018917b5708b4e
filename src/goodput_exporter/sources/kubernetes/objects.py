"""The few fields of Kubernetes objects that anybody here reads, as lean structs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

# Every field is optional: real objects have nulls where the schema has none, and
# one of them must not cost the object. Tuples of structs without cyclic garbage
# are forgotten by the collector, which would otherwise walk them all, again and
# again. Names as in the API; timestamps stay its strings.

Quantity: TypeAlias = str | int | float
"""As in ``8``, ``"8"`` or ``"512Gi"``."""


class Lean(
    msgspec.Struct,
    frozen=True,
    gc=False,
    omit_defaults=True,
    rename="camel",
):
    """What all parts have in common: unknown fields are skipped, not kept."""


class OwnerReference(Lean, frozen=True):
    """Who made this object."""

    api_version: str | None = None
    kind: str | None = None
    name: str | None = None
    uid: str | None = None
    controller: bool | None = None


class Metadata(Lean, frozen=True):
    """What every object says about itself."""

    name: str | None = None
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: tuple[OwnerReference, ...] | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None


class Object(Lean, frozen=True):
    """An object of any kind; whatever is watched is one of these."""

    metadata: Metadata | None = None


class Condition(Lean, frozen=True):
    """One condition of any kind of object."""

    type: str | None = None
    status: str | None = None
    reason: str | None = None
    message: str | None = None
    last_transition_time: str | None = None


class Claim(Lean, frozen=True):
    """A claim for devices (DRA) that a container uses, by its name in the pod."""

    name: str | None = None
    request: str | None = None


class Resources(Lean, frozen=True):
    """What a container asks for."""

    limits: dict[str, Quantity] | None = None
    requests: dict[str, Quantity] | None = None
    claims: tuple[Claim, ...] | None = None


class Variable(Lean, frozen=True):
    """A variable of a container's environment; without a value if it is a reference."""

    name: str | None = None
    value: str | None = None


class Container(Lean, frozen=True):
    """A container as it was asked for."""

    name: str | None = None
    resources: Resources | None = None
    env: tuple[Variable, ...] | None = None
    restart_policy: str | None = None


class Gate(Lean, frozen=True):
    """Why a pod may not be scheduled yet."""

    name: str | None = None


class PodClaim(Lean, frozen=True):
    """A claim for devices (DRA) of a pod."""

    name: str | None = None
    resource_claim_name: str | None = None
    resource_claim_template_name: str | None = None


class PodSpec(Lean, frozen=True):
    """What a pod was asked to be."""

    node_name: str | None = None
    host_network: bool | None = None
    containers: tuple[Container, ...] | None = None
    init_containers: tuple[Container, ...] | None = None
    resource_claims: tuple[PodClaim, ...] | None = None
    scheduling_gates: tuple[Gate, ...] | None = None
    priority_class_name: str | None = None


class Waiting(Lean, frozen=True):
    """A container that does not run yet, or again."""

    reason: str | None = None
    message: str | None = None


class Running(Lean, frozen=True):
    """A container that runs."""

    started_at: str | None = None


class Terminated(Lean, frozen=True):
    """A container that ended."""

    exit_code: int | None = None
    signal: int | None = None
    reason: str | None = None
    message: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    container_id: str | None = msgspec.field(default=None, name="containerID")


class ContainerState(Lean, frozen=True):
    """One of three."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(Lean, frozen=True):
    """A container as it is."""

    name: str | None = None
    state: ContainerState | None = None
    last_state: ContainerState | None = None
    restart_count: int | None = None
    ready: bool | None = None
    container_id: str | None = msgspec.field(default=None, name="containerID")


class PodStatus(Lean, frozen=True):
    """What became of a pod."""

    phase: str | None = None
    reason: str | None = None
    message: str | None = None
    conditions: tuple[Condition, ...] | None = None
    container_statuses: tuple[ContainerStatus, ...] | None = None
    init_container_statuses: tuple[ContainerStatus, ...] | None = None
    pod_ip: str | None = msgspec.field(default=None, name="podIP")
    host_ip: str | None = msgspec.field(default=None, name="hostIP")
    start_time: str | None = None


class Pod(Object, frozen=True):
    """A pod."""

    spec: PodSpec | None = None
    status: PodStatus | None = None


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


def identity(found: Object) -> str | None:
    """
    Return what tells one object from every other of its kind, for ever.

    The uid, because a name comes back with another object behind it. Where it
    is missing the name has to do; without both, None.
    """
    metadata = found.metadata
    if metadata is None:
        return None
    if metadata.uid or not metadata.name:
        return metadata.uid or None
    return f"{metadata.namespace or ''}/{metadata.name}"


def version_of(found: Object) -> str | None:
    """Return an object's resource version: equal or not, and nothing else."""
    return None if found.metadata is None else found.metadata.resource_version


def plain(found: Object, kind: str, api_version: str = "") -> dict[str, object]:
    """Return an object as the API's JSON, with what lists leave out of their items."""
    fields: Mapping[str, object] = msgspec.to_builtins(found)
    named = {"apiVersion": api_version} if api_version else {}
    return {"kind": kind, **named, **fields}
