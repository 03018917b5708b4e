"""Rolling windows are the account of the last stretch, rounded down to a bucket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.domain.accounting import Account, Segment, tally
from goodput_exporter.domain.bookings import OUTSIDE_THE_BOOK, Restatement
from goodput_exporter.domain.corrected import correct
from goodput_exporter.domain.rolling import HOUR_NS, WINDOWS, Rolling, window_of
from goodput_exporter.domain.settings import MINUTE_NS
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.domain.states import Cause, RunState

NOW_NS = 500_000 * HOUR_NS + 17 * MINUTE_NS + 12_345
STATES = st.sampled_from(
    (RunState.PRODUCTIVE, RunState.DOWN, RunState.UNOBSERVED, RunState.DATA_WAIT)
)
CAUSES = st.sampled_from((Cause.NONE, Cause.HANG))


@st.composite
def recent_segments(draw: st.DrawFn) -> list[Segment]:
    """Segments of one run without holes, up to now, over up to two days."""
    end_ns = NOW_NS
    found: list[Segment] = []
    for _ in range(draw(st.integers(0, 12))):
        length_ns = draw(st.integers(1, 4 * HOUR_NS))
        span = Span(end_ns - length_ns, end_ns)
        found.append(
            Segment(span, draw(STATES), draw(st.integers(1, 4096)), draw(CAUSES))
        )
        end_ns = span.start_ns
    return found[::-1]


def filled(account: Account) -> tuple[dict[RunState, int], dict[Cause, int]]:
    """Return what is not zero."""
    return (
        {state: ns for state, ns in account.gpu_ns.items() if ns},
        {cause: ns for cause, ns in account.bad_gpu_ns.items() if ns},
    )


def kept(segments: list[Segment], *, step_ns: int = 0) -> Rolling:
    """Return windows that took segments, each while its own end was the present."""
    rolling = Rolling()
    for segment in segments:
        rolling.add(segment, segment.span.end_ns + step_ns)
    return rolling


@given(recent_segments(), st.sampled_from(sorted(WINDOWS)))
def test_a_window_is_the_tally_of_its_span(segments: list[Segment], name: str) -> None:
    """Cut into buckets and put together again, not a nanosecond is lost."""
    account, _ = kept(segments).read(name, NOW_NS)

    assert filled(account) == filled(tally(segments, window_of(name, NOW_NS)))


@given(recent_segments(), st.integers(0, 12), st.sampled_from(sorted(WINDOWS)))
def test_windows_add_up(segments: list[Segment], cut: int, name: str) -> None:
    """What two halves of a history hold together is what the whole holds."""
    whole, _ = kept(segments).read(name, NOW_NS)
    first, _ = kept(segments[:cut]).read(name, NOW_NS)
    second, _ = kept(segments[cut:]).read(name, NOW_NS)

    first.merge(second)
    assert filled(first) == filled(whole)


@given(recent_segments(), st.sampled_from(sorted(WINDOWS)))
def test_what_is_restated_moves_in_every_window(
    segments: list[Segment], name: str
) -> None:
    """Late evidence changes windows as it changes the segments themselves."""
    down = [s for s in segments if s.state is RunState.DOWN]
    moves = [
        Restatement(NOW_NS, s.span, "down", to, s.gpu_ns, s.cause, "a test")
        for s, to in zip(down, ("initializing", OUTSIDE_THE_BOOK) * 6, strict=False)
    ]
    rolling = kept(segments)

    for move in moves:
        rolling.restate(move, NOW_NS)

    account, _ = rolling.read(name, NOW_NS)
    corrected = correct(segments, moves)
    assert filled(account) == filled(tally(corrected, window_of(name, NOW_NS)))


def test_what_was_lost_stays_where_it_was_booked() -> None:
    """Only the settled view knows it: it has no place in time."""
    rolling = Rolling()
    span = Span(NOW_NS - MINUTE_NS, NOW_NS)
    rolling.add(Segment(span, RunState.PRODUCTIVE, 2), NOW_NS)

    rolling.restate(
        Restatement(NOW_NS, span, "productive", "lost", 7, Cause.NONE, "rule 4"), NOW_NS
    )

    account, _ = rolling.read("5m", NOW_NS)
    assert account.gpu_ns == {RunState.PRODUCTIVE: 2 * MINUTE_NS}


def test_old_buckets_leave_the_memory() -> None:
    """After a day of silence nothing of the day before is kept."""
    rolling = kept([Segment(Span(NOW_NS - HOUR_NS, NOW_NS), RunState.DOWN, 8)])

    for name in WINDOWS:
        rolling.read(name, NOW_NS + 25 * HOUR_NS)

    assert all(not buckets for buckets in rolling.buckets.values())


@pytest.mark.parametrize(("name", "most"), [("5m", 32), ("1h", 62), ("24h", 98)])
def test_a_window_never_holds_more_than_its_buckets(name: str, most: int) -> None:
    """A run of a week that books every minute costs what its last day does."""
    rolling = Rolling()
    for minute in range(7 * 24 * 60):
        start_ns = NOW_NS + minute * MINUTE_NS
        span = Span(start_ns, start_ns + MINUTE_NS)
        rolling.add(Segment(span, RunState.PRODUCTIVE, 1), span.end_ns)
        if not minute % 600:
            for window in WINDOWS:
                rolling.read(window, span.end_ns)

    rolling.read(name, NOW_NS + 7 * 24 * HOUR_NS)
    assert len(rolling.buckets[name]) <= most


def test_flops_are_shared_by_time() -> None:
    """Of a segment that began before the window only its part inside counts."""
    window = window_of("5m", NOW_NS)
    span = Span(window.start_ns - 30 * NS_PER_SECOND, window.start_ns + MINUTE_NS)
    rolling = kept([Segment(span, RunState.PRODUCTIVE, 8, model_flops=9e15)])

    _, flops = rolling.read("5m", NOW_NS)

    assert flops == pytest.approx(6e15)


def test_flops_that_nobody_counted_are_none() -> None:
    """Zero would claim that nothing was computed."""
    rolling = kept([Segment(Span(NOW_NS - MINUTE_NS, NOW_NS), RunState.PRODUCTIVE, 8)])

    assert rolling.read("1h", NOW_NS)[1] is None
