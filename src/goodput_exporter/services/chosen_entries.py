"""Entries of a run that daily accounts cannot replace, and what those concern."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.analysis.parts import LOSABLE
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.bookings import (
    OUTSIDE_THE_BOOK,
    Booking,
    EventKind,
    Reattribution,
    Restatement,
    RunEvent,
)
from goodput_exporter.domain.corrected import is_about_time
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.domain.states import RunState
from goodput_exporter.ledger.days import DAY_NS
from goodput_exporter.ledger.entries import Entry
from goodput_exporter.ledger.one_run import OneRun

FIRST_LOOK_NS: Final = 3_600 * NS_PER_SECOND
"""How far back the first look for lost work goes; each further one doubles it."""
AT_AN_END_NS: Final = 60 * NS_PER_SECOND
"""The first look at where a run begins or ends: of an hour, each tick is an entry."""


@dataclass(slots=True)
class Chosen:
    """
    The entries of one run that were read so far, by their numbers.

    Args:
        run: Where more are.
        first_ns, last_ns: From the run's first booked instant to its last.
    """

    run: OneRun
    first_ns: int
    last_ns: int
    found: dict[int, Entry] = field(default_factory=dict)

    def take(self, entries: Iterable[Entry]) -> None:
        """Keep entries; those that are there already stay once."""
        self.found.update((entry.seq, entry) for entry in entries)

    def bookings(self) -> list[Booking]:
        """Return what was read, in the order of the entries' numbers."""
        return [self.found[seq].booking for seq in sorted(self.found)]

    def read(self, spans: Iterable[Span]) -> None:
        """Read all segments that reach into some spans."""
        for span in _merged(spans):
            self.take(self.run.reaching(span))

    def read_ends(self) -> None:
        """Read where the run begins and ends: with its first and last segments."""
        self._read_until_any(forwards=True)
        self._read_until_any(forwards=False)

    def read_back(self, at_ns: int, step: int) -> None:
        """Read backwards from a restore to a segment of a step that it kept."""
        length_ns, end_ns = FIRST_LOOK_NS, at_ns + 1
        while end_ns > self.first_ns:
            entries = self.run.reaching(Span(end_ns - length_ns, end_ns))
            self.take(entries)
            if any(_is_kept(entry.booking, step, end_ns) for entry in entries):
                return
            end_ns, length_ns = end_ns - length_ns, length_ns * 2

    def _read_until_any(self, *, forwards: bool) -> None:
        length_ns = AT_AN_END_NS
        while length_ns < 2 * (self.last_ns - self.first_ns + AT_AN_END_NS):
            look = Span(self.first_ns, self.first_ns + length_ns)
            if not forwards:
                look = Span(self.last_ns - length_ns, self.last_ns + 1)
            entries = self.run.reaching(look)
            self.take(entries)
            if entries:
                return
            length_ns *= 2


def chosen_of(run: OneRun, blocks: Sequence[Span]) -> Chosen | None:
    """Read what entries say afterwards, and all that it is about; None if unsure."""
    first_ns, last_ns = run.extent.first_ns, run.extent.last_ns
    if first_ns is None or last_ns is None or not run.extent.is_current:
        return None
    life = Span(first_ns, last_ns)
    if life.clip(Span(blocks[0].start_ns, blocks[-1].end_ns)) is None:
        return None
    chosen = Chosen(run, first_ns, last_ns)
    chosen.take(run.told_again())
    told = chosen.bookings()
    if not all(map(_is_plain, told)):
        return None
    chosen.read([*_concerned(told), *_cut_days(blocks, life)])
    chosen.read_ends()
    for at_ns, step in _restores(told):
        chosen.read_back(at_ns, step)
    return chosen


def _is_plain(one: Booking) -> bool:
    """Tell whether an entry says itself what it is about: older ones do not."""
    match one:
        case Restatement():
            return is_about_time(one)
        case RunEvent(kind=EventKind.INTERRUPTED):
            return isinstance(one.detail.get("began_ns"), int)
        case RunEvent(kind=EventKind.RESTORED):
            has_step = isinstance(one.detail.get("step"), int)
            return isinstance(one.detail.get("lost_gpu_ns"), int) or not has_step
    return True


def _concerned(told: Iterable[Booking]) -> Iterator[Span]:
    """Yield the spans whose segments something happens to, or lies beside."""
    for one in told:
        match one:
            case Restatement() if one.from_state != OUTSIDE_THE_BOOK:
                yield one.span
            case Reattribution():
                yield one.span
            case Segment(state=RunState.DEGRADED):
                yield one.span


def _restores(told: Iterable[Booking]) -> Iterator[tuple[int, int]]:
    for one in told:
        if isinstance(one, RunEvent) and one.kind is EventKind.RESTORED:
            step = one.detail.get("step")
            if isinstance(step, int):
                yield one.at_ns, step


def _cut_days(blocks: Sequence[Span], life: Span) -> Iterator[Span]:
    """Yield the days that a block ends in, with time of the run on both sides."""
    for at_ns in (*(block.start_ns for block in blocks), blocks[-1].end_ns):
        day_ns = at_ns // DAY_NS * DAY_NS
        if at_ns != day_ns and life.start_ns < at_ns < life.end_ns:
            yield Span(day_ns, day_ns + DAY_NS)


def _is_kept(one: Booking, step: int, end_ns: int) -> bool:
    """Tell whether a segment holds a step that a restore kept, and only before it."""
    return (
        isinstance(one, Segment)
        and (one.kept_as or one.state) in LOSABLE
        and one.last_step is not None
        and one.last_step <= step
        and one.span.end_ns <= end_ns
    )


def _merged(spans: Iterable[Span]) -> Iterator[Span]:
    """Yield spans that cover the same, each instant once."""
    last: Span | None = None
    for span in sorted(spans):
        if last is not None and span.start_ns <= last.end_ns:
            last = Span(last.start_ns, max(last.end_ns, span.end_ns))
            continue
        if last is not None:
            yield last
        last = span
    if last is not None:
        yield last
