"""Runs and their books: observations in, one commit a tick, views of what it holds."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.advance import advance
from goodput_exporter.domain.bookings import Booking
from goodput_exporter.domain.describe import Around, Published, join_segments, view_of
from goodput_exporter.domain.fold import Fold, observe
from goodput_exporter.domain.observations import (
    RankExited,
    RankReport,
    RunObservation,
)
from goodput_exporter.domain.rolling import HOUR_NS
from goodput_exporter.domain.runs import RunKey, key_of
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.snapshot import RunView
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.tail import tail_of
from goodput_exporter.errors import LedgerCorruptError, LedgerError
from goodput_exporter.ledger.ledger import Batch, Ledger
from goodput_exporter.ledger.state import decode_state, encode_state

BACKLOG: Final = 200_000
"""Observations kept while the ledger fails; each report carries the whole state
of its rank, so what falls out of it costs resolution and no time."""
RECENT: Final = 600
DAY_NS: Final = 24 * HOUR_NS

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Tended:
    """One run in memory: its fold, its last committed state, what may be shown."""

    fold: Fold
    state: bytes
    published: Published = field(default_factory=Published)
    changed: bool = True


class Bookkeeper:
    """
    The runs of one cluster or machine.

    A figure is shown only after the ledger has committed it, so a counter
    can never go back, whenever this process is killed.

    Args:
        ledger: Where bookings go; this is its only writer.
        rules: The settings of the folds.
        cluster, namespace: Of runs that no workload owns.
        silence_ns: From when on a rank counts as silent in views.
        retention_ns: How long a finished run stays in sight.
    """

    def __init__(  # noqa: PLR0913 - services take values, each named at the call
        self,
        ledger: Ledger,
        rules: Rules,
        *,
        cluster: str,
        namespace: str,
        silence_ns: int,
        retention_ns: int,
    ) -> None:
        self._ledger = ledger
        self._rules = rules
        self._cluster = cluster
        self._namespace = namespace
        self._silence_ns = silence_ns
        self._retention_ns = retention_ns
        self._runs: dict[RunKey, Tended] = {}
        self._run_of: dict[str, RunKey] = {}
        self._backlog: deque[RunObservation] = deque(maxlen=BACKLOG)
        self._unsent: Batch | None = None
        self.entries = 0
        self.commits = 0
        self.failures = 0

    @property
    def is_committing(self) -> bool:
        """Tell whether the ledger took the last batch."""
        return self._unsent is None

    def resume(self, now_ns: int) -> list[Fold]:
        """
        Take up the runs that were open when an earlier life of this program ended.

        Returns:
            Their folds, so that the caller can look after their processes.
        """
        found = self._ledger.resume()
        for damage in found.damaged:
            _log.error("a run could not be resumed: %s", damage)
        for key, state in found.states.items():
            try:
                self._take_up(key, state, now_ns)
            except LedgerCorruptError:
                _log.exception("run %s could not be resumed; it begins anew", key)
        return [tended.fold for tended in self._runs.values()]

    def incarnations(self) -> list[str]:
        """Return the incarnations that live, as far as is known."""
        return [
            name
            for tended in self._runs.values()
            for name, life in tended.fold.lives.items()
            if life.is_alive
        ]

    def take(self, observations: Iterable[RunObservation]) -> None:
        """Take what sources saw; nothing is decided before the next tick."""
        self._backlog.extend(observations)

    def tick(self, now_ns: int, meta: Mapping[str, str] | None = None) -> bool:
        """
        Decide, write down, and only then publish.

        While the ledger fails, observations wait and nothing else happens.

        Returns:
            Whether the ledger is up to date.
        """
        if self._unsent is not None and not self._commit(self._unsent):
            return False
        while self._backlog:
            self._route(self._backlog.popleft(), now_ns)
        batch = self._decide(now_ns, dict(meta or {}))
        return batch is None or self._commit(batch)

    def views(self, now_ns: int, gpu_names: Mapping[str, str]) -> tuple[RunView, ...]:
        """Return what may be shown of every run in sight."""
        self._forget(now_ns)
        around = Around(now_ns, self._silence_ns, gpu_names)
        return tuple(self._view(tended, around) for tended in self._runs.values())

    def _view(self, tended: Tended, around: Around) -> RunView:
        # Both are copies of what is committed: one to count by, and one that is
        # driven on to now; the fold itself may be further than the ledger.
        ahead = decode_state(tended.state)
        tail = tail_of(ahead, around.now_ns, self._rules, self._silence_ns)
        committed = decode_state(tended.state)
        return view_of(committed, ahead, tended.published, tail, self._rules, around)

    def _route(self, seen: RunObservation, now_ns: int) -> None:
        key = self._run_of.get(seen.incarnation)
        if key is None:
            if isinstance(seen, RankExited):
                return
            key = key_of(seen, cluster=self._cluster, namespace=self._namespace)
            self._run_of[seen.incarnation] = key
        if key not in self._runs:
            if isinstance(seen, RankReport) and seen.role != "trainer":
                return
            self._open(key, now_ns)
        observe(self._runs[key].fold, seen)
        self._runs[key].changed = True

    def _open(self, key: RunKey, now_ns: int) -> None:
        state = self._ledger.state_of(key)
        if state is None:
            fold = Fold(key)
            self._runs[key] = Tended(fold, encode_state(fold))
        else:
            _log.info("run %s goes on", key)
            self._take_up(key, state, now_ns)

    def _take_up(self, key: RunKey, state: bytes, now_ns: int) -> None:
        fold = decode_state(state)
        fold.resumed_ns = now_ns
        tended = Tended(fold, state)
        tended.published.sealed = fold.book.live.copy()
        tended.published.restated = dict(fold.book.restated)
        lately = Span(now_ns - DAY_NS, now_ns)
        for segment in self._ledger.segments(key, lately):
            tended.published.rolling.add(segment, now_ns)
            tended.published.recent.append(segment)
        tended.published.recent = join_segments(tended.published.recent)[-RECENT:]
        self._runs[key] = tended
        self._run_of.update(dict.fromkeys(fold.lives, key))

    def _decide(self, now_ns: int, meta: dict[str, str]) -> Batch | None:
        bookings: list[tuple[RunKey, Booking]] = []
        states: dict[RunKey, bytes] = {}
        closed: set[RunKey] = set()
        for key, tended in self._runs.items():
            fold = tended.fold
            if fold.ended_ns is not None and not tended.changed:
                continue
            advance(fold, now_ns, self._rules)
            pending, fold.book.pending = fold.book.pending, []
            if not pending and not tended.changed:
                continue
            bookings += [(key, booking) for booking in pending]
            states[key] = encode_state(fold)
            if fold.ended_ns is not None:
                closed.add(key)
            tended.changed = bool(fold.inbox or fold.exits or fold.turns)
        if not states and not meta:
            return None
        return Batch(
            booked_ns=now_ns,
            bookings=bookings,
            states=states,
            closed=frozenset(closed),
            meta=meta,
        )

    def _commit(self, batch: Batch) -> bool:
        try:
            self._ledger.append(batch)
        except LedgerError as exc:
            self.failures += 1
            if self._unsent is None:
                _log.exception(
                    "the ledger took nothing; %d entries wait", len(batch.bookings)
                )
            else:
                _log.warning("the ledger still takes nothing: %s", exc)
            self._unsent = batch
            return False
        if self._unsent is not None:
            _log.info("the ledger takes entries again")
        self._unsent = None
        self.commits += 1
        self.entries += len(batch.bookings)
        self._publish(batch)
        return True

    def _publish(self, batch: Batch) -> None:
        for key, booking in batch.bookings:
            if isinstance(booking, Segment):
                published = self._runs[key].published
                published.rolling.add(booking, batch.booked_ns)
                published.recent.append(booking)
        for key, state in batch.states.items():
            tended = self._runs[key]
            tended.state = state
            tended.published.sealed = tended.fold.book.live.copy()
            tended.published.restated = dict(tended.fold.book.restated)
            tended.published.recent = join_segments(tended.published.recent)[-RECENT:]

    def _forget(self, now_ns: int) -> None:
        """Let finished runs go out of sight; the ledger keeps them."""
        for key, tended in list(self._runs.items()):
            ended_ns = tended.fold.ended_ns
            if ended_ns is None or tended.changed or self._unsent is not None:
                continue
            if now_ns - ended_ns > self._retention_ns:
                del self._runs[key]
                gone = [inc for inc, run in self._run_of.items() if run == key]
                for incarnation in gone:
                    del self._run_of[incarnation]
