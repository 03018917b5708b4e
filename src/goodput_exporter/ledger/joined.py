"""The books of a cluster's shards, read as if one process had written them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain

from goodput_exporter.domain.accounting import Account, Segment
from goodput_exporter.domain.energy_meter import EnergyPart
from goodput_exporter.domain.energy_totals import EnergyTotals
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.ledger.days import DailyAmount, DaySums
from goodput_exporter.ledger.entries import Entry
from goodput_exporter.ledger.gpu_days import GpuDay, GpuReach
from goodput_exporter.ledger.gpu_lines import GpuLine
from goodput_exporter.ledger.ledger import BookedRun, Finding, Resume
from goodput_exporter.ledger.one_run import OneRun, RunReader


class JoinedReader:
    """
    All books of one cluster: each run is in one of them, its GPUs in the first.

    Time and money are added up over all runs before anything is divided, so a ratio
    is one of sums.

    Args:
        books: The shards', in their order; the first has the cluster book, energy
            and everything else that is of no run.
    """

    def __init__(self, books: Sequence[RunReader]) -> None:
        self._books = tuple(books)
        self._first = self._books[0]
        self._places: dict[RunKey, RunReader] = {}

    def resume(self) -> Resume:
        """Return the states of all runs, and what the first book notes."""
        found = [book.resume() for book in self._books]
        states = dict(chain.from_iterable(one.states.items() for one in found))
        damaged = tuple(chain.from_iterable(one.damaged for one in found))
        return Resume(states, found[0].meta, damaged)

    def state_of(self, key: RunKey) -> bytes | None:
        """Return one run's last state; None if it never had one."""
        return self._book(key).state_of(key)

    def runs(self) -> list[BookedRun]:
        """Return every run of all books, in the order of their keys."""
        found: list[BookedRun] = []
        for book in self._books:
            runs = book.runs()
            self._places |= dict.fromkeys((run.key for run in runs), book)
            found += runs
        return sorted(found, key=lambda run: run.key)

    def bookings(self, key: RunKey) -> Iterator[Entry]:
        """Yield one run's entries in the order of their numbers."""
        return self._book(key).bookings(key)

    def segments(self, key: RunKey, window: Span | None = None) -> Iterator[Segment]:
        """Yield, in time order and uncut, the segments that reach into *window*."""
        return self._book(key).segments(key, window)

    def account(self, key: RunKey, window: Span | None = None) -> Account:
        """Return what was booked of the run in *window*."""
        return self._book(key).account(key, window)

    def days(self, first: int, last: int) -> Iterator[DailyAmount]:
        """Yield every run's daily amounts, run by run, book by book."""
        return chain.from_iterable(book.days(first, last) for book in self._books)

    def summed_days(self, first: int, last: int) -> DaySums:
        """Return all runs' days together."""
        sums: DaySums = {}
        for book in self._books:
            for name, gpu_ns in book.summed_days(first, last).items():
                sums[name] = sums.get(name, 0) + gpu_ns
        return sums

    @contextmanager
    def one_run(self, key: RunKey) -> Iterator[OneRun | None]:
        """Lend one run as a single transaction sees it; None where it is not there."""
        with self._book(key).one_run(key) as one:
            yield one

    def gpu_lines(self, window: Span | None = None) -> Sequence[GpuLine]:
        """Return the cluster book's lines that reach into *window*, by time."""
        return self._first.gpu_lines(window)

    def gpu_nodes(self) -> dict[str, bytes]:
        """Return what each node of the cluster book needs to go on."""
        return dict(self._first.gpu_nodes())

    def energy_parts(self, window: Span | None = None) -> Sequence[EnergyPart]:
        """Return the parts that may hold lines of a window, by time and node."""
        return self._first.energy_parts(window)

    def newest_energy(self, since_ns: int) -> Sequence[EnergyPart]:
        """Return each node's newest part since an instant, and the one before it."""
        return self._first.newest_energy(since_ns)

    def energy_totals(self, key: RunKey) -> EnergyTotals | None:
        """Return a run's energy so far; None where none was ever divided."""
        return self._first.energy_totals(key)

    def gpu_days(self, first: int, last: int) -> Iterator[GpuDay]:
        """Yield what was folded of the cluster book's days, in their order."""
        return self._first.gpu_days(first, last)

    def gpu_reach(self) -> GpuReach:
        """Return how far the cluster book's lines reach, and its fold."""
        return self._first.gpu_reach()

    def verify(self, key: RunKey | None = None) -> list[Finding]:
        """Return the laws that are broken, in any of the books."""
        if key is not None:
            return self._book(key).verify(key)
        return [found for book in self._books for found in book.verify()]

    def close(self) -> None:
        """Let go of all books."""
        with ExitStack() as stack:
            for book in self._books:
                stack.callback(book.close)

    def _book(self, key: RunKey) -> RunReader:
        """Return the book that has a run; the first where none has."""
        if key not in self._places:
            self.runs()
        return self._places.get(key, self._first)
