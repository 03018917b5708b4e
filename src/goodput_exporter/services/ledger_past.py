"""The API's door to the ledger: runs read whole, on a worker thread."""

from __future__ import annotations

from typing import Protocol

from goodput_exporter.analysis.histories import History, View
from goodput_exporter.analysis.reliability import Reliability, reliability
from goodput_exporter.domain.spans import Span
from goodput_exporter.report.reliability import run_book
from goodput_exporter.services.reading_exposure import GpuLedger, read_exposure
from goodput_exporter.services.reading_runs import Told, find_run, read_run


class PastLedger(Told, GpuLedger, Protocol):
    """What the API reads of a ledger."""


class LedgerPast:
    """
    What the API reads of a ledger that this process writes.

    Args:
        ledger: Any thread may read it.
    """

    def __init__(self, ledger: PastLedger) -> None:
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

    def reliability(self, runs: list[History], window: Span, view: View) -> Reliability:
        """
        Return mean times, failures of nodes, and what preemptions cost.

        Raises:
            ConfigError: SciPy, which the limits need, is not installed.
            LedgerError: The ledger cannot be read now.
        """
        found = [run_book(run, window, view) for run in runs]
        exposure = read_exposure(self._ledger, (run.key for run in runs), window, view)
        return reliability([book for book in found if book is not None], exposure)
