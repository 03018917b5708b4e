"""One run of a ledger as a single transaction sees it: its days, and chosen entries."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import LedgerCorruptError
from goodput_exporter.ledger.days import DailyAmount
from goodput_exporter.ledger.entries import Entry
from goodput_exporter.ledger.extents import Extent, needed
from goodput_exporter.ledger.ledger import Finding, Reader
from goodput_exporter.ledger.reading import (
    account_rows,
    added_up,
    daily_amount,
    reach,
)
from goodput_exporter.ledger.shelves import Shelf


@dataclass(frozen=True, slots=True)
class OneRun:
    """
    One run, while its transaction is open.

    Args:
        shelf: The transaction.
        key: Which run.
        extent: How far it reaches.
    """

    shelf: Shelf
    key: RunKey
    extent: Extent

    def told_again(self) -> list[Entry]:
        """
        Return the entries that daily accounts do not replace, by their numbers.

        These are all that are no segments, and the segments that belong to an
        incident, are kept as another state, or lie beside others.
        """
        return self._entries("told_again", {"run_id": self.extent.run_id})

    def reaching(self, window: Span) -> list[Entry]:
        """Return the segments that reach into *window*, uncut, in time order."""
        bounds = reach(window, self.extent.run_id, self.extent.longest_ns)
        return [] if bounds is None else self._entries("segments", bounds)

    def days(self, first: int, last: int) -> list[DailyAmount]:
        """Return its daily amounts from one day to before another, in their order."""
        named = {"run_id": self.extent.run_id, "first": first, "last": last}
        rows = self.shelf.ask("days_of_run", named)
        return [daily_amount(self.key, row) for row in rows]

    def account(self, window: Span) -> Account:
        """Return what the ledger adds up; see ``Reader.account``."""
        asked = needed(self.shelf.where, self.key, self.extent, window)
        rows = account_rows(self.shelf, self.extent, asked)
        return added_up(self.shelf.where, self.key, rows)

    def saves(self, window: Span) -> int:
        """Count the stretches of time in *window* that saving took without a gap."""
        bounds = reach(window, self.extent.run_id, self.extent.longest_ns)
        if bounds is None:
            return 0
        count: int = self.shelf.ask("saves", bounds)[0][0]
        return count

    def _entries(self, name: str, values: dict[str, int]) -> list[Entry]:
        unreadable: list[Finding] = []
        found = list(self.shelf.entries(name, self.key, values, unreadable))
        if unreadable:
            raise LedgerCorruptError(unreadable[0].what)
        return found


class RunReader(Reader, Protocol):
    """A reader that also lends single runs; every stored ledger's is one."""

    def one_run(self, key: RunKey) -> AbstractContextManager[OneRun | None]:
        """Lend one run as a single transaction sees it; None where it is not there."""
