"""Which laws the stored cluster book breaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from goodput_exporter.domain.gpu_bookings import GpuBooking, GpuGroup, Kind, group_of
from goodput_exporter.domain.gpu_tiling import Numbered, breaks, order
from goodput_exporter.errors import LedgerCorruptError
from goodput_exporter.ledger.gpu_lines import GpuLine
from goodput_exporter.ledger.gpu_state import BOOK, StoredBook, decode_book, take_up
from goodput_exporter.ledger.ledger import Finding

WHERE = "the cluster book"


def findings(
    lines: Callable[[], Iterable[GpuLine]],
    nodes: Mapping[str, bytes],
    meta: Mapping[str, str],
    numbers: tuple[int, int],
) -> Iterator[Finding]:
    """
    Add the book up again, and yield the first line that breaks each law.

    Args:
        lines: Reads every line.
        nodes: What is open, as stored beside them.
        meta: Where the totals are.
        numbers: The last number given, and how many lines are there.
    """
    last, count = numbers
    if last != count:
        what = f"{last} lines were numbered and {count} are there; some were removed"
        yield Finding(None, None, f"{WHERE}: {what}")
    try:
        book = take_up(meta, nodes, 0)
        is_open = [(None, line) for line in book.open_lines()]
        stored = decode_book(meta[BOOK]) if BOOK in meta else StoredBook(0)
        booked: list[Numbered] = [(each.seq, each.booking) for each in lines()]
    except LedgerCorruptError as exc:
        yield Finding(None, None, f"{WHERE}: {exc}")
        return
    every = sorted([*booked, *is_open], key=order)
    for seq, what in breaks(lambda: every):
        yield Finding(None, seq, f"{WHERE}: {what}")
    yield from _totals(dict(stored.closed), (line for _, line in booked))


def _totals(
    stored: Mapping[GpuGroup, int], lines: Iterable[GpuBooking]
) -> Iterator[Finding]:
    again: Counter[GpuGroup] = Counter()
    for line in lines:
        if line.kind is Kind.LIVE:
            group = group_of(line.gpu_model, line.node_pool, line.hold)
            again[group] += line.gpu_ns
    for group in sorted(stored.keys() | again.keys()):
        if stored.get(group, 0) != again[group]:
            what = (
                f"its lines hold {again[group]} GPU-ns {group.category.value} of "
                f"{group.gpu_model or 'an unknown model'} and its totals count "
                f"{stored.get(group, 0)}"
            )
            yield Finding(None, None, f"{WHERE}: {what}")
            return
