"""Text to learn from: compressed shards on disk, written once, read at every step."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ALPHABET = b" abcdefghijklmnopqrstuvwxyz.,?\n"
CONTEXT = 32
SHARDS = 8
SENTENCES = 60_000

# Subject, verb, object, and where: enough grammar for the loss to fall well below
# that of single letters, and little enough to be learned in a minute.
SUBJECTS = ("the operator", "a rank", "the scheduler", "one node", "a checkpoint")
VERBS = ("waits for", "restarts", "measures", "blames", "forgets", "outlives")
OBJECTS = ("the gradient", "a slow disk", "the network", "its own clock", "the ledger")
PLACES = ("in the rack", "before dawn", "after a step", "without a trace", "on purpose")

Batch = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Contexts, shape (examples, CONTEXT), and the letter that follows each."""


def prepare(folder: Path) -> list[Path]:
    """Write the shards that are missing, and return all of them, validation last."""
    folder.mkdir(parents=True, exist_ok=True)
    shards = [folder / f"shard-{number:02}.z" for number in range(SHARDS + 1)]
    for number, shard in enumerate(shards):
        if not shard.exists():
            part = shard.with_suffix(f".{os.getpid()}")
            part.write_bytes(zlib.compress(_text(seed=number), level=6))
            part.replace(shard)
    return shards


def _text(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    columns = [
        rng.choice(np.array(words), SENTENCES)
        for words in (SUBJECTS, VERBS, OBJECTS, PLACES)
    ]
    ends = rng.choice(np.array([".", "?", ", then"]), SENTENCES, p=[0.7, 0.1, 0.2])
    rows = zip(*columns, ends, strict=True)
    return "\n".join(" ".join(row[:4]) + row[4] for row in rows).encode()


def load(shard: Path) -> NDArray[np.uint8]:
    """Read one shard from disk, as indices into the alphabet."""
    index_of = np.zeros(256, np.uint8)
    index_of[list(ALPHABET)] = range(len(ALPHABET))
    text = np.frombuffer(zlib.decompress(shard.read_bytes()), np.uint8)
    indices: NDArray[np.uint8] = index_of[text]
    return indices


def batches(shards: list[Path], first_step: int, examples: int) -> Iterator[Batch]:
    """
    Yield the batch of *first_step*, of the next, and so on without end.

    A step's batch is a function of its number alone, so that steps redone after
    a restart see what they saw before.
    """
    step = first_step
    while True:
        yield batch(load(shards[step % len(shards)]), examples, seed=step)
        step += 1


def batch(text: NDArray[np.uint8], examples: int, *, seed: int) -> Batch:
    """Draw *examples* places of the text: the letters before, and the one there."""
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, len(text) - CONTEXT, examples)
    contexts = text[starts[:, None] + np.arange(CONTEXT)]
    return contexts, text[starts + CONTEXT]
