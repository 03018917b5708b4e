"""One pod's life so far, as a record and as the API gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.simulate.objects import (
    CONTAINER,
    Names,
    condition,
    controlled_by,
    date,
    labels_of,
    metadata,
    template,
)
from goodput_exporter.simulate.raw import Body

GRACE_S: Final = 30


@dataclass(slots=True)
class Pod:
    """
    One pod's life so far, dated on its node's clock where the kubelet dates it.

    Args:
        name, uid, index: Who it is.
        created_ns, bound_ns, started_ns: None until then.
        node: Where it is bound.
        skew_ns: By how much that node's clock is ahead.
        restarts: Of its container.
        exit: (when, reason, code) of the last end of its container.
        disrupted: The row that says who took it away.
        reason, message: Of its status, where the kubelet failed it.
        waiting: (reason, message) why its container does not run.
        told_ns: When it was told to go.
    """

    name: str
    uid: str
    index: int
    created_ns: int
    bound_ns: int | None = None
    started_ns: int | None = None
    node: str | None = None
    skew_ns: int = 0
    restarts: int = 0
    exit: tuple[int, str, int] | None = None
    disrupted: Body | None = None
    reason: str = ""
    message: str = ""
    waiting: tuple[str, str] | None = None
    told_ns: int | None = None


def pod(names: Names, one: Pod) -> Body:
    """Return a pod as its life so far makes it."""
    labels = labels_of(names) | {
        "batch.kubernetes.io/job-completion-index": str(one.index)
    }
    meta = metadata(one.name, one.uid, one.created_ns) | {"labels": labels}
    meta["ownerReferences"] = controlled_by("Job", "batch/v1", names.job, names.job_uid)
    if names.top == "JobSet":
        labels["jobset.sigs.k8s.io/jobset-name"] = names.plan.name
        labels["jobset.sigs.k8s.io/restart-attempt"] = str(names.attempt)
    labels["batch.kubernetes.io/job-name"] = names.job
    if one.told_ns is not None:
        meta["deletionTimestamp"] = date(one.told_ns + GRACE_S * NS_PER_SECOND)
        meta["deletionGracePeriodSeconds"] = GRACE_S
    spec: Body = template(names)["spec"]
    if one.node is not None:
        spec["nodeName"] = one.node
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": spec,
        "status": _status(one),
    }


def _status(one: Pod) -> Body:
    conditions = []
    if one.bound_ns is None:
        conditions.append(
            condition("PodScheduled", one.created_ns, "Unschedulable", holds=False)
        )
    else:
        conditions.append(condition("PodScheduled", one.bound_ns))
    if one.started_ns is not None:
        runs = one.exit is None or one.exit[0] <= one.started_ns
        changed_ns = one.started_ns if runs or one.exit is None else one.exit[0]
        conditions.append(condition("Ready", changed_ns + one.skew_ns, holds=runs))
    if one.disrupted is not None:
        conditions.append(one.disrupted)
    status: Body = {"phase": _phase(one), "conditions": conditions}
    if one.reason:
        status |= {"reason": one.reason, "message": one.message}
    if one.bound_ns is not None:
        status["startTime"] = date(one.bound_ns)
        status["containerStatuses"] = [_container_status(one)]
    return status


def _phase(one: Pod) -> str:
    if one.reason:
        return "Failed"
    if one.started_ns is None:
        return "Pending"
    ended = one.exit is not None and one.exit[0] > one.started_ns
    if not ended or one.exit is None or one.waiting is not None:
        return "Running"
    return "Succeeded" if one.exit[2] == 0 else "Failed"


def _container_status(one: Pod) -> Body:
    told: Body = {"name": CONTAINER, "restartCount": one.restarts, "lastState": {}}
    ended: Body = {}
    if one.exit is not None:
        at_ns, reason, code = one.exit
        ended = {
            "exitCode": code,
            "reason": reason,
            "finishedAt": date(at_ns + one.skew_ns),
        }
    is_over = (
        one.exit is not None
        and one.started_ns is not None
        and one.exit[0] > one.started_ns
    )
    if one.waiting is not None:
        told["state"] = {
            "waiting": dict(zip(("reason", "message"), one.waiting, strict=True))
        }
        told["lastState"] = {"terminated": ended} if ended else {}
    elif one.started_ns is None:
        told["state"] = {"waiting": {"reason": "ContainerCreating"}}
    elif is_over:
        told["state"] = {"terminated": ended}
    else:
        started = date(one.started_ns + one.skew_ns)
        told["state"] = {"running": {"startedAt": started}}
        told["lastState"] = {"terminated": ended} if ended else {}
    told["ready"] = "running" in told["state"]
    told["started"] = told["ready"]
    return told
