"""Daily accounts that are not what was written, and ledgers without them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.domain.book import book, lengthen, restate
from goodput_exporter.domain.bookings import EventKind, Restatement, RunEvent
from goodput_exporter.domain.fold import Fold
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause
from goodput_exporter.errors import LedgerError
from goodput_exporter.ledger.connections import connect_writer
from goodput_exporter.ledger.days import DAY_NS, amounts_of, day_name, day_of, pieces
from goodput_exporter.ledger.entries import encode
from goodput_exporter.ledger.ledger import Batch
from goodput_exporter.ledger.migrations import migrate
from goodput_exporter.ledger.queries import migrations
from goodput_exporter.ledger.state import encode_state
from goodput_exporter.ledger.store import open_ledger
from tests.fakes.ledger import LLAMA, booked, segment

HOUR_NS = DAY_NS // 24
MOVED = Restatement(
    1, Span(0, 4), "productive", "lost", 32 * HOUR_NS, Cause.NONE, "rule 4"
)


def written(path: Path, hours: int = 72) -> None:
    """Write a run of so many hours, and a restatement, and let go of the ledger."""
    many = [segment(i * HOUR_NS, (i + 1) * HOUR_NS) for i in range(hours)]
    with closing(open_ledger(path)) as ledger:
        ledger.append(booked(*many))
        ledger.append(Batch(2, [(LLAMA, MOVED)]))


def tampered(path: Path, *statements: str) -> None:
    """Change a ledger behind its back, as a person with a database tool would."""
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)


def found(path: Path) -> list[str]:
    """Return what verify says."""
    with closing(open_ledger(path)) as ledger:
        return [finding.what for finding in ledger.verify()]


def test_a_day_that_was_changed_is_named_with_both_sums(path: Path) -> None:
    """The first day that is not the sum of its entries, and what they add up to."""
    written(path)
    tampered(path, "UPDATE days SET length_ns = length_ns - 1 WHERE day >= 1")

    (what,) = found(path)

    assert what == (
        "run local/default/llama: the daily account of 1970-01-02 holds "
        f"{8 * (DAY_NS - 1)} GPU-ns productive (live, cause none, 8 devices) and its "
        f"entries add up to {8 * DAY_NS}"
    )


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("live", "daily accounts before 1970-01-03 are not what was folded"),
        ("hindsight", "the daily account of 1970-01-01 holds"),
    ],
)
def test_a_folded_day_that_was_changed_is_found(
    path: Path, part: str, said: str
) -> None:
    """Its segments are gone: the seal tells; what restatements made is added up."""
    written(path)
    with closing(open_ledger(path)) as ledger:
        assert ledger.compact(2, 0).folded == 48
    change = "UPDATE days SET length_ns = length_ns + 1 WHERE day = 0 AND part = "
    tampered(path, f"{change}'{part}'")

    (what,) = found(path)

    assert said in what


def test_a_restatement_that_was_changed_is_found_by_the_settled_view(
    path: Path,
) -> None:
    """Its day and its entry agree, and the run's state does not."""
    fold = Fold(LLAMA, line_ns=10, opened_ns=0, asked=8)
    book(fold.book, segment(0, 10))
    lengthen(fold.book, 8, 10)
    restate(
        fold.book,
        9,
        Span(0, 4),
        ("productive", "lost"),
        32,
        cause=Cause.NONE,
        reason="4",
    )
    bookings = [(LLAMA, each) for each in fold.book.pending]
    fold.book.pending = []
    with closing(open_ledger(path)) as ledger:
        ledger.append(Batch(1, bookings, {LLAMA: encode_state(fold)}))
        assert ledger.verify() == []
        more = Restatement(9, Span(0, 4), "productive", "lost", 1, Cause.NONE, "4")
        ledger.append(Batch(2, [(LLAMA, more)]))
        said = [finding.what for finding in ledger.verify()]

    run = "run local/default/llama: its days hold"
    view = "in the settled view and its state counts"
    assert said == [
        f"{run} 33 GPU-ns lost {view} 32",
        f"{run} 47 GPU-ns productive and slow {view} 48",
    ]


def test_a_compaction_that_fails_half_way_leaves_the_run_as_it_was(path: Path) -> None:
    """One transaction: after a crash there is all of it or nothing."""
    written(path)
    tampered(
        path,
        "CREATE TRIGGER stop BEFORE DELETE ON entries WHEN old.seq = 30 "
        "BEGIN SELECT RAISE(ABORT, 'the disk is gone'); END",
    )
    with closing(open_ledger(path)) as ledger:
        with pytest.raises(LedgerError, match="the disk is gone"):
            ledger.compact(2, 2)

        assert len(list(ledger.segments(LLAMA))) == 72
        assert ledger.verify() == []


