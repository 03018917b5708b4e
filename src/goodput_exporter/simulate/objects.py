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


def template(names: Names) -> Body:
    """Return the pod template of a gang."""
    plan = names.plan
    return {
        "metadata": {"labels": labels_of(names)},
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


def labels_of(names: Names) -> Body:
    """Return what a workload and its pods are labelled with."""
    labels = {RUN_LABEL: names.plan.name, TEAM_LABEL: names.plan.team}
    if names.plan.is_queued:
        labels[QUEUE_LABEL] = "research"
    return labels


def metadata(name: str, uid: str, created_ns: int) -> Body:
    """Return what tells an object from all others."""
    return {
        "name": name,
        "namespace": NAMESPACE,
        "uid": uid,
        "creationTimestamp": date(created_ns),
    }


def controlled_by(kind: str, api: str, name: str, uid: str) -> list[Body]:
    """Return the owners of an object that one other made."""
    return [
        {"apiVersion": api, "kind": kind, "name": name, "uid": uid, "controller": True}
    ]


def job(
    names: Names, created_ns: int, conditions: list[Body], *, suspended: bool
) -> Body:
    """Return the job that makes the pods."""
    plan = names.plan
    meta = metadata(names.job, names.job_uid, created_ns) | {"labels": labels_of(names)}
    if names.top == "JobSet":
        api = "jobset.x-k8s.io/v1alpha2"
        meta["ownerReferences"] = controlled_by("JobSet", api, plan.name, names.top_uid)
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
        "metadata": metadata(name, uid, created_ns) | {"labels": labels_of(names)},
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
    meta = metadata(f"{kind.lower()}-{name}-{uid[:5]}", uid, created_ns)
    meta["ownerReferences"] = controlled_by(kind, api, name, names.top_uid)
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
