"""What each mishap leaves for sources to see, beside the end of the ranks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from goodput_exporter.simulate.mishaps import Mishap
from goodput_exporter.simulate.objects import condition, date, event, node
from goodput_exporter.simulate.plans import MINUTE_NS, SECOND_NS
from goodput_exporter.simulate.raw import Body, Raw, Verb, Via

NODE_MONITOR_NS: Final = 40 * SECOND_NS
TOLERATION_NS: Final = 300 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Scene:
    """
    Where and when something happens.

    Args:
        began_ns, ended_ns: Its first event, and the end of the first rank.
        pod, node: Who is hit.
        gpus: Of that node.
        skew_ns: By how much that node's clock is ahead.
    """

    began_ns: int
    ended_ns: int
    pod: str
    node: str
    gpus: int
    skew_ns: int


@dataclass(slots=True)
class Sign:
    """
    One piece of evidence; it is seen, or lost, as a whole.

    Args:
        raws: What is seen of its own.
        disrupted: A row in the status of the pod.
        status: Reason and message of the pod.
        exit_reason: What the runtime calls the end of the container.
        is_exit: It is the exit code, of process and container.
        is_word: It is the word of the workload, or of the waiting container.
        tells: It can tell the cause.
        can_be_lost: It is no part of what placement needs.
    """

    raws: list[Raw] = field(default_factory=list)
    disrupted: Body | None = None
    status: tuple[str, str] | None = None
    exit_reason: str | None = None
    is_exit: bool = False
    is_word: bool = False
    tells: bool = True
    can_be_lost: bool = True


def signs_of(mishap: Mishap, scene: Scene) -> list[Sign]:
    """Return all that a mishap leaves, if nothing is lost."""
    return _SIGNS[mishap](scene)


def _xid(code: int, words: str) -> Callable[[Scene], list[Sign]]:
    def left(scene: Scene) -> list[Sign]:
        return [Sign([_kernel(scene, code, words)]), Sign(is_exit=True, tells=False)]

    return left


def _kernel(scene: Scene, code: int, words: str) -> Raw:
    line = f"NVRM: Xid (PCI:0000:44:00): {code}, {words}"
    at_ns = scene.began_ns + scene.skew_ns
    return Raw(at_ns, Via.KERNEL, {"node": scene.node}, text=line)


def _watchdog(scene: Scene) -> Raw:
    line = (
        "[rank0]:[E ProcessGroupNCCL.cpp:607] [Rank 0] Watchdog caught collective "
        "operation timeout: WorkNCCL(SeqNum=1580, OpType=ALLREDUCE, "
        "Timeout(ms)=600000) ran for 600060 milliseconds before timing out."
    )
    at_ns = scene.ended_ns - SECOND_NS
    return Raw(at_ns, Via.LOG, {"pod": scene.pod}, text=line)


def _tainted(scene: Scene, at_ns: int, *taints: Body, ready: Body | None = None) -> Raw:
    is_cordoned = any("unschedulable" in taint["key"] for taint in taints)
    seen = node(
        scene.node, scene.gpus, taints=list(taints), ready=ready, cordoned=is_cordoned
    )
    return Raw(at_ns, Via.OBJECT, seen, Verb.MODIFIED)


def _taint(key: str, at_ns: int | None, effect: str = "NoSchedule") -> Body:
    taint: Body = {"key": key, "effect": effect}
    if at_ns is not None:
        taint["timeAdded"] = date(at_ns)
    return taint


def _evicted_by_api(at_ns: int) -> Body:
    reason, said = "EvictionByEvictionAPI", "Eviction API: evicting"
    return condition("DisruptionTarget", at_ns, reason, said)


def _event(  # noqa: PLR0913, PLR0917 - an event says so much
    scene: Scene, kind: str, reason: str, at_ns: int, said: str, component: str
) -> Raw:
    name = scene.node if kind == "Node" else scene.pod
    body = event(kind, name, reason, at_ns, said, component)
    return Raw(at_ns, Via.OBJECT, body, Verb.ADDED)


def _exit(_: Scene) -> list[Sign]:
    return [Sign(is_exit=True)]


def _oom(_: Scene) -> list[Sign]:
    return [Sign(exit_reason="OOMKilled")]


def _application_xid(scene: Scene) -> list[Sign]:
    return [Sign([_kernel(scene, 31, "MMU Fault")]), Sign(is_exit=True)]


def _off_bus_and_hang(scene: Scene) -> list[Sign]:
    fell = _kernel(scene, 79, "GPU has fallen off the bus.")
    return [Sign([fell]), Sign([_watchdog(scene)], tells=False)]


def _hang(scene: Scene) -> list[Sign]:
    # That no step completes is seen in the heartbeats, whatever else is lost.
    return [Sign([_watchdog(scene)]), Sign(can_be_lost=False)]


def _silent(scene: Scene) -> list[Sign]:
    known_ns = scene.began_ns + NODE_MONITOR_NS
    ready = condition(
        "Ready", known_ns, "NodeStatusUnknown", "Kubelet stopped posting node status."
    )
    ready |= {"status": "Unknown", "lastHeartbeatTime": date(scene.began_ns)}
    unreachable = "node.kubernetes.io/unreachable"
    taints = [
        _taint(unreachable, known_ns),
        _taint(unreachable, known_ns, "NoExecute"),
    ]
    lost = _tainted(scene, known_ns, *taints, ready=ready)
    said = _event(
        scene, "Pod", "NodeNotReady", known_ns, "Node is not ready", "node-controller"
    )
    by_taint = condition(
        "DisruptionTarget",
        known_ns + TOLERATION_NS,
        "DeletionByTaintManager",
        "Taint manager: deleting due to NoExecute taint",
    )
    return [Sign([lost]), Sign([said], tells=False), Sign([], by_taint, tells=False)]


def _drain(scene: Scene) -> list[Sign]:
    at_ns = scene.began_ns
    cordon = _taint("node.kubernetes.io/unschedulable", at_ns)
    evicted = _evicted_by_api(at_ns + SECOND_NS)
    return [Sign([_tainted(scene, at_ns, cordon)], evicted)]


def _preempted(scene: Scene) -> list[Sign]:
    at_ns = scene.began_ns
    row = condition(
        "DisruptionTarget",
        at_ns,
        "PreemptionByScheduler",
        "default-scheduler: preempting to accommodate a higher priority pod",
    )
    said = f"Preempted by a pod on node {scene.node}"
    word = _event(scene, "Pod", "Preempted", at_ns, said, "default-scheduler")
    return [Sign([], row), Sign([word])]


def _pressure(scene: Scene) -> list[Sign]:
    at_ns = scene.began_ns
    said = "The node was low on resource: ephemeral-storage."
    row = condition("DisruptionTarget", at_ns, "TerminationByKubelet", said)
    word = _event(scene, "Pod", "Evicted", at_ns, said, "kubelet")
    return [Sign([], row, ("Evicted", said)), Sign([word])]


def _spot(scene: Scene) -> list[Sign]:
    at_ns = scene.began_ns
    itn = _tainted(scene, at_ns, _taint("aws-node-termination-handler/spot-itn", at_ns))
    evicted = _evicted_by_api(at_ns + 3 * SECOND_NS)
    return [Sign([itn]), Sign([], evicted, tells=False)]


def _scale_in(scene: Scene) -> list[Sign]:
    at_ns = scene.began_ns
    taint = _taint("ToBeDeletedByClusterAutoscaler", None)
    taint["value"] = str(at_ns // SECOND_NS)
    said = "marked the node as toBeDeleted/unschedulable"
    word = _event(scene, "Node", "ScaleDown", at_ns, said, "cluster-autoscaler")
    evicted = _evicted_by_api(at_ns + SECOND_NS)
    return [
        Sign([_tainted(scene, at_ns, taint)]),
        Sign([word]),
        Sign([], evicted, tells=False),
    ]


def _refused(_: Scene) -> list[Sign]:
    said = (
        "Pod Allocate failed due to requested number of devices unavailable for "
        "nvidia.com/gpu. Requested: 8, Available: 7, which is unexpected"
    )
    return [Sign(status=("UnexpectedAdmissionError", said))]


def _planned(scene: Scene) -> list[Sign]:
    at_ns = scene.began_ns
    window = {
        "node": scene.node,
        "until_ns": scene.ended_ns + 60 * MINUTE_NS,
        "note": "driver upgrade",
    }
    told = Raw(at_ns - 30 * MINUTE_NS, Via.WINDOW, window)
    drained = _drain(scene)[0]
    drained.tells = False
    return [Sign([told]), drained]


def _disrupted(scene: Scene) -> list[Sign]:
    at_ns = scene.began_ns
    taint = _tainted(scene, at_ns, _taint("karpenter.sh/disrupted", at_ns))
    return [Sign([taint]), Sign([], _evicted_by_api(at_ns + SECOND_NS))]


def _by_workload(_: Scene) -> list[Sign]:
    return [Sign(is_word=True)]


def _deleted(_: Scene) -> list[Sign]:
    return [Sign(can_be_lost=False)]


def _nothing(_: Scene) -> list[Sign]:
    return []


_SIGNS: Final = MappingProxyType(
    {
        Mishap.CRASH: _exit,
        Mishap.SEGFAULT: _exit,
        Mishap.OOM: _oom,
        Mishap.APPLICATION_XID: _application_xid,
        Mishap.GPU_MEMORY: _xid(95, "Uncontained ECC error"),
        Mishap.GPU_FIRMWARE: _xid(119, "Timeout waiting for RPC from GSP"),
        Mishap.NVLINK: _xid(74, "NVLink: fatal error detected on link 3"),
        Mishap.GPU_OFF_BUS: _xid(79, "GPU has fallen off the bus."),
        Mishap.GPU_OFF_BUS_HANG: _off_bus_and_hang,
        Mishap.NODE_SILENT: _silent,
        Mishap.DRAIN: _drain,
        Mishap.PREEMPTION: _preempted,
        Mishap.QUEUE_PREEMPTION: _by_workload,
        Mishap.PRESSURE: _pressure,
        Mishap.SPOT: _spot,
        Mishap.SCALE_IN: _scale_in,
        Mishap.DEVICES_REFUSED: _refused,
        Mishap.IMAGE_MISSING: _by_workload,
        Mishap.COLLECTIVE_HANG: _hang,
        Mishap.SUSPENSION: _by_workload,
        Mishap.DELETION: _deleted,
        Mishap.PLANNED_WORK: _planned,
        Mishap.DISRUPTION: _disrupted,
        Mishap.KILLED: _nothing,
    }
)

SECONDS: Final = (Mishap.GPU_MEMORY, Mishap.SPOT, Mishap.DRAIN, Mishap.SCALE_IN)
"""What may begin while something else is about to end a run."""
