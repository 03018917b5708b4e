"""The API's door to the ledger: runs read whole, on a worker thread."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Protocol

from goodput_exporter.analysis.histories import History, View
from goodput_exporter.analysis.reliability import Reliability, reliability
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import BadInputError
from goodput_exporter.report.reliability import run_book
from goodput_exporter.services.reading_exposure import GpuLedger, read_exposure
from goodput_exporter.services.reading_runs import Told, find_run, read_run


class PastLedger(Told, GpuLedger, Protocol):
    """What the API reads of a ledger."""


class OpenLedger(PastLedger, Protocol):
    """One that is opened to be read, and closed again."""

    def close(self) -> None:
        """Let go of it."""


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


class ClusterPast:
    """
    What the API reads of all shards' books, where a database has them.

    They are opened for each answer: another shard's may have come meanwhile, and a
    window of the past is asked for rarely.

    Args:
        open_all: Opens them as one; may raise LedgerError.
    """

    def __init__(self, open_all: Callable[[], OpenLedger]) -> None:
        self._open_all = open_all

    def runs(self, names: tuple[str, ...]) -> list[History]:
        """See ``LedgerPast.runs``."""
        with closing(self._open_all()) as ledger:
            return LedgerPast(ledger).runs(names)

    def reliability(self, runs: list[History], window: Span, view: View) -> Reliability:
        """See ``LedgerPast.reliability``."""
        with closing(self._open_all()) as ledger:
            return LedgerPast(ledger).reliability(runs, window, view)


class ShardsPast:
    """
    What the API reads of one shard's book, where each has a file of its own.

    Args:
        past: Of that file.
        elsewhere: Says whom to ask for a run that is not in it.
    """

    def __init__(self, past: LedgerPast, elsewhere: Callable[[str], str]) -> None:
        self._past = past
        self._elsewhere = elsewhere

    def runs(self, names: tuple[str, ...]) -> list[History]:
        """See ``LedgerPast.runs``."""
        try:
            return self._past.runs(names)
        except BadInputError as exc:
            places = dict.fromkeys(self._elsewhere(name) for name in names)
            msg = ". ".join([str(exc), *(place for place in places if place)])
            raise BadInputError(msg) from exc

    def reliability(self, runs: list[History], window: Span, view: View) -> Reliability:
        """See ``LedgerPast.reliability``."""
        return self._past.reliability(runs, window, view)
