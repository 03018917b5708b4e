"""What is garbage in a cycle goes; what lives is not looked at again."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from goodput_exporter.services.garbage import SWEEP_SECONDS, Sweeping


class Knot:
    """Something that refers to itself."""

    def __init__(self) -> None:
        self.itself = self


class Clock:
    """Seconds that go on when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the present."""
        return self.now


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Collect by our own calls only, and leave nothing set aside."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


def test_what_died_since_the_last_tick_goes_with_the_next() -> None:
    """Requests leave cycles behind; they must not pile up between sweeps."""
    sweeping = Sweeping(Clock())
    knot = Knot()
    gone = weakref.ref(knot)
    del knot

    sweeping.settle()

    assert gone() is None


def test_what_lives_is_out_of_the_collectors_sight() -> None:
    """A full collection finds nothing to look at that was there at the tick."""
    lives = [Knot() for _ in range(100)]

    Sweeping(Clock()).settle()

    assert gc.get_freeze_count() > len(lives)
    assert not any(one is lives[0] for one in gc.get_objects())


def test_what_was_set_aside_and_died_later_goes_with_the_sweep() -> None:
    """It is kept no longer than until the next look at everything."""
    clock = Clock()
    sweeping = Sweeping(clock)
    knot = Knot()
    gone = weakref.ref(knot)
    sweeping.settle()
    del knot
    sweeping.settle()
    assert gone() is not None

    clock.now = SWEEP_SECONDS
    sweeping.settle()

    assert gone() is None
