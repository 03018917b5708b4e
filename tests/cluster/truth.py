"""What a story knows for itself, to hold the books against."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from goodput_exporter.domain.placement import STATE_OF_STAGE, Placement, Stage
from goodput_exporter.domain.spans import NS_PER_SECOND
from tests.cluster.following import Following

SECOND_S: Final = 1.0
"""The API's dates are whole seconds; a tick is a quarter of one."""
RUNNING: Final = STATE_OF_STAGE[Stage.RUNNING].value
WAITS: Final = tuple(state.value for state in STATE_OF_STAGE.values())


def is_within(one: Placement, from_ns: int, until_ns: int | None = None) -> bool:
    """
    Tell whether a placement is dated between two instants of the story.

    Args:
        one: The placement.
        from_ns: When the story did something.
        until_ns: When its effect was seen; None means now.
    """
    last_ns = time.time_ns() if until_ns is None else until_ns
    return from_ns - NS_PER_SECOND <= one.at_ns <= last_ns


def books_agree(books: Following, told: Iterable[Placement]) -> bool:
    """
    Tell whether a run's account is what its placements amount to, state by state.

    The ranks say nothing in these stories, so the stage is all there is; what they
    do while their pods run is one state here.
    """
    told = list(told)
    spent = books.settle(told[-1].key, told[-1].at_ns)
    booked = dict.fromkeys(WAITS, 0.0)
    for state, gpu_s in spent.items():
        booked[state if state in WAITS else RUNNING] += gpu_s
    expected = dict.fromkeys(WAITS, 0.0)
    for one, following in pairwise(told):
        state = STATE_OF_STAGE[one.stage].value
        lasted_s = (following.at_ns - one.at_ns) / NS_PER_SECOND
        expected[state] += one.asked * lasted_s
    most = max(one.asked for one in told) * SECOND_S
    wrong = {
        state: (expected[state], gpu_s)
        for state, gpu_s in booked.items()
        if abs(expected[state] - gpu_s) > most
    }
    assert not wrong, f"told and booked GPU-seconds differ: {wrong}"
    return True


def reasons(books: Following, subject: str) -> set[str]:
    """Return every reason that was told about a subject, such as ``pod/NS/NAME``."""
    return {one.reason for one in books.evidence if one.subject == subject}


def causes(books: Following, told: Iterable[Placement]) -> list[str]:
    """Return the causes of what interrupted a run, in order."""
    fold = books.fold(list(told)[-1].key)
    return [one.cause.value for one in fold.incidents]


def preemptors(books: Following, told: Iterable[Placement]) -> list[str]:
    """Return who took a run's place, interruption by interruption; empty unknown."""
    fold = books.fold(list(told)[-1].key)
    return [one.preempted_by for one in fold.incidents]
