"""What every ledger promises, whatever it is written on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from goodput_exporter.domain.accounting import Account, Segment
from goodput_exporter.domain.bookings import Booking
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import AccountingError, LedgerCorruptError
from goodput_exporter.ledger.days import DailyAmount, DaySums
from goodput_exporter.ledger.entries import Entry
from goodput_exporter.ledger.gpu_days import GpuDay, GpuReach
from goodput_exporter.ledger.gpu_lines import NO_GPUS, GpuBatch, GpuReader


@dataclass(frozen=True, slots=True)
class Batch:
    """
    What one tick writes, as a whole or not at all.

    Args:
        booked_ns: When it was decided, on the ledger's clock.
        bookings: New entries, in the order in which they get their numbers.
        states: What each run's fold needs to go on; replaces the earlier one.
            Derived data: it is kept beside the entries, not among them.
        heard: What else the folds of other runs need, which have states already:
            ``Ledger.state_of`` returns it behind the state, until a new one
            replaces both.
        closed: Those of *states* whose run is over; they are kept for
            reopening and left out of ``resume``.
        meta: Facts about the ledger itself; replaces earlier values by name.
        gpus: What it writes of the cluster book.

    Raises:
        AccountingError: A run is closed without the state to reopen it from, or
            has a new state and something behind the earlier one.
    """

    booked_ns: int
    bookings: Sequence[tuple[RunKey, Booking]] = ()
    states: Mapping[RunKey, bytes] = field(default_factory=dict)
    heard: Mapping[RunKey, bytes] = field(default_factory=dict)
    closed: frozenset[RunKey] = frozenset()
    meta: Mapping[str, str] = field(default_factory=dict)
    gpus: GpuBatch = NO_GPUS

    def __post_init__(self) -> None:
        """Check that every run that closes leaves its state, and each has one."""
        stateless = sorted(self.closed - self.states.keys())
        if stateless:
            msg = (
                f"run {stateless[0]} closes in the batch of {self.booked_ns} ns "
                "without a state; give the one to reopen it from"
            )
            raise AccountingError(msg)
        both = sorted(self.heard.keys() & self.states.keys())
        if both:
            msg = (
                f"run {both[0]} has a new state in the batch of {self.booked_ns} ns, "
                "and words behind the earlier one; the new state holds these already"
            )
            raise AccountingError(msg)


@dataclass(frozen=True, slots=True)
class Resume:
    """
    What a restart goes on from.

    Args:
        states: Per run that is not closed, the last state that was appended.
        meta: All of it.
        damaged: One error per run whose state is not what was written; the
            other runs are whole.
    """

    states: Mapping[RunKey, bytes]
    meta: Mapping[str, str]
    damaged: tuple[LedgerCorruptError, ...] = ()


@dataclass(frozen=True, slots=True)
class BookedRun:
    """
    One run that the ledger knows.

    Args:
        first_ns, last_ns: The span of its segments and events; None while it
            has neither.
        closed: It is over, until it is reopened.
        folded_ns: Its segments before this instant are in daily accounts only;
            None where all are kept.
    """

    key: RunKey
    first_ns: int | None
    last_ns: int | None
    closed: bool
    folded_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One law that the ledger breaks.

    Args:
        key: The run; None where it concerns the ledger as a whole.
        seq: The first entry that breaks the law; None where no entry is readable.
        what: What is wrong, with the values.
    """

    key: RunKey | None
    seq: int | None
    what: str


@dataclass(frozen=True, slots=True)
class Compacted:
    """
    What one compaction did.

    Args:
        folded: Segments that are in daily accounts only now.
        joined: Segments that became part of the one before them.
        gpu_folded: Lines of the cluster book that are in accounts of days only now.
        findings: Laws that were broken before; their runs were left as they are.
    """

    folded: int = 0
    joined: int = 0
    findings: tuple[Finding, ...] = ()
    gpu_folded: int = 0


class RunReader(GpuReader, Protocol):
    """
    What can be read of every ledger.

    Any thread reads, and sees whole batches only. Every method may raise
    ``LedgerError``, and ``LedgerCorruptError`` where what is stored is not what
    was written.
    """

    def resume(self) -> Resume:
        """Return what a restart goes on from."""

    def state_of(self, key: RunKey) -> bytes | None:
        """Return one run's last state, closed or not; None if it never had one."""

    def runs(self) -> list[BookedRun]:
        """Return every run, in the order of their keys."""

    def bookings(self, key: RunKey) -> Iterator[Entry]:
        """Yield one run's entries in the order of their numbers."""

    def segments(self, key: RunKey, window: Span | None = None) -> Iterator[Segment]:
        """
        Yield, in time order and uncut, the segments that reach into *window*.

        Those before ``BookedRun.folded_ns`` are no more; their days' accounts are.
        """

    def account(self, key: RunKey, window: Span | None = None) -> Account:
        """
        Return ``tally`` of all that was booked of the run in *window*.

        Raises:
            LedgerError: The window cuts a day that was folded.
        """

    def verify(self, key: RunKey | None = None) -> list[Finding]:
        """Return the laws that are broken: by one run, or by any run and the whole."""

    def close(self) -> None:
        """Let go of everything; appended batches are durable already."""


class DayReader(Protocol):
    """What can be read of the days of a ledger that outlives the program."""

    def days(self, first: int, last: int) -> Iterator[DailyAmount]:
        """
        Yield every run's daily amounts, run by run and each in order of days.

        Args:
            first: A day, counted from 1970-01-01, UTC.
            last: The day after the last one.
        """

    def summed_days(self, first: int, last: int) -> DaySums:
        """
        Return GPU-nanoseconds of all runs by day, part, state and cause.

        Args:
            first: A day, counted from 1970-01-01, UTC.
            last: The day after the last one.
        """


class Ledger(RunReader, Protocol):
    """
    Append-only entries, and beside them what a restart needs.

    One thread appends; any thread reads.
    """

    def append(self, batch: Batch) -> int:
        """
        Write a batch durably, as a whole or not at all.

        After an error nothing of the batch is there and the same batch may be
        appended again, as often as it takes.

        Returns:
            The number of the ledger's last entry.

        Raises:
            AccountingError: A booking can never be stored; ours to mend.
        """


class Reader(RunReader, DayReader, Protocol):
    """
    A stored ledger that somebody else may write meanwhile; see ``Ledger``.

    Each read sees one snapshot, made of whole batches.
    """

    def gpu_days(self, first: int, last: int) -> Iterator[GpuDay]:
        """Yield what was folded of the cluster book's days, in their order."""

    def gpu_reach(self) -> GpuReach:
        """Return how far the cluster book's lines reach, and its fold."""


class Archive(Ledger, DayReader, Protocol):
    """A ledger that outlives the program: it keeps days, and can be made smaller."""

    def compact(self, fold_before: int, join_before: int) -> Compacted:
        """
        Make the ledger smaller without changing a sum; each run in one transaction.

        Args:
            fold_before: Segments that end before this day are dropped; their days'
                accounts hold them. A run keeps what its state may still change.
            join_before: Segments of one day before this one become one where they
                adjoin and say the same.
        """
