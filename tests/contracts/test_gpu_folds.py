"""Folded days of the cluster book: what every stored ledger promises of them."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.analysis.allocation import Rule
from goodput_exporter.analysis.money import cost_by
from goodput_exporter.analysis.prices import PriceBook, parse_prices
from goodput_exporter.analysis.usage import Place
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.book import book, lengthen
from goodput_exporter.domain.fold import Fold
from goodput_exporter.domain.gpu_bookings import GpuBooking, Kind
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import BadInputError, LedgerError
from goodput_exporter.ledger.days import DAY_NS
from goodput_exporter.ledger.gpu_compaction import SHARDS
from goodput_exporter.ledger.ledger import Archive, Batch
from goodput_exporter.ledger.one_run import RunReader
from goodput_exporter.ledger.opening import open_ledger, read_ledger
from goodput_exporter.ledger.state import encode_state
from goodput_exporter.services.costs_commands import Wanted, bills, in_focus
from goodput_exporter.services.costs_csv import Bills
from tests.fakes.gpu_books import both_books, gpus
from tests.fakes.gpus import H100, IDLE, LLAMA, LOST, SERVES, TRAINS
from tests.fakes.postgresql import Cluster

FIRST = 20_000
"""The day on which the stories begin: 2024-10-04."""
HOUR_NS = DAY_NS // 24
PRICES = f"""
[[price]]
gpu_model = "{H100}"
currency = "EUR"
per_gpu_hour = 2.49
from = 2024-01-01T00:00:00Z
"""
DEARER = f"""{PRICES}to = 2024-10-04T12:00:00Z

