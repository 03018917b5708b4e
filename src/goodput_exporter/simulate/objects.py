"""Kubernetes objects as the API gives them: plain JSON, dates in whole seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.simulate.plans import RunPlan
from goodput_exporter.simulate.raw import Body

NAMESPACE: Final = "research"
RUN_LABEL: Final = "goodput-exporter/run-id"
TEAM_LABEL: Final = "team"
QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"
GPU: Final = "nvidia.com/gpu"
GPU_MODEL: Final = "NVIDIA-H100-80GB-HBM3"
GRACE_S: Final = 30
CONTAINER: Final = "trainer"


def date(at_ns: int) -> str:
    """Return a date as Kubernetes writes it; what is below a second is cut off."""
    return datetime.fromtimestamp(at_ns // NS_PER_SECOND, UTC).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )


def condition(
    kind: str, at_ns: int, reason: str = "", message: str = "", *, holds: bool = True
) -> Body:
    """Return one row of a status' conditions."""
    return {
        "type": kind,
        "status": "True" if holds else "False",
        "lastTransitionTime": date(at_ns),
        "reason": reason,
        "message": message,
    }


@dataclass(frozen=True, slots=True)
class Names:
    """
    Who a workload and its pods are.

    Args:
        run: The run id, in a label of all of them.
        top: The workload's kind: ``"JobSet"`` or ``"Job"``.
        top_uid, job_uid: UIDs of the workload, and of the job that makes the pods;
            the same where the workload is that job.
        attempt: Restarts of the JobSet so far.
    """

    plan: RunPlan
    top: str
    top_uid: str
    job_uid: str
    attempt: int = 0

    @property
    def job(self) -> str:
        """Return the name of the job that makes the pods."""
        name = self.plan.name
        return f"{name}-workers-0" if self.top == "JobSet" else name


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


def template(names: Names) -> Body:
    """Return the pod template of a gang."""
    plan = names.plan
    return {
        "metadata": {"labels": _labels(names)},
        "spec": {
            "restartPolicy": "Never" if names.top == "JobSet" else "OnFailure",
            "priority": plan.priority,
            "containers": [_container(plan)],
        },
    }


def _container(plan: RunPlan) -> Body:
    amount = {GPU: str(plan.gpus_per_pod)}
    return {
        "name": CONTAINER,
        "image": "registry.example/trainer:1",
        "resources": {"limits": dict(amount), "requests": amount},
    }


def _labels(names: Names) -> Body:
    labels = {RUN_LABEL: names.plan.name, TEAM_LABEL: names.plan.team}
    if names.plan.is_queued:
        labels[QUEUE_LABEL] = "research"
    return labels


def _meta(name: str, uid: str, created_ns: int) -> Body:
    return {
        "name": name,
        "namespace": NAMESPACE,
        "uid": uid,
        "creationTimestamp": date(created_ns),
    }


def _owner(kind: str, api: str, name: str, uid: str) -> list[Body]:
    return [
        {"apiVersion": api, "kind": kind, "name": name, "uid": uid, "controller": True}
    ]


def job(
    names: Names, created_ns: int, conditions: list[Body], *, suspended: bool
) -> Body:
    """Return the job that makes the pods."""
    plan = names.plan
    meta = _meta(names.job, names.job_uid, created_ns) | {"labels": _labels(names)}
    if names.top == "JobSet":
        api = "jobset.x-k8s.io/v1alpha2"
        meta["ownerReferences"] = _owner("JobSet", api, plan.name, names.top_uid)
        meta["labels"] |= {
            "jobset.sigs.k8s.io/jobset-name": plan.name,
            "jobset.sigs.k8s.io/replicatedjob-name": "workers",
            "jobset.sigs.k8s.io/restart-attempt": str(names.attempt),
        }
    if plan.is_elastic:
        meta["annotations"] = {"kueue.x-k8s.io/elastic-job": "true"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta,
        "spec": _job_spec(names, suspended=suspended),
        "status": {"conditions": conditions},
    }


