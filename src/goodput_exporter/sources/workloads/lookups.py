"""Who is where: what heartbeats, agents and the cluster book ask about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.sources.workloads.identity import Identity
from goodput_exporter.sources.workloads.nodes import NodeRecord
from goodput_exporter.sources.workloads.pods import (
    RANK_VARIABLES,
    PodRecord,
    natural,
)
from goodput_exporter.sources.workloads.register import Register
from goodput_exporter.sources.workloads.workload import PartSize, WorkRecord


@dataclass(frozen=True, slots=True)
class Holder:
    """
    A pod that holds GPUs of a node: bound, and not over.

    Args:
        uid, namespace, name, node: The pod's.
        devices: How many it holds.
        key: Its training run; None for any other work.
        since_ns: When it was created.
        terminating_ns: When it was told to go; None where it was not.
        is_lost: Its node is lost: whatever its status says, it is not charged.
    """

    uid: str
    namespace: str
    name: str
    node: str
    devices: int
    key: RunKey | None
    since_ns: int
    terminating_ns: int | None
    is_lost: bool


def pod_at(register: Register, node: str, ip: str) -> Identity | None:
    """
    Return the training pod with an address on a node.

    None where several pods share it, as those on the node's own network do: then
    the address names nobody.
    """
    found = [
        pod for pod in register.holding(node) if ip and pod.ip == ip and not pod.on_host
    ]
    return pod_of(register, found[0].ref.uid) if len(found) == 1 else None


def pod_of(register: Register, uid: str) -> Identity | None:
    """Return who a pod is; None where it is of no training run, or not known."""
    pod, key = register.pods.get(uid), register.key_of.get(uid)
    if pod is None or key is None:
        return None
    last = register.runs[key].last
    return Identity(
        key,
        uid,
        pod.ref.namespace,
        pod.ref.name,
        pod.node,
        index_of(register, pod),
        register.devices(pod),
        0 if last is None else last.asked,
    )


def pod_named(register: Register, node: str, said: str) -> str:
    """
    Return the uid of a node's pod by its uid, ``NAMESPACE/NAME`` or address.

    ``""`` where the node has no such pod that holds GPUs: an agent speaks for its
    own node, and what it says of a pod elsewhere names nobody.
    """
    pod = register.pods.get(said)
    if pod is not None:
        return said if pod.node == node else ""
    if "/" in said:
        named = (
            pod.ref.uid
            for pod in register.holding(node)
            if f"{pod.ref.namespace}/{pod.ref.name}" == said
        )
        return next(named, "")
    here = pod_at(register, node, said)
    return "" if here is None else here.uid


def run_named(register: Register, name: str) -> RunKey | None:
    """
    Return the run of an object by ``uid/UID``, or of a pod by ``pod/NAMESPACE/NAME``.

    None where no such object was seen, or it is of no training run.
    """
    kind, _, rest = name.partition("/")
    if kind == "uid":
        return register.key_of.get(rest)
    namespace, _, pod = rest.partition("/")
    uid = register.owners.uid_of(namespace, "", "Pod", pod)
    return None if uid is None else register.key_of.get(uid)


def index_of(register: Register, pod: PodRecord) -> int | None:
    """
    Return a pod's place among the pods with GPUs of its run.

    The labels of the topmost workload that has pod templates number it, else what
    launchers set in its environment.
    """
    numbered = [
        work
        for ref in register.owners.chain(pod.ref)
        if (work := register.works.get(ref.uid)) is not None and work.entry.ranks.index
    ]
    for work in reversed(numbered):
        found = _numbered(work, pod)
        if found is not None:
            return found
    values = (natural(pod.variables.get(name, "")) for name in RANK_VARIABLES)
    return next((value for value in values if value is not None), None)


def _numbered(work: WorkRecord, pod: PodRecord) -> int | None:
    ranks, parts = work.entry.ranks, work.words[-1].what.parts or ()
    inner = [natural(pod.labels.get(label, "")) for label in ranks.index]
    place = next((value for value in inner if value is not None), None)
    if place is None:
        return None
    role = pod.labels.get(ranks.role, "").lower()
    size, offset = _part(parts, role) if ranks.role else (None, 0)
    size = size or (parts[0] if parts else None)
    if ranks.group and size is not None:
        group = natural(pod.labels.get(ranks.group, ""))
        place += (group or 0) * size.inner
    return offset + place


def _part(parts: tuple[PartSize, ...], role: str) -> tuple[PartSize | None, int]:
    """Return the part of a role, and how many pods with GPUs come before it."""
    offset = 0
    for part in parts:
        if part.role.lower() == role:
            return part, offset
        offset += part.count if part.ask.is_any else 0
    return None, 0


def runs_on(register: Register, node: str) -> set[RunKey]:
    """Return the runs with a pod on a node, whether it runs yet or not."""
    keys = (register.key_of.get(pod.ref.uid) for pod in register.holding(node))
    return {key for key in keys if key is not None}


def node_of(register: Register, name: str) -> NodeRecord | None:
    """Return what is known of a node; not to be changed."""
    return register.nodes.get(name)


def holders(register: Register) -> Iterator[Holder]:
    """Yield every pod that holds GPUs, by node and uid; for the cluster book."""
    for name in sorted(filter(None, register.on_node)):
        node = register.nodes.get(name)
        for pod in register.holding(name):
            devices = register.devices(pod)
            if devices:
                yield Holder(
                    pod.ref.uid,
                    pod.ref.namespace,
                    pod.ref.name,
                    name,
                    devices,
                    register.key_of.get(pod.ref.uid),
                    pod.created_ns,
                    pod.told_ns,
                    node is not None and node.is_lost,
                )
