"""One run in memory, and what may be shown of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from goodput_exporter.domain.describe import Around, Published, view_of
from goodput_exporter.domain.evidence import Evidence
from goodput_exporter.domain.fold import Fold, Observation, observe
from goodput_exporter.domain.observations import Delivered, RankReport
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.snapshot import RunView
from goodput_exporter.domain.tail import tail_of
from goodput_exporter.ledger.state import decode_state

ROUND: Final = 10
"""Ticks within which each run has its turn, however many there are: at one a second,
what is shown of it is no older than ten seconds."""


@dataclass(slots=True)
class Tended:
    """
    One run in memory: its fold, its last committed state, what may be shown.

    Args:
        agents: Who has delivered reports of it, in this life of the program.
        later: What the ledger holds behind that state: joined when it is read only.
        heard: What the fold was told and the ledger was not, yet.
        changed: The fold holds something that is not in *state*.
        is_urgent: It does not wait for its turn.
        has_news: It was told something that people wait for; at its turn they see it.
        is_due: It has its turn at this tick: it is decided, and shown anew.
        turn: The tick at which it had its last turn.
        closed_ns: When the end of the run was written down.
        view: The last one; exposition keeps what it made of the same object.
        shown: What that view rests on.
    """

    fold: Fold
    state: bytes
    agents: set[str] = field(default_factory=set)
    later: list[bytes] = field(default_factory=list)
    heard: list[Observation] = field(default_factory=list)
    published: Published = field(default_factory=Published)
    changed: bool = True
    is_urgent: bool = False
    has_news: bool = False
    is_due: bool = True
    turn: int = 0
    closed_ns: int | None = None
    view: RunView | None = None
    shown: tuple[bytes, Mapping[str, str], int] | None = None

    @property
    def is_at_rest(self) -> bool:
        """Tell whether it is over, and all of that is written down."""
        return self.fold.ended_ns is not None and not self.changed

    def tell(self, seen: Iterable[Observation]) -> None:
        """Let the fold observe something; of a run that is over it is decided now."""
        for each in seen:
            self.has_news = self.has_news or _is_news(self.fold, each)
            observe(self.fold, each)
            self.heard.append(each)
        self.changed = True
        # It may be closed in the ledger: a restart would not look behind its state.
        self.is_urgent = self.is_urgent or self.fold.ended_ns is not None

    def show(self, around: Around, rules: Rules) -> RunView:
        """Return what is committed, as it looks now; the same object if it is."""
        if self.view is not None and self.shown == self._basis(self.view, around):
            return self.view
        # A copy of what is committed, driven on to now; the fold itself may be
        # further than the ledger.
        ahead = decode_state(self._committed())
        tail = tail_of(ahead, around.now_ns, rules, around.silence_ns)
        self.published.pacing.look(ahead.lives.values(), around.now_ns)
        self.view = view_of(ahead, tail, self.published, rules, around)
        self.shown = self._basis(self.view, around)
        return self.view

    def set_back(self) -> None:
        """Go back to the last commit, without what has been seen since."""
        self.fold = decode_state(self._committed())
        self.fold.inbox, self.fold.exits, self.fold.placements = [], [], []
        self.heard, self.has_news = [], False
        self.changed = True

    def _committed(self) -> bytes:
        if self.later:
            self.state, self.later = b"".join((self.state, *self.later)), []
        return self.state

    def _basis(
        self, view: RunView, around: Around
    ) -> tuple[bytes, Mapping[str, str], int]:
        """Return what a view rests on; for a run that is over, time does not count."""
        at_ns = around.now_ns if view.ended_ns is None else view.ended_ns
        return self._committed(), around.gpu_names, at_ns


def _is_news(fold: Fold, seen: Observation) -> bool:
    """Tell whether people wait for a word: pods, ends, and what explains them."""
    match seen:
        case RankReport():
            return seen.is_bye
        case Evidence():
            return seen not in fold.seen
        case Delivered():
            return False
    return True


def give_turns(runs: Iterable[Tended], tick: int, at_once: int) -> None:
    """
    Choose whom a tick looks at: the urgent ones, who has news, who has waited longest.

    However much news there is, it takes no turn from the last of these: of *n* runs
    a ``ROUND``-th part has its turn by its wait alone, so nobody waits longer.

    Args:
        runs: All of them; they are told whether it is their turn.
        tick: Its number, from 1.
        at_once: How many have their turn beside the urgent ones, news or not; more
            of those that have waited longest where that is less than their part.
    """
    moving = [tended for tended in runs if not tended.is_at_rest]
    moving.sort(key=attrgetter("turn"))
    has_news = [tended for tended in moving if tended.has_news][:at_once]
    for tended in has_news:
        tended.turn = tick
    by_wait = max(at_once - len(has_news), -(-len(moving) // ROUND))
    rest = (tended for tended in moving if tended.turn != tick)
    for place, tended in enumerate(rest):
        if place < by_wait or tended.is_urgent:
            tended.turn = tick
    for tended in moving:
        tended.is_due = tended.turn == tick
