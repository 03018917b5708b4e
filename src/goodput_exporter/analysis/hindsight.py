"""
A run's entries as two views: as it was booked, and as it is known today.

The ledger's entries say what was booked, and afterwards what was moved. The
settled view puts every move where it belongs in time, so that it can be asked
about any window: executed steps that were not kept are ``lost`` where they were
executed, and time whose cause is known better carries the better one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from goodput_exporter.analysis.retelling import Retelling
from goodput_exporter.analysis.stretches import Stretch, booked, joined
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.bookings import (
    Booking,
    Reattribution,
    Restatement,
    RunEvent,
)
from goodput_exporter.domain.corrected import is_about_time
from goodput_exporter.domain.spans import Span


@dataclass(frozen=True, slots=True)
class Hindsight:
    """
    What one run's entries say.

    Args:
        live: As it was booked; never taken back. Sums to the ledger's account.
        known: The same in the live view's words, after what was moved: redone
            steps are still ``recomputing``, and nothing is ``lost``.
        settled: After what was moved, in the settled view's words.
        unplaced_gpu_ns: GPU time that an entry moves and no earlier entry holds;
            zero in a sound ledger.
    """

    live: tuple[Stretch, ...]
    known: tuple[Stretch, ...]
    settled: tuple[Stretch, ...]
    unplaced_gpu_ns: int


def hindsight(bookings: Iterable[Booking]) -> Hindsight:
    """
    Tell a run's entries in every view.

    Args:
        bookings: All of one run, in the order of their numbers.
    """
    told = list(bookings)
    tale = Retelling(_told_lost(told))
    live: list[Stretch] = []
    for one in told:
        match one:
            case Segment():
                live.append(booked(one))
                tale.add(one)
            case Restatement():
                tale.restate(one)
            case Reattribution():
                tale.recause(one)
            case RunEvent():
                tale.happen(one)
    live.sort(key=_place)
    parts = sorted(tale.parts(), key=lambda part: part.span)
    return Hindsight(
        tuple(joined(live)),
        tuple(joined(part.as_known() for part in parts)),
        tuple(joined(one for part in parts for one in part.as_settled())),
        tale.unplaced_gpu_ns,
    )


def _place(stretch: Stretch) -> Span:
    return stretch.span


def _told_lost(bookings: Iterable[Booking]) -> frozenset[int]:
    """
    Return the instants at which an entry says how much was lost.

    For a restore there is none: the event says how much, and its step says where.
    """
    return frozenset(
        one.at_ns
        for one in bookings
        if isinstance(one, Restatement) and not is_about_time(one)
    )
