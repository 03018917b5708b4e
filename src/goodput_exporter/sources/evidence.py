"""Evidence in Kubernetes objects as they come from the API, as plain JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from goodput_exporter.domain.evidence import Evidence, Kind, exit_reason
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.sources.loose import Fields, fields, instant_ns, rows, text, whole
from goodput_exporter.sources.workloads.devices import sidecars

SOURCE: Final = "kubernetes"
QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"
CORDON: Final = "node.kubernetes.io/unschedulable"
AUTOSCALER_TAINT: Final = "ToBeDeletedByClusterAutoscaler"

_TRUE_IS_BAD: Final = (
    # node-problem-detector, and what AKS adds to it
    "KernelDeadlock",
    "ReadonlyFilesystem",
    "NetworkUnavailable",
    "GPUClockThrottling",
    "GPUMissing",
    "IBLinkFlapping",
    "NVLinkStatusInactive",
    "XIDErrors",
    # NVSentinel
    "GpuDriverWatch",
    "GpuInforomWatch",
    "GpuMcuWatch",
    "GpuMemWatch",
    "GpuNvlinkWatch",
    "GpuNvswitchFatalWatch",
    "GpuPcieWatch",
    "GpuPowerWatch",
    "GpuSmWatch",
    "GpuThermalWatch",
    "SysLogsGPUFallenOff",
    "SysLogsSXIDError",
    "SysLogsXIDError",
)
_FALSE_IS_BAD: Final = (
    # the EKS node monitoring agent
    "AcceleratedHardwareReady",
    "ContainerRuntimeReady",
    "KernelReady",
    "NetworkingReady",
    "StorageReady",
)
BAD_STATUS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(_TRUE_IS_BAD, ("True",)),
    **dict.fromkeys(_FALSE_IS_BAD, ("False",)),
    "Ready": ("False", "Unknown"),
}
"""Which status of which node condition says that something is wrong."""

_EXIT_CODE_TELLS: Final = frozenset({"", "Error"})
"""Container reasons that say less than the exit code does."""
_PREEMPTED_BY: Final = re.compile(
    r"Preempted by (?:pod ([\w-]+)|([\w.-]+/[\w.-]+)) on "
)
"""The scheduler's event names a pod by its uid, older ones by its name; between them
there were some that say "a pod". Source: preemption.go of kubernetes/kubernetes."""
_PRIORITY_POD: Final = re.compile(r"a higher priority pod: ([\w.-]+/[\w.-]+)$")
"""The condition of Kubernetes 1.25 and 1.26; later ones name nobody."""
_QUEUE_UIDS: Final = re.compile(r"\(UID: ([\w-]+)(?:, JobUID: ([\w-]+))?\)")
"""Kueue's condition; it writes UNKNOWN for what it does not know. Source:
pkg/scheduler/preemption of kubernetes-sigs/kueue."""
_FINISHED: Final = frozenset({"Complete", "Completed", "Succeeded", "Failed"})


def evidence_of(raw: object, seen_ns: int) -> list[Evidence]:
    """
    Return what a Kubernetes object says about an interruption.

    Every field is optional: real objects have nulls where the schema has none.
    What carries no date of its own is dated *seen_ns*.

    Args:
        raw: A pod, node, event, Kueue workload, job or any other owner, as JSON.
        seen_ns: When it was seen, on the ledger's clock.
    """
    read = {"Pod": _pod, "Node": _node, "Event": _event}.get(
        text(raw, "kind"), _workload
    )
    return list(read(fields(raw), seen_ns))


def evidence_of_deleted(raw: object, seen_ns: int) -> list[Evidence]:
    """
    Return what the deletion of an object says, and its last state.

    Args:
        raw: The object of a watch's DELETED event.
        seen_ns: When the event came.
    """
    found = evidence_of(raw, seen_ns)
    kind = text(raw, "kind")
    has_date = instant_ns(raw, "metadata", "deletionTimestamp") is not None
    if kind == "Node":
        found.append(_seen(Kind.NODE_DELETED, "deleted", _about(raw), seen_ns))
    elif kind == "Pod" and not has_date:
        found.append(_seen(Kind.POD_DELETED, "deleted", _about(raw), seen_ns))
    elif kind not in {"Event", "Pod"} and not has_date:
        found.extend(_owner_deleted(fields(raw), seen_ns))
    return found


def _seen(  # noqa: PLR0913 - the fields of an observation
    kind: Kind,
    reason: str,
    subject: str,
    at_ns: int,
    detail: str = "",
    *,
    by: str = "",
) -> Evidence:
    return Evidence(at_ns, kind, reason, subject, SOURCE, detail, by=by)


def _about(raw: object, kind: str = "") -> str:
    """Return the subject that an object is, or belongs to."""
    name = text(raw, "metadata", "name")
    kind = kind or text(raw, "kind")
    if kind == "Node":
        return f"node/{name}"
    role = "pod" if kind == "Pod" else "run"
    return f"{role}/{text(raw, 'metadata', 'namespace')}/{name}"


def _told_to_go_ns(raw: object) -> int | None:
    """Return when deletion was asked for: the date minus the grace that it includes."""
    due_ns = instant_ns(raw, "metadata", "deletionTimestamp")
    grace = whole(raw, "metadata", "deletionGracePeriodSeconds") or 0
    return None if due_ns is None else due_ns - grace * NS_PER_SECOND


def _pod(pod: Fields, seen_ns: int) -> Iterator[Evidence]:
    subject = _about(pod, "Pod")
    for condition in rows(pod, "status", "conditions"):
        if _is_true(condition, "DisruptionTarget"):
            reason, said = text(condition, "reason"), text(condition, "message")
            if reason == "TerminationByKubelet" and "shutdown" in said:
                reason += "/shutdown"
            began_ns = _or(instant_ns(condition, "lastTransitionTime"), seen_ns)
            named = _PRIORITY_POD.search(said)
            by = "" if named is None else f"pod/{named.group(1)}"
            yield _seen(Kind.POD_CONDITION, reason, subject, began_ns, said, by=by)
    reason = text(pod, "status", "reason")
    if reason:
        at_ns, said = _last_change_ns(pod), text(pod, "status", "message")
        yield _seen(Kind.POD_REASON, reason, subject, _or(at_ns, seen_ns), said)
    gone_ns = _told_to_go_ns(pod)
    if gone_ns is not None:
        yield _seen(Kind.POD_DELETED, "deleted", subject, gone_ns)
    beside = sidecars(pod)
    for name in ("initContainerStatuses", "containerStatuses"):
        for container in rows(pod, "status", name):
            yield from _waiting(container, subject, seen_ns)
            if text(container, "name") not in beside:
                yield from _exits(container, subject, gone_ns, seen_ns)


def _is_true(condition: Fields, kind: str) -> bool:
    return text(condition, "type") == kind and text(condition, "status") == "True"


def _or(at_ns: int | None, seen_ns: int) -> int:
    return seen_ns if at_ns is None else at_ns


def _last_change_ns(pod: Fields) -> int | None:
    """Return the best date for a pod's status: it has none of its own."""
    conditions = rows(pod, "status", "conditions")
    disrupted = [row for row in conditions if _is_true(row, "DisruptionTarget")]
    dates = [
        at_ns
        for row in disrupted or conditions
        if (at_ns := instant_ns(row, "lastTransitionTime")) is not None
    ]
    return max(dates) if dates else instant_ns(pod, "status", "startTime")


