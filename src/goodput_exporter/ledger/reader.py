"""What can be read of a ledger in one SQLite file, whoever writes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

from goodput_exporter.domain.accounting import Account, Segment
from goodput_exporter.domain.energy_meter import EnergyPart
from goodput_exporter.domain.energy_totals import EnergyTotals
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import LedgerCorruptError, LedgerError
from goodput_exporter.ledger import audit, sqlite_energy, sqlite_gpus
from goodput_exporter.ledger.connections import Readers
from goodput_exporter.ledger.days import DailyAmount, DaySums, summed
from goodput_exporter.ledger.energy_rows import overlaps
from goodput_exporter.ledger.entries import Entry, decode
from goodput_exporter.ledger.exchanging import require_finished
from goodput_exporter.ledger.extents import Extent, needed
from goodput_exporter.ledger.failures import explained
from goodput_exporter.ledger.gpu_days import GpuDay, GpuReach, decode_day
from goodput_exporter.ledger.gpu_lines import GpuLine
from goodput_exporter.ledger.ledger import BookedRun, Finding, Resume
from goodput_exporter.ledger.migrations import require_current, require_ours
from goodput_exporter.ledger.one_run import OneRun
from goodput_exporter.ledger.queries import migrations, query
from goodput_exporter.ledger.reading import (
    ALWAYS,
    account_rows,
    added_up,
    daily_amount,
    intact,
    reach,
    start_of,
)
from goodput_exporter.ledger.sqlite_shelf import shelf_of


def read_ledger(path: Path) -> SqliteReader:
    """
    Open a ledger to read it, whoever writes it; nothing in it is changed.

    Raises:
        LedgerTooNewError: A later version of this program wrote it.
        LedgerCorruptError: It is no database, or a damaged one.
        LedgerError: It is of an earlier version, or cannot be opened.
    """
    require_finished(path)
    if not path.is_file():
        msg = f"{path}: no ledger is there; check ledger.path, or ledger.url"
        raise LedgerError(msg)
    reader = SqliteReader(path)
    try:
        reader.require_current()
    except BaseException:
        reader.close()
        raise
    return reader


class SqliteReader:
    """
    What can be read of a ledger in one SQLite file, while another process writes it.

    Args:
        path: The ledger's file, which exists and is of this version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._readers = Readers(path)

    def resume(self) -> Resume:
        """Return what a restart goes on from."""
        with self._reading() as db:
            meta = dict(db.execute(query("all_meta")).fetchall())
            keys = [RunKey(*names) for names in db.execute(query("open_runs"))]
        states: dict[RunKey, bytes] = {}
        damaged: list[LedgerCorruptError] = []
        for key in keys:
            try:
                state = self.state_of(key)
            except LedgerCorruptError as exc:
                damaged.append(exc)
            else:
                if state is not None:
                    states[key] = state
        return Resume(states, meta, tuple(damaged))

    def state_of(self, key: RunKey) -> bytes | None:
        """Return one run's last state, closed or not; None if it never had one."""
        with self._reading(f"read the state of run {key}") as db:
            row = db.execute(query("state_of"), _names(key)).fetchone()
        return None if row is None else intact(self._path, key, *row)

    def runs(self) -> list[BookedRun]:
        """Return every run, in the order of their keys."""
        with self._reading() as db:
            rows = db.execute(query("all_runs")).fetchall()
        return [
            BookedRun(RunKey(*names), first_ns, last_ns, closed == 1, start_of(day))
            for *names, first_ns, last_ns, closed, day in rows
        ]

    def bookings(self, key: RunKey) -> Iterator[Entry]:
        """Yield one run's entries in the order of their numbers."""
        return self._entries("bookings", key, ALWAYS)

    def segments(self, key: RunKey, window: Span | None = None) -> Iterator[Segment]:
        """Yield, in time order and uncut, the segments that reach into *window*."""
        for entry in self._entries("segments", key, window or ALWAYS):
            if isinstance(entry.booking, Segment):
                yield entry.booking

    def account(self, key: RunKey, window: Span | None = None) -> Account:
        """Return ``tally`` of the run's segments in *window*, added up by SQLite."""
        with self._reading(f"account for run {key}") as db:
            extent = extent_of(db, key)
            if extent is None:
                return Account()
            asked = needed(self._path, key, extent, window or ALWAYS)
            rows = account_rows(shelf_of(db, self._path), extent, asked)
        return added_up(self._path, key, rows)

    def days(self, first: int, last: int) -> Iterator[DailyAmount]:
        """Yield every run's daily amounts; see ``Archive.days``."""
        with self._reading("read the daily accounts") as db:
            asked = {"first": first, "last": last}
            for row in db.execute(query("all_days"), asked):
                yield daily_amount(RunKey(*row[:3]), row[3:])

    def summed_days(self, first: int, last: int) -> DaySums:
        """Return all runs' days together; see ``Archive.summed_days``."""
        with self._reading("read the daily accounts") as db:
            asked = {"first": first, "last": last}
            return summed(db.execute(query("days_summed"), asked))

    @contextmanager
    def one_run(self, key: RunKey) -> Iterator[OneRun | None]:
        """Lend one run as a single transaction sees it; None where it is not there."""
        with self._reading(f"read run {key}") as db:
            extent = extent_of(db, key)
            shelf = shelf_of(db, self._path)
            yield None if extent is None else OneRun(shelf, key, extent)

    def gpu_lines(self, window: Span | None = None) -> list[GpuLine]:
        """Return the cluster book's lines that reach into *window*, by time."""
        with self._reading("read the cluster book") as db:
            return list(sqlite_gpus.lines(db, window))

    def gpu_nodes(self) -> dict[str, bytes]:
        """Return what each node of the cluster book needs to go on."""
        with self._reading("read the cluster book") as db:
            return sqlite_gpus.nodes(db)

    def energy_parts(self, window: Span | None = None) -> list[EnergyPart]:
        """Return the parts that may hold lines of a window, by time and node."""
        with self._reading("read the energy of GPUs") as db:
            return list(sqlite_energy.parts(db, window))

    def newest_energy(self, since_ns: int) -> list[EnergyPart]:
        """Return each node's newest part since an instant, and the one before it."""
        with self._reading("read the energy of GPUs") as db:
            return sqlite_energy.newest(db, since_ns)

    def energy_totals(self, key: RunKey) -> EnergyTotals | None:
        """Return a run's energy so far; None where none was ever divided."""
        with self._reading(f"read the energy of run {key}") as db:
            return sqlite_energy.totals(db, key)

    def gpu_days(self, first: int, last: int) -> Iterator[GpuDay]:
        """Yield what was folded of the cluster book; see ``Reader.gpu_days``."""
        with self._reading("read the cluster book") as db:
            yield from map(decode_day, sqlite_gpus.days(db, first, last))

    def gpu_reach(self) -> GpuReach:
        """Return how far the cluster book reaches; see ``Reader.gpu_reach``."""
        with self._reading("read the cluster book") as db:
            return sqlite_gpus.reached(db)

    def verify(self, key: RunKey | None = None) -> list[Finding]:
        """Return the laws that are broken: by one run, or by any run and the whole."""
        if key is not None:
            return self._audited(partial(self._audit, key=key), key)
        findings = self._audited(audit.whole, None)
        findings += self._audited(self._audit_gpus, None)
        findings += self._audited(self._audit_energy, None)
        for known in self.runs():
            findings += self._audited(partial(self._audit, key=known.key), known.key)
        return findings

    def require_current(self) -> None:
        """Refuse a file that is no ledger of this version; see ``read_ledger``."""
        with self._reading("open the ledger") as db:
            require_ours(db, self._path)
            require_current(db, self._path, len(migrations()))

    def close(self) -> None:
        """Let go of the connections."""
        self._readers.close()

    @contextmanager
    def _reading(self, doing: str = "read") -> Iterator[sqlite3.Connection]:
        with explained(self._path, doing), self._readers.lend() as db:
            yield db

    def _entries(self, name: str, key: RunKey, window: Span) -> Iterator[Entry]:
        with self._reading(f"read run {key}") as db:
            reach = _reach(db, key, window)
            rows = db.execute(query(name), reach) if reach else ()
            for seq, booked_ns, *row in rows:
                yield decode(seq, booked_ns, key, row)

    def _audit(self, db: sqlite3.Connection, key: RunKey) -> list[Finding]:
        extent = extent_of(db, key)
        if extent is None:
            return []
        stored = db.execute(query("state_of"), _names(key)).fetchone()
        return audit.run(shelf_of(db, self._path), key, extent, stored)

    def _audit_gpus(self, db: sqlite3.Connection) -> list[Finding]:
        return sqlite_gpus.findings(db)

    def _audit_energy(self, db: sqlite3.Connection) -> list[Finding]:
        found = overlaps(sqlite_energy.parts(db, None))
        return [Finding(None, None, what) for what in islice(found, 1)]

    def _audited(
        self, check: Callable[[sqlite3.Connection], list[Finding]], key: RunKey | None
    ) -> list[Finding]:
        try:
            with self._reading("verify") as db:
                return check(db)
        except LedgerCorruptError as exc:
            return [Finding(key, None, str(exc))]


def extent_of(db: sqlite3.Connection, key: RunKey) -> Extent | None:
    """Return how far a run reaches, or None for a run that is not there."""
    row = db.execute(query("reach_of"), _names(key)).fetchone()
    return None if row is None else Extent(*row)


def _reach(db: sqlite3.Connection, key: RunKey, window: Span) -> dict[str, int] | None:
    """Return the bounds of a window's scan, or None for a run that is not there."""
    extent = extent_of(db, key)
    if extent is None:
        return None
    return reach(window, extent.run_id, extent.longest_ns)


def _names(key: RunKey) -> tuple[str, str, str]:
    return key.cluster, key.namespace, key.run
