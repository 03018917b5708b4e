"""The books of a cluster's other shards, where all of them are in one database."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Final

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.energy_totals import EnergyTotals
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.errors import LedgerCorruptError, LedgerError
from goodput_exporter.ledger.ledger import BookedRun, RunReader
from goodput_exporter.services.sharding import Shard, shard_of

FIRST: Final = 0
"""The shard that keeps the cluster book, and divides all energy."""
READ_EVERY_NS: Final = 30 * NS_PER_SECOND
"""As often as energy is divided."""
READ_AT_ONCE: Final = 250
"""Runs of one tick: each is a question to the database, of about a millisecond."""

_log = logging.getLogger(__name__)

OpenBook = Callable[[int], RunReader]
"""Opens a shard's book to read it; raises LedgerError where it is not there."""


class OtherShards:
    """
    What one shard reads of the others' books.

    One place decides who held a GPU and what it drew meanwhile: the first shard. For
    the states of a run it reads the book of the shard that owns the run; that shard
    reads what the run drew, and shows it beside the rest of the run. So each joule is
    divided once, whatever each of them hears, and when.

    Args:
        shard: Ours.
        open_book: Opens another's book; None where each shard has a file of its own,
            which only it can read.
    """

    def __init__(self, shard: Shard, open_book: OpenBook | None = None) -> None:
        self._shard = shard
        self._open_book = open_book
        self._open: dict[int, RunReader] = {}
        self._away: dict[int, str] = {}
        self._shown: dict[RunKey, EnergyTotals] = {}
        self._read_ns = 0
        self._due: list[RunKey] = []
        self._is_failing = False

    @property
    def can_read(self) -> bool:
        """Tell whether the others' books are where ours is."""
        return self._open_book is not None

    def owns(self, key: RunKey) -> bool:
        """Tell whether a run is booked by another shard."""
        return not self._shard.owns(key)

    def look_again(self) -> None:
        """Try anew what could not be read: once for each look at many runs."""
        self._away.clear()

    def segments(self, key: RunKey, window: Span) -> list[Segment]:
        """
        Read a run's segments from the book of the shard that owns it.

        A book that could not be read is away until ``look_again``: each further run
        would wait as long for the same answer, and the tick with it.

        Raises:
            LedgerError: It is not there yet, or cannot be read now.
        """
        index = shard_of(key, self._shard.count)
        if index in self._away:
            raise LedgerError(self._away[index])
        try:
            return list(self._book(index).segments(key, window))
        except LedgerCorruptError:
            raise  # of this run alone
        except LedgerError as exc:
            self._away[index] = str(exc)
            raise

    def runs(self) -> list[BookedRun]:
        """Return the runs of all the others whose books can be read."""
        found: list[BookedRun] = []
        if self.can_read:
            for index in range(self._shard.count):
                if index != self._shard.index:
                    found += self._runs(index)
        return found

    def energy(self, keys: Iterable[RunKey], now_ns: int) -> tuple[EnergyTotals, ...]:
        """
        Return what the first shard has divided of our runs' energy.

        Args:
            keys: The runs that are shown.
            now_ns: The present; the book is read anew every half a minute, of many
                runs in as many ticks as that takes.
        """
        if not self.can_read or self._shard.is_first:
            return ()
        if not self._due and now_ns - self._read_ns >= READ_EVERY_NS:
            self._read_ns = now_ns
            self._due = list(keys)
            known = self._shown
            self._shown = {key: known[key] for key in self._due if key in known}
        if self._due:
            now, self._due = self._due[:READ_AT_ONCE], self._due[READ_AT_ONCE:]
            self._read(now)
        return tuple(self._shown.values())

    def close(self) -> None:
        """Let go of the books."""
        for book in self._open.values():
            book.close()
        self._open.clear()

    def _read(self, keys: Iterable[RunKey]) -> None:
        try:
            book = self._book(FIRST)
            found = {key: book.energy_totals(key) for key in keys}
        except LedgerError as exc:
            if not self._is_failing:
                _log.warning("the energy of runs cannot be read now: %s", exc)
            self._is_failing, self._due = True, []
            return
        self._is_failing = False
        self._shown |= {key: one for key, one in found.items() if one is not None}

    def _runs(self, index: int) -> list[BookedRun]:
        try:
            return self._book(index).runs()
        except LedgerError as exc:
            _log.info("the book of shard %d cannot be read now: %s", index, exc)
            return []

    def _book(self, index: int) -> RunReader:
        if index not in self._open:
            if self._open_book is None:
                msg = f"the book of shard {index} is in a ledger of its own"
                raise LedgerError(msg)
            self._open[index] = self._open_book(index)
        return self._open[index]