[[price]]
gpu_model = "{H100}"
currency = "EUR"
per_gpu_hour = 3.49
from = 2024-10-04T12:00:00Z
"""

Opened = Callable[[Path], tuple[Archive, RunReader]]


@pytest.fixture(
    scope="module",
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)],
)
def opened(request: pytest.FixtureRequest) -> Opened:
    """Return how to open an empty ledger to write it, and to read it."""
    if request.param == "sqlite":

        def of_file(folder: Path) -> tuple[Archive, RunReader]:
            path = folder / "ledger.db"
            return open_ledger(path), read_ledger(path)

        return of_file
    shared: Cluster = request.getfixturevalue("postgresql")

    def of_server(_: Path) -> tuple[Archive, RunReader]:
        book = shared.book()
        return book, cast("RunReader", book)

    return of_server


@pytest.fixture
def books(opened: Opened, tmp_path: Path) -> Iterator[tuple[Archive, RunReader]]:
    """Open an empty ledger of each kind, twice."""
    ledger, reader = opened(tmp_path)
    with closing(ledger), closing(reader):
        yield ledger, reader


def hours(start: float, end: float) -> Span:
    """Return a span in hours since the first day began."""
    return Span(
        FIRST * DAY_NS + round(start * HOUR_NS), FIRST * DAY_NS + round(end * HOUR_NS)
    )


def run(
    start: float, end: float, state: RunState = RunState.PRODUCTIVE, devices: int = 8
) -> Segment:
    """Return a segment of the run, with a cause where it is bad."""
    cause = Cause.HANG if state is RunState.DOWN else Cause.NONE
    return Segment(hours(start, end), state, devices, cause)


RUN = [run(0, 30), run(30, 36, RunState.DOWN), run(36, 72)]
NODE = [
    line
    for day in (0, 24, 48)
    for line in (
        gpus(TRAINS, 0, 8, hours(day, day + 24)),
        gpus(SERVES, 8, 4, hours(day, day + 24)),
        gpus(IDLE, 12, 3, hours(day, day + 24)),
        gpus(LOST, 15, 1, hours(day, day + 24)),
    )
]
"""Three days of sixteen GPUs; no line is longer than a day."""


def story(lines: list[GpuBooking] = NODE) -> Batch:
    """Return three days of both books, all of it decided."""
    return both_books([(LLAMA, one) for one in RUN], lines, hours(0, 72).end_ns)


def priced(
    reader: RunReader,
    window: Span | None,
    prices: str = PRICES,
    *,
    by_hour: bool = False,
) -> Bills:
    """Return the costs of a window; None is all that is booked."""
    wanted = Wanted(Rule.ASKED, Place(H100), by_hour=by_hour)
    book: PriceBook = parse_prices(prices, origin="prices.toml")
    return bills(reader, book, lambda whole: window or whole, wanted)


def told(found: Bills) -> dict[tuple[object, ...], int]:
    """Return GPU-nanoseconds by all that a bill is asked by."""
    costs = cost_by(
        found.charges,
        lambda one: (one.usage.state, one.usage.cause, one.usage.run, one.usage.team),
    )
    return {name: cost.gpu_ns for name, cost in costs.items()}


def test_a_folded_quarter_costs_what_it_cost_before(
    books: tuple[Archive, RunReader],
) -> None:
    """States, causes, runs and teams: each to the nanosecond and the cent."""
    ledger, reader = books
    ledger.append(story())
    before = priced(reader, None)

    done = ledger.compact(FIRST + 2, FIRST + 3)

    after = priced(reader, None)
    assert (done.folded, done.gpu_folded, done.findings) == (2, 8, ())
    assert told(after) == told(before)
    assert after.allocation.bills == before.allocation.bills
    assert after.used.book_gpu_ns == 16 * 3 * DAY_NS
    assert len(reader.gpu_lines()) == 4
    assert ledger.verify() == []


def test_folding_again_goes_on_where_it_ended(
    books: tuple[Archive, RunReader],
) -> None:
    """A second time nothing is done; a later day is folded on top."""
    ledger, reader = books
    ledger.append(story())
    before = told(priced(reader, None))

    first = ledger.compact(FIRST + 1, FIRST + 1)
    again = ledger.compact(FIRST + 1, FIRST + 1)
    later = ledger.compact(FIRST + 3, FIRST + 3)

    assert [done.gpu_folded for done in (first, again, later)] == [4, 0, 8]
    assert told(priced(reader, None)) == before
    assert ledger.verify() == []


def test_runs_wait_for_the_cluster_book(books: tuple[Archive, RunReader]) -> None:
    """Its line is at noon of the second day: that day stays, in both books."""
    ledger, reader = books
    lines = [line for line in NODE if line.span.end_ns <= hours(0, 24).end_ns]
    lines.append(gpus(TRAINS, 0, 8, hours(24, 36)))
    ledger.append(both_books([(LLAMA, one) for one in RUN], lines, hours(0, 48).end_ns))

    done = ledger.compact(FIRST + 2, FIRST + 2)

    assert done.findings == ()
    assert [one.folded_ns for one in ledger.runs()] == [hours(48, 48).start_ns]
    assert told(priced(reader, hours(24, 48)))[
        RunState.DOWN, Cause.HANG, LLAMA, "research"
    ]


def test_what_a_run_may_still_book_keeps_its_days_in_both_books(
    books: tuple[Archive, RunReader],
) -> None:
    """The open step of a stalled run: nobody knows yet what its GPUs did then."""
    ledger, reader = books
    fold = Fold(LLAMA, line_ns=hours(0, 72).end_ns, opened_ns=FIRST * DAY_NS, asked=8)
    fold.steps.open = [hours(30, 40)]
    for part in (run(0, 30), run(40, 72, RunState.STALLED)):
        book(fold.book, part)
        lengthen(fold.book, 8, part.span.length_ns)
    lengthen(fold.book, 8, 0)
    bookings = [(LLAMA, each) for each in fold.book.pending]
    fold.book.pending = []
    batch = both_books(bookings, NODE, hours(0, 72).end_ns)
    ledger.append(replace(batch, states={LLAMA: encode_state(fold)}))

    done = ledger.compact(FIRST + 3, FIRST + 3)

    assert (done.findings, done.gpu_folded) == ((), 4)
    assert [one.folded_ns for one in ledger.runs()] == [None]
    assert priced(reader, None).used.book_gpu_ns == 16 * 3 * DAY_NS
    assert ledger.verify() == []


def test_a_window_that_cuts_a_folded_day_is_refused(
    books: tuple[Archive, RunReader],
) -> None:
    """Nobody knows any more who held what in which hour."""
    ledger, reader = books
    ledger.append(story())
    ledger.compact(FIRST + 2, FIRST + 2)

    with pytest.raises(BadInputError, match=r"2024-10-05 was folded .*whole UTC days"):
        priced(reader, hours(30, 72))

    assert priced(reader, hours(24, 60)).used.book_gpu_ns == 16 * 36 * HOUR_NS
    assert priced(reader, hours(-9, 24)).used.book_gpu_ns == 16 * 24 * HOUR_NS


def test_a_price_that_changes_within_a_folded_day_is_refused(
    books: tuple[Archive, RunReader],
) -> None:
    """Half of the day costs more, and no account says what was in which half."""
    ledger, reader = books
    ledger.append(story())
    ledger.compact(FIRST + 1, FIRST + 1)

    with pytest.raises(BadInputError, match="changes within 2024-10-04"):
        priced(reader, None, DEARER)

    assert priced(reader, hours(24, 72), DEARER).used.book_gpu_ns


def test_folded_days_are_rows_of_a_day_for_a_biller(
    books: tuple[Archive, RunReader],
) -> None:
    """No hour is invented; time and cost are all there."""
    ledger, reader = books
    ledger.append(story())
    before = in_focus(priced(reader, None, by_hour=True), "east")
    ledger.compact(FIRST + 1, FIRST + 1)

    after = in_focus(priced(reader, None, by_hour=True), "east")

    noon = datetime.fromtimestamp(hours(12, 12).start_ns // 10**9, UTC)
    assert f"{noon:%Y-%m-%dT%H}:00:00Z" in before
    assert f"{noon:%Y-%m-%dT%H}:00:00Z" not in after
    assert gpu_ns_of(after) == gpu_ns_of(before) == 16 * 3 * DAY_NS


def test_without_a_cluster_book_folded_runs_are_priced_by_the_day(
    books: tuple[Archive, RunReader],
) -> None:
    """What crosses the fold is counted once."""
    ledger, reader = books
    ledger.append(Batch(1, [(LLAMA, one) for one in RUN]))
    before = told(priced(reader, None))

    done = ledger.compact(FIRST + 1, FIRST + 1)
    ledger.compact(FIRST + 2, FIRST + 2)

    assert done.gpu_folded == 0
    assert told(priced(reader, None)) == before
    with pytest.raises(LedgerError, match="whole UTC days"):
        priced(reader, hours(12, 60))


def test_segments_that_were_folded_first_leave_held_time(
    books: tuple[Archive, RunReader],
) -> None:
    """An earlier version folded runs alone: what their GPUs did is not guessed."""
    ledger, reader = books
    ledger.append(Batch(1, [(LLAMA, one) for one in RUN]))
    ledger.compact(FIRST + 1, FIRST + 1)
    ledger.compact(FIRST + 2, FIRST + 2)
    ledger.append(both_books([], NODE, hours(0, 72).end_ns))
    folded_before = told(priced(reader, None))

    ledger.compact(FIRST + 2, FIRST + 2)

    held = {
        str(state): gpu_ns // HOUR_NS
        for (state, _, who, _), gpu_ns in told(priced(reader, None)).items()
        if who == LLAMA
    }
    assert held == {"held": 8 * 48, "productive": 8 * 24}
    assert told(priced(reader, None)) == folded_before
    assert ledger.verify() == []


def states_of_days(reader: RunReader) -> dict[str, int]:
    """Return what the run's GPUs did in the folded days, in GPU hours by state."""
    found: Counter[str] = Counter()
    for row in reader.gpu_days(FIRST, FIRST + 3):
        if row.hold.run == LLAMA:
            found[row.state.value] += row.gpu_ns // HOUR_NS
    return dict(found)


