"""What the pods may do: each right is asked for, has its reason, and is used."""

from __future__ import annotations

from typing import Any

import pytest

from goodput_exporter.sources.workloads.table import TABLE, rbac
from tests.helm.chart import (
    EXAMPLES,
    OPENSHIFT,
    Manifest,
    environment,
    named,
    objects,
    of_kind,
    pods,
)

pytestmark = pytest.mark.real

RESTRICTED_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)


def aggregator_of(example: str) -> Manifest:
    """Return the aggregator's pod."""
    return list(pods(objects(example)))[-1]


def agent_of(example: str, *settings: str) -> Manifest:
    """Return the agent's pod."""
    pod: Manifest = of_kind(objects(example, *settings), "DaemonSet")["spec"][
        "template"
    ]["spec"]
    return pod


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_aggregator_keeps_to_the_restricted_standard(example: str) -> None:
    """As the Pod Security Standards list it, control by control."""
    pod = aggregator_of(example)
    [container] = pod["containers"]
    theirs, ours = pod["securityContext"], container["securityContext"]

    assert not {"hostPID", "hostIPC", "hostNetwork"} & pod.keys()
    assert theirs["runAsNonRoot"] is True
    assert theirs["runAsUser"] != 0
    assert theirs["seccompProfile"]["type"] == "RuntimeDefault"
    assert ours["allowPrivilegeEscalation"] is False
    assert ours["capabilities"] == {"drop": ["ALL"]}
    assert not any("hostPort" in port for port in container["ports"])
    for volume in pod["volumes"]:
        assert (volume.keys() - {"name"}) <= RESTRICTED_VOLUMES


@pytest.mark.parametrize("example", EXAMPLES)
def test_no_root_file_system_can_be_written(example: str) -> None:
    """What a program writes has a volume of its own."""
    for pod in pods(objects(example)):
        [container] = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        mounts = {row["mountPath"] for row in container["volumeMounts"]}
        assert {"/tmp"} <= mounts  # noqa: S108 - a mount, not a file of ours


def test_an_agent_has_no_capability_and_no_view_of_the_node_s_processes() -> None:
    """It is root for the kubelet's socket, and nothing more."""
    pod = agent_of("default")
    [container] = pod["containers"]

    assert pod["securityContext"]["runAsUser"] == 0
    assert "hostPID" not in pod
    assert "hostNetwork" not in pod
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert "privileged" not in container["securityContext"]
    assert not any("hostPort" in port for port in container["ports"])


def test_an_agent_sees_gpus_without_requesting_one() -> None:
    """One that it held would be lost to training."""
    pod = agent_of("default")
    [container] = pod["containers"]
    given = environment(pod)
    mounts = {row["mountPath"]: row for row in container["volumeMounts"]}

    assert given["NVIDIA_VISIBLE_DEVICES"] == "all"
    assert given["NVIDIA_DRIVER_CAPABILITIES"] == "utility"
    assert "nvidia.com/gpu" not in str(container["resources"])
    for root in ("/host/run/nvidia", "/host/usr"):
        assert mounts[root]["readOnly"] is True
        # A driver container mounts its root after the agent has started.
        assert mounts[root]["mountPropagation"] == "HostToContainer"


def test_the_driver_and_the_kubelet_are_looked_for_where_a_cluster_has_them() -> None:
    """GKE's driver, a runtime that is not the default, MicroK8s' kubelet."""
    gke, microk8s = agent_of("gke"), agent_of("kubelet-root")
    root = "/var/snap/microk8s/common/var/lib/kubelet"

    assert "/home/kubernetes/bin/nvidia" in host_folders(gke)
    assert agent_of("runtime-class")["runtimeClassName"] == "nvidia"
    assert f"{root}/pod-resources" in host_folders(microk8s)
    assert environment(microk8s)["GOODPUT_EXPORTER_KUBELET_ROOT"] == root


def host_folders(pod: Manifest) -> set[str]:
    """Return what a pod mounts of its host."""
    return {one["hostPath"]["path"] for one in pod["volumes"] if "hostPath" in one}


def test_an_agent_writes_to_two_folders_of_its_host() -> None:
    """All others are read-only; the root itself, with /proc and /sys, is none."""
    pod = agent_of("default")
    [container] = pod["containers"]
    folders = {
        one["name"]: one["hostPath"]["path"]
        for one in pod["volumes"]
        if "hostPath" in one
    }
    mounts = {row["name"]: row for row in container["volumeMounts"]}

    written = {
        path for name, path in folders.items() if not mounts[name].get("readOnly")
    }
    assert written == {"/run/goodput", "/var/lib/goodput-exporter"}
    assert "/" not in folders.values()


def test_nothing_is_mounted_below_what_an_agent_sees_of_sysfs() -> None:
    """A read-only mount is writable where another mount lies in it, as in /sys."""
    seen = {
        one["hostPath"]["path"]: one["hostPath"]["type"]
        for one in agent_of("default")["volumes"]
        if one.get("hostPath", {}).get("path", "").startswith("/sys")
    }
    without = agent_of("default", "agent.hostSys.enabled=false")

    assert seen == dict.fromkeys(
        ("/sys/class", "/sys/devices", "/sys/fs/cgroup"), "Directory"
    )
    assert not any("/sys" in str(one) for one in without["volumes"])


def test_what_is_opted_in_is_there_and_nothing_else() -> None:
    """hostPID, the kernel's log, a port of the node: each by a value of its own."""
    pod = agent_of("opted-in")
    [container] = pod["containers"]

    assert pod["hostPID"] is True
    capabilities = container["securityContext"]["capabilities"]
    assert capabilities == {"drop": ["ALL"], "add": ["SYSLOG"]}
    assert any(port.get("hostPort") == 9099 for port in container["ports"])


