"""Checkpoints that are whole or absent: compressed, hashed, synced, then renamed."""

from __future__ import annotations

import hashlib
import io
import os
import zlib
from pathlib import Path

import numpy as np

from charlm.model import Model

DIGEST_BYTES = 32
GROUPS = ("weights", "means", "squares")


class CorruptCheckpointError(Exception):
    """A checkpoint's content is not what was written."""


def save(folder: Path, step: int, model: Model, *, level: int = 6) -> Path:
    """
    Write a checkpoint of *step*; when this returns, a power cut cannot undo it.

    Args:
        folder: Where; created if missing.
        step: The last step whose update the weights hold.
        model: What to save.
        level: How hard zlib tries.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plain = io.BytesIO()
    arrays = {
        f"{group}.{name}": array
        for group in GROUPS
        for name, array in getattr(model, group).items()
    }
    np.savez(plain, updates=np.int64(model.updates), **arrays)
    packed = zlib.compress(plain.getbuffer(), level)
    path = folder / f"step-{step:06}.ckpt"
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(hashlib.sha256(packed).digest())
        file.write(packed)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    _sync_folder(folder)
    for old in saved(folder)[:-2]:
        old.unlink()
    return path


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable; without this a power cut may forget the name."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def saved(folder: Path) -> list[Path]:
    """Return the complete checkpoints, oldest first."""
    return sorted(folder.glob("step-*.ckpt"))


def step_of(path: Path) -> int:
    """Return the step that a checkpoint is of, from its name."""
    return int(path.stem.removeprefix("step-"))


def unpack(path: Path) -> bytes:
    """
    Read a checkpoint and check its hash.

    Raises:
        CorruptCheckpointError: The hash does not match.
    """
    content = path.read_bytes()
    digest, packed = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    if hashlib.sha256(packed).digest() != digest:
        msg = f"{path}: {len(content)} bytes do not match their SHA-256; a bad disk?"
        raise CorruptCheckpointError(msg)
    return zlib.decompress(packed)


def restore(path: Path) -> Model:
    """
    Return the model that a checkpoint holds.

    Raises:
        CorruptCheckpointError: The hash does not match.
    """
    with np.load(io.BytesIO(unpack(path))) as arrays:
        groups: dict[str, dict[str, np.ndarray]] = {group: {} for group in GROUPS}
        for key in arrays.files:
            group, _, name = key.partition(".")
            if name:
                groups[group][name] = arrays[key]
        return Model(**groups, updates=int(arrays["updates"]))
