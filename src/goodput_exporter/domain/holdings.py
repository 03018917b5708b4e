"""
Who holds which GPU, and how much of it: exact shares that never sum above one.

The rules, in the order in which they decide:

1. A finished pod holds nothing, and neither does a claim with admin access.
2. An id that names no device of this node is unmatched, and counted.
3. Of two pods that were given the same hardware, not as replicas and not by one
   claim, the newest holds it; the other is a conflict, and counted.
4. A MIG device is its compute slices over those of its GPU.
5. A device that several containers share is split among them in equal parts,
   however many replicas each was given: more replicas give no more time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from goodput_exporter.domain.allocations import (
    Allocation,
    DynamicDevices,
    PodFacts,
    PodName,
)
from goodput_exporter.domain.device_ids import Found, Gpus, find, find_dynamic
from goodput_exporter.domain.inventory import Device

NOTHING_KNOWN = PodFacts()
NO_SLICES = DynamicDevices()


class Sharing(StrEnum):
    """How a holder has its GPU in common with others."""

    NONE = "none"
    MIG = "mig"
    TIME_SLICING = "time_slicing"
    MPS = "mps"


class Result(StrEnum):
    """What came of looking up one device, or of asking for all of them."""

    ATTRIBUTED = "attributed"
    UNALLOCATED = "unallocated"
    UNMATCHED_ID = "unmatched_id"
    NO_SOCKET = "no_socket"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class Holding:
    """
    One container's part of one GPU.

    Args:
        pod, container: The holder. *pod_uid*: None where no source knows it.
        gpu_uuid: The GPU. *parts*: UUIDs of its MIG devices; empty is all of it.
        share: Of the whole GPU, exact, above 0 and at most 1.
        sharing: With ``TIME_SLICING`` and ``MPS`` nobody can tell how much of the
            GPU's activity is this holder's.
    """

    pod: PodName
    pod_uid: str | None
    container: str
    gpu_uuid: str
    parts: frozenset[str]
    share: Fraction
    sharing: Sharing


@dataclass(frozen=True, slots=True)
class Attributed:
    """
    One look at a whole node.

    Args:
        holdings: In the order of the GPUs.
        unallocated: What nobody holds, per GPU UUID; every GPU is here once, so
            that for each of them it and its holdings sum to exactly 1.
        results: Allocations that were attributed or unmatched, and GPUs that nobody
            holds any part of.
        unmatched: The ids that named no device here, as they were written.
        conflicts: Allocations that a newer pod's took precedence over.
        finished: Allocations of pods that are over.
    """

    holdings: tuple[Holding, ...]
    unallocated: Mapping[str, Fraction]
    results: Mapping[Result, int]
    unmatched: tuple[str, ...] = ()
    conflicts: int = 0
    finished: int = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """One device, and the allocations of those who hold it together."""

    device: Device
    is_replica: bool
    claim: str | None
    allocations: list[Allocation] = field(default_factory=list)

    def admits(self, allocation: Allocation, found: Found) -> bool:
        """Return whether another may hold the very same device beside these."""
        if found.device != self.device:
            return False
        is_same_pod = all(one.pod == allocation.pod for one in self.allocations)
        is_same_claim = self.claim is not None and self.claim == allocation.claim
        return is_same_pod or is_same_claim or (self.is_replica and found.is_replica)


def attribute(
    allocations: Sequence[Allocation],
    gpus: Gpus,
    pods: Mapping[PodName, PodFacts],
    dynamic: DynamicDevices = NO_SLICES,
) -> Attributed:
    """
    Find the holders of every GPU of a node.

    Args:
        allocations: What the kubelet lists; what is no GPU is passed over.
        gpus: The node's GPUs, each once, lost ones too.
        pods: What is known of pods; of one that is missing nothing is known, and it
            counts as running and as older than all others.
        dynamic: What ResourceSlices and ResourceClaims say, where they are read.
    """
    asked = [one for one in allocations if _concerns(one, gpus, dynamic)]
    live = [one for one in asked if not _facts(pods, one).is_finished]
    found = {one: _look_up(one, gpus, dynamic) for one in live}
    unmatched = tuple(one.device_id for one in live if found[one] is None)
    newest_first = sorted(live, key=lambda one: _age_key(pods, one), reverse=True)
    grants, conflicts = _grant(
        (one, device) for one in newest_first if (device := found[one]) is not None
    )
    holdings = _holdings(grants, gpus, pods)
    unallocated = _rest(holdings, gpus)
    results = {
        Result.ATTRIBUTED: len(live) - len(unmatched) - conflicts,
        Result.UNMATCHED_ID: len(unmatched),
        Result.UNALLOCATED: sum(rest == 1 for rest in unallocated.values()),
    }
    return Attributed(
        tuple(holdings),
        unallocated,
        results,
        unmatched,
        conflicts,
        len(asked) - len(live),
    )


def _concerns(one: Allocation, gpus: Gpus, dynamic: DynamicDevices) -> bool:
    """Return whether it is a GPU by its resource, or names one under another."""
    if one.claim is not None and one.claim in dynamic.observers:
        return False
    if one.is_gpu:
        return True
    # A renamed resource may be called anything; what names a UUID of ours is ours.
    is_uuid = one.claim is None and one.device_id.startswith(("GPU-", "MIG-"))
    return is_uuid and find(one.device_id, gpus) is not None


def _facts(pods: Mapping[PodName, PodFacts], one: Allocation) -> PodFacts:
    return pods.get(one.pod, NOTHING_KNOWN)


def _age_key(
    pods: Mapping[PodName, PodFacts], one: Allocation
) -> tuple[int, PodName, str]:
    """Return what sorts the newest pod last; names decide between twins."""
    created_ns = _facts(pods, one).created_ns
    return (-1 if created_ns is None else created_ns, one.pod, one.container)


def _look_up(one: Allocation, gpus: Gpus, dynamic: DynamicDevices) -> Found | None:
    if one.claim is None:
        return find(one.device_id, gpus)
    uuid = dynamic.uuids.get((one.resource, one.device_id))
    name = one.device_id.rpartition("/")[2]
    found = find_dynamic(name, gpus) if uuid is None else find(uuid, gpus)
    if found is None or one.share_id is None:
        return found
    return Found(found.device, is_replica=True)


def _grant(
    wanted: Iterable[tuple[Allocation, Found]],
) -> tuple[list[Grant], int]:
    """Give each device to its first comers, and count who comes too late."""
    grants: dict[str, list[Grant]] = defaultdict(list)
    conflicts = 0
    for allocation, found in wanted:
        on_gpu = grants[found.device.gpu.uuid]
        held = [one for one in on_gpu if one.device.overlaps(found.device)]
        if len(held) == 1 and held[0].admits(allocation, found):
            held[0].allocations.append(allocation)
        elif held or not _fits(found.device, on_gpu):
            conflicts += 1
        else:
            grant = Grant(found.device, found.is_replica, allocation.claim)
            grant.allocations.append(allocation)
            on_gpu.append(grant)
    return [grant for on_gpu in grants.values() for grant in on_gpu], conflicts


def _fits(device: Device, on_gpu: Iterable[Grant]) -> bool:
    """Return whether a GPU has that much left; half a new layout may claim more."""
    return device.share + sum(one.device.share for one in on_gpu) <= 1


def _holdings(
    grants: Iterable[Grant], gpus: Gpus, pods: Mapping[PodName, PodFacts]
) -> list[Holding]:
    order = {gpu.uuid: position for position, gpu in enumerate(gpus)}
    holdings = [holding for one in grants for holding in _split(one, pods)]
    return sorted(
        holdings,
        key=lambda one: (
            order[one.gpu_uuid],
            sorted(one.parts),
            one.pod,
            one.container,
        ),
    )


def _split(grant: Grant, pods: Mapping[PodName, PodFacts]) -> Iterator[Holding]:
    """Yield one holding per container, all of the same size."""
    holders = Counter((one.pod, one.container) for one in grant.allocations)
    for pod, container in holders:
        yield Holding(
            pod,
            pods.get(pod, NOTHING_KNOWN).uid,
            container,
            grant.device.gpu.uuid,
            grant.device.parts,
            grant.device.share / len(holders),
            _sharing(grant, len(holders)),
        )


def _sharing(grant: Grant, holders: int) -> Sharing:
    """Return the word for it; a replica is shared even while it has one holder."""
    if grant.is_replica or holders > 1:
        is_mps = grant.device.gpu.is_exclusive_process
        return Sharing.MPS if is_mps else Sharing.TIME_SLICING
    return Sharing.MIG if grant.device.parts else Sharing.NONE


def _rest(holdings: Iterable[Holding], gpus: Gpus) -> dict[str, Fraction]:
    rest = {gpu.uuid: Fraction(1) for gpu in gpus}
    for holding in holdings:
        rest[holding.gpu_uuid] -= holding.share
    return rest