def _exits(
    container: Fields, pod: str, gone_ns: int | None, seen_ns: int
) -> Iterator[Evidence]:
    subject = f"{pod}/{text(container, 'name')}"
    for state in ("lastState", "state"):
        ended = fields(container, state, "terminated")
        if ended:
            at_ns = _or(instant_ns(ended, "finishedAt"), seen_ns)
            # The pod lived on after it: then nobody had told it to go.
            in_place = state == "lastState" and (gone_ns is None or at_ns < gone_ns)
            kind = Kind.CONTAINER_RESTART if in_place else Kind.CONTAINER_EXIT
            yield _seen(kind, _exit(ended), subject, at_ns, _exit_words(ended))


def _waiting(container: Fields, pod: str, seen_ns: int) -> Iterator[Evidence]:
    waiting = fields(container, "state", "waiting")
    if waiting:
        subject = f"{pod}/{text(container, 'name')}"
        reason, said = text(waiting, "reason"), text(waiting, "message")
        yield _seen(Kind.CONTAINER_WAITING, reason, subject, seen_ns, said)


def _exit(ended: Fields) -> str:
    reason, code = text(ended, "reason"), whole(ended, "exitCode")
    if reason not in _EXIT_CODE_TELLS or code is None:
        return reason
    return exit_reason(code)


def _exit_words(ended: Fields) -> str:
    said = text(ended, "message")
    return f"exit code {whole(ended, 'exitCode')}" + (f", {said}" if said else "")