def _job_spec(names: Names, *, suspended: bool) -> Body:
    return {
        "parallelism": names.plan.pods,
        "completions": names.plan.pods,
        "completionMode": "Indexed",
        "backoffLimit": 1_000_000,
        "suspend": suspended,
        "template": template(names),
    }


def jobset(
    names: Names, created_ns: int, conditions: list[Body], *, suspended: bool
) -> Body:
    """Return a JobSet of one replicated job."""
    name, uid = names.plan.name, names.top_uid
    return {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": _meta(name, uid, created_ns) | {"labels": _labels(names)},
        "spec": {
            "suspend": suspended,
            "failurePolicy": {"maxRestarts": 1_000_000},
            "replicatedJobs": [
                {
                    "name": "workers",
                    "replicas": 1,
                    "template": {"spec": _job_spec(names, suspended=suspended)},
                }
            ],
        },
        "status": {"restarts": names.attempt, "conditions": conditions},
    }


def queue_workload(names: Names, created_ns: int, conditions: list[Body]) -> Body:
    """Return Kueue's view of a workload."""
    kind, name = names.top, names.plan.name
    api = "jobset.x-k8s.io/v1alpha2" if kind == "JobSet" else "batch/v1"
    uid = f"{names.top_uid[:-4]}beef"
    meta = _meta(f"{kind.lower()}-{name}-{uid[:5]}", uid, created_ns)
    meta["ownerReferences"] = _owner(kind, api, name, names.top_uid)
    return {
        "apiVersion": "kueue.x-k8s.io/v1beta1",
        "kind": "Workload",
        "metadata": meta,
        "spec": {
            "queueName": "research",
            "podSets": [{"name": "main", "count": names.plan.pods}],
        },
        "status": {"conditions": conditions},
    }


def pod(names: Names, one: Pod) -> Body:
    """Return a pod as its life so far makes it."""
    labels = _labels(names) | {
        "batch.kubernetes.io/job-completion-index": str(one.index)
    }
    meta = _meta(one.name, one.uid, one.created_ns) | {"labels": labels}
    meta["ownerReferences"] = _owner("Job", "batch/v1", names.job, names.job_uid)
    if names.top == "JobSet":
        labels["jobset.sigs.k8s.io/jobset-name"] = names.plan.name
        labels["jobset.sigs.k8s.io/restart-attempt"] = str(names.attempt)
    labels["batch.kubernetes.io/job-name"] = names.job
    if one.told_ns is not None:
        meta["deletionTimestamp"] = date(one.told_ns + GRACE_S * NS_PER_SECOND)
        meta["deletionGracePeriodSeconds"] = GRACE_S
    spec: Body = {
        "restartPolicy": "Never" if names.top == "JobSet" else "OnFailure",
        "priority": names.plan.priority,
        "containers": [_container(names.plan)],
    }
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


def node(
    name: str,
    gpus: int,
    *,
    taints: list[Body] | None = None,
    ready: Body | None = None,
    cordoned: bool = False,
) -> Body:
    """Return a node; without *ready* its kubelet is well."""
    spec: Body = {"providerID": f"sim:///{name}"}
    if taints:
        spec["taints"] = taints
    if cordoned:
        spec["unschedulable"] = True
    amount = {GPU: str(gpus)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "labels": {"nvidia.com/gpu.product": GPU_MODEL},
        },
        "spec": spec,
        "status": {
            "conditions": [ready or {"type": "Ready", "status": "True"}],
            "capacity": amount,
            "allocatable": dict(amount),
        },
    }


def event(  # noqa: PLR0913, PLR0917 - an event says so much
    kind: str, name: str, reason: str, at_ns: int, message: str, component: str
) -> Body:
    """Return an event about a pod or a node."""
    about = {"kind": kind, "name": name}
    if kind != "Node":
        about["namespace"] = NAMESPACE
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{name}.{at_ns:x}",
            "namespace": NAMESPACE if kind != "Node" else "default",
        },
        "involvedObject": about,
        "reason": reason,
        "message": message,
        "source": {"component": component},
        "firstTimestamp": date(at_ns),
        "lastTimestamp": date(at_ns),
        "eventTime": None,
        "count": 1,
        "type": "Warning",
    }
