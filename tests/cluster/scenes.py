"""What stories on a real cluster are made of: nodes, jobs, and who changes them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Final

from goodput_exporter.sources.workloads.entry import Entry
from goodput_exporter.sources.workloads.table import rbac
from tests.cluster.api import Api, Json
from tests.cluster.control_plane import PLAYED, ControlPlane
from tests.cluster.following import BUILT_IN, Following

GPU: Final = "nvidia.com/gpu"
POOL: Final = "pool"
OWNERS: Final = ("batch.kubernetes.io/job-name", "jobset.sigs.k8s.io/jobset-name")
READY: Final = "True"


def node(name: str, pool: str, gpus: int = 8) -> Json:
    """Return a node whose kubelet kwok plays."""
    has = {"cpu": "64", "memory": "512Gi", "pods": "110", GPU: str(gpus)}
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": {PLAYED: "yes", POOL: pool}},
        "status": {"capacity": has, "allocatable": has},
    }


def template(
    pool: str,
    gpus: int = 8,
    *,
    priority: str = "",
    restart: str = "Never",
    film: Mapping[str, str] | None = None,
) -> Json:
    """Return a pod template whose only container trains on GPUs of a pool."""
    amounts = {"limits": {GPU: str(gpus)}}
    trainer = {"name": "trainer", "image": "train:1", "resources": amounts}
    spec: Json = {
        "restartPolicy": restart,
        "nodeSelector": {POOL: pool},
        "terminationGracePeriodSeconds": 5,
        "containers": [trainer],
    }
    if priority:
        spec["priorityClassName"] = priority
    return {"metadata": {"annotations": dict(film or {})}, "spec": spec}


class Scene:
    """
    One story's part of the cluster: a namespace, a pool of nodes, and our books.

    Args:
        plane: The control plane.
        token_file: With the token of an account that may read what it needs.
        entries: The kinds to follow.
    """

    def __init__(
        self, plane: ControlPlane, token_file: Path, entries: Iterable[Entry]
    ) -> None:
        self.plane, self.api = plane, plane.api
        self.namespace = f"ml-{token_hex(4)}"
        self.token_file = token_file
        self.books = Following(plane.url, plane.ca_file, token_file, entries)
        self._nodes: list[str] = []

    def nodes(self, count: int, gpus: int = 8) -> list[str]:
        """Add nodes, and wait until pods may come."""
        names = [f"{self.namespace}-n{len(self._nodes) + i}" for i in range(count)]
        for name in names:
            self._nodes.append(name)
            self.api.ask("POST", "api/v1/nodes", node(name, self.namespace, gpus))
        for name in names:
            self.api.wait("Node", None, name, is_open)
        return names

    def job(
        self,
        name: str,
        pods: int = 1,
        *,
        pod: Json | None = None,
        labels: Mapping[str, str] | None = None,
        **spec: object,
    ) -> Json:
        """Submit a job that numbers its pods."""
        wanted = {
            "parallelism": pods,
            "completions": pods,
            "completionMode": "Indexed",
            "backoffLimit": 6,
            "template": pod or template(self.namespace),
            **spec,
        }
        meta: Json = {"name": name, "namespace": self.namespace}
        if labels:
            meta["labels"] = dict(labels)
        return self.api.apply({"kind": "Job", "metadata": meta, "spec": wanted})

    def pods(self, job: str) -> list[Json]:
        """Return the pods of a job, or of a set of them, that nobody told to go."""
        found = self.api.list("Pod", self.namespace)
        return [
            pod
            for pod in found
            if job in {pod["metadata"]["labels"].get(label) for label in OWNERS}
            and "deletionTimestamp" not in pod["metadata"]
            and pod.get("status", {}).get("phase") != "Failed"
        ]

    def play(self, job: str, **film: str) -> int:
        """Let the kubelet of each of a job's pods do something; return the instant."""
        now_ns = time.time_ns()
        change = {f"played/{word.replace('_', '-')}": how for word, how in film.items()}
        for pod in self.pods(job):
            name = pod["metadata"]["name"]
            self.api.patch(
                "Pod", self.namespace, name, {"metadata": {"annotations": change}}
            )
        return now_ns

    def silence(self, name: str) -> int:
        """Let a node's kubelet fall silent; return the instant."""
        now_ns = time.time_ns()
        change = {"metadata": {"labels": {PLAYED: "no"}}}
        self.api.patch("Node", None, name, change)
        return now_ns

    def clear(self) -> None:
        """Take everything away again; what hangs on a silent node by force."""
        self.api.delete("Namespace", None, self.namespace)
        for job in self.api.list("Job", self.namespace):
            self.api.delete("Job", self.namespace, job["metadata"]["name"])
        for pod in self.api.list("Pod", self.namespace):
            self.api.delete("Pod", self.namespace, pod["metadata"]["name"], 0)
        for name in self._nodes:
            self.api.delete("Node", None, name)


def is_open(node: Json) -> bool:
    """Tell whether a node takes pods."""
    conditions = node.get("status", {}).get("conditions", [])
    is_ready = any(c["type"] == "Ready" and c["status"] == READY for c in conditions)
    return is_ready and not node["spec"].get("taints")


def account(api: Api, name: str, rules: list[dict[str, list[str]]]) -> Json:
    """Make a service account that may do what *rules* say; return it."""
    meta = {"name": name, "namespace": "default"}
    made = api.apply({"kind": "ServiceAccount", "metadata": meta})
    role = {"metadata": {"name": name}}
    api.apply({"kind": "ClusterRole", **role, "rules": rules})
    api.apply(
        {
            "kind": "ClusterRoleBinding",
            **role,
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": name,
            },
            "subjects": [{"kind": "ServiceAccount", **meta}],
        }
    )
    return made


def token_file(api: Api, folder: Path, name: str = "goodput-exporter") -> Path:
    """Make the aggregator's account with its generated role; return its token."""
    made = account(api, name, rbac())
    path = folder / f"{name}.token"
    path.write_text(api.token_of(made), encoding="ascii")
    return path


@contextmanager
def scene(
    plane: ControlPlane, token: Path, entries: Iterable[Entry] = BUILT_IN
) -> Iterator[Scene]:
    """Give a scene in which the books are being kept."""
    made = Scene(plane, token, entries)
    plane.api.apply({"kind": "Namespace", "metadata": {"name": made.namespace}})
    plane.api.wait("ServiceAccount", made.namespace, "default", bool)
    try:
        with made.books.going():
            yield made
    finally:
        if plane.api.answers("readyz"):
            made.clear()
