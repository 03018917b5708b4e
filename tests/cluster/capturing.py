"""
Write ``tests/fixtures/kubernetes``: a real API server's own bytes, a few of each kind.

Run ``PYTHONPATH=. .venv/bin/python -m tests.cluster.capturing`` after ``make kube``.
The API server, the controllers and the scheduler are the real ones, kwok plays the
kubelets. ``tests.fakes.kube_replay`` makes a large cluster of what is written here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import urllib3

from tests.cluster.api import Api, Json
from tests.cluster.control_plane import PLAYED, ControlPlane, control_plane
from tests.cluster.scenes import GPU, READY, is_open
from tests.cluster.services import wait_for

FOLDER: Final = Path(__file__).parents[1] / "fixtures/kubernetes"
NAMESPACE: Final = "research"
PATIENCE_S: Final = 60.0
DEPLOYMENTS: Final = f"apis/apps/v1/namespaces/{NAMESPACE}/deployments"
PODS: Final = "api/v1/pods"


def node() -> Json:
    """Return a node with eight GPUs as a cloud labels it."""
    has = {"cpu": "192", "memory": "2048Gi", "pods": "110", GPU: "8",
           "ephemeral-storage": "7000Gi", "hugepages-2Mi": "0"}  # fmt: skip
    labels = {
        PLAYED: "yes",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": "gpu-node-0000000",
        "node.kubernetes.io/instance-type": "gpu-8x-80gb",
        "nvidia.com/gpu.count": "8",
        "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
        "topology.kubernetes.io/zone": "zone-a",
    }
    meta = {"name": "gpu-node-0000000", "labels": labels}
    status = {"capacity": has, "allocatable": has}
    return {"kind": "Node", "apiVersion": "v1", "metadata": meta, "status": status}


def template(name: str, limits: dict[str, str], restart: str) -> Json:
    """Return a pod template with what people write into theirs."""
    words = {
        "NCCL_DEBUG": "WARN",
        "NCCL_IB_HCA": "mlx5",
        "OMP_NUM_THREADS": "8",
        "MASTER_PORT": "29500",
        "PYTHONUNBUFFERED": "1",
        "LOG_LEVEL": "info",
    }
    env: list[Json] = [{"name": key, "value": word} for key, word in words.items()]
    field = {"fieldRef": {"fieldPath": "metadata.name"}}
    mounts = {"data": "/data", "scratch": "/scratch", "config": "/etc/run"}
    return {
        "metadata": {"labels": {"app": name, "team": "blue"}},
        "spec": {
            "restartPolicy": restart,
            "priorityClassName": "",
            "containers": [
                {
                    "name": name,
                    "image": f"registry.example.com/research/{name}:2026.11.1",
                    "command": ["python", "-m", name, "--config", "/etc/run/run.yaml"],
                    "env": [*env, {"name": "POD_NAME", "valueFrom": field}],
                    "resources": {"limits": limits, "requests": limits},
                    "volumeMounts": [
                        {"name": volume, "mountPath": path}
                        for volume, path in mounts.items()
                    ],
                }
            ],
            "volumes": [
                {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "scratch", "emptyDir": {"medium": "Memory"}},
                {"name": "config", "configMap": {"name": f"{name}-config"}},
            ],
            "tolerations": [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}],
        },
    }


def job() -> Json:
    """Return a Job of four pods with two GPUs each."""
    limits = {"cpu": "40", "memory": "400Gi", GPU: "2"}
    return {
        "kind": "Job",
        "apiVersion": "batch/v1",
        "metadata": {"name": "train-0000000", "namespace": NAMESPACE},
        "spec": {
            "parallelism": 4,
            "completions": 4,
            "completionMode": "Indexed",
            "backoffLimit": 6,
            "template": template("trainer", limits, "Never"),
        },
    }


def deployment() -> Json:
    """Return a Deployment of one pod without GPUs."""
    labels = {"matchLabels": {"app": "server"}}
    limits = {"cpu": "2", "memory": "4Gi"}
    spec = {"selector": labels, "template": template("server", limits, "Always")}
    meta = {"name": "web-0000000", "namespace": NAMESPACE}
    return {"kind": "Deployment", "metadata": meta, "spec": spec}


def captured(plane: ControlPlane) -> Iterator[tuple[str, bytes]]:
    """Yield a file's name and the bytes for it."""
    api = plane.api
    api.apply({"kind": "Namespace", "metadata": {"name": NAMESPACE}})
    api.wait("ServiceAccount", NAMESPACE, "default", bool)
    claim = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteMany"],
             "storageClassName": "", "volumeName": "data",
             "resources": {"requests": {"storage": "1Gi"}}}}  # fmt: skip
    volume = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteMany"],
              "capacity": {"storage": "1Gi"}, "nfs": {"server": "nfs", "path": "/"},
              "claimRef": {"name": "data", "namespace": NAMESPACE}}}  # fmt: skip
    api.ask("POST", "api/v1/persistentvolumes", volume)
    api.ask("POST", f"api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims", claim)
    api.ask("POST", "api/v1/nodes", node())
    api.wait("Node", None, "gpu-node-0000000", is_open)
    since = api.ask("GET", PODS)["metadata"]["resourceVersion"]
    api.apply(job())
    api.ask("POST", DEPLOYMENTS, deployment())
    trainer, server = (ready(api, app) for app in ("trainer", "server"))
    for each in (trainer, server):
        unready(api, each)
    lines = list(watched(plane, PODS, since))
    yield "pod-begins.jsonl", first(lines, trainer, waits)
    yield "pod-runs.jsonl", first(lines, trainer, runs)
    yield "pod-unready.jsonl", first(lines, trainer, is_unready)
    yield "server-runs.jsonl", first(lines, server, runs)
    yield "server-unready.jsonl", first(lines, server, is_unready)
    yield "nodes.json", read(plane, "api/v1/nodes")
    yield "jobs.json", read(plane, "apis/batch/v1/jobs")
    yield "events.json", read(plane, "api/v1/events?limit=1")


