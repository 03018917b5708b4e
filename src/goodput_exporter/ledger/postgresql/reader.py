"""What can be read of one book in a PostgreSQL database, whoever writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

from goodput_exporter.domain.accounting import Account, Segment
from goodput_exporter.domain.energy_meter import EnergyPart
from goodput_exporter.domain.energy_totals import EnergyTotals
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import LedgerCorruptError
from goodput_exporter.ledger import audit
from goodput_exporter.ledger.days import DailyAmount, DaySums, summed
from goodput_exporter.ledger.energy_rows import overlaps
from goodput_exporter.ledger.entries import Entry
from goodput_exporter.ledger.extents import Extent, needed
from goodput_exporter.ledger.gpu_days import GpuDay, GpuReach, decode_day
from goodput_exporter.ledger.gpu_lines import GpuLine
from goodput_exporter.ledger.ledger import BookedRun, Compacted, Finding, Resume
from goodput_exporter.ledger.one_run import OneRun
from goodput_exporter.ledger.postgresql import energy, gpus
from goodput_exporter.ledger.postgresql.compaction import compact
from goodput_exporter.ledger.postgresql.connections import (
    ROWS_FETCHED,
    Address,
    Connection,
    Readers,
    statement,
)
from goodput_exporter.ledger.postgresql.failures import explained
from goodput_exporter.ledger.postgresql.naming import from_text
from goodput_exporter.ledger.postgresql.owners import (
    extent_of,
    meta_of,
    named,
)
from goodput_exporter.ledger.postgresql.shelf import entries, shelf_of, whole
from goodput_exporter.ledger.reading import (
    ALWAYS,
    account_rows,
    added_up,
    daily_amount,
    intact,
    reach,
    start_of,
)


class PostgresReader:
    """
    One book of a database that other books share; nothing in it is changed.

    Args:
        address: The database, with a migrated ledger.
        book: The book's number there.
    """

    def __init__(self, address: Address, book: int) -> None:
        self._address = address
        self._book = book
        self._readers = Readers(address)

    def resume(self) -> Resume:
        """Return what a restart goes on from."""
        with self._reading() as db:
            values = meta_of(db, self._book)
            rows = db.execute(statement("open_states"), {"book": self._book}).fetchall()
        states: dict[RunKey, bytes] = {}
        damaged: list[LedgerCorruptError] = []
        for cluster, namespace, run, *stored in rows:
            key = RunKey(*map(from_text, (cluster, namespace, run)))
            try:
                states[key] = intact(self._address, key, *stored)
            except LedgerCorruptError as exc:
                damaged.append(exc)
        return Resume(states, values, tuple(damaged))

    def state_of(self, key: RunKey) -> bytes | None:
        """Return one run's last state, closed or not; None if it never had one."""
        with self._reading(f"read the state of run {key}") as db:
            row = db.execute(statement("state_of"), self._named(key)).fetchone()
        return None if row is None else intact(self._address, key, *row)

    def runs(self) -> list[BookedRun]:
        """Return every run of the book, in the order of their keys."""
        with self._reading() as db:
            rows = db.execute(statement("all_runs"), {"book": self._book}).fetchall()
        runs = [
            BookedRun(
                RunKey(*map(from_text, names)), first_ns, last_ns, closed, start_of(day)
            )
            for *names, first_ns, last_ns, closed, day in rows
        ]
        return sorted(
            runs, key=lambda run: run.key
        )  # the server's order is its locale's

    def bookings(self, key: RunKey) -> Iterator[Entry]:
        """Yield one run's entries in the order of their numbers."""
        return self._entries("bookings", key, ALWAYS)

    def segments(self, key: RunKey, window: Span | None = None) -> Iterator[Segment]:
        """Yield, in time order and uncut, the segments that reach into *window*."""
        for entry in self._entries("segments", key, window or ALWAYS):
            if isinstance(entry.booking, Segment):
                yield entry.booking

    def account(self, key: RunKey, window: Span | None = None) -> Account:
        """Return ``tally`` of the run's segments in *window*, added up there."""
        with self._reading(f"account for run {key}") as db:
            extent = self._extent(db, key)
            if extent is None:
                return Account()
            asked = needed(self._address, key, extent, window or ALWAYS)
            rows = account_rows(shelf_of(db, self._address), extent, asked)
        return added_up(self._address, key, rows)

    def days(self, first: int, last: int) -> Iterator[DailyAmount]:
        """Yield every run's daily amounts; see ``Archive.days``."""
        asked = {"book": self._book, "first": first, "last": last}
        with (
            self._reading("read the daily accounts") as db,
            db.cursor(name="days") as cursor,
        ):
            cursor.itersize = ROWS_FETCHED
            for row in cursor.execute(statement("all_days"), asked):
                yield daily_amount(RunKey(*map(from_text, row[:3])), row[3:])

    def summed_days(self, first: int, last: int) -> DaySums:
        """Return all runs' days together; see ``Archive.summed_days``."""
        asked = {"book": self._book, "first": first, "last": last}
        with self._reading("read the daily accounts") as db:
            return summed(db.execute(statement("days_summed"), asked).fetchall())

    @contextmanager
    def one_run(self, key: RunKey) -> Iterator[OneRun | None]:
        """Lend one run as a single transaction sees it; None where it is not there."""
        with self._reading(f"read run {key}") as db:
            extent = self._extent(db, key)
            shelf = shelf_of(db, self._address)
            yield None if extent is None else OneRun(shelf, key, extent)

    def gpu_lines(self, window: Span | None = None) -> list[GpuLine]:
        """Return the cluster book's lines that reach into *window*, by time."""
        with self._reading("read the cluster book") as db:
            return list(gpus.lines(db, self._book, window))

    def gpu_nodes(self) -> dict[str, bytes]:
        """Return what each node of the cluster book needs to go on."""
        with self._reading("read the cluster book") as db:
            return gpus.nodes(db, self._book)

    def energy_parts(self, window: Span | None = None) -> list[EnergyPart]:
        """Return the parts that may hold lines of a window, by time and node."""
        with self._reading("read the energy of GPUs") as db:
            return list(energy.parts(db, self._book, window))

    def newest_energy(self, since_ns: int) -> list[EnergyPart]:
        """Return each node's newest part since an instant, and the one before it."""
        with self._reading("read the energy of GPUs") as db:
            return energy.newest(db, self._book, since_ns)

    def energy_totals(self, key: RunKey) -> EnergyTotals | None:
        """Return a run's energy so far; None where none was ever divided."""
        with self._reading(f"read the energy of run {key}") as db:
            return energy.totals(db, self._book, key)

    def gpu_days(self, first: int, last: int) -> Iterator[GpuDay]:
        """Yield what was folded of the cluster book; see ``Reader.gpu_days``."""
        with self._reading("read the cluster book") as db:
            yield from map(decode_day, gpus.days(db, self._book, first, last))

    def gpu_reach(self) -> GpuReach:
        """Return how far the cluster book reaches; see ``Reader.gpu_reach``."""
        with self._reading("read the cluster book") as db:
            return gpus.reached(db, self._book)

    def verify(self, key: RunKey | None = None) -> list[Finding]:
        """Return the laws that are broken: by one run, or by any run and the whole."""
        if key is not None:
            return self._audited(lambda db: self._audit(db, key), key)
        findings = self._audited(lambda db: whole(db, self._book), None)
        findings += self._audited(self._audit_gpus, None)
        findings += self._audited(self._audit_energy, None)
        for known in self.runs():
            findings += self.verify(known.key)
        return findings

    def compacted(self, before: tuple[int, int]) -> Compacted:
        """Compact the book; see ``Archive.compact``."""
        return compact(self._address, [self._book], before)

    def close(self) -> None:
        """Let go of the connections."""
        self._readers.close()

    @contextmanager
    def _reading(self, doing: str = "read") -> Iterator[Connection]:
        with explained(self._address, doing), self._readers.lend() as db:
            yield db

    def _entries(self, name: str, key: RunKey, window: Span) -> Iterator[Entry]:
        with self._reading(f"read run {key}") as db:
            bounds = self._reach(db, key, window)
            if bounds:
                yield from entries(db, name, key, bounds)

    def _extent(self, db: Connection, key: RunKey) -> Extent | None:
        return extent_of(db, self._book, key)

    def _reach(
        self, db: Connection, key: RunKey, window: Span
    ) -> dict[str, int] | None:
        extent = self._extent(db, key)
        if extent is None:
            return None
        return reach(window, extent.run_id, extent.longest_ns)

    def _audit(self, db: Connection, key: RunKey) -> list[Finding]:
        extent = self._extent(db, key)
        if extent is None:
            return []
        stored = db.execute(statement("state_of"), self._named(key)).fetchone()
        return audit.run(shelf_of(db, self._address), key, extent, stored)

    def _audit_gpus(self, db: Connection) -> list[Finding]:
        return gpus.findings(db, self._book, meta_of(db, self._book))

    def _audit_energy(self, db: Connection) -> list[Finding]:
        found = overlaps(energy.parts(db, self._book, None))
        return [Finding(None, None, what) for what in islice(found, 1)]

    def _audited(
        self, check: Callable[[Connection], list[Finding]], key: RunKey | None
    ) -> list[Finding]:
        try:
            with self._reading("verify") as db:
                return check(db)
        except LedgerCorruptError as exc:
            return [Finding(key, None, str(exc))]

    def _named(self, key: RunKey) -> dict[str, object]:
        return named(self._book, key)
