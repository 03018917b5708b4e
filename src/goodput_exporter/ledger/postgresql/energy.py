"""Energy in a book of PostgreSQL: what GPUs drew, and what of it runs drew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from psycopg.rows import TupleRow

from goodput_exporter.domain.energy_meter import PART_NS, EnergyPart
from goodput_exporter.domain.energy_totals import EnergyTotals
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.ledger.energy_rows import (
    EnergyBatch,
    decode_part,
    decode_totals,
    encode_part,
    encode_totals,
)
from goodput_exporter.ledger.postgresql.connections import (
    ROWS_FETCHED,
    Connection,
    statement,
)
from goodput_exporter.ledger.postgresql.naming import as_text, from_text
from goodput_exporter.ledger.sqlite_energy import reach


def insert(db: Connection, book: int, batch: EnergyBatch) -> None:
    """Write a tick's energy, in the transaction that locks the book."""
    if not batch.parts and not batch.totals:
        return
    with db.cursor() as cursor:
        cursor.executemany(
            statement("put_energy_part"),
            [
                (book, one.start_ns, as_text(one.node), encode_part(one))
                for one in batch.parts
            ],
        )
        cursor.executemany(
            statement("put_run_energy"),
            [
                (book, *_names(key), encode_totals(one))
                for key, one in batch.totals.items()
            ],
        )


def parts(db: Connection, book: int, window: Span | None) -> Iterator[EnergyPart]:
    """Yield the parts that may hold lines of a window."""
    asked = {"book": book, **reach(window)}
    with db.cursor(name="energy") as cursor:
        cursor.itersize = ROWS_FETCHED
        yield from _read(cursor.execute(statement("energy_parts"), asked))


def newest(db: Connection, book: int, since_ns: int) -> list[EnergyPart]:
    """Return each node's newest part and the one before it."""
    asked = {"book": book, "since_ns": since_ns, "part_ns": PART_NS}
    return list(_read(db.execute(statement("newest_energy"), asked)))


def totals(db: Connection, book: int, key: RunKey) -> EnergyTotals | None:
    """Return a run's energy so far."""
    row = db.execute(statement("run_energy"), (book, *_names(key))).fetchone()
    return None if row is None else decode_totals(key, bytes(row[0]))


def _read(rows: Iterable[TupleRow]) -> Iterator[EnergyPart]:
    for node, start_ns, body in rows:
        yield decode_part(from_text(node), start_ns, bytes(body))


def _names(key: RunKey) -> tuple[str, str, str]:
    return as_text(key.cluster), as_text(key.namespace), as_text(key.run)
