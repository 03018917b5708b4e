"""Senders whose clocks are wrong: their ages count, and our clock says when."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

import pytest

from goodput_exporter.domain.observations import RunObservation
from goodput_exporter.sources.reception import Reception
from goodput_exporter.sources.refusals import Flaw
from tests.fakes.crews import crew, in_step, init_until
from tests.fakes.heartbeats import process
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import GENEROUS, START_S, Observer

DAY_S: Final = 86_400.0
HOUR_S: Final = 3_600.0
ENDS_S: Final = 130.0

Wrong = Callable[[float], float]


class BootedAtZero:
    """A ledger clock whose kernel was started at the epoch."""

    @staticmethod
    def now_ns() -> int:
        """Return the beginning of the story."""
        return ns(START_S)

    @staticmethod
    def from_monotonic(mono_ns: int) -> int:
        """Return the same instant: both clocks began together."""
        return mono_ns


def two_in_step() -> list[Rank]:
    """Return two ranks that start up for 10 s and step for two minutes."""
    ranks = crew(2)
    init_until(ranks, 10)
    in_step(ranks, 0, 23, each=5.0, waits={(1, 7): 3.0})
    return ranks


def heard(wrong: Wrong) -> tuple[list[RunObservation], int]:
    """Return what an agent hears if rank 1's clock is wrong, and how often it was."""
    reception = Reception(BootedAtZero(), GENEROUS)
    seen: list[RunObservation] = []
    sent = sorted(
        (at_s, rank.rank, data)
        for rank in two_in_step()
        for at_s, data in rank.datagrams()
    )
    for at_s, number, data in sent:
        off_s = wrong(at_s) if number == 1 else 0.0
        told = json.loads(data) | {"mo": START_S + at_s + off_s}
        sender = process(100 + number)
        seen += reception.accept(json.dumps(told).encode(), sender, ns(START_S + at_s))
    return seen, reception.counted().flaws[Flaw.CLOCK]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda _: -DAY_S,
        lambda _: DAY_S,
        lambda at_s: 0.0 if at_s < 60 else -HOUR_S,
    ],
    ids=["a day behind", "a day ahead", "an hour back midway"],
)
def test_a_wrong_clock_changes_no_book(wrong: Wrong) -> None:
    """Nothing flips and nothing is negative; that it is wrong is counted."""
    honest, none_wrong = heard(lambda _: 0.0)
    seen, times_wrong = heard(wrong)

    books = Observer().watch(seen, ENDS_S)
    assert none_wrong == 0
    assert times_wrong > 20
    assert books.segments() == Observer().watch(honest, ENDS_S).segments()
    assert books.live()["productive"] > 200
    assert "unobserved" not in books.live()
    assert books.conserves()
