"""The chart, installed by Helm into the real API server: admitted, placed, and gone."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.api import Api, Json
from tests.cluster.control_plane import ControlPlane
from tests.cluster.programs import program
from tests.cluster.scenes import node
from tests.cluster.services import wait_for
from tests.helm.chart import CHART

SECONDS = 60.0
TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
CLUSTER_WIDE = (
    "apis/rbac.authorization.k8s.io/v1/clusterroles",
    "apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "apis/scheduling.k8s.io/v1/priorityclasses",
)
NAMESPACED = (
    "api/v1/{}/services",
    "api/v1/{}/configmaps",
    "api/v1/{}/serviceaccounts",
    "apis/apps/v1/{}/daemonsets",
    "apis/apps/v1/{}/statefulsets",
    "apis/rbac.authorization.k8s.io/v1/{}/roles",
    "apis/rbac.authorization.k8s.io/v1/{}/rolebindings",
)
OURS = "labelSelector=app.kubernetes.io/part-of=goodput-exporter"


def helm(plane: ControlPlane, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Helm as the cluster's administrator; return what it says."""
    done = subprocess.run(
        (program("helm"), *words),
        env={**os.environ, "KUBECONFIG": str(plane.folder / "admin.conf")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done


@contextmanager
def installed(
    plane: ControlPlane, namespace: str, *words: str, chart: Path = CHART
) -> Iterator[str]:
    """Install a chart; yield what Helm warned of, and uninstall it at the end."""
    name = "goodput-exporter"
    place = ("-n", namespace, "--create-namespace")
    done = helm(plane, "install", name, str(chart), *place, *words)
    try:
        yield done.stderr
    finally:
        helm(plane, "uninstall", name, "-n", namespace, "--wait")


@contextmanager
def nodes(api: Api, *made: Json) -> Iterator[None]:
    """Give the cluster some nodes."""
    for one in made:
        api.ask("POST", "api/v1/nodes", one)
    try:
        yield
    finally:
        for one in made:
            api.delete("Node", None, one["metadata"]["name"])


def labelled(name: str, gpus: int, **labels: str) -> Json:
    """Return a node with labels; underscores stand for what keywords cannot have."""
    made = node(name, "chart", gpus)
    named = {key.replace("__", "/").replace("_", "."): labels[key] for key in labels}
    made["metadata"]["labels"] |= named
    return made


def ours(api: Api, path: str) -> list[str]:
    """Return the names of what the chart made at a path."""
    return [
        one["metadata"]["name"] for one in api.ask("GET", f"{path}?{OURS}")["items"]
    ]


def test_an_agent_comes_to_each_gpu_node_without_any_value(plane: ControlPlane) -> None:
    """Tainted or not, by whichever label; not to nodes without GPUs."""
    api = plane.api
    tainted = labelled("chart-tainted", 8, nvidia_com__gpu_present="true")
    tainted["spec"] = {"taints": [TAINT]}
    untainted = labelled("chart-open", 8, k8s_amazonaws_com__accelerator="nvidia-h100")
    without = labelled("chart-cpu", 0)

    def agents() -> set[str] | None:
        found = {
            pod["spec"].get("nodeName", "")
            for pod in api.list("Pod", "chart-default")
            if pod["metadata"]["labels"]["app.kubernetes.io/component"] == "agent"
        }
        return found if len(found) > 1 and "" not in found else None

    with (
        nodes(api, tainted, untainted, without),
        installed(plane, "chart-default") as warned,
    ):
        places = wait_for(agents, SECONDS, "an agent on each GPU node")
        path = "apis/apps/v1/namespaces/chart-default/daemonsets"
        [daemonset] = api.ask("GET", path)["items"]

    assert places == {"chart-tainted", "chart-open"}
    assert daemonset["status"]["desiredNumberScheduled"] == 2
    assert warned == ""


def test_the_notes_of_an_installation_lead_to_what_there_is(
    plane: ControlPlane,
) -> None:
    """Commands and the heartbeats' address name objects that were made."""
    namespace, places = (
        "chart-notes",
        {"daemonset": "apis/apps/v1", "service": "api/v1"},
    )
    with installed(plane, namespace):
        notes = helm(plane, "get", "notes", "goodput-exporter", "-n", namespace).stdout
        asked = re.findall(rf"-n {namespace} \S+ (\w+)[/ ](\S+)", notes)
        asked += [("service", re.findall(r"udp://([^.]+)[.]", notes)[0])]
        for kind, name in asked:
            path = f"{places[kind]}/namespaces/{namespace}/{kind}s/{name}"
            assert plane.api.ask("GET", path)["metadata"]["name"] == name

    assert {kind for kind, _ in asked} == {"daemonset", "service"}
    assert "DESIRED" in notes
    assert "no Prometheus Operator" in notes
    assert "docs/how-to/install.md" in notes


def test_the_aggregator_is_admitted_where_restricted_is_enforced(
    plane: ControlPlane,
) -> None:
    """Not so much as a warning."""
    namespace = "chart-restricted"
    levels = dict.fromkeys(
        [f"pod-security.kubernetes.io/{mode}" for mode in ("enforce", "warn")],
        "restricted",
    )
    plane.api.apply(
        {"kind": "Namespace", "metadata": {"name": namespace, "labels": levels}}
    )
    values = str(CHART / "ci/restricted-values.yaml")

    with installed(plane, namespace, "--values", values) as warned:
        pods = wait_for(
            lambda: plane.api.list("Pod", namespace) or None, SECONDS, "its pod"
        )

    assert warned == ""
    assert [pod["metadata"]["name"] for pod in pods] == [
        "goodput-exporter-aggregator-0"
    ]


def test_an_upgrade_to_two_replicas_and_an_uninstall_leave_only_the_books(
    plane: ControlPlane,
) -> None:
    """The StatefulSet makes room for a Deployment; the volume's claim stays."""
    api, namespace = plane.api, "chart-gone"
    values = str(CHART / "ci/postgres-values.yaml")
    claims = f"api/v1/namespaces/{namespace}/persistentvolumeclaims"

    def claimed() -> list[Json] | None:
        found: list[Json] = api.ask("GET", claims)["items"]
        return found or None

    with installed(plane, namespace):
        before = wait_for(claimed, SECONDS, "the ledger's claim")
        helm(
            plane, "upgrade", "goodput-exporter", str(CHART), "-n", namespace,
            "--values", values,
        )  # fmt: skip
        sets = api.ask("GET", f"apis/apps/v1/namespaces/{namespace}/statefulsets")
        deployed = ours(api, f"apis/apps/v1/namespaces/{namespace}/deployments")

    assert (sets["items"], deployed) == ([], ["goodput-exporter-aggregator"])
    paths = [
        *CLUSTER_WIDE,
        *(one.format(f"namespaces/{namespace}") for one in NAMESPACED),
    ]
    assert {path: ours(api, path) for path in paths} == {path: [] for path in paths}
    after = api.ask("GET", claims)["items"]
    assert [one["metadata"]["uid"] for one in after] == [
        one["metadata"]["uid"] for one in before
    ]
