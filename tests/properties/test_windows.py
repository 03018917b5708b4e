"""Windows divide time exactly: accounts of parts add up to the account of the whole."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.domain.accounting import Account, Segment, tally
from goodput_exporter.domain.life import Life, Piece, born
from goodput_exporter.domain.observations import RankReport
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, Phase, RunState
from goodput_exporter.domain.windows import level, mix
from tests.fakes.histories import History, histories, watched
from tests.fakes.ranks import ns
from tests.fakes.stories import START_S

LENGTHS = st.integers(1, 10**11)
PHASES = st.sampled_from(
    [
        RunState.RESTORING,
        RunState.CHECKPOINTING,
        RunState.DATA_WAIT,
        RunState.EVALUATING,
        RunState.OTHER,
        None,
    ]
)


@st.composite
def books(draw: st.DrawFn) -> list[Segment]:
    """Draw segments that follow each other, on changing numbers of devices."""
    start_ns, found = 0, []
    for _ in range(draw(st.integers(0, 12))):
        end_ns = start_ns + draw(LENGTHS)
        state = draw(st.sampled_from(RunState))
        cause = draw(st.sampled_from(Cause))
        devices = draw(st.integers(1, 16_384))
        found.append(Segment(Span(start_ns, end_ns), state, devices, cause))
        start_ns = end_ns + draw(st.sampled_from([0, 0, 7]))
    return found


@st.composite
def ranks_lives(draw: st.DrawFn) -> list[Life]:
    """Draw one to five ranks with phases of their own over about the same time."""
    lives = []
    for number in range(draw(st.integers(1, 5))):
        start_ns = draw(st.integers(0, 10**9))
        report = RankReport(f"{number:016x}", 0, start_ns, 0, Phase.INIT, 0, {})
        life = born(report)
        cursor_ns = start_ns
        for _ in range(draw(st.integers(1, 6))):
            end_ns = cursor_ns + draw(st.integers(1, 3 * 10**9))
            life.pieces.append(Piece(cursor_ns, end_ns, draw(PHASES)))
            cursor_ns = end_ns
        life.reported_ns = cursor_ns
        lives.append(life)
    return lives


def non_zero(account: Account) -> Account:
    """Return an account without the states and causes that hold nothing."""
    return Account(
        {state: gpu_ns for state, gpu_ns in account.gpu_ns.items() if gpu_ns},
        {cause: gpu_ns for cause, gpu_ns in account.bad_gpu_ns.items() if gpu_ns},
    )


@given(books(), st.lists(st.integers(0, 10**12), min_size=2, max_size=6))
def test_accounts_of_adjacent_windows_add_up(
    book: list[Segment], cuts: list[int]
) -> None:
    """Cut time anywhere: the parts' accounts sum to the whole's, state by state."""
    cuts = sorted(cuts)
    parts = Account()
    for first_ns, last_ns in pairwise(cuts):
        parts.merge(tally(book, Span(first_ns, last_ns)))

    assert non_zero(parts) == non_zero(tally(book, Span(cuts[0], cuts[-1])))


@settings(max_examples=20)
@given(histories(), st.lists(st.integers(0, 300), min_size=1, max_size=5))
def test_a_runs_account_is_the_sum_of_its_windows(
    history: History, cuts: list[int]
) -> None:
    """What the counters say of a run's life is what its windows say together."""
    story = watched(history)
    first_ns, last_ns = story.fold.opened_ns, story.fold.line_ns or 0
    inside = sorted({ns(START_S + cut) for cut in cuts} | {first_ns, last_ns})
    inside = [at_ns for at_ns in inside if first_ns <= at_ns <= last_ns]

    parts = Account()
    for begin_ns, end_ns in pairwise(inside):
        parts.merge(tally(story.segments(), Span(begin_ns, end_ns)))

    assert non_zero(parts) == non_zero(story.fold.book.live)


@given(ranks_lives(), st.integers(0, 10**10), st.integers(1, 10**10))
def test_a_window_of_many_ranks_is_filled_exactly(
    lives: list[Life], start_ns: int, length_ns: int
) -> None:
    """Phases, step time and what nobody saw: together the window, none negative."""
    content = mix(lives, start_ns, start_ns + length_ns)
    spent = [spent_ns for _, spent_ns in content.phases]

    assert sum(spent) + content.step_ns + content.unobserved_ns == length_ns
    assert min([*spent, content.step_ns, content.unobserved_ns]) >= 0


@given(ranks_lives(), st.integers(0, 10**10), st.integers(1, 10**10))
def test_the_order_of_ranks_does_not_matter(
    lives: list[Life], start_ns: int, length_ns: int
) -> None:
    """No rank is the first among them: no election, no rank 0."""
    window = (start_ns, start_ns + length_ns)

    assert mix(lives, *window) == mix(lives[::-1], *window)


@given(ranks_lives())
def test_a_rank_that_did_the_same_changes_nothing(lives: list[Life]) -> None:
    """The maximum over ranks does not grow with their number."""
    end_ns = max(life.reported_ns for life in lives)
    twin = replace(lives[0], incarnation="f" * 16)

    assert mix([*lives, twin], 0, end_ns) == mix(lives, 0, end_ns)


@given(
    st.lists(
        st.tuples(st.integers(0, 10**10), st.integers(1, 9)), min_size=1, max_size=9
    ),
    st.integers(0, 100),
)
def test_step_time_is_spread_within_what_each_step_may_hold(
    intervals: list[tuple[int, int]], percent: int
) -> None:
    """The shares sum exactly, and no step holds more than passed since the last."""
    room_ns = sum(length_ns for length_ns, _ in intervals)
    step_ns = room_ns * percent // 100
    shares = level(intervals, step_ns)

    assert sum(shares) == step_ns
    assert all(share >= 0 for share in shares)
    assert all(
        share <= length_ns
        for share, (length_ns, _) in zip(shares, intervals, strict=True)
    )
