"""The API's door to the ledger: runs read whole, on a worker thread."""

from __future__ import annotations

from goodput_exporter.analysis.histories import History, View
from goodput_exporter.analysis.statistics import MeanTime, mtti, mttr
from goodput_exporter.domain.spans import Span
from goodput_exporter.report.reliability import run_book
from goodput_exporter.services.reading_runs import Told, find_run, read_run


class LedgerPast:
    """
    What the API reads of a ledger that this process writes.

    Args:
        ledger: Any thread may read it.
    """

    def __init__(self, ledger: Told) -> None:
        self._ledger = ledger

    def runs(self, names: tuple[str, ...]) -> list[History]:
        """
        Read some runs, or all of them.

        Raises:
            BadInputError: No run, or more than one, goes by a name.
            LedgerError: The ledger cannot be read now.
        """
        known = self._ledger.runs()
        chosen = [find_run(known, name) for name in names] or known
        return [read_run(self._ledger, run) for run in chosen]

    def mean_times(
        self, runs: list[History], window: Span, view: View
    ) -> tuple[MeanTime, MeanTime]:
        """Return the mean time to interruption, and to recovery."""
        found = [run_book(run, window, view) for run in runs]
        books = [book for book in found if book is not None]
        every = [one for book in books for one in book.interruptions]
        return mtti(books), mttr(every)
