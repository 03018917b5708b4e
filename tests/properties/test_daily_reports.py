"""A fleet's report reads days and few entries, and says what all entries say."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.analysis.hindsight import hindsight
from goodput_exporter.analysis.histories import History as Told
from goodput_exporter.analysis.histories import View
from goodput_exporter.analysis.prices import parse_prices
from goodput_exporter.analysis.stretches import Pricing, Stretch
from goodput_exporter.analysis.usage import Place
from goodput_exporter.domain.accounting import Account, Segment, is_bad
from goodput_exporter.domain.bookings import (
    Booking,
    EventKind,
    Reattribution,
    Restatement,
    RunEvent,
)
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.ledger.days import DAY_NS
from goodput_exporter.ledger.ledger import Batch
from goodput_exporter.ledger.opening import open_ledger, read_ledger
from goodput_exporter.ledger.state import encode_state
from goodput_exporter.report.drawing_up import sheet
from goodput_exporter.report.rows import rows
from goodput_exporter.report.sheet import Sheet
from goodput_exporter.services.reading_days import read_runs
from tests.fakes.bills import H100
from tests.fakes.histories import History, histories, watched
from tests.fakes.stories import KEY, START_S

MIDNIGHT_NS = 20_000 * DAY_NS
SLOWER = 600
"""A step of seconds takes minutes, so that a story lasts for days."""
PRICES = parse_prices(
    f"""
    [[price]]
    gpu_model = "{H100}"
    currency = "EUR"
    per_gpu_hour = 2.5
    from = 2024-01-01T00:00:00Z
    to = 2024-10-04T06:40:00Z

    [[price]]
    gpu_model = "{H100}"
    currency = "EUR"
    per_gpu_hour = 3.5
    from = 2024-10-04T06:40:00Z
    """,
    origin="prices",
)
"""The price changes within the day that these stories pass midnight into."""


def slowed(one: Booking, midnight_s: int) -> Booking:
    """Return a booking of a life that is slower, and passes midnight at an instant."""

    def at(ns: int) -> int:
        return MIDNIGHT_NS + (ns - (START_S + midnight_s) * NS_PER_SECOND) * SLOWER

    def over(span: Span) -> Span:
        return Span(at(span.start_ns), at(span.end_ns))

    match one:
        case Segment():
            return replace(one, span=over(one.span))
        case RunEvent():
            detail = dict(one.detail)
            for name, value in detail.items():
                if name == "began_ns" and isinstance(value, int):
                    detail[name] = at(value)
                elif name.endswith("gpu_ns") and isinstance(value, int):
                    detail[name] = value * SLOWER
            return RunEvent(at(one.at_ns), one.kind, detail)
        case Restatement():
            gpu_ns, span = one.gpu_ns * SLOWER, over(one.span)
            return replace(one, at_ns=at(one.at_ns), span=span, gpu_ns=gpu_ns)
        case Reattribution():
            return replace(
                one,
                at_ns=at(one.at_ns),
                span=over(one.span),
                gpu_ns={state: ns * SLOWER for state, ns in one.gpu_ns.items()},
                settled_gpu_ns={
                    state: ns * SLOWER for state, ns in one.settled_gpu_ns.items()
                },
            )


def corrected(bookings: Sequence[Booking], number: int, cause: Cause) -> Reattribution:
    """Give all time of an incident another cause, as a person does."""
    seen = hindsight(bookings)
    live, known = mine(seen.known, number), mine(seen.settled, number)
    interrupted = next(
        one
        for one in bookings
        if isinstance(one, RunEvent)
        and one.kind is EventKind.INTERRUPTED
        and one.detail["incident"] == number
    )
    spans = [one.span for one in seen.known if one.incident == number]
    span = Span(
        min([interrupted.at_ns, *(each.start_ns for each in spans)]),
        max([interrupted.at_ns, *(each.end_ns for each in spans)]),
    )
    before = Cause(str(interrupted.detail["cause"]))
    return Reattribution(
        span.end_ns,
        span,
        number,
        before,
        cause,
        number,
        {state: ns for (state, of), ns in live.items() if of is before},
        {state: ns for (state, of), ns in known.items() if of is before},
        "person",
        "ann",
        "seen",
    )


def mine(
    stretches: Sequence[Stretch], number: int
) -> dict[tuple[RunState, Cause], int]:
    """Add up what belongs to an incident, by state and cause."""
    found: dict[tuple[RunState, Cause], int] = {}
    for one in stretches:
        if one.incident == number and is_bad(one.state):
            name = one.state, one.cause
            found[name] = found.get(name, 0) + one.gpu_ns
    return found


def reports(
    folder: Path, window: Span, view: View, pricing: Pricing
) -> tuple[Sheet, Sheet, list[Told]]:
    """Report on the same ledger by days, and by every entry."""
    with closing(read_ledger(folder / "ledger.db")) as ledger:
        read: list[list[tuple[Told, Account]]] = [
            list(
                read_runs(
                    ledger,
                    ledger.runs(),
                    window=window,
                    view=view,
                    pricing=pricing,
                    every_entry=every_entry,
                )
            )
            for every_entry in (False, True)
        ]
        made = [sheet(each, subject="all", window=window, view=view) for each in read]
    return made[0], made[1], [run for run, _ in read[0]]


def same(by_days: Sheet, by_entries: Sheet) -> None:
    """Check that two sheets say the same, apart from which entries were read."""
    without = [replace(made, parts=(), periods=()) for made in (by_days, by_entries)]

    assert without[0] == without[1]
    assert [
        (p.span, p.account.gpu_ns, p.account.bad_gpu_ns) for p in by_days.periods
    ] == [(p.span, p.account.gpu_ns, p.account.bad_gpu_ns) for p in by_entries.periods]
    for one, other in zip(by_days.parts, by_entries.parts, strict=True):
        assert one.account == other.account
        assert (one.proof, one.incidents, one.cost) == (
            other.proof,
            other.incidents,
            other.cost,
        )
    assert rows(by_days) == rows(by_entries)


@settings(max_examples=8, deadline=None)
@given(
    history=histories(),
    midnight_s=st.integers(0, 300),
    cut_s=st.integers(-100, 300),
    shape=st.sampled_from(["whole", "from", "to"]),
    view=st.sampled_from(list(View)),
    priced=st.booleans(),
    cause=st.sampled_from([None, Cause.GPU_ERROR, Cause.OOM_KILLED]),
    is_joined=st.booleans(),
)
def test_daily_accounts_and_entries_make_the_same_report(  # noqa: PLR0913 - one argument a dimension
    *,
    history: History,
    midnight_s: int,
    cut_s: int,
    shape: str,
    view: View,
    priced: bool,
    cause: Cause | None,
    is_joined: bool,
) -> None:
    """Wherever midnight, a price or the window cuts it; whatever was moved or lost."""
    story = watched(history)
    bookings = [slowed(one, midnight_s) for one in story.bookings]
    numbers = [
        int(str(one.detail["incident"]))
        for one in bookings
        if isinstance(one, RunEvent) and one.kind is EventKind.INTERRUPTED
    ]
    if cause is not None and numbers:
        bookings.append(corrected(bookings, numbers[-1], cause))
    pricing = Pricing(PRICES, Place(H100)) if priced else Pricing()
    week_ns, cut_ns = 6 * DAY_NS, MIDNIGHT_NS + cut_s * SLOWER * NS_PER_SECOND
    window = {
        "whole": Span(MIDNIGHT_NS - week_ns, MIDNIGHT_NS + week_ns),
        "from": Span(cut_ns, cut_ns + week_ns),
        "to": Span(cut_ns - week_ns, cut_ns),
    }[shape]
    with TemporaryDirectory() as directory:
        folder = Path(directory)
        with closing(open_ledger(folder / "ledger.db")) as ledger:
            state = {KEY: encode_state(story.fold)}
            ledger.append(Batch(1, [(KEY, one) for one in bookings], state))
            if is_joined:
                ledger.compact(0, window.end_ns // DAY_NS)
        by_days, by_entries, _ = reports(folder, window, view, pricing)

    same(by_days, by_entries)


def test_a_quiet_month_is_read_without_its_entries(tmp_path: Path) -> None:
    """Steps, saves and one loss over midnight: of the month, a few hours are read."""
    step_ns, begins_ns = 600 * NS_PER_SECOND, MIDNIGHT_NS - 15 * DAY_NS
    a_day = DAY_NS // step_ns
    told: list[Booking] = [work(begins_ns, n, step_ns) for n in range(30 * a_day)]
    # Half an hour after midnight the steps of the last hour and a half are lost,
    # of which a save took one length.
    lost = {"step": 15 * a_day - 7, "lost_gpu_ns": 8 * 8 * step_ns}
    restored = RunEvent(MIDNIGHT_NS + 3 * step_ns, EventKind.RESTORED, dict(lost))
    told.insert(15 * a_day + 3, restored)
    with closing(open_ledger(tmp_path / "ledger.db")) as ledger:
        ledger.append(Batch(1, [(KEY, one) for one in told]))
    window = Span(begins_ns, begins_ns + 30 * DAY_NS)

    by_days, by_entries, (run,) = reports(
        tmp_path, window, View.SETTLED, Pricing(PRICES, Place(H100))
    )

    same(by_days, by_entries)
    assert {line.name: line.gpu_ns for line in by_days.whole.states}["lost"] == (
        8 * 8 * step_ns
    )
    assert len(run.bookings) < a_day * 2


def work(begins_ns: int, number: int, length_ns: int) -> Segment:
    """Build the *number*-th piece of a run that saves after every five steps."""
    start_ns = begins_ns + number * length_ns
    span = Span(start_ns, start_ns + length_ns)
    if number % 6 == 5:
        return Segment(span, RunState.CHECKPOINTING, 8)
    return Segment(span, RunState.PRODUCTIVE, 8, first_step=number, last_step=number)
