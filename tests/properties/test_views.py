"""Whatever a run does, and at whatever instant one looks: the view adds up."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.domain.accounting import Account, tally, verify_tiling
from goodput_exporter.domain.observations import RankExited, RunObservation
from goodput_exporter.domain.snapshot import RunView
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import RunState
from goodput_exporter.exposition.windows import book, read_window
from tests.fakes.crews import crew, death, init_until, leave, told
from tests.fakes.office import Office, lifetime
from tests.fakes.ranks import Rank
from tests.fakes.stories import START_S, heard_ns, observations

Story = tuple[list[RunObservation], float]
"""What is seen, and when the last of it happens, in the story's seconds."""

QUIET_S = 80.0
"""Where nothing is heard for so long before and after, a tick in twenty is enough."""

ACTS = st.sampled_from(("step", "long", "data", "save", "eval", "skip", "hang", "idle"))


def act(rank: Rank, name: str, step: int) -> int:
    """Let a rank do one thing; return its next step."""
    if name in ("step", "long"):
        rank.steps(step, step, each=2.0 if name == "step" else 7.3)
        return step + 1
    if name == "data":
        rank.data(3.7)
    elif name == "save":
        rank.save(4.1, max(step - 1, 0))
    elif name == "eval":
        rank.phase("eval", 5.0)
    elif name == "skip":
        rank.skip(1, each=2.5)
    elif name == "hang":
        rank.cut(75)
    else:
        rank.phase("idle", 6.0)
    return step


@st.composite
def lives(draw: st.DrawFn) -> Story:
    """A run of one rank that lives up to three times, and what becomes of it."""
    ranks: list[Rank] = []
    step, begins_s = 0, 0.0
    for number in range(draw(st.integers(1, 3))):
        rank = Rank(inc=f"{number + 1:016x}", pid=number + 1, begins_s=begins_s)
        rank.init(draw(st.sampled_from((0.5, 4.0))))
        if number and draw(st.booleans()):
            step = max(0, step - 2)
            rank.restore(3.0, step - 1)
        for name in draw(st.lists(ACTS, max_size=8)):
            step = act(rank, name, step)
        if draw(st.booleans()):
            rank.bye(ok=draw(st.booleans()))
        ranks.append(rank)
        begins_s = rank.ends_s + draw(st.sampled_from((0.0, 3.0, 40.0, 1000.0)))
    known = draw(st.booleans())
    return observations(ranks, known_exit=known), ranks[-1].ends_s


@st.composite
def crews(draw: st.DrawFn) -> Story:
    """A job of some ranks; it may lose one, be torn down, and come back."""
    count = draw(st.integers(2, 3))
    starts = draw(st.lists(st.floats(0, 3), min_size=count, max_size=count))
    ranks = crew(count, begins_s=[round(s, 1) for s in starts])
    init_until(ranks, 6.0)
    step = steps_together(ranks, 0, draw(st.lists(ACTS, max_size=6)))
    deaths: list[RankExited] = []
    if draw(st.booleans()):
        leave(ranks)
        deaths = [death(rank, 0, after_s=draw(st.floats(0, 4))) for rank in ranks]
    elif draw(st.booleans()):
        deaths = [death(rank, after_s=number) for number, rank in enumerate(ranks)]
    everyone = list(ranks)
    if draw(st.booleans()):
        again = crew(count, life=2, begins_s=ranks[0].ends_s + 30)
        init_until(again, ranks[0].ends_s + 35)
        steps_together(again, max(0, step - 2), draw(st.lists(ACTS, max_size=4)))
        everyone += again
    return told(everyone, deaths), max(rank.ends_s for rank in everyone)


def steps_together(ranks: Iterable[Rank], step: int, names: Iterable[str]) -> int:
    """Let all ranks do the same things at the same time."""
    done = step
    for name in names:
        for rank in ranks:
            done = act(rank, name, step)
        step = done
    return step


def signed_sum(view: RunView) -> Account:
    """Return the account of the lifetime, as the three parts say it."""
    whole = view.sealed.copy()
    whole.merge(view.tail)
    whole.merge(view.corrections)
    return whole


def check(view: RunView, now_ns: int) -> None:
    """Hold one view against the clock, and against itself."""
    end_ns = now_ns if view.ended_ns is None else view.ended_ns
    wall_ns = end_ns - view.opened_ns - view.outside_ns
    account = signed_sum(view)

    verify_tiling(view.timeline)
    assert sum(view.wall_ns.values()) == wall_ns
    assert account.total_gpu_ns == sum(d * ns for d, ns in view.wall_ns.items())
    assert all(gpu_ns >= 0 for gpu_ns in account.gpu_ns.values())
    assert all(gpu_ns >= 0 for gpu_ns in account.bad_gpu_ns.values())
    assert view.settled.total_gpu_ns == account.total_gpu_ns
    assert lifetime(view).adds_up
    if lifetime(view).complete:
        shown = {s: ns for s, ns in tally(view.timeline).gpu_ns.items() if ns}
        assert shown == lifetime(view).account.gpu_ns
        assert book(view).end_ns == end_ns or not view.timeline
    for window in ("5m", "1h", "24h"):
        assert read_window(view, window).adds_up


def follow(story: Story, every: int) -> None:
    """Look every few ticks, seldom where long nothing is said, and long after."""
    seen, ends_s = story
    heard_s = [heard_ns(one) / NS_PER_SECOND - START_S for one in seen]
    office = Office()
    sealed: dict[RunState, int] = {}
    while office.now_s < ends_s + 20:
        is_quiet = all(abs(at_s - office.now_s) > QUIET_S for at_s in heard_s)
        tick_s = QUIET_S / 4 if is_quiet else 1.0
        office.watch(seen, office.now_s + max(every, tick_s), tick_s=tick_s)
        for view in office.views():
            if view.opened_ns:
                check(view, office.now_ns)
            for state, gpu_ns in sealed.items():
                assert view.sealed.gpu_ns.get(state, 0) >= gpu_ns
            sealed = dict(view.sealed.gpu_ns)
    office.watch(seen, office.now_s + 1200, tick_s=60.0)
    for view in office.views():
        check(view, office.now_ns)


@settings(max_examples=12)
@given(lives(), st.integers(1, 7))
def test_one_rank_is_accounted_for_up_to_now_at_any_instant(
    story: Story, every: int
) -> None:
    """Sealed, tail and corrections are devices x time, and counters never fall."""
    follow(story, every)


@settings(max_examples=12)
@given(crews(), st.integers(1, 7))
def test_many_ranks_are_accounted_for_up_to_now_at_any_instant(
    story: Story, every: int
) -> None:
    """Also with ranks that hang, die one after another, or come back."""
    follow(story, every)
