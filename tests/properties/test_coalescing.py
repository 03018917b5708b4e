"""One report per incarnation and tick says what ten of them said."""

from __future__ import annotations

from itertools import groupby

from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.domain.coalescing import coalesced
from goodput_exporter.domain.observations import RankReport, RunObservation
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import RunState
from tests.fakes.histories import EXECUTED
from tests.fakes.ranks import Rank
from tests.fakes.stories import Observer, observations

TICK_NS = NS_PER_SECOND
MOST_ACTS = 5
AROUND_A_STEP = {*EXECUTED, RunState.INITIALIZING, RunState.OTHER}
"""What turns into each other at the end of a step, and no phase of its own; steps
that were skipped or rolled back within a tick share its time in equal parts."""
PINNED = Rules(reference_step_ns=NS_PER_SECOND, stall_factor=10**6)


@st.composite
def crews(draw: st.DrawFn) -> tuple[list[Rank], float]:
    """Draw a synchronous job of one to four ranks, and how often they report."""
    size = draw(st.integers(1, 4))
    ranks = [
        Rank(inc=f"{n:016x}", rank=n, world=size, pid=1000 + n).init(1)
        for n in range(size)
    ]
    step = 0
    for _ in range(draw(st.integers(1, MOST_ACTS))):
        count, each = draw(st.integers(1, 12)), draw(st.sampled_from([0.1, 0.4, 1.5]))
        act = draw(st.sampled_from(["save", "eval", "rollback", ""]))
        spent = draw(st.sampled_from([0.05, 0.3, 2.0]))
        back = draw(st.integers(0, step + count - 1))
        for rank in ranks:
            rank.steps(step, step + count - 1, each=each, data=0.05)
            if act == "save":
                rank.save(spent, step + count - 1)
            elif act == "eval":
                rank.phase("eval", spent)
            elif act == "rollback":
                rank.restore(spent, back)
        step = back + 1 if act == "rollback" else step + count
    return [rank.bye() for rank in ranks], draw(st.sampled_from([0.11, 0.3, 0.5]))


def drained(seen: list[RunObservation]) -> list[list[RunObservation]]:
    """Cut what was seen into ticks of a second, as an agent drains it."""
    ticks = groupby(seen, key=lambda one: one.at_ns // TICK_NS)
    return [list(tick) for _, tick in ticks]


def once_a_tick(seen: list[RunObservation]) -> list[RunObservation]:
    """Return what an agent sends of it."""
    return [one for tick in drained(seen) for one in coalesced(tick)]


def booked(seen: list[RunObservation], until_s: float) -> Observer:
    """Return the book of a run once everything is settled."""
    return Observer(PINNED).watch(seen, until_s).settle(120)


@settings(max_examples=12)
@given(crews())
def test_the_account_does_not_change(drawn: tuple[list[Rank], float]) -> None:
    """
    Every phase holds the same time, to the nanosecond, and every step is there.

    Only where one kind of step follows another within a tick, the time around the
    turn may lie on its other side: far less than a window of rule 6.
    """
    ranks, every_s = drawn
    seen = observations(ranks, every_s=every_s)
    until_s = max(rank.ends_s for rank in ranks)

    whole, less = booked(seen, until_s), booked(once_a_tick(seen), until_s)

    before, after = whole.fold.book.settled.gpu_ns, less.fold.book.settled.gpu_ns
    moved_ns = {
        state: after.get(state, 0) - before.get(state, 0)
        for state in before.keys() | after.keys()
    }
    assert less.conserves()
    assert less.fold.progress.high_water == whole.fold.progress.high_water
    assert sum(moved_ns.values()) == 0
    apart = {s: ns for s, ns in moved_ns.items() if ns and s not in AROUND_A_STEP}
    assert not apart
    assert sum(map(abs, moved_ns.values())) <= MOST_ACTS * len(ranks) * TICK_NS


@settings(max_examples=15)
@given(crews())
def test_nothing_but_repetition_is_dropped(drawn: tuple[list[Rank], float]) -> None:
    """Ends, goodbyes and facts stay; every tick's last word is there, unchanged."""
    ranks, every_s = drawn
    seen = observations(ranks, every_s=every_s)

    for tick in drained(seen):
        kept = coalesced(tick)
        last = {one.incarnation: one for one in tick if isinstance(one, RankReport)}
        assert all(one in kept for one in tick if not isinstance(one, RankReport))
        assert all(one in kept for one in last.values())
        assert all(one in tick for one in kept)


def test_ten_reports_of_a_second_are_one() -> None:
    """Sixteen ranks that report ten times a second cost as much as once."""
    ranks = [
        Rank(inc=f"{n:016x}", rank=n, world=16, pid=1000 + n).steps(0, 99, each=0.1)
        for n in range(16)
    ]

    ticks = drained(observations(ranks, every_s=0.1, known_exit=False))

    # The first has the hellos beside them.
    assert [len(coalesced(tick)) for tick in ticks[1:9]] == [16] * 8
    assert sum(len(tick) for tick in ticks[1:9]) > 16 * 8 * 9


def test_the_step_before_a_rollback_stays() -> None:
    """A rank that goes back within a tick has reached the step that it left."""
    rank = Rank().steps(0, 8, each=0.1).restore(0.01, 2).steps(3, 3, each=0.01)
    seen = observations([rank], every_s=0.05, known_exit=False)

    kept = [one for one in coalesced(seen) if isinstance(one, RankReport)]

    assert 8 in {one.step for one in kept}
    assert [one.seq for one in kept] == sorted(one.seq for one in kept)
