"""Energy in a SQLite ledger: what GPUs drew, and what of it runs drew."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

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
from goodput_exporter.ledger.entries import INT64_MAX, INT64_MIN
from goodput_exporter.ledger.queries import query
from goodput_exporter.ledger.reading import ALWAYS


def insert(db: sqlite3.Connection, batch: EnergyBatch) -> None:
    """Write a tick's energy, in an open transaction."""
    parts = [(one.start_ns, one.node, encode_part(one)) for one in batch.parts]
    db.executemany(query("put_energy_part"), parts)
    totals = [
        (key.cluster, key.namespace, key.run, encode_totals(one))
        for key, one in batch.totals.items()
    ]
    db.executemany(query("put_run_energy"), totals)


def parts(db: sqlite3.Connection, window: Span | None) -> Iterator[EnergyPart]:
    """Yield the parts that may hold lines of a window."""
    for row in db.execute(query("energy_parts"), reach(window)):
        yield decode_part(*row)


def newest(db: sqlite3.Connection, since_ns: int) -> list[EnergyPart]:
    """Return each node's newest part and the one before it."""
    asked = {"since_ns": since_ns, "part_ns": PART_NS}
    return [decode_part(*row) for row in db.execute(query("newest_energy"), asked)]


def totals(db: sqlite3.Connection, key: RunKey) -> EnergyTotals | None:
    """Return a run's energy so far."""
    names = key.cluster, key.namespace, key.run
    row = db.execute(query("run_energy"), names).fetchone()
    return None if row is None else decode_totals(key, row[0])


def reach(window: Span | None) -> dict[str, int]:
    """
    Return the bounds of a window's scan.

    A part's lines end after its start. So those that end in the window are in parts
    that begin before its end, and those that reach over its end begin within a line
    of it: one part later at the latest.
    """
    asked = window or ALWAYS
    return {
        "reach_ns": max(asked.start_ns - PART_NS, INT64_MIN),
        "end_ns": min(asked.end_ns + PART_NS, INT64_MAX),
    }
