"""One batch as statements, inside a transaction that somebody else opens and ends."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from zlib import crc32

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.bookings import Booking, Restatement
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.errors import AccountingError
from goodput_exporter.ledger.entries import Row
from goodput_exporter.ledger.ledger import Batch
from goodput_exporter.ledger.queries import query


@dataclass(slots=True)
class Reach:
    """How far some bookings of one run reach, and the longest segment among them."""

    first_ns: int
    last_ns: int
    longest_ns: int = 0

    def include(self, start_ns: int, end_ns: int) -> None:
        """Stretch to a segment or an event."""
        self.first_ns = min(self.first_ns, start_ns)
        self.last_ns = max(self.last_ns, end_ns)
        self.longest_ns = max(self.longest_ns, end_ns - start_ns)


def reaches(bookings: Iterable[tuple[RunKey, Booking]]) -> dict[RunKey, Reach]:
    """
    Return how far each run's new segments and events reach.

    A restatement is about time that is booked already, so it stretches nothing.
    """
    found: dict[RunKey, Reach] = {}
    for key, booking in bookings:
        if isinstance(booking, Restatement):
            continue
        if isinstance(booking, Segment):
            start_ns, end_ns = booking.span.start_ns, booking.span.end_ns
        else:
            start_ns = end_ns = booking.at_ns
        if key not in found:
            found[key] = Reach(start_ns, end_ns)
        found[key].include(start_ns, end_ns)
    return found


def number_runs(
    db: sqlite3.Connection, keys: Iterable[RunKey], known: dict[RunKey, int]
) -> dict[RunKey, int]:
    """Return the id of each run, new ones included; *known* is left as it is."""
    return {key: known.get(key) or _number_run(db, key) for key in keys}


def insert(
    db: sqlite3.Connection, batch: Batch, rows: Sequence[Row], ids: dict[RunKey, int]
) -> None:
    """
    Write the entries, and how far they stretch their runs.

    Args:
        db: In an open transaction.
        batch: What to write.
        rows: Its encoded bookings, in the same order.
        ids: The id of every run in it.
    """
    booked_ns = batch.booked_ns
    db.executemany(
        query("append_entry"),
        [
            (booked_ns, ids[key], *row)
            for (key, _), row in zip(batch.bookings, rows, strict=True)
        ],
    )
    db.executemany(
        query("stretch_run"),
        [
            {
                "run_id": ids[key],
                "first_ns": reach.first_ns,
                "last_ns": reach.last_ns,
                "longest_ns": reach.longest_ns,
            }
            for key, reach in reaches(batch.bookings).items()
        ],
    )


def replace(db: sqlite3.Connection, batch: Batch, ids: dict[RunKey, int]) -> None:
    """Put the batch's states and meta values in the place of earlier ones."""
    db.executemany(
        query("put_state"),
        [
            (ids[key], batch.booked_ns, key in batch.closed, crc32(state), state)
            for key, state in batch.states.items()
        ],
    )
    db.executemany(query("put_meta"), batch.meta.items())


@contextmanager
def storable(batch: Batch) -> Iterator[None]:
    """
    Tell a batch that no retry can save from a disk that may recover.

    Raises:
        AccountingError: A value does not fit its column.
    """
    try:
        yield
    except (OverflowError, UnicodeEncodeError) as exc:
        msg = (
            f"the batch of {batch.booked_ns} ns holds a value that the ledger cannot "
            f"({exc}): integers must fit 64 bits and text must be Unicode"
        )
        raise AccountingError(msg) from exc


def _number_run(db: sqlite3.Connection, key: RunKey) -> int:
    names = (key.cluster, key.namespace, key.run)
    row = db.execute(query("find_run"), names).fetchone()
    if row is None:
        db.execute(query("add_run"), names)
        row = db.execute(query("find_run"), names).fetchone()
    number: int = row[0]
    return number
