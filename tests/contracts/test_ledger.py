"""What every ledger promises, asked of each implementation in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.domain.accounting import Account, Segment, tally
from goodput_exporter.domain.book import book, lengthen
from goodput_exporter.domain.bookings import (
    Booking,
    EventKind,
    Restatement,
    RunEvent,
)
from goodput_exporter.domain.fold import Fold
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import AccountingError
from goodput_exporter.ledger.ledger import Batch, BookedRun, Ledger
from goodput_exporter.ledger.opening import open_ledger
from goodput_exporter.ledger.state import encode_state
from tests.fakes.ledger import LLAMA, MemoryLedger, booked, segment
from tests.fakes.postgresql import Cluster

OTHER = RunKey("local", "default", "mistral")
DAY_NS = 86_400 * NS_PER_SECOND
NOW_NS = 1_760_000_000 * NS_PER_SECOND

OpenLedger = Callable[[Path], Ledger]


@pytest.fixture(
    scope="module",
    params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.real)],
)
def opened(request: pytest.FixtureRequest) -> OpenLedger:
    """Return how to open an empty ledger of each kind, given an empty folder."""
    if request.param == "memory":  # the fake that services are tested with
        return lambda _: MemoryLedger()
    if request.param == "sqlite":  # the default
        return lambda folder: open_ledger(folder / "ledger.db")
    shared: Cluster = request.getfixturevalue("postgresql")
    return lambda _: shared.book()  # beside the books of all other tests


@pytest.fixture
def ledger(opened: OpenLedger, tmp_path: Path) -> Iterator[Ledger]:
    """Open an empty ledger of each kind."""
    with closing(opened(tmp_path)) as one:
        yield one


ONE_OF_EACH: list[Booking] = [
    segment(0, 10, RunState.INITIALIZING),
    RunEvent(
        10, EventKind.OPENED, {"rank": 0, "host": "node-ü", "load": 0.5, "x": None}
    ),
    Segment(
        Span(10, 25),
        RunState.RECOMPUTING,
        16,
        Cause.GPU_ERROR,
        incident=3,
        first_step=7,
        last_step=9,
        kept_as=RunState.SLOW,
        bridged=True,
        model_flops=1.5e22,
    ),
    Restatement(
        30, Span(10, 25), "recomputing", "lost", 240, Cause.GPU_ERROR, "rule 4"
    ),
]


def test_what_was_booked_is_read_back_in_the_order_it_was_booked(
    ledger: Ledger,
) -> None:
    """Every field of every kind of booking comes back, numbered from one."""
    last = ledger.append(Batch(99, [(LLAMA, booking) for booking in ONE_OF_EACH]))

    entries = list(ledger.bookings(LLAMA))
    assert last == 4
    assert [entry.booking for entry in entries] == ONE_OF_EACH
    assert [(e.seq, e.booked_ns, e.key) for e in entries] == [
        (seq, 99, LLAMA) for seq in (1, 2, 3, 4)
    ]


def test_work_that_nobody_measured_is_not_work_of_zero(ledger: Ledger) -> None:
    """FLOPs are read back as booked: unknown, none at all, and an inexact sum."""
    unknown = segment(0, 10)
    none = replace(segment(10, 20, RunState.DOWN), model_flops=0.0)
    some = replace(segment(20, 30), model_flops=0.1 + 0.2)

    ledger.append(booked(unknown, none, some))

    found = [each.model_flops for each in ledger.segments(LLAMA)]
    assert found == [None, 0.0, 0.1 + 0.2]
    assert ledger.account(LLAMA) == tally([unknown, none, some])


def test_entries_are_numbered_over_all_runs(ledger: Ledger) -> None:
    """Two runs in one batch share one sequence, and the next batch goes on."""
    ledger.append(Batch(1, [(LLAMA, segment(0, 1)), (OTHER, segment(0, 1))]))
    last = ledger.append(booked(segment(1, 2)))

    assert last == 3
    assert [entry.seq for entry in ledger.bookings(LLAMA)] == [1, 3]
    assert [entry.seq for entry in ledger.bookings(OTHER)] == [2]


def test_a_tick_in_which_nothing_happened_books_nothing(ledger: Ledger) -> None:
    """An empty batch is no entry, and says which entry was the last."""
    assert ledger.append(Batch(1)) == 0
    ledger.append(booked(segment(0, 1)))

    assert ledger.append(Batch(2, meta={"boot": "b"})) == 1


IMPOSSIBLE: dict[str, Booking] = {
    "ends before it starts": segment(2, 1),
    "has fewer devices than none": segment(0, 1, devices=-1),
    "lies past 64 bits": segment(0, 2**63),
    "worked no number of FLOPs": replace(segment(0, 1), model_flops=float("nan")),
    "worked without end": replace(segment(0, 1), model_flops=float("inf")),
    "undid work": replace(segment(0, 1), model_flops=-1.0),
    "is no number": RunEvent(0, EventKind.ATTEMPT, {"loss": float("nan")}),
    "is restated backwards": Restatement(0, Span(2, 1), "a", "b", 1, Cause.NONE, "r"),
    "happened past 64 bits": RunEvent(2**63, EventKind.ENDED),
}


@pytest.mark.parametrize("booking", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_batch_with_an_impossible_booking_leaves_no_trace(
    ledger: Ledger, booking: Booking
) -> None:
    """One bad booking refuses its whole batch, names the run, and costs no number."""
    good = segment(0, 1)
    batch = Batch(5, [(LLAMA, good), (OTHER, booking)], {LLAMA: b"s"}, meta={"m": "1"})

    with pytest.raises(AccountingError, match="local/default/mistral"):
        ledger.append(batch)

    assert ledger.runs() == []
    assert ledger.resume().meta == {}
    assert ledger.append(booked(good)) == 1


def test_text_that_is_no_text_is_refused_as_a_whole(ledger: Ledger) -> None:
    """A lone surrogate that a source let in stops its batch, not the ledger."""
    broken = RunKey("local", "default", "\ud800")

    with pytest.raises(AccountingError, match="not Unicode text"):
        ledger.append(Batch(1, [(LLAMA, segment(0, 1)), (broken, segment(0, 1))]))
    with pytest.raises(AccountingError, match="Unicode"):
        ledger.append(Batch(1, [(LLAMA, segment(0, 1))], meta={"a": "\ud800"}))

    assert ledger.runs() == []


@pytest.mark.parametrize(
    "name", ["läufe/日本語", "'; DROP TABLE entries; --", "a\0b", ""]
)
def test_a_run_may_have_any_name(ledger: Ledger, name: str) -> None:
    """Names are data: no script, quote or NUL in one changes what is stored."""
    key = RunKey("ß", "…", name)

    ledger.append(Batch(1, [(key, segment(0, 4))], {key: b"\0state"}))

    assert ledger.runs() == [BookedRun(key, 0, 4, closed=False)]
    assert ledger.account(key).gpu_ns == {RunState.PRODUCTIVE: 32}
    assert ledger.resume().states == {key: b"\0state"}


def test_time_that_a_fold_still_holds_is_no_hole(ledger: Ledger) -> None:
    """The open step is in the state and in no entry; sums are asked of both."""
    fold = Fold(LLAMA, line_ns=30, opened_ns=0, asked=8)
    fold.steps.open = [Span(10, 20)]
    for part in (segment(0, 10), segment(20, 30)):
        book(fold.book, part)
        lengthen(fold.book, 8, 10)
    bookings = [(LLAMA, booking) for booking in fold.book.pending]
    fold.book.pending = []

    ledger.append(Batch(1, bookings, {LLAMA: encode_state(fold)}))
    sound = ledger.verify()
    ledger.append(booked(segment(30, 31)))
    (extra,) = ledger.verify()

    assert sound == []
    assert extra.what == (
        "run local/default/llama: the entries hold 168 GPU-ns productive and its "
        "state counts 160"
    )


def test_sums_past_64_bits_are_exact(ledger: Ledger) -> None:
    """100,000 GPUs over 90 days are 7.8e20 GPU-nanoseconds, to the last one."""
    days = [
        segment(NOW_NS + day * DAY_NS, NOW_NS + (day + 1) * DAY_NS, devices=100_000)
        for day in range(90)
    ]
    odd = segment(NOW_NS - 1, NOW_NS, devices=99_999)
    moved = Restatement(
        1,
        days[0].span,
        "productive",
        "lost",
        90 * DAY_NS * 100_000 + 1,
        Cause.NONE,
        "4",
    )

    bookings: list[Booking] = [odd, *days, moved]
    ledger.append(Batch(1, [(LLAMA, each) for each in bookings]))

    assert ledger.account(LLAMA).gpu_ns == {
        RunState.PRODUCTIVE: 777_600_000_000_000_099_999
    }
    assert list(ledger.bookings(LLAMA))[-1].booking == moved


def test_a_window_cuts_the_segments_at_its_edges(ledger: Ledger) -> None:
    """A window holds the parts inside it; segments are listed whole."""
    before, left, inside, right, after = (
        segment(0, 10),
        segment(10, 20, RunState.STALLED, cause=Cause.HANG),
        segment(20, 30),
        segment(30, 45, RunState.DOWN, cause=Cause.HANG),
        segment(45, 50),
    )
    window = Span(15, 45)
    ledger.append(booked(after, right, inside, left, before))

    account = ledger.account(LLAMA, window)

    assert account.gpu_ns == {
        RunState.STALLED: 40,
        RunState.PRODUCTIVE: 80,
        RunState.DOWN: 120,
    }
    assert account.bad_gpu_ns == {Cause.HANG: 160}
    assert list(ledger.segments(LLAMA, window)) == [left, inside, right]
    assert list(ledger.segments(LLAMA)) == [before, left, inside, right, after]


@pytest.mark.parametrize("window", [Span(12, 12), Span(13, 12), Span(50, 60)])
def test_a_window_without_time_of_the_run_is_empty(
    ledger: Ledger, window: Span
) -> None:
    """Nothing is booked in no time, nor after the end."""
    ledger.append(booked(segment(10, 20), segment(20, 50)))

    assert ledger.account(LLAMA, window) == Account()
    assert list(ledger.segments(LLAMA, window)) == []


def test_a_long_segment_is_found_from_inside(ledger: Ledger) -> None:
    """An hour-long outage shows in a window that lies wholly inside it."""
    down = segment(0, 3_600, RunState.DOWN)
    ledger.append(booked(down, *[segment(3_600 + i, 3_601 + i) for i in range(50)]))

    assert ledger.account(LLAMA, Span(3_000, 3_010)).gpu_ns == {RunState.DOWN: 80}
    assert list(ledger.segments(LLAMA, Span(3_599, 3_600))) == [down]


def test_restatements_and_events_hold_no_time(ledger: Ledger) -> None:
    """The live view counts segments only; what moves later is beside it."""
    ledger.append(Batch(1, [(LLAMA, booking) for booking in ONE_OF_EACH]))

    account = ledger.account(LLAMA)

    assert account.gpu_ns == {RunState.INITIALIZING: 80, RunState.RECOMPUTING: 240}


def test_a_run_that_was_never_booked_has_nothing(ledger: Ledger) -> None:
    """Asking for a run that does not exist is no error and invents nothing."""
    assert ledger.account(OTHER) == Account()
    assert list(ledger.segments(OTHER)) == []
    assert list(ledger.bookings(OTHER)) == []
    assert ledger.state_of(OTHER) is None
    assert ledger.verify(OTHER) == []


def test_runs_are_listed_with_their_reach(ledger: Ledger) -> None:
    """A run reaches from its first to its last segment or event, in any order."""
    restated = Restatement(999, Span(0, 500), "down", "outside", 5, Cause.NONE, "15")
    ledger.append(Batch(1, [(OTHER, segment(20, 30)), (LLAMA, restated)]))
    ledger.append(Batch(2, [(OTHER, segment(10, 20))]))
    ledger.append(Batch(3, [(OTHER, RunEvent(40, EventKind.ENDED))], {OTHER: b""}))

    assert ledger.runs() == [
        BookedRun(LLAMA, None, None, closed=False),
        BookedRun(OTHER, 10, 40, closed=False),
    ]


def test_the_last_state_of_each_open_run_is_resumed(ledger: Ledger) -> None:
    """States and meta values replace earlier ones; runs left alone keep theirs."""
    ledger.append(
        Batch(1, [], {LLAMA: b"1", OTHER: b"1"}, meta={"boot": "a", "n": "1"})
    )
    ledger.append(Batch(2, [], {LLAMA: b"2"}, meta={"boot": "b"}))

    resume = ledger.resume()

    assert resume.states == {LLAMA: b"2", OTHER: b"1"}
    assert resume.meta == {"boot": "b", "n": "1"}
    assert resume.damaged == ()


def test_what_a_run_heard_stands_behind_its_state_until_the_next(
    ledger: Ledger,
) -> None:
    """Part after part, byte by byte; another run's state changes nothing of it."""
    ledger.append(Batch(1, [], {LLAMA: b"1", OTHER: b"x"}))
    ledger.append(Batch(2, heard={LLAMA: b"\n\0a"}))
    ledger.append(Batch(3, [], {OTHER: b"y"}, heard={LLAMA: b"\n\xffb"}))

    assert ledger.resume().states == {LLAMA: b"1\n\0a\n\xffb", OTHER: b"y"}
    assert ledger.state_of(LLAMA) == b"1\n\0a\n\xffb"

    ledger.append(Batch(4, [], {LLAMA: b"2"}, closed=frozenset({LLAMA})))

    assert ledger.state_of(LLAMA) == b"2"


