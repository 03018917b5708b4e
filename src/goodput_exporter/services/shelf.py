"""The runs in memory: opened when they are heard of, forgotten when they are over."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Final

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.bookings import Booking
from goodput_exporter.domain.describe import counted_of
from goodput_exporter.domain.evidence import Evidence
from goodput_exporter.domain.fold import Fold, Observation
from goodput_exporter.domain.observations import Delivered, RankExited, RankReport
from goodput_exporter.domain.placement import Owner, Placement
from goodput_exporter.domain.rolling import HOUR_NS
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import LedgerCorruptError
from goodput_exporter.ledger.ledger import Ledger
from goodput_exporter.ledger.state import decode_state, encode_state
from goodput_exporter.services.routing import Router
from goodput_exporter.services.tended import Tended

RUNS: Final = 2_000
"""Runs in memory at once: ten times what one machine trains; a sender that makes
up run ids ends here, and each of them costs about 5 kB and 0.1 ms a tick."""
STRAYS: Final = 1_000
"""Incarnations remembered beyond those that matter, before a clean-up pays."""
DAY_NS: Final = 24 * HOUR_NS

_log = logging.getLogger(__name__)


class Shelf:
    """
    Runs by their keys, and which observation is about which of them.

    Args:
        ledger: Where runs that are not in memory are read from.
        router: What is known of where runs are.
        retention_ns: How long a finished run stays once its end is written down.
        most_runs: Runs in memory at once; reports of further ones are refused.
    """

    def __init__(
        self, ledger: Ledger, router: Router, retention_ns: int, most_runs: int = RUNS
    ) -> None:
        self._ledger = ledger
        self._router = router
        self._retention_ns = retention_ns
        self._most_runs = most_runs
        self._agents: dict[str, set[RunKey]] = {}
        self._told: dict[str, Delivered] = {}
        self._since_ns = 0
        self._is_full = False
        self.runs: dict[RunKey, Tended] = {}
        self.refused = 0
        self.setbacks = 0

    def route(self, seen: Observation, agent: str, now_ns: int) -> None:
        """
        Give an observation to the runs that it is about.

        Raises:
            LedgerError: The run may be in the ledger, which cannot be read now.
        """
        match seen:
            case RankReport():
                self._route_report(seen, agent, now_ns)
            case RankExited():
                key = self._router.run_of(seen.incarnation)
                self._give([] if key is None else [key], seen)
            case Placement():
                self._route_placement(seen, now_ns)
            case Evidence():
                self._give(self._router.runs_about(seen), seen)
            case Delivered():
                self._told[seen.agent] = seen
                self._give(self._agents.get(seen.agent, ()), seen)

    def _route_report(self, seen: RankReport, agent: str, now_ns: int) -> None:
        if seen.role != "trainer":
            return
        known = self._router.run_of(seen.incarnation)
        tended = None if known is None else self.runs.get(known)
        if tended is not None and (not agent or agent in tended.agents):
            # All but the first report of a rank: nothing is new but what it says.
            tended.tell((seen,))
            return
        key = self._router.run_of_report(seen)
        if key not in self.runs and not self.open(key, now_ns):
            return
        if agent:
            self._agents.setdefault(agent, set()).add(key)
            self.runs[key].agents.add(agent)
        # A rank that begins: its run starts up, or is coming back.
        self.runs[key].has_news |= known is None
        lately = self._router.bind(seen.incarnation, key)
        # A rank that waited for its pod comes after what its agent has vouched for.
        told = [self._told[agent]] if agent in self._told else []
        self._give([key], seen, *lately, *told)

    def _route_placement(self, seen: Placement, now_ns: int) -> None:
        if seen.key not in self.runs:
            is_news = seen.ended is None or self._ledger.state_of(seen.key) is not None
            if not is_news or not self.open(seen.key, now_ns):
                return
        self._give([seen.key], seen, *self._router.locate(seen))

    def _give(self, keys: Iterable[RunKey], *seen: Observation) -> None:
        for key in keys:
            if key in self.runs:
                self.runs[key].tell(seen)

    def open(self, key: RunKey, now_ns: int) -> bool:
        """
        Begin a run or go on with one; False where there is no room for it.

        Raises:
            LedgerError: It may be in the ledger, which cannot be read now.
        """
        if len(self.runs) >= self._most_runs:
            self._refuse(key)
            return False
        self._is_full = False
        try:
            state = self._ledger.state_of(key)
            if state is not None:
                self.take_up(key, state, now_ns)
                self.runs[key].is_urgent = True
                _log.info("run %s goes on", key)
                return True
            fold = Fold(key, resumed_ns=self._since_ns)
        except LedgerCorruptError:
            fold = self._anew(key)
            _log.exception("run %s has a damaged state and begins anew", key)
        self.runs[key] = Tended(fold, encode_state(fold), is_urgent=True)
        return True

    def _refuse(self, key: RunKey) -> None:
        self.refused += 1
        if not self._is_full:
            _log.warning(
                "run %s is refused: %d runs are in memory already; look for a job "
                "that makes up run ids (GOODPUT_RUN_ID)",
                key,
                len(self.runs),
            )
        self._is_full = True

    def _anew(self, key: RunKey) -> Fold:
        """Begin a run again behind its last entry: no instant is booked twice."""
        fold = Fold(key)
        ends = [segment.span.end_ns for segment in self.segments(key, None)]
        # Of days that were folded no segment is left, but their end is known.
        known = (run.last_ns for run in self._ledger.runs() if run.key == key)
        ends += [last_ns for last_ns in known if last_ns is not None]
        if ends:
            fold.opened_ns = fold.line_ns = max(ends)
        return fold

    def segments(self, key: RunKey, window: Span | None) -> list[Segment]:
        """Read a run's segments; what cannot be read is said and left out."""
        try:
            return list(self._ledger.segments(key, window))
        except LedgerCorruptError:
            _log.exception("run %s: its earlier entries cannot be read", key)
            return []

    def owner_of(self, key: RunKey) -> Owner:
        """
        Return whose a run is, in memory or over.

        Raises:
            LedgerCorruptError: Its state is not what was written.
            LedgerError: The ledger cannot be read.
        """
        if key in self.runs:
            return self.runs[key].fold.owner
        state = self._ledger.state_of(key)
        return Owner() if state is None else decode_state(state).owner

    def take_up(self, key: RunKey, state: bytes, now_ns: int) -> None:
        """
        Go on with a run from its stored state.

        Raises:
            LedgerCorruptError: The state is not what was written.
        """
        fold = decode_state(state)
        fold.resumed_ns = now_ns
        tended = Tended(fold, state)
        lately = Span(now_ns - DAY_NS, now_ns)
        booked: list[Booking] = [*self.segments(key, lately), *fold.book.decided_since]
        tended.published.add(booked, now_ns)
        tended.published.counted = counted_of(fold)
        self.runs[key] = tended
        for name in _known(fold):
            self._router.bind(name, key)
        if fold.placed is not None:
            self._router.locate(fold.placed)
        for agent in fold.delivered:
            self._agents.setdefault(agent, set()).add(key)

    def come_back(self, now_ns: int) -> None:
        """Wait for what ranks and agents say, as after a start."""
        for tended in self.runs.values():
            if not tended.is_at_rest:
                tended.fold.resumed_ns = now_ns
                tended.changed = True

    def take_up_finished(self, now_ns: int) -> None:
        """
        Keep in sight what has just ended: its last figures may be scraped yet.

        This ends the taking up. What is heard of a new run from before then was
        said while this program was away, and more of it may wait with the agents.
        """
        self._since_ns = now_ns
        for run in self._ledger.runs():
            is_recent = now_ns - (run.last_ns or 0) <= self._retention_ns
            if not run.closed or not is_recent or run.key in self.runs:
                continue
            state = self._ledger.state_of(run.key)
            if state is None:
                continue
            try:
                self.take_up(run.key, state, now_ns)
            except LedgerCorruptError:
                _log.exception("run %s is over; its state cannot be read", run.key)
                continue
            self.runs[run.key].changed = False
            self.runs[run.key].closed_ns = run.last_ns

    def incarnations(self) -> Iterator[str]:
        """Yield the incarnations that live, and those whose first report waits."""
        for tended in self.runs.values():
            lives = tended.fold.lives
            yield from (name for name, life in lives.items() if life.is_alive)
            waiting = {report.incarnation for report in tended.fold.inbox}
            yield from waiting.difference(lives, tended.fold.buried)

    def set_back(self, key: RunKey) -> None:
        """Take a run back to its last commit; to be called where an error is known."""
        _log.exception("run %s cannot go on; back to its last commit", key)
        self.setbacks += 1
        self.runs[key].set_back()

    def forget(self, now_ns: int) -> None:
        """Let finished runs go out of sight; the ledger keeps them."""
        gone = {
            key
            for key, tended in self.runs.items()
            if tended.closed_ns is not None
            and not tended.changed
            and now_ns - tended.closed_ns > self._retention_ns
        }
        for key in gone:
            del self.runs[key]
        self._router.forget(gone)
        for agent in list(self._agents):
            self._agents[agent] -= gone
            if not self._agents[agent]:
                del self._agents[agent]
        lives = sum(len(tended.fold.lives) for tended in self.runs.values())
        if self._router.incarnations > 2 * lives + STRAYS:
            self._router.keep(
                {
                    name: key
                    for key, tended in self.runs.items()
                    for name in _known(tended.fold)
                }
            )


def _known(fold: Fold) -> set[str]:
    """Return the incarnations that an observation of their ends would be about."""
    return {*fold.lives, *(report.incarnation for report in fold.inbox)}