def _node(node: Fields, seen_ns: int) -> Iterator[Evidence]:
    subject = _about(node, "Node")
    for condition in rows(node, "status", "conditions"):
        kind, status = text(condition, "type"), text(condition, "status")
        if status in BAD_STATUS.get(kind, ()):
            at_ns = _or(instant_ns(condition, "lastTransitionTime"), seen_ns)
            said = _condition_words(condition)
            yield _seen(Kind.NODE_CONDITION, f"{kind}={status}", subject, at_ns, said)
    taints = rows(node, "spec", "taints")
    for taint in taints:
        key = text(taint, "key")
        said = f"{text(taint, 'value')}:{text(taint, 'effect')}"
        yield _seen(Kind.NODE_TAINT, key, subject, _tainted_ns(taint, seen_ns), said)
    is_tainted = any(text(taint, "key") == CORDON for taint in taints)
    if fields(node, "spec").get("unschedulable") is True and not is_tainted:
        yield _seen(Kind.NODE_TAINT, CORDON, subject, seen_ns)


def _condition_words(condition: Fields) -> str:
    reason, said = text(condition, "reason"), text(condition, "message")
    return f"{reason}: {said}" if reason and said else reason or said


def _tainted_ns(taint: Fields, seen_ns: int) -> int:
    """Return when a taint was set; the autoscaler writes the date into the value."""
    value = text(taint, "value")
    if text(taint, "key") == AUTOSCALER_TAINT and value.isdecimal():
        return int(value[:10]) * NS_PER_SECOND
    return _or(instant_ns(taint, "timeAdded"), seen_ns)


def _event(event: Fields, seen_ns: int) -> Iterator[Evidence]:
    about = fields(event, "involvedObject") or fields(event, "regarding")
    said = text(event, "message") or text(event, "note")
    if said.startswith("Cancelling"):
        return  # the taint manager takes a deletion back under the same reason
    kind, name = text(about, "kind"), text(about, "name")
    space = text(about, "namespace")
    subject = {"Node": f"node/{name}", "Pod": f"pod/{space}/{name}"}.get(
        kind, f"run/{space}/{name}"
    )
    dates = ("eventTime", "lastTimestamp", "deprecatedLastTimestamp", "firstTimestamp")
    found = (instant_ns(event, date) for date in dates)
    at_ns = next((date_ns for date_ns in found if date_ns is not None), seen_ns)
    reason = f"{kind}/{text(event, 'reason')}"
    by = _preemptor(event, said) if reason == "Pod/Preempted" else ""
    yield _seen(Kind.EVENT, reason, subject, at_ns, said, by=by)


def _preemptor(event: Fields, said: str) -> str:
    """Return the pod that an event of the scheduler was made for, as it names it."""
    uid = text(event, "related", "uid")
    named = _PREEMPTED_BY.search(said)
    if uid or named is None:
        return f"uid/{uid}" if uid else ""
    return f"uid/{named.group(1)}" if named.group(1) else f"pod/{named.group(2)}"


def _workload(raw: Fields, seen_ns: int) -> Iterator[Evidence]:
    subject = _about(raw)
    for condition in rows(raw, "status", "conditions"):
        if text(condition, "status") == "True":
            kind = text(condition, "type")
            if kind == "Suspended" and (_is_owned(raw) or _is_queued(raw)):
                kind = "SuspendedByOthers"
            at_ns = _or(instant_ns(condition, "lastTransitionTime"), seen_ns)
            reason, said = text(condition, "reason"), text(condition, "message")
            by = _queue_preemptor(said) if kind == "Evicted" else ""
            word = f"{kind}/{reason}"
            yield _seen(Kind.WORKLOAD_CONDITION, word, subject, at_ns, said, by=by)
    told_ns = _told_to_go_ns(raw)
    if told_ns is not None:
        yield from _owner_deleted(raw, told_ns)


def _queue_preemptor(said: str) -> str:
    """Return the job and the workload that a queue made room for, as far as named."""
    named = _QUEUE_UIDS.search(said)
    uids = () if named is None else (named.group(2), named.group(1))
    return " ".join(f"uid/{uid}" for uid in uids if uid and uid != "UNKNOWN")


def _owner_deleted(raw: Fields, at_ns: int) -> Iterator[Evidence]:
    """A top object that had not finished; finished ones are swept up by their TTL."""
    conditions = rows(raw, "status", "conditions")
    is_over = any(_is_true(row, kind) for row in conditions for kind in _FINISHED)
    if not is_over and not _is_owned(raw):
        yield _seen(Kind.WORKLOAD_DELETED, "deleted", _about(raw), at_ns)


def _is_owned(raw: Fields) -> bool:
    return any(
        owner.get("controller") is True
        for owner in rows(raw, "metadata", "ownerReferences")
    )


def _is_queued(raw: Fields) -> bool:
    return bool(text(raw, "metadata", "labels", QUEUE_LABEL))
