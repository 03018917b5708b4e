"""What a kubelet answers at ``/pods``, as typed messages and as records of pods."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from goodput_exporter.domain.allocations import PodName
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.errors import SourceUnavailableError
from goodput_exporter.sources.pod_directory import ContainerRecord, PodRecord

LOG: Final = logging.getLogger(__name__)
FINISHED: Final = frozenset({"Succeeded", "Failed"})


class Owner(msgspec.Struct, rename="camel"):
    """One of a pod's owners."""

    api_version: str = ""
    kind: str = ""
    controller: bool = False


class Metadata(msgspec.Struct):
    """Of a pod's metadata, as much as is used."""

    name: str
    namespace: str
    uid: str
    created: str | None = msgspec.field(name="creationTimestamp", default=None)
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    owners: list[Owner] = msgspec.field(name="ownerReferences", default_factory=list)


class Spec(msgspec.Struct, rename="camel"):
    """Of a pod's spec, as much as is used."""

    host_network: bool = False


class Address(msgspec.Struct):
    """One of a pod's addresses."""

    ip: str = ""


class Running(msgspec.Struct, rename="camel"):
    """A life of a container that goes on."""

    started_at: str


class Terminated(msgspec.Struct, rename="camel"):
    """A life of a container that is over."""

    started_at: str
    finished_at: str
    exit_code: int
    container_id: str = msgspec.field(name="containerID", default="")


class State(msgspec.Struct):
    """How a container stands; with neither it waits."""

    running: Running | None = None
    terminated: Terminated | None = None


class Standing(msgspec.Struct):
    """One container of a pod, now and in the life before."""

    name: str
    container_id: str = msgspec.field(name="containerID", default="")
    state: State = msgspec.field(default_factory=State)
    before: State = msgspec.field(name="lastState", default_factory=State)


class Status(msgspec.Struct):
    """Of a pod's status, as much as is used."""

    phase: str = ""
    address: str = msgspec.field(name="podIP", default="")
    addresses: list[Address] = msgspec.field(name="podIPs", default_factory=list)
    containers: list[msgspec.Raw] = msgspec.field(
        name="containerStatuses", default_factory=list
    )


class Pod(msgspec.Struct):
    """One pod."""

    metadata: Metadata
    spec: Spec = msgspec.field(default_factory=Spec)
    status: Status = msgspec.field(default_factory=Status)


class PodList(msgspec.Struct):
    """What the kubelet answers at ``/pods``; each pod is read by itself."""

    items: list[msgspec.Raw] | None = None


def records_of(body: bytes) -> list[PodRecord]:
    """
    Return the pods in an answer; one that cannot be read costs itself only.

    Raises:
        SourceUnavailableError: It is no list of pods.
    """
    try:
        listed = msgspec.json.decode(body, type=PodList)
    except msgspec.DecodeError as exc:
        msg = f"the kubelet's answer is no list of pods ({exc}); is it the kubelet's?"
        raise SourceUnavailableError(msg) from exc
    found = []
    for item in listed.items or ():
        try:
            found.append(_record(msgspec.json.decode(item, type=Pod)))
        except (msgspec.DecodeError, ValueError) as exc:
            LOG.debug("a pod of the kubelet's list cannot be read: %s", exc)
    return found


def _record(pod: Pod) -> PodRecord:
    said = [each.ip for each in pod.status.addresses] or [pod.status.address]
    meta = pod.metadata
    return PodRecord(
        PodName(meta.namespace, meta.name),
        meta.uid,
        tuple(address for address in said if address),
        uses_host_network=pod.spec.host_network,
        created_ns=None if meta.created is None else _ns(meta.created),
        is_finished=pod.status.phase in FINISHED,
        owner=next((_kind(one) for one in meta.owners if one.controller), None),
        stated={**meta.annotations, **meta.labels},
        containers=tuple(_lives(pod.status.containers)),
    )


def _kind(owner: Owner) -> tuple[str, str]:
    group, slash, _ = owner.api_version.partition("/")
    return (group if slash else "", owner.kind)


def _lives(standings: Iterable[msgspec.Raw]) -> Iterator[ContainerRecord]:
    """Yield lives of containers; one that cannot be read costs itself only."""
    for raw in standings:
        try:
            one = msgspec.json.decode(raw, type=Standing)
            lives = [_life(one, state) for state in (one.before, one.state)]
        except (msgspec.DecodeError, ValueError) as exc:
            LOG.debug("a container of the kubelet's list cannot be read: %s", exc)
            continue
        yield from (life for life in lives if life is not None)


def _life(one: Standing, state: State) -> ContainerRecord | None:
    if state.running is not None:
        started_ns = _ns(state.running.started_at)
        return ContainerRecord(one.name, _bare(one.container_id), started_ns)
    if state.terminated is not None:
        over = state.terminated
        return ContainerRecord(
            one.name,
            _bare(over.container_id),
            _ns(over.started_at),
            _ns(over.finished_at),
            over.exit_code,
        )
    return None


def _bare(container_id: str) -> str:
    """Return an id without its runtime's scheme, such as ``containerd://``."""
    return container_id.rpartition("/")[2]


def _ns(date: str) -> int:
    """Return nanoseconds since the epoch; Kubernetes dates to the second."""
    at = datetime.fromisoformat(date).astimezone(UTC)
    return int(at.timestamp()) * NS_PER_SECOND
