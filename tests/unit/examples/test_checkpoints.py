"""The example's checkpoints come back as they were, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from charlm import checkpoints
from charlm.model import Model, fresh, gradients, loss, update


@pytest.fixture(scope="module")
def model() -> Model:
    """Return a model with random weights."""
    return fresh(seed=1)


def test_a_restored_model_is_the_saved_one(tmp_path: Path, model: Model) -> None:
    """Weights, both moments and the count of updates survive the disk."""
    path = checkpoints.save(tmp_path, 40, model, level=1)

    again = checkpoints.restore(path)

    assert checkpoints.step_of(path) == 40
    assert again.updates == model.updates
    for group in checkpoints.GROUPS:
        before, after = getattr(model, group), getattr(again, group)
        assert before.keys() == after.keys()
        assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_flipped_bit_is_refused(tmp_path: Path, model: Model) -> None:
    """A damaged checkpoint stops the restart instead of poisoning the training."""
    path = checkpoints.save(tmp_path, 1, model, level=1)
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)

    with pytest.raises(checkpoints.CorruptCheckpointError, match="SHA-256"):
        checkpoints.restore(path)


def test_the_newest_two_are_kept(tmp_path: Path, model: Model) -> None:
    """A crash during a save leaves the one before it."""
    small = Model({"w": model.weights["b1"]}, updates=3)
    for step in (20, 40, 60):
        checkpoints.save(tmp_path, step, small)

    assert [checkpoints.step_of(path) for path in checkpoints.saved(tmp_path)] == [
        40,
        60,
    ]
    assert not list(tmp_path.glob("*.part"))


def test_training_lowers_the_loss() -> None:
    """Adam on one micro-batch learns it: the example's work is real."""
    learner = fresh(seed=2)
    rng = np.random.default_rng(0)
    part = (
        rng.integers(0, 31, (64, 32), dtype=np.uint8),
        rng.integers(0, 31, 64, dtype=np.uint8),
    )
    before = loss(learner.weights, part)

    for _ in range(5):
        update(learner, gradients(learner.weights, part)[1])

    assert loss(learner.weights, part) < before - 0.1
