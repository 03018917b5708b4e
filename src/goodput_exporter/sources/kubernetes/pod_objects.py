"""The few fields of pods that anybody here reads, as lean structs."""

from __future__ import annotations

import msgspec

from goodput_exporter.sources.kubernetes.lean import Condition, Lean, Object, Quantity


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
