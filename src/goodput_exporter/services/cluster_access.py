"""How a replica reaches its cluster, and what it stands for there."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from goodput_exporter.config import Settings
from goodput_exporter.services.leading import Alone, Elector, Leading
from goodput_exporter.services.sharding import Shard
from goodput_exporter.sources.kubernetes.access import (
    Access,
    explicit,
    find,
    kubeconfig,
)
from goodput_exporter.sources.kubernetes.client import ApiServer
from goodput_exporter.sources.kubernetes.leases import LeaseDoor

NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def access_of(settings: Settings) -> Access:
    """Return the way to the API server that the settings name."""
    ours = settings.kubernetes
    if ours.server is not None:
        return explicit(ours.server, ours.token_file, ours.ca_file)
    return find() if ours.kubeconfig is None else kubeconfig(ours.kubeconfig)


def namespace_of(settings: Settings, file: Path = NAMESPACE_FILE) -> str:
    """Return our own namespace: as set, else the service account's."""
    if settings.aggregator.namespace is not None:
        return settings.aggregator.namespace
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return "default"


def leading_of(settings: Settings, shard: Shard, server: ApiServer) -> Leading:
    """Return who leads: by the Lease that the settings name, else we alone."""
    ours = settings.aggregator
    if ours.lease is None:
        return Alone()
    suffix = f"-{shard.index}" if shard.count > 1 else ""
    name = f"{ours.lease}{suffix}"
    return Elector(
        LeaseDoor(server, namespace_of(settings), name, time.time_ns),
        ours.pod or settings.identity.node,
        seconds=ours.lease_seconds,
        monotonic=time.monotonic,
    )
