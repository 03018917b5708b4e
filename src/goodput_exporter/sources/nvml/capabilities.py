"""What NVML can tell on this node and what it cannot; for ``/debug/capabilities``."""

from __future__ import annotations

from dataclasses import dataclass, field

from goodput_exporter.sources.nvml.search import LOADER, Library, Nodes


@dataclass(frozen=True, slots=True)
class GpuCapabilities:
    """
    One GPU.

    Args:
        unsupported: Fields that this device or driver does not have, ascending.
        xids_not_heard: Why XIDs are not heard; None when they are.
        throttle_sampled: Reasons whose time is added up from samples.
        gpm: Whether GPM answers; None where it was not asked for.
    """

    index: int
    uuid: str
    name: str
    unsupported: tuple[str, ...] = ()
    xids_not_heard: str | None = None
    throttle_sampled: tuple[str, ...] = ()
    gpm: bool | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """
    How NVML is reached, and what it tells there.

    Args:
        library: The one in use, or tried last.
        searched: Every place that has one, in the order in which they are tried.
        nodes: Folders with device nodes; NVML opens those in ``/dev``.
        driver, nvml: Versions; empty while NVML is not up.
        gpus_on_bus: What sysfs lists; None where unknown.
        gpm, pcie, processes, events: What was asked for.
        refused: How often a field's value could not be, by field.
    """

    library: Library = LOADER
    searched: tuple[Library, ...] = ()
    nodes: tuple[Nodes, ...] = ()
    driver: str = ""
    nvml: str = ""
    gpus_on_bus: int | None = None
    gpm: bool = False
    pcie: bool = False
    processes: bool = False
    events: bool = False
    gpus: tuple[GpuCapabilities, ...] = ()
    refused: dict[str, int] = field(default_factory=dict)
