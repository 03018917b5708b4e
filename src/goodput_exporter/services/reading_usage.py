"""What the ledger's GPUs did, read from both books so that a price can be put on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from goodput_exporter.analysis.exposure import Exposure, exposure_of
from goodput_exporter.analysis.histories import View
from goodput_exporter.analysis.holding import usages_of, used
from goodput_exporter.analysis.stretches import booked, joined
from goodput_exporter.analysis.usage import Place, Usage, usage_of
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.gpu_bookings import GpuBooking, Kind
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import BadInputError
from goodput_exporter.exposition.addresses import full_name
from goodput_exporter.exposition.instants import rfc3339
from goodput_exporter.ledger.days import DAY_NS
from goodput_exporter.ledger.gpu_lines import GpuReader
from goodput_exporter.ledger.gpu_state import take_up
from goodput_exporter.ledger.ledger import BookedRun, Reader, Resume
from goodput_exporter.services.reading_runs import fold_in


@dataclass(frozen=True, slots=True)
class Used:
    """
    What is to be paid for in one window, live view.

    Args:
        usages: Of the cluster book; of the run book where there is no cluster book.
        book_gpu_ns: What the book itself adds up to, in nanoseconds x GPUs.
        asked_gpu_ns: GPU time of the run book, by team.
        is_cluster: The cluster book was read.
    """

    usages: tuple[Usage, ...]
    book_gpu_ns: int
    asked_gpu_ns: Mapping[str | None, int]
    is_cluster: bool


class GpuLedger(GpuReader, Protocol):
    """What is read of a ledger's cluster book, whoever writes it."""

    def resume(self) -> Resume:
        """Return what a restart goes on from."""


def cluster_lines(ledger: GpuLedger) -> list[GpuBooking]:
    """
    Return the cluster book's live lines, with what is open and in no line yet.

    Raises:
        LedgerCorruptError: A part of it is not what was written.
    """
    return [line for line in lines_of(ledger) if line.kind is Kind.LIVE]


def lines_of(ledger: GpuLedger, window: Span | None = None) -> Iterator[GpuBooking]:
    """
    Yield the lines of the cluster book that reach into a window, the open ones last.

    Raises:
        LedgerCorruptError: A part of it is not what was written.
    """
    for line in ledger.gpu_lines(window):
        yield line.booking
    book = take_up(ledger.resume().meta, ledger.gpu_nodes(), 0)
    for is_open in book.open_lines():
        if window is None or is_open.span.clip(window) is not None:
            yield is_open


def read_exposure(
    ledger: GpuLedger, runs: Iterable[RunKey], window: Span, view: View
) -> Exposure:
    """
    Read for how long each node held GPUs of some runs.

    Raises:
        LedgerCorruptError: A part of the cluster book is not what was written.
    """
    settled = view is View.SETTLED
    lines = lines_of(ledger, window)
    return exposure_of(lines, window, runs=frozenset(runs), settled=settled)


def read_used(
    ledger: Reader, lines: Sequence[GpuBooking], window: Span, place: Place | None
) -> Used:
    """
    Read what is to be paid for.

    Args:
        ledger: Where the runs are.
        lines: ``cluster_lines``.
        window: The half-open span to pay for.
        place: Which GPUs the runs have, where there is no cluster book.

    Raises:
        BadInputError: A run's segments of the window are in daily accounts only, or
            nobody says which GPUs the runs have.
    """
    runs = [run for run in ledger.runs() if _touches(run, window)]
    segments = {run.key: _segments(ledger, run, window) for run in runs}
    teams = {run.key: _team(ledger, run.key, lines) for run in runs}
    asked: dict[str | None, int] = {}
    for key, told in segments.items():
        asked[teams[key]] = asked.get(teams[key], 0) + _gpu_ns(told, window)
    book_gpu_ns = sum(line.within(window) for line in lines)
    if book_gpu_ns:
        usages = tuple(_physical(lines, segments, window))
        return Used(usages, book_gpu_ns, asked, is_cluster=True)
    if place is None:
        msg = (
            "the ledger has no cluster book in this window, so only the runs' time "
            "can be priced, and nobody says which GPUs they have; add --gpu-model"
        )
        raise BadInputError(msg)
    of_runs = tuple(
        usage_of(one, place, team=teams[key], run=key)
        for key, told in segments.items()
        for one in told
    )
    return Used(of_runs, sum(asked.values()), asked, is_cluster=False)


def _physical(
    lines: Sequence[GpuBooking], segments: dict[RunKey, list[Segment]], window: Span
) -> Iterator[Usage]:
    """Yield the cluster book's usages day by day: each day looks at its own lines."""
    first = window.start_ns - window.start_ns % DAY_NS
    for begin_ns in range(first, window.end_ns, DAY_NS):
        day = Span(begin_ns, begin_ns + DAY_NS).clip(window)
        if day is not None:
            today = [line for line in lines if line.span.clip(day)]
            yield from usages_of(used(today, segments, day))


def _segments(ledger: Reader, run: BookedRun, window: Span) -> list[Segment]:
    folded_ns = run.folded_ns
    if folded_ns is not None and window.start_ns < folded_ns:
        msg = (
            f"{full_name(run.key)}: segments before {rfc3339(folded_ns)} are in "
            "daily accounts only, which do not say when a GPU was in use; ask for "
            "--from that instant, or keep entries longer (ledger.keep_days)"
        )
        raise BadInputError(msg)
    told = joined(booked(one) for one in ledger.segments(run.key, window))
    return [Segment(one.span, one.state, one.devices, one.cause) for one in told]


def _gpu_ns(segments: Iterable[Segment], window: Span) -> int:
    inside = ((one, one.span.clip(window)) for one in segments)
    return sum(part.length_ns * one.devices for one, part in inside if part)


def _team(ledger: Reader, key: RunKey, lines: Iterable[GpuBooking]) -> str | None:
    """Return a run's team: by its last state, else by who held GPUs in its name."""
    fold = fold_in(ledger, key)
    if fold is not None and fold.owner.team is not None:
        return fold.owner.team
    held = (line.hold.team for line in lines if line.hold.run == key)
    return next((team for team in held if team is not None), None)


def _touches(run: BookedRun, window: Span) -> bool:
    if run.first_ns is None or run.last_ns is None:
        return False
    return run.first_ns < window.end_ns and run.last_ns > window.start_ns
