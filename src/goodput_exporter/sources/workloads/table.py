"""Kinds of objects, one entry each: where it is and how it is to be read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from goodput_exporter.sources.workloads import parts
from goodput_exporter.sources.workloads.entry import Entry, Phase, Ranks, Use

COMPLETION_INDEX: Final = "batch.kubernetes.io/job-completion-index"
JOBSET: Final = "jobset.sigs.k8s.io/"
KUBEFLOW: Final = "training.kubeflow.org/"
LWS: Final = "leaderworkerset.sigs.k8s.io/"
KUEUE: Final = "kueue.x-k8s.io/"
VOLCANO: Final = "volcano.sh/"

ATTEMPT_LABEL: Final = JOBSET + "restart-attempt"
ELASTIC_ANNOTATION: Final = KUEUE + "elastic-job"
QUEUE_LABELS: Final = (KUEUE + "queue-name", VOLCANO + "queue-name")


def _operator(kind: str, plural: str, replicas: str, *versions: str) -> Entry:
    """Return a kind of Kubeflow's training operator; they differ by names only."""
    return Entry(
        kind,
        "kubeflow.org",
        plural,
        versions or ("v1",),
        parts=parts.of_replica_specs(replicas),
        suspend=("spec", "runPolicy", "suspend"),
        succeeded=frozenset({"Succeeded"}),
        elastic=("spec", "elasticPolicy"),
        ranks=Ranks((KUBEFLOW + "replica-index",), role=KUBEFLOW + "replica-type"),
    )


TABLE: Final = (
    Entry("Pod", "", "pods", use=Use.STANDS, is_optional=False),
    Entry("Node", "", "nodes", use=Use.STANDS, is_optional=False),
    Entry("Event", "", "events", use=Use.EXPLAINS, is_optional=False),
    Entry(
        "Job",
        "batch",
        "jobs",
        parts=parts.of_job,
        suspend=("spec", "suspend"),
        succeeded=frozenset({"Complete"}),
        ranks=Ranks((COMPLETION_INDEX,)),
        is_optional=False,
    ),
    Entry(
        "StatefulSet",
        "apps",
        "statefulsets",
        parts=parts.of_stateful_set,
        failed=frozenset(),
        ranks=Ranks(("apps.kubernetes.io/pod-index",)),
        is_optional=False,
    ),
    Entry(
        "JobSet",
        "jobset.x-k8s.io",
        "jobsets",
        ("v1alpha2",),
        parts=parts.of_jobset,
        suspend=("spec", "suspend"),
        succeeded=frozenset({"Completed"}),
        restarts=("status", "restarts"),
        ranks=Ranks(
            (COMPLETION_INDEX,), JOBSET + "job-index", JOBSET + "replicatedjob-name"
        ),
    ),
    Entry(
        "TrainJob",
        "trainer.kubeflow.org",
        "trainjobs",
        ("v1alpha1",),
        suspend=("spec", "suspend"),
        succeeded=frozenset({"Complete"}),
    ),
    _operator("PyTorchJob", "pytorchjobs", "pytorchReplicaSpecs"),
    _operator("TFJob", "tfjobs", "tfReplicaSpecs"),
    _operator("JAXJob", "jaxjobs", "jaxReplicaSpecs"),
    _operator("XGBoostJob", "xgboostjobs", "xgbReplicaSpecs"),
    _operator("PaddleJob", "paddlejobs", "paddleReplicaSpecs"),
    _operator("MPIJob", "mpijobs", "mpiReplicaSpecs", "v2beta1", "v1"),
    Entry(
        "RayJob",
        "ray.io",
        "rayjobs",
        parts=parts.of_ray("spec", "rayClusterSpec"),
        suspend=("spec", "suspend"),
        phase=Phase(
            ("status", "jobStatus"),
            ("status", "endTime"),
            succeeded=frozenset({"SUCCEEDED"}),
            failed=frozenset({"FAILED", "STOPPED"}),
            unless=(("status", "jobDeploymentStatus"), "Retrying"),
        ),
        restarts=("status", "failed"),
        elastic=("spec", "rayClusterSpec", "enableInTreeAutoscaling"),
    ),
    Entry(
        "RayCluster",
        "ray.io",
        "rayclusters",
        parts=parts.of_ray("spec"),
        suspend=("spec", "suspend"),
        elastic=("spec", "enableInTreeAutoscaling"),
    ),
    Entry(
        "Job",
        "batch.volcano.sh",
        "jobs",
        ("v1alpha1",),
        parts=parts.of_volcano,
        phase=Phase(
            ("status", "state", "phase"),
            ("status", "state", "lastTransitionTime"),
            succeeded=frozenset({"Completed"}),
            failed=frozenset({"Failed", "Terminated"}),
            suspended=frozenset({"Aborting", "Aborted"}),
        ),
        restarts=("status", "retryCount"),
        least=("spec", "minAvailable"),
        queue=("spec", "queue"),
        ranks=Ranks((VOLCANO + "task-index",), role=VOLCANO + "task-spec"),
    ),
    Entry(
        "LeaderWorkerSet",
        "leaderworkerset.x-k8s.io",
        "leaderworkersets",
        parts=parts.of_leader_worker_set,
        failed=frozenset(),
        ranks=Ranks((LWS + "worker-index",), LWS + "group-index"),
    ),
    Entry(
        "Workload",
        "kueue.x-k8s.io",
        "workloads",
        ("v1beta2", "v1beta1"),
        use=Use.QUEUES,
        queue=("spec", "queueName"),
    ),
    Entry(
        "PodGroup",
        "scheduling.volcano.sh",
        "podgroups",
        ("v1beta1",),
        use=Use.QUEUES,
        queue=("spec", "queue"),
    ),
    Entry(
        "ResourceClaim",
        "resource.k8s.io",
        "resourceclaims",
        ("v1", "v1beta2", "v1beta1"),
        use=Use.SIZES,
    ),
    Entry(
        "ResourceClaimTemplate",
        "resource.k8s.io",
        "resourceclaimtemplates",
        ("v1", "v1beta2", "v1beta1"),
        use=Use.SIZES,
    ),
    Entry(
        "Lease",
        "coordination.k8s.io",
        "leases",
        use=Use.STANDS,
        is_followed=False,  # 15,000 nodes renew theirs every 10 s
    ),
)

