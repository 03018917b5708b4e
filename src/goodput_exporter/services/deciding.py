"""What a tick decides of the runs whose turn it is, laid out for one commit."""

from __future__ import annotations

from goodput_exporter.domain.advance import advance
from goodput_exporter.domain.bookings import Booking
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.settings import Rules
from goodput_exporter.errors import AccountingError
from goodput_exporter.ledger.heard import encode_heard
from goodput_exporter.ledger.ledger import Batch
from goodput_exporter.ledger.state import encode_state
from goodput_exporter.services.shelf import Shelf
from goodput_exporter.services.tended import Tended, give_turns


class Deciding:
    """
    Runs in memory, a tick after the other.

    Args:
        shelf: The runs.
        rules: The settings of their folds.
        at_once: Runs that a tick looks at; of more, each has its turn.
    """

    def __init__(self, shelf: Shelf, rules: Rules, at_once: int) -> None:
        self._shelf = shelf
        self._rules = rules
        self._at_once = at_once
        self._ticks = 0

    def decide(self, now_ns: int) -> Batch:
        """
        Advance whose turn it is; of the others, take down what they were told.

        Returns:
            What must be committed of runs before anything of it is shown.
        """
        bookings: list[tuple[RunKey, Booking]] = []
        states: dict[RunKey, bytes] = {}
        heard: dict[RunKey, bytes] = {}
        closed: set[RunKey] = set()
        self._ticks += 1
        give_turns(self._shelf.runs.values(), self._ticks, self._at_once)
        for key, tended in self._shelf.runs.items():
            if tended.is_at_rest:
                continue
            if not tended.is_due:
                words = self._write_heard(key, tended)
                heard |= {} if words is None else {key: words}
                continue
            decided = self._decide_one(key, tended, now_ns)
            if decided is None:
                continue
            pending, states[key] = decided
            bookings += [(key, booking) for booking in pending]
            if tended.fold.ended_ns is not None:
                closed.add(key)
        return Batch(now_ns, bookings, states, heard, frozenset(closed))

    def _write_heard(self, key: RunKey, tended: Tended) -> bytes | None:
        """Encode what a run was told that waits for its turn, if anything."""
        if not tended.heard:
            return None
        try:
            words = encode_heard(tended.heard)
        except AccountingError:
            self._shelf.set_back(key)
            return None
        tended.heard = []
        return words

    def _decide_one(
        self, key: RunKey, tended: Tended, now_ns: int
    ) -> tuple[list[Booking], bytes] | None:
        """Advance one run; a fault in it costs what it saw since its last commit."""
        fold = tended.fold
        try:
            advance(fold, now_ns, self._rules)
            pending, fold.book.pending = fold.book.pending, []
            if not pending and not tended.changed:
                return None
            state = encode_state(fold)
        except Exception:  # noqa: BLE001 - one run's fault must not stop the others
            self._shelf.set_back(key)
            return None
        tended.heard, tended.is_urgent, tended.has_news = [], False, False
        tended.changed = bool(fold.inbox or fold.exits or fold.turns or fold.placements)
        return pending, state
