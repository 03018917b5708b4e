"""NVIDIA GPUs on the PCI bus, seen without any driver."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PCI_DEVICES: Final = Path("/sys/bus/pci/devices")
NVIDIA: Final = "0x10de"
DISPLAY_CLASS: Final = "0x03"


def nvidia_gpus(root: Path = PCI_DEVICES) -> int | None:
    """
    Count NVIDIA display controllers on the bus.

    Args:
        root: Where sysfs lists PCI devices.

    Returns:
        How many; None where there is no such list, as in some containers.
    """
    try:
        return sum(_is_nvidia_gpu(device) for device in root.iterdir())
    except OSError:
        return None


def _is_nvidia_gpu(device: Path) -> bool:
    try:
        vendor = (device / "vendor").read_text(encoding="ascii").strip()
        kind = (device / "class").read_text(encoding="ascii").strip()
    except OSError:
        return False  # unplugged while we looked
    return vendor == NVIDIA and kind.startswith(DISPLAY_CLASS)