def test_what_another_shard_may_have_booked_is_not_called_idle(
    books: tuple[Archive, RunReader],
) -> None:
    """The run is in no book that can be read from here: its GPUs were held."""
    ledger, reader = books
    ledger.append(both_books([], NODE, hours(0, 72).end_ns))
    ledger.append(Batch(2, meta={SHARDS: "2"}))

    ledger.compact(FIRST + 2, FIRST + 2)

    assert states_of_days(reader) == {"held": 8 * 48}
    assert ledger.verify() == []


@pytest.mark.real
def test_a_shard_folds_what_another_booked_in_the_states_of_its_book(
    postgresql: Cluster,
) -> None:
    """They share a database: days cost the same, folded or not."""
    url = postgresql.url(postgresql.database())
    with (
        closing(open_ledger(url, cluster="east", shard=0)) as first,
        closing(open_ledger(url, cluster="east", shard=1)) as other,
    ):
        first.append(both_books([], NODE, hours(0, 72).end_ns))
        first.append(Batch(2, meta={SHARDS: "2"}))
        other.append(Batch(1, [(LLAMA, one) for one in RUN]))
        first.compact(FIRST + 1, FIRST + 1)
        other.compact(FIRST + 2, FIRST + 2)
        first.compact(FIRST + 2, FIRST + 2)
        found = states_of_days(cast("RunReader", first))

        assert found == {"productive": 8 * 24, "held": 8 * 24}
        assert first.verify() == other.verify() == []


