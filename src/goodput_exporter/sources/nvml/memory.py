"""Which GPUs this node has had, kept over our restarts: UUIDs and their last index."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

LOG: Final = logging.getLogger(__name__)

MOST_GPUS: Final = 256
"""A node has 16; more is a file that is not ours, or years of replacements."""


class Remembered(msgspec.Struct, frozen=True):
    """The file: GPUs by UUID, with the NVML index that they had last."""

    gpus: dict[str, int] = {}


def recall(path: Path | None) -> dict[str, int]:
    """
    Return what was remembered; nothing, with a warning, where it cannot be read.

    Args:
        path: The file; None remembers nothing.
    """
    if path is None:
        return {}
    try:
        known = msgspec.json.decode(path.read_bytes(), type=Remembered).gpus
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as exc:
        LOG.warning(
            "%s: the GPUs seen earlier cannot be read (%s); GPUs that are gone "
            "already will not be missed, those seen from now on will",
            path,
            exc,
        )
        return {}
    return dict(list(known.items())[-MOST_GPUS:])


def remember(path: Path | None, gpus: Mapping[str, int]) -> None:
    """
    Replace what is remembered, whole or not at all.

    A disk that is full costs the memory and nothing else: it is logged.
    """
    if path is None:
        return
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.write_bytes(msgspec.json.encode(Remembered(dict(gpus))))
        fresh.replace(path)
    except OSError as exc:
        LOG.warning("%s: the GPUs seen cannot be remembered (%s)", path, exc)
