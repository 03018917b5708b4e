"""What the ledger's GPUs did, read from both books so that a price can be put on it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from goodput_exporter.analysis.holding import InUse, usages_of, used
from goodput_exporter.analysis.stretches import joined_segments
from goodput_exporter.analysis.usage import Place, State, Usage, usage_of
from goodput_exporter.domain.accounting import Segment, is_bad
from goodput_exporter.domain.gpu_bookings import GpuBooking, Kind
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.slots import WHOLE
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import BadInputError
from goodput_exporter.ledger.days import DAY_NS, DailyAmount, Part, day_name, day_of
from goodput_exporter.ledger.gpu_days import GpuDay, GpuFold
from goodput_exporter.ledger.gpu_state import take_up
from goodput_exporter.ledger.ledger import BookedRun
from goodput_exporter.ledger.one_run import RunReader
from goodput_exporter.services.reading_runs import fold_in


@dataclass(frozen=True, slots=True)
class Told:
    """
    One usage, and how finely it is known when it was.

    Args:
        usage: What.
        is_day: Its day was folded: how much is exact, and when in the day is not
            known any more.
    """

    usage: Usage
    is_day: bool = False


@dataclass(slots=True)
class Used:
    """
    What is to be paid for in one window, live view.

    Args:
        is_cluster: The cluster book was read; else the run book.
        book_gpu_ns: What the book itself adds up to, in nanoseconds x GPUs, of the
            usages that were read so far.
        teams: Who held GPUs in a run's name, as far as was read.
    """

    is_cluster: bool
    book_gpu_ns: int = 0
    teams: dict[RunKey, str] = field(default_factory=dict)

    def hold(self, run: RunKey | None, team: str | None) -> None:
        """Remember whose a run is."""
        if run is not None and team is not None:
            self.teams.setdefault(run, team)


@dataclass(frozen=True, slots=True)
class Books:
    """
    Both books of a ledger, day by day: what is read is never more than a day's.

    Args:
        ledger: Where they are.
        runs: The run book's runs.
        opened: The cluster book's live time that is in no line yet.
        fold: How far the cluster book was folded; None if it never was.
        whole: From the first to the last instant that is booked; None without any.
    """

    ledger: RunReader
    runs: tuple[BookedRun, ...]
    opened: tuple[GpuBooking, ...]
    fold: GpuFold | None
    whole: Span | None

    def usages(self, window: Span, used: Used) -> Iterator[Told]:
        """
        Yield the cluster book's usages, in order of days, and add up its time.

        Raises:
            BadInputError: The window cuts a day that was folded.
        """
        self._require_whole_days(window)
        first, last = day_of(window.start_ns), -(-window.end_ns // DAY_NS)
        kept = first if self.fold is None else min(max(first, self.fold.day), last)
        for one in self.ledger.gpu_days(first, kept):
            used.book_gpu_ns += one.gpu_ns
            used.hold(one.hold.run, one.hold.team)
            inside = _day_span(one.day).clip(window)
            if inside is not None:
                yield from (
                    Told(usage, is_day=True) for usage in laid_out(_of_day(one), inside)
                )
        for day in range(kept, last):
            inside = _day_span(day).clip(window)
            if inside is not None:
                yield from self._of_lines(inside, used)

    def usages_of_runs(self, window: Span, used: Used, place: Place) -> Iterator[Told]:
        """
        Yield the run book's usages, run by run, as if all GPUs were of one place.

        Raises:
            LedgerError: The window cuts a day that was folded.
        """
        for run in self._within(window):
            used.book_gpu_ns += self.ledger.account(run.key, window).total_gpu_ns
            folded_ns = run.folded_ns
            team = self.team_of(run.key, used)
            for one in self._folded(run, window):
                inside = _day_span(one.day).clip(window)
                if inside is not None:
                    mine = _Amount(one.gpu_ns, *_state(one), place, team, run.key)
                    yield from (
                        Told(usage, is_day=True) for usage in laid_out(mine, inside)
                    )
            since = window if folded_ns is None else _since(window, folded_ns)
            for segment in _cut(self._segments(run.key, since), since):
                yield Told(usage_of(segment, place, team=team, run=run.key))

    def asked(self, window: Span, used: Used) -> dict[str | None, int]:
        """
        Return the run book's GPU time by team.

        Args:
            window: When.
            used: Has read the same window.

        Raises:
            LedgerError: The window cuts a day that was folded.
        """
        asked: dict[str | None, int] = {}
        for run in self._within(window):
            team = self.team_of(run.key, used)
            gpu_ns = self.ledger.account(run.key, window).total_gpu_ns
            asked[team] = asked.get(team, 0) + gpu_ns
        return asked

    def team_of(self, key: RunKey, used: Used) -> str | None:
        """Return a run's team: by its last state, else by who held GPUs for it."""
        fold = fold_in(self.ledger, key)
        if fold is not None and fold.owner.team is not None:
            return fold.owner.team
        return used.teams.get(key)

    def _of_lines(self, day: Span, used_so_far: Used) -> Iterator[Told]:
        """Yield what one day's lines say, in states of the runs that held GPUs."""
        lines = self._lines(day)
        for line in lines:
            used_so_far.book_gpu_ns += line.within(day)
            used_so_far.hold(line.hold.run, line.hold.team)
        yield from map(Told, usages_of(self._doing(lines, day)))

    def in_use(self, day: Span, runs: Collection[RunKey] | None = None) -> list[InUse]:
        """
        Return what GPUs did on a day that was not folded, or in a part of it.

        Args:
            day: When.
            runs: Only the GPUs that these held, and shared ones; None: all.
        """
        lines = self._lines(day)
        if runs is not None:
            lines = [one for one in lines if one.hold.run in runs or one.slots != WHOLE]
        return self._doing(lines, day)

    def _lines(self, day: Span) -> list[GpuBooking]:
        written = [line.booking for line in self.ledger.gpu_lines(day)]
        return [
            line
            for line in (*written, *self.opened)
            if line.kind is Kind.LIVE and line.span.clip(day)
        ]

    def _doing(self, lines: Sequence[GpuBooking], day: Span) -> list[InUse]:
        held = {line.hold.run for line in lines}
        known = {run.key: run for run in self._within(day) if run.key in held}
        unknown = [
            key
            for key, run in known.items()
            if run.folded_ns is not None and day.start_ns < run.folded_ns
        ]
        segments = {key: self._segments(key, day) for key in known.keys() - {*unknown}}
        return used(lines, segments, day, unknown)

    def _segments(self, key: RunKey, window: Span) -> list[Segment]:
        return joined_segments(self.ledger.segments(key, window))

    def _folded(self, run: BookedRun, window: Span) -> list[DailyAmount]:
        if run.folded_ns is None:
            return []
        first, last = day_of(window.start_ns), -(-window.end_ns // DAY_NS)
        with self.ledger.one_run(run.key) as one:
            days = (
                [] if one is None else one.days(first, min(last, day_of(run.folded_ns)))
            )
        return [each for each in days if each.part is Part.LIVE]

    def _within(self, window: Span) -> Iterator[BookedRun]:
        for run in self.runs:
            if run.first_ns is None or run.last_ns is None:
                continue
            if run.first_ns < window.end_ns and run.last_ns > window.start_ns:
                yield run

    def _require_whole_days(self, window: Span) -> None:
        fold = self.fold
        if fold is None:
            return
        for at_ns in (window.start_ns, window.end_ns):
            if at_ns % DAY_NS and fold.first_ns < at_ns < fold.end_ns:
                msg = (
                    f"the cluster book of {day_name(day_of(at_ns))} was folded into a "
                    "daily account (ledger.keep_days); before "
                    f"{day_name(fold.day)} ask for whole UTC days"
                )
                raise BadInputError(msg)


def books_of(ledger: RunReader) -> Books:
    """
    Look at what a ledger holds, before anything of it is read.

    Raises:
        LedgerCorruptError: A part of the cluster book is not what was written.
    """
    reach, runs = ledger.gpu_reach(), tuple(ledger.runs())
    is_open = take_up(ledger.resume().meta, ledger.gpu_nodes(), 0).open_lines()
    opened = tuple(line for line in is_open if line.kind is Kind.LIVE)
    starts = [run.first_ns for run in runs] + [line.span.start_ns for line in opened]
    ends = [run.last_ns for run in runs] + [line.span.end_ns for line in opened]
    begins = [at_ns for at_ns in (*starts, reach.first_ns) if at_ns is not None]
    stops = [at_ns for at_ns in (*ends, reach.last_ns) if at_ns is not None]
    whole = Span(min(begins), max(stops)) if begins and stops else None
    return Books(ledger, runs, opened, reach.fold, whole)


@dataclass(frozen=True, slots=True)
class _Amount:
    """Some GPU time that is known by the day."""

    gpu_ns: int
    state: State
    cause: Cause
    place: Place
    team: str | None
    run: RunKey | None


def laid_out(amount: _Amount, inside: Span) -> Iterator[Usage]:
    """
    Give an amount of GPU time a place within a span that it is known to lie in.

    A day holds any number of GPU-nanoseconds: so many GPUs all along it, and one for
    what is left over. Nobody may ask where in the span.
    """
    devices, rest_ns = divmod(amount.gpu_ns, inside.length_ns)
    start_ns = inside.start_ns
    for span, count in ((inside, devices), (Span(start_ns, start_ns + rest_ns), 1)):
        if count and span.length_ns:
            yield Usage(
                span,
                count,
                amount.state,
                amount.place,
                amount.cause,
                amount.team,
                amount.run,
            )


def _of_day(one: GpuDay) -> _Amount:
    place, hold = Place(one.gpu_model, one.node_pool, one.node), one.hold
    return _Amount(one.gpu_ns, one.state, one.cause, place, hold.team, hold.run)


def _state(one: DailyAmount) -> tuple[RunState, Cause]:
    state = RunState(one.state)
    return state, Cause(one.cause) if is_bad(state) else Cause.NONE


def _day_span(day: int) -> Span:
    return Span(day * DAY_NS, (day + 1) * DAY_NS)


def _since(window: Span, at_ns: int) -> Span:
    """Return the part of a window that begins at an instant; it may be empty."""
    start_ns = min(max(window.start_ns, at_ns), window.end_ns)
    return Span(start_ns, window.end_ns)


def _cut(segments: Iterable[Segment], window: Span) -> Iterator[Segment]:
    for one in segments:
        inside = one.span.clip(window)
        if inside is not None:
            yield Segment(inside, one.state, one.devices, one.cause)
