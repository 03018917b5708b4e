"""Daily accounts and compaction: what every ledger that is stored promises of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.domain.accounting import Segment, tally
from goodput_exporter.domain.book import Book, book, lengthen
from goodput_exporter.domain.bookings import (
    Booking,
    EventKind,
    Reattribution,
    Restatement,
    RunEvent,
)
from goodput_exporter.domain.fold import Fold
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import AccountingError, LedgerError
from goodput_exporter.ledger.days import DAY_NS, Part
from goodput_exporter.ledger.ledger import Archive, Batch, Compacted
from goodput_exporter.ledger.opening import open_ledger
from goodput_exporter.ledger.state import encode_state
from tests.fakes.ledger import LLAMA, booked, segment
from tests.fakes.postgresql import Cluster

OTHER = RunKey("local", "default", "mistral")
FIRST = 20_000
"""The day on which the stories begin: 2024-10-04."""
START_NS = FIRST * DAY_NS
HOUR_NS = DAY_NS // 24

OpenArchive = Callable[[Path], Archive]


@pytest.fixture(
    scope="module",
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)],
)
def opened(request: pytest.FixtureRequest) -> OpenArchive:
    """Return how to open an empty ledger of each kind, given an empty folder."""
    if request.param == "sqlite":
        return lambda folder: open_ledger(folder / "ledger.db")
    shared: Cluster = request.getfixturevalue("postgresql")
    return lambda _: shared.book()


@pytest.fixture
def ledger(opened: OpenArchive, tmp_path: Path) -> Iterator[Archive]:
    """Open an empty ledger of each kind."""
    with closing(opened(tmp_path)) as one:
        yield one


def hours(
    start: float,
    end: float,
    state: RunState = RunState.PRODUCTIVE,
    *,
    devices: int = 8,
    cause: Cause = Cause.NONE,
) -> Segment:
    """Build a segment in hours since the first day began."""
    span = START_NS + round(start * HOUR_NS), START_NS + round(end * HOUR_NS)
    return segment(*span, state, devices=devices, cause=cause)


def live(ledger: Archive, key: RunKey = LLAMA) -> dict[tuple[int, str], int]:
    """Return a run's live GPU hours by day and state, as the days say."""
    found: dict[tuple[int, str], int] = {}
    for amount in ledger.days(0, 10**6):
        if amount.part is Part.LIVE and amount.key == key:
            name = amount.day - FIRST, amount.state
            found[name] = found.get(name, 0) + amount.gpu_ns
    return {name: gpu_ns // HOUR_NS for name, gpu_ns in found.items()}


def settled(ledger: Archive) -> dict[str, int]:
    """Return the settled GPU-nanoseconds by state, as the days say."""
    found: dict[str, int] = {}
    for amount in ledger.days(0, 10**6):
        found[amount.state] = found.get(amount.state, 0) + amount.gpu_ns
    return {state: gpu_ns for state, gpu_ns in found.items() if gpu_ns}


def test_a_segment_over_midnight_is_in_both_days(ledger: Archive) -> None:
    """Days begin at midnight UTC of the ledger's clock; each holds its own part."""
    ledger.append(booked(hours(20, 30), hours(30, 50, RunState.DOWN)))
    ledger.append(booked(hours(0, 24, devices=2), key=OTHER))

    assert live(ledger) == {
        (0, "productive"): 32,
        (1, "productive"): 48,
        (1, "down"): 144,
        (2, "down"): 16,
    }
    assert live(ledger, OTHER) == {(0, "productive"): 48}
    assert [a.day for a in ledger.days(FIRST + 2, FIRST + 3)] == [FIRST + 2]
    assert ledger.summed_days(FIRST, FIRST + 1) == {
        (FIRST, "live", "productive", "none"): (32 + 48) * HOUR_NS
    }


def test_a_batch_that_failed_is_in_no_day(ledger: Archive) -> None:
    """The days are written with the entries or not at all."""
    with pytest.raises(AccountingError):
        ledger.append(booked(hours(0, 1), segment(2, 1)))

    assert list(ledger.days(0, 10**6)) == []


def test_the_settled_view_is_the_sum_of_all_parts(ledger: Archive) -> None:
    """What was restated, kept as something else or lost moves within its days."""
    into = Book()
    slow = replace(hours(22, 26, RunState.RECOMPUTING), kept_as=RunState.PRODUCTIVE)
    book(into, hours(0, 22))
    book(into, slow)
    bookings: list[Booking] = [
        *into.pending,
        Restatement(
            1,
            Span(*span(23, 25)),
            "recomputing",
            "data_wait",
            16 * HOUR_NS,
            Cause.NONE,
            "rule 14",
        ),
        Restatement(
            2, Span(*span(0, 22)), "productive", "lost", 7, Cause.HANG, "rule 4"
        ),
        Restatement(
            3,
            Span(*span(25, 26)),
            "recomputing",
            "outside",
            8 * HOUR_NS,
            Cause.NONE,
            "rule 15",
        ),
    ]
    ledger.append(Batch(1, [(LLAMA, each) for each in bookings]))

    assert settled(ledger) == {
        "productive": (22 + 4) * 8 * HOUR_NS - 7,
        "recomputing": -(16 + 8) * HOUR_NS,
        "data_wait": 16 * HOUR_NS,
        "lost": 7,
    }
    assert ledger.account(LLAMA).gpu_ns == {
        RunState.PRODUCTIVE: 176 * HOUR_NS,
        RunState.RECOMPUTING: 32 * HOUR_NS,
    }


def test_a_cause_that_is_known_better_moves_between_causes(ledger: Archive) -> None:
    """A correction keeps each day's total, and correcting it back leaves nothing."""
    down = hours(20, 28, RunState.DOWN, cause=Cause.UNKNOWN)
    moved = Reattribution(
        1,
        down.span,
        1,
        Cause.UNKNOWN,
        Cause.GPU_ERROR,
        None,
        {RunState.DOWN: 64 * HOUR_NS},
        {RunState.DOWN: 64 * HOUR_NS},
        "person",
    )
    back = replace(moved, from_cause=Cause.GPU_ERROR, to_cause=Cause.UNKNOWN)
    ledger.append(Batch(1, [(LLAMA, down), (LLAMA, moved)]))

    assert by_cause(ledger) == {"gpu_error": 64 * HOUR_NS}
    ledger.append(Batch(2, [(LLAMA, back)]))
    assert by_cause(ledger) == {"unknown": 64 * HOUR_NS}
    assert ledger.verify() == []


def test_days_are_exact_past_64_bits(ledger: Archive) -> None:
    """10^6 GPUs for 90 days, and a restatement of all of it and one nanosecond."""
    whole = hours(0, 90 * 24, devices=1_000_000)
    moved = Restatement(
        1, whole.span, "productive", "lost", whole.gpu_ns + 1, Cause.NONE, "rule 4"
    )
    ledger.append(Batch(1, [(LLAMA, whole), (LLAMA, moved)]))

    assert ledger.account(LLAMA).total_gpu_ns == 90 * DAY_NS * 1_000_000
    assert settled(ledger) == {"productive": -1, "lost": whole.gpu_ns + 1}


def test_compaction_joins_what_was_booked_tick_by_tick(ledger: Archive) -> None:
    """An outage of a day, booked each minute, becomes one entry; no sum changes."""
    minutes = [
        hours(i / 60, (i + 1) / 60, RunState.DOWN, cause=Cause.HANG)
        for i in range(26 * 60)
    ]
    for some in range(0, len(minutes), 60):
        ledger.append(booked(*minutes[some : some + 60]))
    before = ledger.account(LLAMA), live(ledger)

    done = ledger.compact(fold_before=0, join_before=FIRST + 1)

    assert done == Compacted(folded=0, joined=24 * 60 - 1)
    assert (ledger.account(LLAMA), live(ledger)) == before
    first, *rest = ledger.segments(LLAMA)
    assert first == hours(0, 24, RunState.DOWN, cause=Cause.HANG)
    assert rest == minutes[24 * 60 :]
    assert ledger.account(LLAMA, Span(*span(3, 4))).bad_gpu_ns == {
        Cause.HANG: 8 * HOUR_NS
    }
    assert ledger.verify() == []


def test_what_says_something_else_is_not_joined(ledger: Archive) -> None:
    """Another cause, other devices, a step left out, work whose sum is not exact."""
    plain = hours(0, 1, RunState.DOWN)
    stepped = replace(hours(4, 5), first_step=1, last_step=4, model_flops=0.1)
    different = [
        plain,
        replace(hours(1, 2, RunState.DOWN), cause=Cause.HANG),
        hours(2, 3, RunState.DOWN, devices=7),
        hours(3, 4, RunState.STALLED, devices=7),
        stepped,
        replace(hours(5, 6), first_step=6, last_step=9, model_flops=0.1),
        replace(hours(6, 7), first_step=10, last_step=11, model_flops=0.2),
        replace(hours(7, 8), first_step=12, last_step=13, model_flops=None),
    ]
    equal = replace(hours(8, 9), first_step=14, last_step=15, model_flops=None)
    ledger.append(booked(*different, equal))

    ledger.compact(fold_before=0, join_before=FIRST + 1)

    both = replace(hours(7, 9), first_step=12, last_step=15)
    assert list(ledger.segments(LLAMA)) == [*different[:-1], both]


def test_folded_days_keep_every_sum(ledger: Archive) -> None:
    """Fine entries go, their days stay; what crosses the fold is counted once."""
    parts = [hours(i, i + 1) for i in range(40)]
    crossing = hours(40, 80, RunState.DOWN, cause=Cause.GPU_LOST)
    late = [hours(80 + i, 81 + i) for i in range(10)]
    ledger.append(booked(*parts, crossing, *late))
    ledger.append(Batch(2, [(LLAMA, RunEvent(START_NS, EventKind.OPENED))]))
    windows = [None, Span(*span(24, 200)), Span(*span(48, 72)), Span(*span(50, 85))]
    before = [ledger.account(LLAMA, window) for window in windows], live(ledger)

    done = ledger.compact(fold_before=FIRST + 2, join_before=0)

    assert done == Compacted(folded=40, joined=0)
    after = [ledger.account(LLAMA, window) for window in windows], live(ledger)
    assert after == before
    assert list(ledger.segments(LLAMA)) == [crossing, *late]
    assert [run.folded_ns for run in ledger.runs()] == [START_NS + 2 * DAY_NS]
    assert ledger.verify() == []
    assert ledger.compact(fold_before=FIRST + 2, join_before=0) == Compacted()


def test_a_window_that_cuts_a_folded_day_is_refused(ledger: Archive) -> None:
    """Nobody knows any more what lay in which hour, and nobody guesses."""
    ledger.append(booked(*[hours(i, i + 1) for i in range(72)]))
    ledger.compact(fold_before=FIRST + 2, join_before=0)

    with pytest.raises(LedgerError, match=r"2024-10-0\d were folded .*whole UTC days"):
        ledger.account(LLAMA, Span(*span(12, 60)))

    assert ledger.account(LLAMA, Span(*span(24, 60))).total_gpu_ns == 288 * HOUR_NS
    assert ledger.account(LLAMA, Span(*span(-9, 24))).total_gpu_ns == 192 * HOUR_NS


def test_a_ledger_goes_on_after_compaction(ledger: Archive) -> None:
    """Later entries, later folds and late corrections of folded days are exact."""
    ledger.append(booked(*[hours(i, i + 1) for i in range(72)]))
    ledger.compact(fold_before=FIRST + 1, join_before=FIRST + 3)
    ledger.append(booked(*[hours(i, i + 1) for i in range(72, 120)]))
    moved = Restatement(
        1, Span(*span(0, 4)), "productive", "down", 32 * HOUR_NS, Cause.NONE, "rule 14"
    )
    last = ledger.append(Batch(2, [(LLAMA, moved)]))

    ledger.compact(fold_before=FIRST + 4, join_before=FIRST + 5)

    assert last == 121
    assert ledger.account(LLAMA).total_gpu_ns == 960 * HOUR_NS
    assert settled(ledger) == {"productive": 928 * HOUR_NS, "down": 32 * HOUR_NS}
    assert ledger.verify() == []
    assert ledger.append(booked(hours(120, 121))) == 122
    assert ledger.verify() == []


def test_a_hole_behind_the_fold_is_found(ledger: Archive) -> None:
    """The first kept segment has to begin where the folded ones end."""
    ledger.append(booked(*[hours(i, i + 1) for i in range(24)]))
    ledger.compact(fold_before=FIRST + 1, join_before=0)
    ledger.append(booked(hours(25, 26)))

    (found,) = ledger.verify()

    assert found.seq == 25
    assert "is booked by no segment" in found.what


def test_a_run_that_breaks_a_law_is_not_compacted(ledger: Archive) -> None:
    """What is wrong must stay to be looked at; the other runs are compacted."""
    ledger.append(booked(hours(0, 1), hours(2, 3)))
    ledger.append(booked(hours(0, 1), hours(1, 2), key=OTHER))

    done = ledger.compact(fold_before=FIRST + 1, join_before=FIRST + 1)

    assert (done.folded, done.joined) == (2, 0)
    assert [finding.key for finding in done.findings] == [LLAMA]
    assert len(list(ledger.segments(LLAMA))) == 2


def test_a_day_that_a_fold_may_still_book_is_not_folded(ledger: Archive) -> None:
    """The open step of a stalled run reaches back; its days stay until it is named."""
    fold = Fold(LLAMA, line_ns=START_NS + 100 * HOUR_NS, opened_ns=START_NS, asked=8)
    fold.steps.open = [Span(*span(30, 40))]
    for part in (hours(0, 30), hours(40, 100, RunState.STALLED)):
        book(fold.book, part)
        lengthen(fold.book, 8, part.span.length_ns)
    lengthen(fold.book, 8, 0)
    bookings = [(LLAMA, each) for each in fold.book.pending]
    fold.book.pending = []
    ledger.append(Batch(1, bookings, {LLAMA: encode_state(fold)}))
    assert ledger.verify() == []

    done = ledger.compact(fold_before=FIRST + 4, join_before=FIRST + 4)

    assert done == Compacted()
    assert ledger.verify() == []


def test_the_books_of_two_clusters_are_compacted_apart(
    opened: OpenArchive, tmp_path: Path
) -> None:
    """Another book in the same database, or another file, is as it was."""
    folders = tmp_path / "a", tmp_path / "b"
    for folder in folders:
        folder.mkdir()
    with closing(opened(folders[0])) as first, closing(opened(folders[1])) as second:
        for one in (first, second):
            one.append(booked(*[hours(i, i + 1) for i in range(30)]))

        first.compact(fold_before=FIRST + 1, join_before=0)

        assert len(list(second.segments(LLAMA))) == 30
        assert live(first) == live(second)
        assert [one.verify() for one in (first, second)] == [[], []]


@st.composite
def lived(draw: st.DrawFn) -> list[Segment]:
    """Draw a run of some days: equal and different segments that tile its time."""
    cuts = draw(st.lists(st.integers(0, 96 * 60), unique=True, min_size=2, max_size=30))
    tiles: list[Segment] = []
    states = [RunState.DOWN, RunState.PRODUCTIVE]
    for start, end in pairwise(sorted(cuts)):
        state, devices = draw(st.sampled_from(states)), draw(st.sampled_from([8, 9]))
        tiles.append(hours(start / 60, end / 60, state, devices=devices))
        if draw(st.booleans()):
            tiles.append(hours(start / 60, end / 60, RunState.DEGRADED, devices=1))
    return tiles


@settings(max_examples=20, deadline=None)
@given(
    tiles=lived(),
    fold=st.integers(-1, 5),
    join=st.integers(-1, 5),
    cut=st.integers(0, 96),
)
def test_compaction_changes_no_sum_and_breaks_no_law(
    opened: OpenArchive, tiles: list[Segment], fold: int, join: int, cut: int
) -> None:
    """Whatever is folded and joined, every day and every window kept is the same."""
    window = Span(*span(max(cut, 24 * fold), 100))
    with TemporaryDirectory() as directory, closing(opened(Path(directory))) as ledger:
        ledger.append(booked(*tiles))
        before = ledger.account(LLAMA, window), live(ledger), ledger.account(LLAMA)
        ledger.compact(FIRST + fold, FIRST + join)
        after = ledger.account(LLAMA, window), live(ledger), ledger.account(LLAMA)
        findings = ledger.verify()

    assert after == before
    assert after[2] == tally(tiles)
    assert findings == []


def span(start: float, end: float) -> tuple[int, int]:
    """Return the bounds of hours since the first day began, in nanoseconds."""
    return START_NS + round(start * HOUR_NS), START_NS + round(end * HOUR_NS)


def by_cause(ledger: Archive) -> dict[str, int]:
    """Return what is known today by cause, as the days say."""
    found: dict[str, int] = {}
    for amount in ledger.days(0, 10**6):
        found[amount.cause] = found.get(amount.cause, 0) + amount.gpu_ns
    return {cause: gpu_ns for cause, gpu_ns in found.items() if gpu_ns}
