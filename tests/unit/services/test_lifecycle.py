"""The ticker goes on whatever a tick does, and stops when told, between two ticks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from goodput_exporter.services.lifecycle import Pace, Ticker

SOON_S = 10.0
"""Longer than any wait below should take, on the slowest machine."""


class Diary:
    """
    A tick that writes down when it was called, and does as it is told.

    Args:
        after: How many ticks to wait for.
        act: What to do in a tick, told its number from 0.
    """

    def __init__(self, after: int, act: Callable[[int], None] | None = None) -> None:
        self.paces: list[Pace] = []
        self.enough = threading.Event()
        self._after = after
        self._act = act

    def __call__(self, pace: Pace) -> None:
        """Be one tick."""
        self.paces.append(Pace(pace.ticks, pace.lag_seconds, pace.took_seconds))
        number = len(self.paces) - 1
        if len(self.paces) >= self._after:
            self.enough.set()
        if self._act is not None:
            self._act(number)


@contextmanager
def ticking(diary: Diary, seconds: float = 0.001) -> Iterator[Ticker]:
    """Let a ticker run until the diary has enough, then stop it."""
    ticker = Ticker(diary, seconds)
    ticker.start()
    try:
        yield ticker
        assert diary.enough.wait(SOON_S)
    finally:
        ticker.stop()


def test_a_tick_that_raises_is_logged_and_the_next_one_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One bad second must not end the accounting of a month."""

    def fail_first(number: int) -> None:
        if number == 0:
            msg = "division by a run without ranks"
            raise ZeroDivisionError(msg)

    diary = Diary(3, fail_first)
    with ticking(diary):
        pass

    assert len(diary.paces) >= 3
    assert "a tick failed; the next one is tried" in caplog.text
    assert "division by a run without ranks" in caplog.text
    assert "Traceback" in caplog.text


def test_stopping_waits_for_the_tick_in_progress() -> None:
    """Whoever stops it closes the ledger next: no tick may still be writing."""
    begun, finish = threading.Event(), threading.Event()
    done: list[int] = []

    def slow(number: int) -> None:
        begun.set()
        assert finish.wait(SOON_S)
        done.append(number)

    ticker = Ticker(Diary(1, slow), 0.001)
    ticker.start()
    assert begun.wait(SOON_S)
    stopper = threading.Thread(target=ticker.stop)
    stopper.start()

    assert stopper.is_alive()
    assert done == []
    finish.set()
    stopper.join(SOON_S)
    assert not stopper.is_alive()
    assert not ticker.is_alive()
    assert done == [0]


def test_late_ticks_are_not_made_up_for() -> None:
    """After a tick of thirty paces one comes at once, not thirty in a row."""
    release = threading.Event()
    pace_s = 0.01

    def hang_once(number: int) -> None:
        if number == 0:
            release.wait(30 * pace_s)

    diary = Diary(4, hang_once)
    with ticking(diary, pace_s):
        pass

    # Made-up ticks would all be late by what is left of the thirty.
    assert diary.paces[1].took_seconds >= 29 * pace_s
    assert diary.paces[1].lag_seconds >= 28 * pace_s
    assert diary.paces[3].lag_seconds < 15 * pace_s


def test_a_ticker_that_never_began_can_be_stopped() -> None:
    """A start that fails half-way stops what it has made."""
    diary = Diary(1)
    ticker = Ticker(diary, 0.001)

    ticker.stop()

    assert diary.paces == []


def test_the_pace_counts_ticks_and_measures_them() -> None:
    """The exporter's own health rests on it."""
    diary = Diary(5)
    with ticking(diary):
        pass

    assert [pace.ticks for pace in diary.paces[:5]] == [0, 1, 2, 3, 4]
    assert all(pace.lag_seconds >= 0 for pace in diary.paces)
    assert all(pace.took_seconds >= 0 for pace in diary.paces)