def test_a_new_state_holds_what_was_heard_before_it() -> None:
    """Nobody could tell whether the state knows of it: the two never come together."""
    with pytest.raises(AccountingError, match="words behind the earlier one"):
        Batch(1, [], {LLAMA: b"1"}, heard={LLAMA: b"\n"})


def test_a_closed_run_is_kept_for_reopening(ledger: Ledger) -> None:
    """A run that is over costs a restart nothing, and its state is still there."""
    ledger.append(Batch(1, [], {LLAMA: b"end", OTHER: b"x"}, closed=frozenset({LLAMA})))

    assert ledger.resume().states == {OTHER: b"x"}
    assert ledger.state_of(LLAMA) == b"end"
    assert [run.closed for run in ledger.runs()] == [True, False]

    ledger.append(Batch(2, [], {LLAMA: b"again"}))

    assert ledger.resume().states == {LLAMA: b"again", OTHER: b"x"}


def test_a_run_cannot_close_without_a_state() -> None:
    """Without a state a closed run could never be reopened."""
    with pytest.raises(AccountingError, match="local/default/llama closes"):
        Batch(1, closed=frozenset({LLAMA}))


def test_any_thread_reads_what_one_thread_wrote(ledger: Ledger) -> None:
    """A web server's thread sees the committed batches."""
    ledger.append(booked(segment(0, 10)))
    seen: list[Account] = []

    reader = Thread(target=lambda: seen.append(ledger.account(LLAMA)))
    reader.start()
    reader.join(timeout=5)

    assert [account.total_gpu_ns for account in seen] == [80]