def test_entries_are_append_only_but_within_a_compaction(path: Path) -> None:
    """Before and after one, whoever changes a line by hand is refused."""
    written(path)
    with closing(open_ledger(path)) as ledger:
        ledger.compact(1, 2)

    for change in ("DELETE FROM entries", "UPDATE entries SET devices = 1"):
        with pytest.raises(sqlite3.IntegrityError, match="entries are append-only"):
            tampered(path, change)


def test_a_ledger_from_before_there_were_days_gets_them(path: Path) -> None:
    """Opening adds up what an earlier version booked; numbers and sums stay."""
    with closing(connect_writer(path)) as db:
        migrate(db, path, migrations()[:1])
        db.execute("INSERT INTO runs VALUES (1, 'local', 'default', 'llama', 0, 0, 0)")
        for hour in range(50):
            row = encode(LLAMA, segment(hour * HOUR_NS, (hour + 1) * HOUR_NS))
            marks = ", ".join("?" * (len(row) + 2))
            names = (
                "booked_ns, run_id, kind, start_ns, end_ns, state, devices, cause, "
                "incident, first_step, last_step, kept_as, bridged, model_flops, detail"
            )
            db.execute(f"INSERT INTO entries ({names}) VALUES ({marks})", (1, 1, *row))  # noqa: S608 (names of this test)
        db.execute(
            "UPDATE runs SET last_ns = ?, longest_ns = ?", (50 * HOUR_NS, HOUR_NS)
        )

    with closing(open_ledger(path)) as ledger:
        days = [(each.day, each.gpu_ns // HOUR_NS) for each in ledger.days(0, 9)]
        assert days == [(0, 192), (1, 192), (2, 16)]
        assert ledger.account(LLAMA).total_gpu_ns == 400 * HOUR_NS
        assert ledger.append(Batch(2, [(LLAMA, MOVED)])) == 51
        assert ledger.verify() == []


def test_a_removed_tail_is_still_missed_after_the_upgrade(path: Path) -> None:
    """The table was written anew, and remembers which number was the last."""
    with closing(connect_writer(path)) as db:
        migrate(db, path, migrations()[:1])
        db.execute("INSERT INTO runs VALUES (1, 'local', 'default', 'llama', 0, 2, 1)")
        for _ in range(2):
            db.execute(
                "INSERT INTO entries (booked_ns, run_id, kind, start_ns, end_ns) "
                "VALUES (1, 1, 'event', 0, 0)"
            )
        db.execute("DROP TRIGGER entries_are_never_removed")
        db.execute("DELETE FROM entries WHERE seq = 2")

    assert "2 entries were numbered and 1 are there; some were removed" in found(path)


@given(st.integers(-(2**62), 2**62), st.integers(0, 5 * DAY_NS))
def test_a_span_is_the_sum_of_its_days(start_ns: int, length_ns: int) -> None:
    """Parts adjoin, each within its day, and nothing is left over."""
    parts = list(pieces(Span(start_ns, start_ns + length_ns)))

    assert sum(part_ns for _, part_ns in parts) == length_ns
    assert parts[0][0] == day_of(start_ns)
    assert all(later == day + 1 for (day, _), (later, _) in pairwise(parts))
    assert all(part_ns <= DAY_NS for _, part_ns in parts)


@given(
    st.integers(0, 10 * DAY_NS),
    st.integers(0, 4 * DAY_NS),
    st.integers(0, 10**24),
)
def test_moved_time_keeps_its_sum(start_ns: int, length_ns: int, gpu_ns: int) -> None:
    """Spread over days or not, what leaves one state arrives at the other."""
    span = Span(start_ns, start_ns + length_ns)
    moved = Restatement(1, span, "stalled", "lost", gpu_ns, Cause.HANG, "rule")

    amounts = amounts_of([moved])

    sums = {"stalled": 0, "lost": 0}
    for (_, _, state, _, devices), part_ns in amounts.items():
        sums[state] += devices * part_ns
    assert sums == {"stalled": -gpu_ns, "lost": gpu_ns}


def test_what_a_rollback_lost_moves_on_the_day_it_was_known() -> None:
    """The event says how much; slow steps are told apart where it says so."""
    detail: dict[str, str | int | float | None] = {
        "lost_gpu_ns": 7 * DAY_NS,
        "lost_slow_gpu_ns": DAY_NS,
        "cause": "hang",
    }
    restored = RunEvent(5 * DAY_NS, EventKind.RESTORED, detail)

    amounts = amounts_of([restored, RunEvent(1, EventKind.RESTORED, {"step": 3})])

    assert amounts == {
        (5, "hindsight", "productive", "none", 6): -DAY_NS,
        (5, "hindsight", "slow", "none", 1): -DAY_NS,
        (5, "hindsight", "lost", "hang", 7): DAY_NS,
    }


def test_a_day_has_a_name_people_know() -> None:
    """And outside the calendar its number."""
    assert [day_name(0), day_name(20_000), day_name(10**7)] == [
        "1970-01-01",
        "2024-10-04",
        "day 10000000",
    ]
