"""Why NVML as a whole does not answer, in words that say what to check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from goodput_exporter.sources.nvml_wire import Unavailable

NO_DRIVER: Final = frozenset({9, 12})
"""DRIVER_NOT_LOADED and LIBRARY_NOT_FOUND: what a machine without GPUs says."""

HINTS: Final[Mapping[int, str]] = {
    4: "may this container open /dev/nvidia*?",
    18: "the driver was upgraded under its library; reboot, or reload the module",
    999: "are the devices still in this container's cgroup? re-create the container",
}
"""What to check when NVML refuses to start, by its code."""


@dataclass(frozen=True, slots=True)
class Outage:
    """
    Why NVML as a whole does not answer.

    Args:
        up: None where there is no driver, which is no fault; else False.
    """

    up: bool | None
    detail: str


def outage_of(message: Unavailable, gpus_on_bus: int | None) -> Outage:
    """
    Explain a return code of NVML's initialisation.

    Args:
        message: What the child reported.
        gpus_on_bus: NVIDIA GPUs seen without a driver; None where unknown.
    """
    said = f"{message.detail}, NVML code {message.code}"
    if message.code not in NO_DRIVER:
        hint = HINTS.get(message.code, "does nvidia-smi work on this host?")
        return Outage(up=False, detail=f"NVML does not start ({said}); {hint}")
    if gpus_on_bus:
        why = (
            f"{gpus_on_bus} NVIDIA GPUs are on the PCI bus: is the driver loaded, "
            "and mounted into this container?"
        )
    else:
        why = "this node counts as having 0 GPUs until one appears"
    return Outage(up=None, detail=f"no NVIDIA driver ({said}); {why}")
