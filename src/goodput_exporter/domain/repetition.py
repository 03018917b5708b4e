"""Of what the ranks of a node said between two pushes, what a fold needs to hear."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

from goodput_exporter.domain.coalescing import GROWING, repeats
from goodput_exporter.domain.hearing import hear
from goodput_exporter.domain.life import Life, Mark, born
from goodput_exporter.domain.limits import Durations
from goodput_exporter.domain.observations import RankExited, RankReport
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.states import Phase

RULES: Final = Rules()
"""Of a fold with the floors that rule 10 names. The agent knows no others."""

Seen = TypeVar("Seen")


class Retelling:
    """
    Leaves out reports that say what those before and after them say together.

    Within one unbroken phase a report lies on the line between its neighbours: a
    rank inside a long step or a long save need not say so every two seconds. A
    report stays where a phase or a step has ended since the last one that was told;
    the last one of each push stays always, so nothing is told later than it was.

    What is left out is nothing to a fold, and the fold's own ``hear`` decides that.
    The maxima over a node's ranks would be less to send, and something else: rule 6
    takes them over windows that end where the first rank of the *run* completes a
    step, which no node knows; and a sum of maxima is not the maximum of the sums.
    """

    def __init__(self) -> None:
        self._told: dict[str, RankReport] = {}

    def thinned(self, seen: Iterable[Seen]) -> list[Seen]:
        """
        Return what is to be told of one push, in its order.

        Args:
            seen: Observations of any kind, a rank's reports in the order in which
                it sent them.
        """
        kept: list[Seen | None] = []
        last: dict[str, int] = {}
        for one in seen:
            name = _name_of(one)
            at = None if name is None else last.get(name)
            if at is not None and self._is_outdone(kept[at], one):
                kept[at] = None
            elif at is not None:
                self._tell(kept[at])
            if name is not None:
                last[name] = len(kept)
            kept.append(one)
        for at in last.values():
            self._tell(kept[at])
        self._told = {name: self._told[name] for name in last if name in self._told}
        return [one for one in kept if one is not None]

    def _tell(self, one: object) -> None:
        if isinstance(one, RankReport):
            self._told[one.incarnation] = one
        elif isinstance(one, RankExited):
            self._told.pop(one.incarnation, None)

    def _is_outdone(self, earlier: object, later: object) -> bool:
        if not (isinstance(earlier, RankReport) and isinstance(later, RankReport)):
            return False
        before = self._told.get(earlier.incarnation)
        return before is not None and says_nothing(before, earlier, later)


def _name_of(one: object) -> str | None:
    """Return the incarnation that an observation is about; None where it is none."""
    return one.incarnation if isinstance(one, RankReport | RankExited) else None


def says_nothing(before: RankReport, between: RankReport, after: RankReport) -> bool:
    """
    Tell whether a report changes nothing for who hears its neighbours.

    What may be stalled is told as often as it is said: how much of it one step may
    get after all depends on where the line was, and the limit of rule 10 on others.

    Args:
        before: The last report that was told.
        between: The one in question, after it.
        after: The next one.
    """
    if (
        between.phase is not before.phase
        or after.at_ns - before.at_ns > RULES.window_ns
        or between.source == "inferred"  # each is a sign of training, or of none
        or any(getattr(between, name) != getattr(before, name) for name in GROWING)
        or not repeats(between, before)
        or not repeats(after, between)
        or _may_stall(between, after)
    ):
        return False
    return _heard(before, between, after) == _heard(before, after)


def _may_stall(between: RankReport, after: RankReport) -> bool:
    floor_ns = RULES.stall_floors_ns.get(between.phase)
    if floor_ns is None:
        return False
    age_ns = between.phase_age_ns
    if between.phase is Phase.TRAIN_STEP and between.step_age_ns is not None:
        age_ns = between.step_age_ns
    return after.at_ns - between.at_ns + age_ns >= floor_ns


def _heard(*reports: RankReport) -> tuple[Life, Durations, list[Mark]]:
    """Return what is known of a rank after the last of its reports."""
    life, durations = born(reports[0]), Durations()
    marks = [mark for one in reports for mark in hear(life, one, durations, RULES)]
    return life, durations, marks
