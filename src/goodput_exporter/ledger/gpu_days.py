"""Folded days of the cluster book: which GPUs did what, for whom, in states of runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from goodput_exporter.analysis.holding import used
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.gpu_bookings import GpuBooking
from goodput_exporter.domain.gpu_stands import Category, Hold, Reason
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import AccountingError, LedgerCorruptError
from goodput_exporter.ledger.days import DAY_NS, day_name

GpuDayRow = tuple[
    int,
    str,
    str,
    str | None,
    str,
    str,
    str | None,
    str | None,
    str | None,
    str | None,
    str,
    str,
    int,
]
"""day, node, gpu_model, node_pool, category, reason, cluster, namespace, run, team,
state, cause, gpu_ns."""


@dataclass(frozen=True, slots=True)
class GpuDay:
    """
    Some GPU time of one node on one day, live view.

    Args:
        day: Days since 1970-01-01, UTC, on the ledger's clock.
        node: Where.
        gpu_model, node_pool: Of the GPUs.
        hold: What they were and whose, by the cluster book.
        state: By the run book where a run held them, else the hold's category;
            ``held`` where the run's segments had been folded before.
        cause: Why, where the state is bad.
        gpu_ns: How much, in nanoseconds x GPUs.
    """

    day: int
    node: str
    gpu_model: str
    node_pool: str | None
    hold: Hold
    state: RunState | Category
    cause: Cause
    gpu_ns: int


@dataclass(frozen=True, slots=True)
class GpuFold:
    """
    How far the cluster book was folded.

    Args:
        day: Days before it have no live lines any more.
        first_ns: Where the first of the folded lines began.
        removed: How many lines compaction took, over the book's life.
        digest: Of the folded days, each over the ones before it.
    """

    day: int
    first_ns: int
    removed: int = 0
    digest: str = ""

    @property
    def end_ns(self) -> int:
        """Return from when on live lines are kept."""
        return self.day * DAY_NS


@dataclass(frozen=True, slots=True)
class GpuReach:
    """
    How far the cluster book's live lines reach; what is open is not among them.

    Args:
        first_ns, last_ns: Their span, folded ones included; None without any.
        fold: How far it was folded; None if it never was.
    """

    first_ns: int | None
    last_ns: int | None
    fold: GpuFold | None


def reach_of(
    first_ns: int | None, last_ns: int | None, fold: GpuFold | None
) -> GpuReach:
    """Return how far a book reaches, of the lines that are there and of the fold."""
    if fold is None:
        return GpuReach(first_ns, last_ns, None)
    return GpuReach(fold.first_ns, max(fold.end_ns, last_ns or fold.end_ns), fold)


def day_of_lines(
    day: int,
    lines: Iterable[GpuBooking],
    segments: Mapping[RunKey, Sequence[Segment]],
    unknown: Collection[RunKey] = (),
) -> list[GpuDayRow]:
    """
    Add one day up in states of runs.

    Args:
        day: Which.
        lines: Live lines that reach into it.
        segments: Of the runs that held GPUs then, as far as they are kept.
        unknown: Runs whose segments of that day are not kept.

    Raises:
        AccountingError: The sum is not that of the lines; a bug of ours.
    """
    span = Span(day * DAY_NS, (day + 1) * DAY_NS)
    live = list(lines)
    sums: Counter[tuple[str, str, str | None, Hold, str, str]] = Counter()
    for one in used(live, segments, span, unknown):
        line = one.line
        place = line.node, line.gpu_model, line.node_pool, line.hold
        sums[*place, one.state.value, one.cause.value] += one.gpu_ns
    booked = sum(line.within(span) for line in live)
    if sums.total() != booked:
        msg = (
            f"the cluster book of {day_name(day)} holds {booked} GPU-ns and its "
            f"account {sums.total()}; nothing was folded"
        )
        raise AccountingError(msg)
    return sorted(
        (_row(day, name, gpu_ns) for name, gpu_ns in sums.items() if gpu_ns), key=repr
    )


def decode_day(row: Sequence[Any]) -> GpuDay:
    """
    Read a line of a folded day back.

    Raises:
        LedgerCorruptError: The columns are not those of any line.
    """
    day, node, model, pool, category, reason, *names, team, state, cause, gpu_ns = row
    try:
        run = None if names[2] is None else RunKey(*names)
        hold = Hold(Category(category), Reason(reason), run, team)
        does = RunState(state) if _is_of_run(hold, state) else Category(state)
        return GpuDay(day, node, model, pool, hold, does, Cause(cause), gpu_ns)
    except (ValueError, TypeError) as exc:
        msg = (
            f"the cluster book: a line of {day_name(day)} cannot be read ({exc!r}); it "
            "was changed outside this program: restore the ledger from a backup"
        )
        raise LedgerCorruptError(msg) from exc


def sealed(digest: str, rows: Iterable[Sequence[Any]]) -> str:
    """Return the digest of some more days behind those that *digest* is of."""
    seal = sha256(digest.encode())
    for line in sorted(repr(tuple(row)) for row in rows):
        seal.update(f"{line}\n".encode())
    return seal.hexdigest()


def _is_of_run(hold: Hold, state: str) -> bool:
    return hold.category is Category.HELD and state != Category.HELD.value


def _row(
    day: int, name: tuple[str, str, str | None, Hold, str, str], gpu_ns: int
) -> GpuDayRow:
    node, model, pool, hold, state, cause = name
    run = hold.run
    names = (None, None, None) if run is None else (run.cluster, run.namespace, run.run)
    of_hold = hold.category.value, hold.reason.value, *names, hold.team
    return day, node, model, pool, *of_hold, state, cause, gpu_ns
