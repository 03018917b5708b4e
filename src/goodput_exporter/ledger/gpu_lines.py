"""A line of the cluster book as a row and back, and what a tick writes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from goodput_exporter.domain.gpu_bookings import GpuBooking, Kind
from goodput_exporter.domain.gpu_stands import Category, Hold, Reason
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.slots import Slots
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import AccountingError, LedgerCorruptError
from goodput_exporter.ledger.energy_rows import NO_ENERGY, EnergyBatch, EnergyReader

GpuRow = tuple[
    str,
    str,
    int,
    int,
    str,
    str,
    str | None,
    str | None,
    str | None,
    str | None,
    str,
    str | None,
    int,
    int,
    int,
    str,
]
"""kind, node, start_ns, end_ns, category, reason, cluster, namespace, run, team,
gpu_model, node_pool, slots_from, slots_to, slots, gpus."""
GPUS: Final = 15
"""Where in a row the UUIDs are, as a JSON array."""


@dataclass(frozen=True, slots=True)
class GpuLine:
    """
    One immutable line of the cluster book.

    Args:
        seq: Its number, from 1; the two books number their lines apart.
        booked_ns: When it was written, on the ledger's clock.
        booking: What it says.
    """

    seq: int
    booked_ns: int
    booking: GpuBooking


@dataclass(frozen=True, slots=True)
class GpuBatch:
    """
    What one tick writes of the cluster book; see ``Batch``.

    Args:
        bookings: New lines, in the order in which they get their numbers.
        nodes: What nodes need to go on, by name; None for one that is no more.
        energy: What the GPUs drew.
    """

    bookings: Sequence[GpuBooking] = ()
    nodes: Mapping[str, bytes | None] = field(default_factory=dict)
    energy: EnergyBatch = NO_ENERGY


NO_GPUS: Final = GpuBatch()


class GpuReader(EnergyReader, Protocol):
    """What can be read of the cluster book, in any ledger."""

    def gpu_lines(self, window: Span | None = None) -> Sequence[GpuLine]:
        """
        Return the lines that reach into *window*, uncut, by time.

        Live lines of folded days are no more; ``Reader.gpu_days`` has their sums.
        """

    def gpu_nodes(self) -> Mapping[str, bytes]:
        """Return what each node needs to go on, as it was last appended."""


def encode(booking: GpuBooking) -> GpuRow:
    """
    Lay a line out in columns.

    Raises:
        AccountingError: It ends before it begins, names no GPU, or its slots are none.
    """
    span, hold, slots = booking.span, booking.hold, booking.slots
    is_sound = (
        span.start_ns <= span.end_ns
        and booking.gpus
        and 0 <= slots.start < slots.end <= slots.of
    )
    if not is_sound:
        msg = (
            f"node {booking.node}: {booking} cannot be booked: times and slots must be "
            "in order, and it is about one GPU at least; the fold that made it is wrong"
        )
        raise AccountingError(msg)
    run = hold.run
    return (
        booking.kind.value,
        booking.node,
        span.start_ns,
        span.end_ns,
        hold.category.value,
        hold.reason.value,
        None if run is None else run.cluster,
        None if run is None else run.namespace,
        None if run is None else run.run,
        hold.team,
        booking.gpu_model,
        booking.node_pool,
        slots.start,
        slots.end,
        slots.of,
        json.dumps(booking.gpus, separators=(",", ":")),
    )


def decode(seq: int, booked_ns: int, row: Sequence[Any]) -> GpuLine:
    """
    Read a line back from its columns.

    Raises:
        LedgerCorruptError: The columns are not those of any line.
    """
    try:
        names = row[6:9]
        run = None if names[2] is None else RunKey(*names)
        hold = Hold(Category(row[4]), Reason(row[5]), run, row[9])
        booking = GpuBooking(
            Kind(row[0]),
            row[1],
            Span(row[2], row[3]),
            row[10],
            row[11],
            hold,
            tuple(json.loads(row[GPUS])),
            Slots(*row[12:GPUS]),
        )
    except (ValueError, TypeError) as exc:
        msg = (
            f"the cluster book: line {seq} cannot be read ({exc!r}); it was changed "
            "outside this program: restore the ledger from a backup"
        )
        raise LedgerCorruptError(msg) from exc
    return GpuLine(seq, booked_ns, booking)
