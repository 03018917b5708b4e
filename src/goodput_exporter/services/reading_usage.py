"""Which nodes held the GPUs of runs, read from the ledger's cluster book."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from goodput_exporter.analysis.exposure import Exposure, exposure_of
from goodput_exporter.analysis.histories import View
from goodput_exporter.domain.gpu_bookings import GpuBooking
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.ledger.gpu_lines import GpuReader
from goodput_exporter.ledger.gpu_state import take_up
from goodput_exporter.ledger.ledger import Resume


class GpuLedger(GpuReader, Protocol):
    """What is read of a ledger's cluster book, whoever writes it."""

    def resume(self) -> Resume:
        """Return what a restart goes on from."""


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
