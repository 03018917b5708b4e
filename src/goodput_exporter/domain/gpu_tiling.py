"""The laws of the cluster book: each GPU's time once, live and settled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from goodput_exporter.domain.gpu_bookings import GpuBooking, Kind
from goodput_exporter.domain.spans import Span

Numbered = tuple[int | None, GpuBooking]
"""A line and its number; None is what is open, and in no line of the ledger yet."""
Break = tuple[int | None, str]
"""The number of the first line that breaks a law, and how."""

CORRECTIONS = (Kind.REVERSAL, Kind.RESTATED)


def breaks(lines: Callable[[], Iterable[Numbered]]) -> Iterator[Break]:
    """
    Yield the first break of each law.

    Args:
        lines: Reads the book once, in the order of beginnings, then of first slots,
            then of numbers; what is open comes with the rest.
    """
    yield from _first(_live_breaks(lines()))
    corrected = {
        uuid for _, line in lines() if line.kind in CORRECTIONS for uuid in line.gpus
    }
    if corrected:
        yield from _first(_settled_breaks(lines(), corrected))


@dataclass(slots=True)
class _Slice:
    """One GPU over one span, as far as its parts were seen."""

    seq: int | None
    span: Span
    of: int
    filled: int
    has_left: bool = False


@dataclass(slots=True)
class _Changes:
    """How much of one GPU is booked, as changes at instants."""

    at: dict[int, Fraction] = field(default_factory=dict)
    corrections: list[tuple[int, Span]] = field(default_factory=list)


def order(numbered: Numbered) -> tuple[int, int, float]:
    """Return what sorts lines as ``breaks`` reads them."""
    seq, line = numbered
    return line.span.start_ns, line.slots.start, float("inf") if seq is None else seq


def _first(found: Iterator[Break]) -> Iterator[Break]:
    one = next(found, None)
    if one is not None:
        yield one


def _live_breaks(lines: Iterable[Numbered]) -> Iterator[Break]:
    slices: dict[str, _Slice] = {}
    for seq, line in lines:
        if line.kind is Kind.LEFT:
            _leave(slices, line)
        if line.kind is not Kind.LIVE:
            continue
        for uuid in line.gpus:
            known = slices.get(uuid)
            if known is not None and _goes_on(known, line):
                known.filled = line.slots.end
                continue
            what = _wrong(uuid, known, line)
            if what is not None:
                yield seq, what
            slices[uuid] = _Slice(seq, line.span, line.slots.of, line.slots.end)
    for uuid, last in slices.items():
        if last.filled != last.of:
            yield last.seq, _torn(uuid, last)


def _goes_on(known: _Slice, line: GpuBooking) -> bool:
    """Return whether a line is the next part of a GPU whose span is begun."""
    return (known.span, known.of, known.filled) == (
        line.span,
        line.slots.of,
        line.slots.start,
    ) and known.filled != known.of


def _leave(slices: dict[str, _Slice], line: GpuBooking) -> None:
    for uuid in line.gpus:
        known = slices.get(uuid)
        if known is not None and known.span.end_ns == line.span.start_ns:
            known.has_left = True


def _wrong(uuid: str, known: _Slice | None, line: GpuBooking) -> str | None:
    start_ns = line.span.start_ns
    if known is not None and known.filled != known.of:
        return _torn(uuid, known)
    if line.slots.start != 0:
        return (
            f"GPU {uuid}: the time from {start_ns} ns begins with slot "
            f"{line.slots.start} of {line.slots.of}; the parts before it are missing"
        )
    if known is None:
        return None
    if start_ns < known.span.end_ns:
        return (
            f"GPU {uuid}: {line.hold.category.value} from {start_ns} ns overlaps time "
            f"booked up to {known.span.end_ns} ns; each instant is booked once"
        )
    if start_ns > known.span.end_ns and not known.has_left:
        return (
            f"GPU {uuid}: no line holds its time from {known.span.end_ns} to "
            f"{start_ns} ns, and it had not left"
        )
    return None


def _torn(uuid: str, known: _Slice) -> str:
    return (
        f"GPU {uuid}: {known.filled} of {known.of} slots are booked from "
        f"{known.span.start_ns} to {known.span.end_ns} ns; the parts must be the whole"
    )


def _settled_breaks(lines: Iterable[Numbered], corrected: set[str]) -> Iterator[Break]:
    changes: dict[str, _Changes] = {}
    for seq, line in lines:
        if line.kind is Kind.LEFT:
            continue
        share = -line.slots.share if line.kind is Kind.REVERSAL else line.slots.share
        for uuid in corrected.intersection(line.gpus):
            found = changes.setdefault(uuid, _Changes())
            for at_ns, change in (
                (line.span.start_ns, share),
                (line.span.end_ns, -share),
            ):
                found.at[at_ns] = found.at.get(at_ns, Fraction(0)) + change
            if line.kind in CORRECTIONS and seq is not None:
                found.corrections.append((seq, line.span))
    for uuid in sorted(changes):
        yield from _uneven(uuid, changes[uuid])


def _uneven(uuid: str, found: _Changes) -> Iterator[Break]:
    booked = Fraction(0)
    for at_ns in sorted(found.at):
        booked += found.at[at_ns]
        if booked not in (0, 1):
            touching = [
                seq
                for seq, span in found.corrections
                if span.start_ns <= at_ns < span.end_ns
            ]
            what = (
                f"GPU {uuid}: with its corrections {booked} of it is booked from "
                f"{at_ns} ns on; a GPU is there once or not at all"
            )
            yield min(touching, default=None), what
            return
