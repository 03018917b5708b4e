"""Kueue's own controller beside the control plane, and the queues of a story."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.cluster.api import Json
from tests.cluster.control_plane import START_S, ControlPlane
from tests.cluster.operators import (
    DEFINITION,
    LOOPBACK,
    are_listening,
    client,
    controller,
    folder_of,
    hooked,
    is_served,
    manifests,
)
from tests.cluster.scenes import GPU, POOL, Scene
from tests.cluster.services import free_port, wait_for

QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"
PRIORITY_LABEL: Final = "kueue.x-k8s.io/priority-class"
KINDS: Final = ("job", "workload", "clusterqueue", "resourceflavor", "cohort")
HOOKS: Final = tuple(f"{how}{kind}.kb.io" for kind in KINDS for how in "mv")
"""Jobs and what queues are made of; other frameworks are not installed."""
CONVERTED: Final = frozenset(
    {"workloads", "clusterqueues", "localqueues", "cohorts", "multikueueclusters"}
)
"""What the controller converts from version to version, as its kustomization says."""


@contextmanager
def kueue(plane: ControlPlane) -> Iterator[None]:
    """
    Let Kueue decide which jobs run, for the length of the block.

    Nothing is taken away afterwards: what it guards has finalizers, so a control
    plane is its own and ends with it.
    """
    folder = folder_of(plane, "kueue")
    port, health = free_port(), free_port()
    settings = {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
        "webhook": {"port": port, "host": LOOPBACK, "certDir": str(folder)},
        "health": {"healthProbeBindAddress": f"{LOOPBACK}:{health}"},
        "metrics": {"bindAddress": "0"},
        "integrations": {"frameworks": ["batch/job"]},
        # Another API server, which takes a port and certificates of its own.
        "featureGates": {"VisibilityOnDemand": False},
    }
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    found = manifests("kueue")
    definitions = [one for one in found if one["kind"] == DEFINITION]
    for one in definitions:
        plane.api.apply(converted(plane, one, port))
    for one in definitions:
        plane.api.wait(DEFINITION, None, one["metadata"]["name"], is_served)
    with controller(plane, "kueue", folder, health, KUEUE_METRICS_CERTS=str(folder)):
        others = [one for one in found if one["kind"] != DEFINITION]
        hooks = [hooked(plane, "kueue", one, port, HOOKS) for one in others]
        wait_for(lambda: are_listening(plane, hooks), START_S, "webhooks answer")
        for hook in hooks:
            plane.api.apply(hook)
        yield


def converted(plane: ControlPlane, definition: Json, port: int) -> Json:
    """Return a definition whose versions the controller converts, where it does."""
    if definition["spec"]["names"]["plural"] not in CONVERTED:
        return definition
    webhook = {
        "clientConfig": client(plane, port, "/convert"),
        "conversionReviewVersions": ["v1"],
    }
    conversion = {"strategy": "Webhook", "webhook": webhook}
    return {**definition, "spec": {**definition["spec"], "conversion": conversion}}


def priority(stage: Scene, name: str, value: int) -> str:
    """Make a priority of workloads; return its name."""
    unique = f"{name}-{stage.namespace}"
    meta = {"name": unique}
    stage.api.apply({"kind": "WorkloadPriorityClass", "metadata": meta, "value": value})
    return unique


def queue(stage: Scene, gpus: int) -> None:
    """Let jobs of a story have so many GPUs at once; the more urgent ones first."""
    name = stage.namespace
    flavor = {"name": name, "resources": [{"name": GPU, "nominalQuota": gpus}]}
    spec = {
        "namespaceSelector": {},
        "preemption": {"withinClusterQueue": "LowerPriority"},
        "resourceGroups": [{"coveredResources": [GPU], "flavors": [flavor]}],
    }
    stage.api.apply(
        {
            "kind": "ResourceFlavor",
            "metadata": {"name": name},
            "spec": {"nodeLabels": {POOL: name}},
        }
    )
    stage.api.apply({"kind": "ClusterQueue", "metadata": {"name": name}, "spec": spec})
    stage.api.apply(
        {
            "kind": "LocalQueue",
            "metadata": {"name": "team", "namespace": name},
            "spec": {"clusterQueue": name},
        }
    )
