"""Which rank the others wait for, where phases tell; step times alone cannot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median_low
from typing import Final

from goodput_exporter.domain.life import Life
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Phase

COMPARED: Final = (
    Phase.DATA_LOADING,
    Phase.CHECKPOINT_SAVE,
    Phase.EVAL,
    Phase.OTHER,
)
"""Phases that a rank may be in alone, before it meets the others in a step."""
START_UP: Final = (Phase.INIT, Phase.COMPILE, Phase.CHECKPOINT_RESTORE)
STANDS_OUT: Final = 0.05
"""So much more of its time than the middle rank: what makes a step slow (rule 9)."""
SHOWN: Final = 3
LEAST_NS: Final = 20 * NS_PER_SECOND
"""Two windows of rule 6: in less, one wait for a file makes a rank stand out."""
EVERY_NS: Final = 10 * NS_PER_SECOND
RECENT_NS: Final = 600 * NS_PER_SECOND

Spent = tuple[int, ...]
"""Nanoseconds since an incarnation's start-up, and of them in each of ``COMPARED``."""
NOTHING: Final[Spent] = (0,) * (1 + len(COMPARED))


@dataclass(frozen=True, slots=True)
class WaitedFor:
    """
    A rank that spends more of its time in a phase than the others do.

    Args:
        incarnation: Its life.
        share, middle_share: The part of its time that it was in the phase, and
            the same of the middle rank: of the last ten minutes at most.
    """

    rank: int
    incarnation: str
    phase: Phase
    share: float
    middle_share: float


@dataclass(slots=True)
class Pacing:
    """
    Who is waited for in one run, as it was found last.

    Held in memory only: after a restart of the exporter shares are of whole
    lives until ``RECENT_NS`` have passed.

    Args:
        ranks: How many could be compared.
        waited_for: Those whose waits the others share, the longest first.
        looked_ns: When that was found.
        turned_ns, before: When time was last counted anew, and what each
            incarnation had spent by then.
    """

    ranks: int = 0
    waited_for: tuple[WaitedFor, ...] = ()
    looked_ns: int | None = None
    turned_ns: int = 0
    before: Mapping[str, Spent] = field(default_factory=dict)

    def look(self, lives: Iterable[Life], now_ns: int) -> None:
        """
        Compare the ranks, every ``EVERY_NS``.

        In a synchronous job a rank that waits before the step makes all others
        wait inside theirs: its own phase stands out, and the step times are all
        alike. A rank that is slow inside the step cannot be told from those
        that wait for it there, so none is named for that.
        """
        if self.looked_ns is None:
            self.turned_ns = now_ns
        elif now_ns - self.looked_ns < EVERY_NS:
            return
        self.looked_ns = now_ns
        there = {one.incarnation: one for one in lives if _can_be_compared(one)}
        spent = {name: spent_by(life) for name, life in there.items()}
        shares = dict(self._shares(spent))
        if len(shares) > 1:
            self.ranks = len(shares)
            self.waited_for = tuple(_standing_out(shares, there))
        else:  # it is too early, and what was found holds of those that still live
            self.ranks = min(self.ranks, len(there))
            self.waited_for = tuple(
                w for w in self.waited_for if w.incarnation in there
            )
        if now_ns - self.turned_ns >= RECENT_NS:
            self.turned_ns, self.before = now_ns, spent

    def _shares(
        self, spent: Mapping[str, Spent]
    ) -> Iterator[tuple[str, tuple[float, ...]]]:
        for name, whole in spent.items():
            looped_ns, *of_phases = map(
                int.__sub__, whole, self.before.get(name, NOTHING)
            )
            if looped_ns >= LEAST_NS:
                yield name, tuple(ns / looped_ns for ns in of_phases)


def _can_be_compared(life: Life) -> bool:
    has_said = life.active_ns is None and life.rank >= 0
    return life.is_alive and has_said and life.steps_done > 0


def spent_by(life: Life) -> Spent:
    """Return what an incarnation has spent since its start-up, by phase."""
    spent_ns = life.cum_ns.get
    starting_ns = sum([spent_ns(phase, 0) for phase in START_UP])
    looped_ns = max(0, life.up_ns - starting_ns)
    return (looped_ns, *[spent_ns(phase, 0) for phase in COMPARED])


def _standing_out(
    shares: Mapping[str, tuple[float, ...]], lives: Mapping[str, Life]
) -> list[WaitedFor]:
    found = []
    for at, phase in enumerate(COMPARED):
        middle = median_low(of_rank[at] for of_rank in shares.values())
        found += [
            WaitedFor(lives[name].rank, name, phase, of_rank[at], middle)
            for name, of_rank in shares.items()
            if of_rank[at] - middle >= STANDS_OUT
        ]
    found.sort(key=lambda one: (one.middle_share - one.share, one.rank))
    return found[:SHOWN]