def test_appending_goes_on_while_somebody_reads(ledger: Ledger) -> None:
    """A reader that stopped half-way keeps its snapshot and blocks nobody."""
    ledger.append(booked(*[segment(i, i + 1) for i in range(1_000)]))
    reading = ledger.bookings(LLAMA)
    first = next(reading)

    last = ledger.append(booked(segment(1_000, 1_001)))

    assert (first.seq, last) == (1, 1_001)
    assert sum(1 for _ in reading) == 999


def test_a_sound_ledger_has_no_findings(ledger: Ledger) -> None:
    """Segments that tile, degraded time beside them, and a reopened run are lawful."""
    ledger.append(
        Batch(
            1,
            [
                (LLAMA, segment(0, 10, devices=6)),
                (LLAMA, segment(2, 8, RunState.DEGRADED, devices=2)),
                (LLAMA, RunEvent(10, EventKind.ENDED)),
                (LLAMA, segment(50, 60)),
                (LLAMA, RunEvent(50, EventKind.REOPENED)),
                (OTHER, segment(5, 15)),
            ],
        )
    )

    assert ledger.verify() == []


def test_time_booked_twice_is_found_at_the_later_entry(ledger: Ledger) -> None:
    """Of two segments that share an instant, the one booked later is named."""
    ledger.append(booked(segment(10, 20), segment(20, 30)))
    ledger.append(booked(segment(0, 12), segment(15, 18)))

    findings = ledger.verify()

    assert [(found.key, found.seq) for found in findings] == [(LLAMA, 3)]
    assert "10 ns to 12 ns is booked twice" in findings[0].what