@pytest.mark.parametrize(
    "taint",
    [
        {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"},
        {"key": "nvidia.com/gpu", "effect": "NoExecute"},
        {"key": "sku", "value": "gpu", "effect": "NoSchedule"},
        {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},
    ],
)
def test_an_agent_bears_the_taints_of_gpu_nodes(taint: dict[str, str]) -> None:
    """By default, or DESIRED would be 0 without a hint."""
    tolerations = agent_of("default")["tolerations"]

    assert any(tolerates(one, taint) for one in tolerations)


def tolerates(toleration: dict[str, str], taint: dict[str, str]) -> bool:
    """Decide as Kubernetes does."""
    if toleration.get("effect") not in {None, "", taint["effect"]}:
        return False
    if toleration.get("key") not in {None, "", taint["key"]}:
        return False
    is_any = toleration.get("operator") == "Exists"
    return is_any or toleration.get("value") == taint.get("value")


@pytest.mark.parametrize(
    ("labels", "is_wanted"),
    [
        ({"nvidia.com/gpu.present": "true"}, True),
        ({"cloud.google.com/gke-accelerator": "nvidia-h100-80gb"}, True),
        ({"feature.node.kubernetes.io/pci-0302_10de.present": "true"}, True),
        ({"k8s.amazonaws.com/accelerator": "nvidia-h100"}, True),
        ({"nvidia.com/gpu.present": "false"}, False),
        ({"kubernetes.io/os": "linux"}, False),
    ],
)
def test_any_known_label_of_a_gpu_node_will_do(
    labels: dict[str, str], *, is_wanted: bool
) -> None:
    """Clouds and operators have each their own; none has all."""
    affinity = agent_of("default")["affinity"]["nodeAffinity"]
    terms = affinity["requiredDuringSchedulingIgnoredDuringExecution"]

    assert is_wanted == any(
        all(matches(row, labels) for row in term["matchExpressions"])
        for term in terms["nodeSelectorTerms"]
    )


def matches(row: dict[str, Any], labels: dict[str, str]) -> bool:
    """Decide as Kubernetes does."""
    if row["operator"] == "Exists":
        return row["key"] in labels
    return labels.get(row["key"]) in row["values"]


def test_the_aggregator_may_read_what_the_code_reads_and_nothing_else() -> None:
    """The table of kinds decides; a new kind brings its right with it."""
    role = named(objects(), "ClusterRole", "goodput-goodput-exporter-aggregator")
    found = granted(role["rules"])

    assert found == granted(rbac(TABLE)) | {
        ("authentication.k8s.io", "tokenreviews", "create")
    }


def test_in_its_own_namespace_it_may_hold_its_lease_and_label_its_pod() -> None:
    """Neither is asked for in any other namespace."""
    role = named(objects(), "Role", "goodput-exporter-aggregator")

    assert granted(role["rules"]) == {
        ("coordination.k8s.io", "leases", "create"),
        ("coordination.k8s.io", "leases", "get"),
        ("coordination.k8s.io", "leases", "update"),
        ("", "pods", "get"),
        ("", "pods", "patch"),
    }
    [held] = [rule for rule in role["rules"] if "resourceNames" in rule]
    [aggregator] = [pod for pod in pods(objects()) if "volumes" in pod][1:]
    lease = environment(aggregator)["GOODPUT_EXPORTER_AGGREGATOR_LEASE"]
    assert held["resourceNames"] == [lease]


def test_an_agent_may_get_the_pods_of_kubelets_and_nothing_else() -> None:
    """`nodes/proxy` would let it run commands; older kubelets need it, by a value."""
    role = named(objects(), "ClusterRole", "goodput-goodput-exporter-agent")
    allowed = named(
        objects("default", "agent.kubeletApi.allowProxy=true"),
        "ClusterRole",
        "goodput-goodput-exporter-agent",
    )

    assert granted(role["rules"]) == {("", "nodes/pods", "get")}
    assert granted(allowed["rules"]) == {("", "nodes/proxy", "get")}


def test_two_namespaces_get_a_role_each_and_the_cluster_none() -> None:
    """Nodes stay unknown; the cluster's own role knows whose a token is, no more."""
    found = objects("default", "rbac.scope=namespaces", "rbac.namespaces={ml,research}")

    readers = [one for one in found if one["metadata"]["name"].endswith("-reader")]
    places = {one["metadata"]["namespace"] for one in readers if one["kind"] == "Role"}
    assert places == {"ml", "research"}
    role = named(found, "ClusterRole", "goodput-goodput-exporter-aggregator")
    assert granted(role["rules"]) == {
        ("authentication.k8s.io", "tokenreviews", "create")
    }


def test_openshift_grants_the_agent_what_it_uses() -> None:
    """What a pod does not use the constraints do not allow."""
    default = of_kind(
        objects("default", apis=(OPENSHIFT,)), "SecurityContextConstraints"
    )
    opted_in = of_kind(
        objects("opted-in", apis=(OPENSHIFT,)), "SecurityContextConstraints"
    )

    assert default["allowHostPID"] is False
    assert default["allowedCapabilities"] == []
    assert default["allowPrivilegedContainer"] is False
    assert opted_in["allowHostPID"] is True
    assert opted_in["allowHostPorts"] is True
    assert opted_in["allowedCapabilities"] == ["SYSLOG"]
    kinds = {
        kind
        for one in agent_of("opted-in")["volumes"]
        for kind in one.keys() - {"name"}
    }
    assert kinds <= set(default["volumes"])


def granted(rules: list[dict[str, list[str]]]) -> set[tuple[str, str, str]]:
    """Return every single right in some rules."""
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
