"""A cluster book as a ledger holds it: lines, and the totals of counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from goodput_exporter.domain.bookings import Booking
from goodput_exporter.domain.cluster import ClusterBook
from goodput_exporter.domain.gpu_bookings import GpuBooking, GpuGroup, Kind, group_of
from goodput_exporter.domain.gpu_stands import Hold
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.ledger.gpu_lines import GpuBatch
from goodput_exporter.ledger.gpu_state import BOOK, encode_book
from goodput_exporter.ledger.ledger import Batch
from tests.fakes.gpus import H100


def gpus(
    hold: Hold,
    first: int,
    count: int,
    span: Span,
    *,
    kind: Kind = Kind.LIVE,
) -> GpuBooking:
    """Return some GPUs of one node in a hold, by their numbers."""
    uuids = tuple(f"GPU-{number:02}" for number in range(first, first + count))
    return GpuBooking(kind, "node-1", span, H100, "pool-a", hold, uuids)


def both_books(
    told: Iterable[tuple[RunKey, Booking]], lines: Sequence[GpuBooking], line_ns: int
) -> Batch:
    """Return the batch that books runs and GPUs, all decided up to an instant."""
    book, closed = ClusterBook(resumed_ns=0), Counter[GpuGroup]()
    for line in lines:
        if line.kind is Kind.LIVE:
            group = group_of(line.gpu_model, line.node_pool, line.hold)
            closed[group] += line.gpu_ns
    book.closed.update(closed)
    book.line_ns = line_ns
    meta = {BOOK: encode_book(book)}
    return Batch(line_ns, list(told), meta=meta, gpus=GpuBatch(lines))