def test_a_hole_is_found_in_its_run_alone(ledger: Ledger) -> None:
    """Time that no segment books is a finding of the run that lacks it."""
    ledger.append(Batch(1, [(OTHER, segment(0, 9)), (LLAMA, segment(0, 10))]))
    ledger.append(booked(segment(11, 20)))

    assert ledger.verify(OTHER) == []
    assert [found.seq for found in ledger.verify(LLAMA)] == [3]
    assert "10 ns to 11 ns is booked by no segment" in ledger.verify()[0].what


def test_an_hour_of_a_hundred_thousand_entries_is_booked_and_counted_at_once(
    ledger: Ledger,
) -> None:
    """10^5 entries are appended and added up in less than two seconds of CPU."""
    states = [RunState.PRODUCTIVE, RunState.SLOW, RunState.DATA_WAIT]
    many = [segment(i, i + 1, states[i % 3]) for i in range(100_000)]
    began = process_time()

    last = 0
    for first in range(0, 100_000, 10_000):
        last = ledger.append(booked(*many[first : first + 10_000]))
    account = ledger.account(LLAMA)

    assert process_time() - began < 2
    assert (last, account.total_gpu_ns) == (100_000, 800_000)


@st.composite
def tiled(draw: st.DrawFn) -> list[Segment]:
    """Draw segments that tile a stretch of time, with degraded time beside some."""
    cuts = draw(st.lists(st.integers(0, 10**18), unique=True, min_size=2, max_size=12))
    tiles: list[Segment] = []
    for start_ns, end_ns in pairwise(sorted(cuts)):
        devices = draw(st.integers(1, 200_000))
        state = draw(
            st.sampled_from([s for s in RunState if s is not RunState.DEGRADED])
        )
        cause = draw(st.sampled_from(Cause))
        tiles.append(segment(start_ns, end_ns, state, devices=devices, cause=cause))
        if draw(st.booleans()):
            missing = segment(start_ns, end_ns, RunState.DEGRADED, cause=cause)
            tiles.append(missing)
    return draw(st.permutations(tiles))


@settings(max_examples=25)
@given(
    tiles=tiled(),
    cuts=st.lists(st.integers(-5, 10**18 + 5), min_size=3, max_size=3).map(sorted),
)
def test_windows_add_up_and_equal_the_tally(
    opened: OpenLedger, tiles: list[Segment], cuts: list[int]
) -> None:
    """Two adjacent windows hold what their union holds, and what the domain counts."""
    start_ns, cut_ns, end_ns = cuts
    with TemporaryDirectory() as directory, closing(opened(Path(directory))) as ledger:
        ledger.append(booked(*tiles))
        first = ledger.account(LLAMA, Span(start_ns, cut_ns))
        second = ledger.account(LLAMA, Span(cut_ns, end_ns))
        both = ledger.account(LLAMA, Span(start_ns, end_ns))
        whole = ledger.account(LLAMA)
        findings = ledger.verify()

    first.merge(second)
    assert first == both == tally(tiles, Span(start_ns, end_ns))
    assert whole == tally(tiles)
    assert findings == []