def ready(api: Api, app: str) -> Json:
    """Wait until the first pod of an application runs; return it."""

    def found() -> Json | None:
        pods = [
            pod
            for pod in api.list("Pod", NAMESPACE)
            if pod["metadata"]["labels"]["app"] == app and runs(pod)
        ]
        return min(pods, key=name_of) if pods else None

    return wait_for(found, PATIENCE_S, f"a pod of {app} that runs")


def unready(api: Api, pod: Json) -> None:
    """Say that a pod is not ready any more, as its kubelet would."""
    conditions = [
        dict(row, status="False", reason="ContainersNotReady")
        if row["type"] in {"Ready", "ContainersReady"}
        else row
        for row in pod["status"]["conditions"]
    ]
    path = f"api/v1/namespaces/{NAMESPACE}/pods/{name_of(pod)}/status"
    change = {"status": {"conditions": conditions}}
    api.ask("PATCH", path, change, "application/strategic-merge-patch+json")


def name_of(pod: Json) -> str:
    """Return a pod's name."""
    name: str = pod["metadata"]["name"]
    return name


def is_ready(pod: Json) -> bool:
    """Tell whether a pod says that it is ready."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == READY for c in conditions)


def runs(pod: Json) -> bool:
    """Tell whether a pod runs and is ready."""
    return pod["status"]["phase"] == "Running" and is_ready(pod)


def waits(pod: Json) -> bool:
    """Tell whether a pod is on its node, and its containers are being made."""
    return pod["status"]["phase"] == "Pending" and "startTime" in pod["status"]


def is_unready(pod: Json) -> bool:
    """Tell whether a pod runs without being ready."""
    return pod["status"]["phase"] == "Running" and not is_ready(pod)


def first(lines: list[bytes], pod: Json, holds: Any) -> bytes:  # noqa: ANN401 - one of four
    """Return the first line of a watch about a pod that is as asked for."""
    for line in lines:
        found = json.loads(line)["object"]
        if name_of(found) == name_of(pod) and holds(found):
            return line
    msg = f"no line of {len(lines)} is about {name_of(pod)} and {holds.__name__}"
    raise LookupError(msg)


def asked(plane: ControlPlane, path: str) -> urllib3.BaseHTTPResponse:
    """Ask as an administrator; the answer is not read yet."""
    with urllib3.PoolManager(ca_certs=str(plane.ca_file)) as pool:
        token = json.loads((plane.folder / "admin.conf").read_text(encoding="utf-8"))
        words = {"Authorization": f"Bearer {token['users'][0]['user']['token']}"}
        return pool.request(
            "GET", f"{plane.url}/{path}", headers=words, preload_content=False
        )


def read(plane: ControlPlane, path: str) -> bytes:
    """Return an answer as the server wrote it."""
    with asked(plane, path) as answer:
        return answer.read()


def watched(plane: ControlPlane, path: str, since: str) -> Iterator[bytes]:
    """Yield the lines of a watch that ends soon."""
    query = f"{path}?watch=1&resourceVersion={since}&timeoutSeconds=2"
    yield from read(plane, query).splitlines(keepends=True)


def main() -> None:
    """Write every file, and say how large it is."""
    FOLDER.mkdir(exist_ok=True)
    with control_plane() as plane:
        for name, body in captured(plane):
            (FOLDER / name).write_bytes(body)
            sys.stdout.write(f"{name}: {len(body)} bytes\n")


if __name__ == "__main__":
    main()