SERIES: Final = frozenset(
    {("batch", "CronJob"), ("kubeflow.org", "Experiment"), ("ray.io", "RayCronJob")}
)
"""Owners that start many runs: the chain ends below them."""

OTHERS: Final = frozenset(
    {
        ("apps", "ReplicaSet"),
        ("apps", "Deployment"),
        ("apps", "DaemonSet"),
        ("ray.io", "RayService"),
        ("kubeflow.org", "Notebook"),
        ("serving.kserve.io", "InferenceService"),
        ("serving.knative.dev", "Service"),
        ("serving.knative.dev", "Revision"),
    }
)
"""Owners whose pods serve or are somebody's desk: no training run, unless the pods
carry a run id."""

NAMED_IN: Final = (
    (LWS + "name", "leaderworkerset.x-k8s.io", "LeaderWorkerSet"),
    (KUEUE + "pod-group-name", "kueue.x-k8s.io", "Workload"),
    ("scheduling.k8s.io/group-name", "scheduling.volcano.sh", "PodGroup"),
)
"""Labels or annotations by which a pod names what it belongs to, for pods that have
no controller, or one whose own owner is a pod that is not kept."""

_BY_NAME: Final = {(entry.group, entry.kind): entry for entry in TABLE}


def group_of(api_version: str) -> str:
    """Return the group of an ``apiVersion``; the core's is empty."""
    return api_version.partition("/")[0] if "/" in api_version else ""


def entry_of(api_version: str, kind: str) -> Entry | None:
    """
    Return how to read an object.

    Lists leave the ``apiVersion`` of their items out; then the first kind of that
    name is meant, so Volcano's Job must say whose it is.
    """
    if api_version:
        return _BY_NAME.get((group_of(api_version), kind))
    return next((entry for entry in TABLE if entry.kind == kind), None)


def rbac(entries: Iterable[Entry] = TABLE) -> list[dict[str, list[str]]]:
    """
    Return the rules of the role that may read these kinds, and nothing else.

    One rule per API group, so that a kind whose project is absent costs nothing.
    Nothing is asked for by name, so nobody needs ``get``.
    """
    plurals: dict[str, list[str]] = {}
    for entry in entries:
        if entry.is_followed:
            plurals.setdefault(entry.group, []).append(entry.plural)
    return [
        {
            "apiGroups": [group],
            "resources": sorted(resources),
            "verbs": ["list", "watch"],
        }
        for group, resources in sorted(plurals.items())
    ]
