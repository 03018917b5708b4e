"""How long nodes held GPUs of runs, read from a ledger's cluster book day by day."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from goodput_exporter.analysis.exposure import Exposing, Exposure
from goodput_exporter.analysis.histories import View
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.ledger.days import DAY_NS
from goodput_exporter.ledger.gpu_lines import GpuReader
from goodput_exporter.ledger.gpu_state import take_up
from goodput_exporter.ledger.ledger import Resume


class GpuLedger(GpuReader, Protocol):
    """What is read of a ledger's cluster book, whoever writes it."""

    def resume(self) -> Resume:
        """Return what a restart goes on from."""


def read_exposure(
    ledger: GpuLedger, runs: Iterable[RunKey], window: Span, view: View
) -> Exposure:
    """
    Read for how long each node held GPUs of some runs; what is open counts, too.

    Never more than a day's lines are held at once.

    Raises:
        LedgerCorruptError: A part of the cluster book is not what was written.
    """
    found = Exposing(frozenset(runs), settled=view is View.SETTLED)
    book = take_up(ledger.resume().meta, ledger.gpu_nodes(), 0)
    is_open = book.open_lines()
    first_ns = window.start_ns - window.start_ns % DAY_NS
    for begins_ns in range(first_ns, window.end_ns, DAY_NS):
        day = Span(begins_ns, begins_ns + DAY_NS).clip(window)
        if day is not None:
            # A line that ends where the day begins has no time in it.
            reaching = Span(day.start_ns + 1, max(day.end_ns, day.start_ns + 2))
            written = (line.booking for line in ledger.gpu_lines(reaching))
            opened = (line for line in is_open if line.span.clip(day) is not None)
            found.add((*written, *opened), day)
    return found.so_far()