def test_a_correction_of_a_folded_day_breaks_no_law(
    books: tuple[Archive, RunReader],
) -> None:
    """What was corrected before and after the fold stays, and is no finding."""
    ledger, _ = books
    moved = [
        gpus(IDLE, 12, 1, hours(20, 30), kind=Kind.REVERSAL),
        gpus(LOST, 12, 1, hours(20, 30), kind=Kind.RESTATED),
    ]
    ledger.append(story([*NODE, *moved]))

    done = ledger.compact(FIRST + 1, FIRST + 1)

    assert (done.gpu_folded, done.findings) == (4, ())
    assert ledger.verify() == []


holds = st.sampled_from([TRAINS, SERVES, IDLE, LOST])


@st.composite
def lived(draw: st.DrawFn) -> tuple[list[Segment], list[GpuBooking]]:
    """Draw four days of a run, and of three groups of GPUs that it may hold."""
    minutes = st.integers(0, 96 * 60)
    cuts = draw(st.lists(minutes, unique=True, min_size=2, max_size=12))
    states = st.sampled_from([RunState.PRODUCTIVE, RunState.DOWN, RunState.STALLED])
    tiles = [
        run(start / 60, end / 60, draw(states), draw(st.sampled_from([4, 9])))
        for start, end in pairwise(sorted(cuts))
    ]
    lines: list[GpuBooking] = []
    for first in (0, 4, 8):
        edges = {0, 24 * 60, 48 * 60, 72 * 60, 96 * 60}
        edges |= set(draw(st.lists(minutes, max_size=4)))
        lines += [
            gpus(draw(holds), first, 4, hours(start / 60, end / 60))
            for start, end in pairwise(sorted(edges))
        ]
    return tiles, lines


@settings(max_examples=15, deadline=None)
@given(lived=lived(), fold=st.integers(0, 5), cut=st.integers(0, 3))
def test_folding_changes_no_cost(
    opened: Opened,
    lived: tuple[list[Segment], list[GpuBooking]],
    fold: int,
    cut: int,
) -> None:
    """Whatever the books, each state, cause, run and team of whole days is the same."""
    tiles, lines = lived
    window = hours(24 * cut, 96)
    with TemporaryDirectory() as directory:
        ledger, reader = opened(Path(directory))
        with closing(ledger), closing(reader):
            ledger.append(
                both_books([(LLAMA, one) for one in tiles], lines, window.end_ns)
            )
            before = told(priced(reader, window))
            done = ledger.compact(FIRST + fold, FIRST + fold)
            after = told(priced(reader, window))
            findings = ledger.verify()

    assert after == before
    assert (*findings, *done.findings) == ()


def gpu_ns_of(focus: str) -> int:
    """Return the GPU-nanoseconds of a FOCUS file."""
    rows = csv.DictReader(io.StringIO(focus))
    return sum(int(row["x_GpuNanoseconds"]) for row in rows)
