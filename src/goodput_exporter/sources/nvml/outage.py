"""Why NVML as a whole does not answer, in words that say what to check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from goodput_exporter.sources.nvml.wire import Unavailable

NO_DRIVER: Final = frozenset({9, 12})
"""DRIVER_NOT_LOADED and LIBRARY_NOT_FOUND: what a machine without GPUs says."""

KINDS: Final[Mapping[int, str]] = {
    4: "no_permission",
    9: "driver_not_loaded",
    12: "library_not_found",
    18: "driver_mismatch",
    999: "unknown",
}
"""A word for the codes that an alert may want to tell apart."""

HINTS: Final[Mapping[int, str]] = {
    4: "may this container open /dev/nvidia*?",
    18: "the driver was upgraded under its library; reboot, or reload the module",
    999: "are the devices still in this container's cgroup? re-create the container",
}
"""What to check when NVML refuses to start, by its code."""

WRONG_LIBRARY: Final = frozenset({12, 18})
"""Said of a library that another place may have in a version that fits."""


@dataclass(frozen=True, slots=True)
class Outage:
    """
    Why NVML as a whole does not answer.

    Args:
        up: None where there is no driver, or we let go of it: no fault; else False.
        kind: One of ``KINDS``, ``"driver_unresponsive"``, ``"paused"``,
            ``"starting"`` or ``"error"``.
    """

    up: bool | None
    detail: str
    kind: str = "error"


def outage_of(message: Unavailable, gpus_on_bus: int | None) -> Outage:
    """
    Explain a return code of NVML's initialisation.

    Args:
        message: What the child reported.
        gpus_on_bus: NVIDIA GPUs seen without a driver; None where unknown.
    """
    kind = KINDS.get(message.code, "error")
    said = f"{message.detail}, NVML code {message.code}"
    if message.code not in NO_DRIVER:
        hint = HINTS.get(message.code, "does nvidia-smi work on this host?")
        detail = f"NVML does not start ({said}); {hint}"
        return Outage(up=False, detail=detail, kind=kind)
    if gpus_on_bus:
        why = (
            f"{gpus_on_bus} NVIDIA GPUs are on the PCI bus: is the driver loaded, "
            "and mounted into this container?"
        )
    else:
        why = "this node counts as having 0 GPUs until one appears"
    return Outage(None, f"no NVIDIA driver ({said}); {why}", kind)
