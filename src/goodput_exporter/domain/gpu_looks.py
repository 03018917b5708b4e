"""
From what sources saw of a node's GPUs to who holds each: the first line decides.

1. A GPU that does not answer, or whose node is lost, is ``unavailable``.
2. Where nobody knows who was given what, it is ``unobserved``: that is not nobody.
3. A part that a pod holds is ``terminating`` if the pod was told to go, else its run's,
   else ``other_workload``.
4. What is left is ``unallocated``, or ``unavailable`` while the node is cordoned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from goodput_exporter.domain.gpu_stands import (
    MISSING,
    Category,
    GpuStand,
    Hold,
    NodeStand,
    Reason,
    gpu_stand,
)
from goodput_exporter.domain.holdings import Attributed, Holding
from goodput_exporter.domain.observations import GpuLost, GpuObservation, GpuReading
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.slots import WHOLE

REASON_OF: Final = MappingProxyType(
    {
        "lost": Reason.LOST,
        "hanging": Reason.HANGING,
        "reset_required": Reason.RESET_REQUIRED,
        "unknown": Reason.ERROR,
        "error": Reason.ERROR,
    }
)
"""``paused`` is not here: we let go of the driver, and its holder has the GPU still."""
UNATTRIBUTED: Final = Hold(Category.UNOBSERVED, Reason.UNATTRIBUTED)
UNALLOCATED: Final = Hold(Category.UNALLOCATED)
CORDONED: Final = Hold(Category.UNAVAILABLE, Reason.CORDONED)
NOT_READY: Final = Hold(Category.UNAVAILABLE, Reason.NODE_NOT_READY)
NO_DRIVER: Final = Hold(Category.UNAVAILABLE, Reason.DRIVER)


@dataclass(frozen=True, slots=True)
class PodStanding:
    """
    Whose pod it is that holds a GPU.

    Args:
        run: Its training run; None for any other work.
        team: By the configured label.
        is_terminating: It was told to go, and is not over.
    """

    run: RunKey | None = None
    team: str | None = None
    is_terminating: bool = False


@dataclass(frozen=True, slots=True)
class NodeStanding:
    """
    What the API knows of a node; all of it may be unknown.

    Args:
        gpu_model: For GPUs that never told. *node_pool*: see ``GpuStand``.
        is_cordoned: No new pods come to it. *is_lost*: it is not ready.
    """

    gpu_model: str | None = None
    node_pool: str | None = None
    is_cordoned: bool = False
    is_lost: bool = False


PodOf = Callable[[Holding], PodStanding | None]


def stands_by_pods(
    seen: Iterable[GpuObservation],
    attributed: Attributed | None,
    pod_of: PodOf,
    node: NodeStanding,
    models: Mapping[str, str],
) -> tuple[GpuStand, ...]:
    """
    Say who holds each GPU of a node of Kubernetes.

    Args:
        seen: The newest observation of each GPU.
        attributed: What the kubelet says; None is not known.
        pod_of: Who a holding's pod is; None, where the API does not know it, is
            other work.
        node: What the API says of the node.
        models: By UUID, of GPUs that have told earlier.
    """
    newest = {one.uuid: one for one in seen if one.uuid is not None}
    listed = () if attributed is None else attributed.unallocated
    uuids = dict.fromkeys([*newest, *listed])
    held: dict[str, list[Holding]] = {}
    for holding in () if attributed is None else attributed.holdings:
        held.setdefault(holding.gpu_uuid, []).append(holding)
    free = CORDONED if node.is_cordoned else UNALLOCATED
    stands: list[GpuStand] = []
    for uuid in uuids:
        one = newest.get(uuid)
        if is_replaced(one):
            continue
        model = model_of(one, models.get(uuid) or node.gpu_model)
        broken = NOT_READY if node.is_lost else trouble_of(one)
        if broken is not None:
            parts = [(broken, Fraction(1))]
        elif attributed is None or uuid not in attributed.unallocated:
            parts = [(UNATTRIBUTED, Fraction(1))]
        else:
            parts = [(_hold(pod_of(each)), each.share) for each in held.get(uuid, ())]
            parts.append((free, attributed.unallocated[uuid]))
        stands.append(gpu_stand(uuid, model, node.node_pool, parts))
    return tuple(stands)


def without_driver(gpus: Iterable[GpuStand]) -> tuple[GpuStand, ...]:
    """Return a node's last known GPUs while NVML as a whole cannot be asked."""
    return tuple(replace(gpu, parts=((NO_DRIVER, WHOLE),)) for gpu in gpus)


def is_replaced(seen: GpuObservation | None) -> bool:
    """Return whether another GPU is at its place now: it has left the node."""
    return isinstance(seen, GpuLost) and seen.reason == "replaced"


def replaced_of(seen: Iterable[GpuObservation]) -> frozenset[str]:
    """Return the UUIDs that are no GPUs of the node any more."""
    return frozenset(one.uuid for one in seen if is_replaced(one) and one.uuid)


def trouble_of(seen: GpuObservation | None) -> Hold | None:
    """Return what is wrong with a GPU; None is nothing."""
    if seen is None:
        return MISSING
    if isinstance(seen, GpuReading) or seen.reason == "paused":
        return None
    return Hold(Category.UNAVAILABLE, REASON_OF.get(seen.reason, Reason.ERROR))


def model_of(seen: GpuObservation | None, known: str | None) -> str:
    """Return NVML's name of a GPU, or what was known of it before."""
    return seen.name if isinstance(seen, GpuReading) else known or ""


class Looks:
    """
    Makes words of looks at one node: since when it has stood so, and how long.

    Args:
        node: Its name.
        patience_ns: After a longer time without a look a new word begins.
    """

    def __init__(self, node: str, patience_ns: int) -> None:
        self._node = node
        self._patience_ns = patience_ns
        self._last: NodeStand | None = None
        self.models: dict[str, str] = {}

    @property
    def gpus(self) -> tuple[GpuStand, ...]:
        """Return the GPUs of the last look."""
        return () if self._last is None else self._last.gpus

    def look(
        self,
        at_ns: int,
        gpus: tuple[GpuStand, ...],
        gone: frozenset[str] = frozenset(),
        *,
        since_ns: int | None = None,
        is_gone: bool = False,
    ) -> NodeStand:
        """
        Take a look, and return the word for it.

        Args:
            at_ns: When, on the ledger's clock.
            gpus: How the node's GPUs stand.
            gone: UUIDs that are no GPUs of this node any more.
            since_ns: Since when a change is dated, where the object says it: a node
                that is lost is so since its lease ran out. None is now.
            is_gone: The node is no more.
        """
        self.models |= {gpu.uuid: gpu.gpu_model for gpu in gpus if gpu.gpu_model}
        word = NodeStand(self._node, at_ns, at_ns, gpus, gone, is_gone)
        last = self._last
        if last is not None:
            is_near = at_ns - last.through_ns <= self._patience_ns
            if is_near and last.says_as(word):
                word = replace(last, through_ns=max(at_ns, last.through_ns))
            elif since_ns is not None:
                begins_ns = min(at_ns, max(since_ns, last.since_ns + 1))
                word = replace(word, since_ns=begins_ns)
        self._last = word
        return word


def _hold(pod: PodStanding | None) -> Hold:
    if pod is None:
        return Hold(Category.OTHER_WORKLOAD)
    if pod.is_terminating:
        return Hold(Category.TERMINATING, Reason.NONE, pod.run, pod.team)
    if pod.run is None:
        return Hold(Category.OTHER_WORKLOAD, team=pod.team)
    return Hold(Category.HELD, Reason.NONE, pod.run, pod.team)
