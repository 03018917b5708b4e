"""The doors to the machine that the NVML source goes through; tests pass others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from goodput_exporter.sources.nvml.pci import nvidia_gpus
from goodput_exporter.sources.nvml.process import ChildProcess
from goodput_exporter.sources.nvml.search import (
    Library,
    Nodes,
    device_nodes,
    libraries,
)

ROOTS: Final = (Path("/"), Path("/host"))
"""The container's own root, and where a DaemonSet usually mounts the host's."""


def usual_libraries() -> list[Library]:
    """Return the places to load NVML from that exist on this machine."""
    return libraries(ROOTS)


def usual_nodes() -> tuple[Nodes, ...]:
    """Return the folders with device nodes on this machine."""
    return device_nodes(ROOTS)


@dataclass(frozen=True, slots=True)
class Host:
    """
    What lies outside of this process.

    Args:
        environment: The child's environment; None is ours.
        gpus_on_bus: Counts NVIDIA GPUs without a driver; None where it cannot.
        libraries: Lists the places to load NVML from.
        nodes: Lists the folders with device nodes.
        linked_dev: Link device nodes into this folder where it has none, for a
            privileged pod; None leaves ``/dev`` as it is.
        memory: A file that keeps the GPUs' UUIDs over restarts; None forgets.
        marker: A file that keeps us from asking for a new container again and
            again; None never asks.
        start_child: Starts the process that holds NVML.
    """

    environment: Mapping[str, str] | None = None
    gpus_on_bus: Callable[[], int | None] = nvidia_gpus
    libraries: Callable[[], Sequence[Library]] = usual_libraries
    nodes: Callable[[], tuple[Nodes, ...]] = usual_nodes
    linked_dev: Path | None = None
    memory: Path | None = None
    marker: Path | None = None
    start_child: type[ChildProcess] = ChildProcess
