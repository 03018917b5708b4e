"""Nodes: what they have, what they are called, and when they were lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.sources.loose import Fields, fields, instant_ns, rows, text, whole
from goodput_exporter.sources.workloads.devices import gpus_in
from goodput_exporter.sources.workloads.history import Since, dated, learn

GPU_MODEL_LABELS: Final = (
    "nvidia.com/gpu.product",
    "amd.com/gpu.product-name",
    "cloud.google.com/gke-accelerator",
    "karpenter.k8s.aws/instance-gpu-name",
    "k8s.amazonaws.com/accelerator",
)
"""By GPU feature discovery, AMD's labeller, GKE, Karpenter on AWS, the AWS cluster
autoscaler; the first that is there."""

POOL_LABELS: Final = (
    "cloud.google.com/gke-nodepool",
    "eks.amazonaws.com/nodegroup",
    "karpenter.sh/nodepool",
    "kubernetes.azure.com/agentpool",
    "agentpool",
    "alpha.eksctl.io/nodegroup-name",
    "doks.digitalocean.com/node-pool",
    "lke.linode.com/pool-id",
    "karpenter.sh/provisioner-name",
)
"""Of GKE, EKS, Karpenter, AKS (new and old), eksctl, DigitalOcean, Akamai, and
Karpenter before 0.32; the first that is there."""

LEASE_SECONDS: Final = 40
"""How long a kubelet's lease is valid where it does not say so itself: the kubelet's
own default for ``nodeLeaseDurationSeconds``."""


@dataclass(slots=True)
class NodeRecord:
    """
    One node.

    Args:
        name: Its own.
        uid: None where only its lease was seen.
        capacity: GPUs that the node has; None where it does not say.
        allocatable: GPUs that pods may have; None where it does not say.
        gpu_model, pool: By its labels; None where no label says it.
        losses: Since when it is lost (True) or there (False).
        silent_ns: When its last lease ran out, or will.
        is_cordoned: No new pods come to it.
        is_gone: The object is deleted.
    """

    name: str
    uid: str | None = None
    capacity: int | None = None
    allocatable: int | None = None
    gpu_model: str | None = None
    pool: str | None = None
    losses: list[Since[bool]] = field(default_factory=list)
    silent_ns: int | None = None
    is_cordoned: bool = False
    is_gone: bool = False

    @property
    def is_lost(self) -> bool:
        """Return whether it is lost now."""
        return bool(self.losses) and self.losses[-1].what


def refresh(node: NodeRecord, raw: Fields, seen_ns: int) -> bool:
    """Take over a node's newest version; return whether its pods' stages may change."""
    uid = text(raw, "metadata", "uid") or node.uid
    if node.uid not in {None, uid}:
        # Another one under its name: whoever was on the first one is lost.
        made_ns = instant_ns(raw, "metadata", "creationTimestamp")
        learn(node.losses, [Since(dated(made_ns, 0, seen_ns), what=True)])
    node.uid, node.is_gone = uid, False
    node.capacity = _gpus(raw, "capacity")
    node.allocatable = _gpus(raw, "allocatable")
    node.is_cordoned = fields(raw, "spec").get("unschedulable") is True
    labels = fields(raw, "metadata", "labels")
    named = (_first(labels, GPU_MODEL_LABELS), _first(labels, POOL_LABELS))
    is_new_name = named != (node.gpu_model, node.pool)
    node.gpu_model, node.pool = named
    return learn(node.losses, _told(node, raw, seen_ns)) or is_new_name


def _gpus(raw: Fields, which: str) -> int | None:
    amounts = fields(raw, "status", which)
    return gpus_in(amounts) if amounts else None


def _first(labels: Fields, names: Sequence[str]) -> str | None:
    return next((found for name in names if (found := text(labels, name))), None)


def _told(node: NodeRecord, raw: Fields, seen_ns: int) -> list[Since[bool]]:
    """
    Return whether the node is lost, and since when.

    The control plane notices after a grace; a lease that ran out before tells it
    better. A node that never said anything is there.
    """
    for row in rows(raw, "status", "conditions"):
        if text(row, "type") == "Ready":
            is_lost = text(row, "status") in {"False", "Unknown"}
            at_ns = dated(instant_ns(row, "lastTransitionTime"), 0, seen_ns)
            is_silent = is_lost and text(row, "status") == "Unknown"
            if is_silent and node.silent_ns is not None:
                at_ns = min(at_ns, node.silent_ns)
            return [Since(at_ns, is_lost)]
    return [Since(seen_ns, what=False)] if not node.losses else []


def lease(node: NodeRecord, raw: Fields, seen_ns: int) -> None:
    """Take over until when a node's kubelet vouched for it."""
    renewed_ns = instant_ns(raw, "spec", "renewTime")
    if renewed_ns is not None:
        seconds = whole(raw, "spec", "leaseDurationSeconds")
        seconds = seconds if seconds is not None and seconds > 0 else LEASE_SECONDS
        valid_ns = min(seconds, LEASE_SECONDS * 90) * NS_PER_SECOND
        node.silent_ns = min(renewed_ns, seen_ns) + valid_ns


def removed(node: NodeRecord, seen_ns: int) -> bool:
    """Note that a node's object is deleted: its pods are lost with it."""
    node.is_gone = True
    at_ns = seen_ns if node.silent_ns is None else min(seen_ns, node.silent_ns)
    return learn(node.losses, [Since(at_ns, what=True)])
