"""Random histories of a run: crews that start, train, save, stall, die and return."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

from goodput_exporter.domain.bookings import Restatement
from goodput_exporter.domain.observations import RankReport, RunObservation
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import RunState
from tests.fakes.crews import crew, death, in_step, init_until, leave, told
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import START_S, Observer

EXECUTED = (
    RunState.PRODUCTIVE,
    RunState.SLOW,
    RunState.RECOMPUTING,
    RunState.LOST,
)
"""Live and settled view divide executed steps differently, and agree on the sum."""


@dataclass
class History:
    """
    What happened to one run, and what was seen of it.

    Args:
        world: Its ranks.
        seen: Observations in order of their instants.
        ends_s: When the last of it is over.
    """

    world: int
    seen: list[RunObservation] = field(default_factory=list)
    ends_s: float = 0.0


ACTS = ("steps", "steps", "steps", "wait", "save", "save_0", "eval", "rollback", "hang")


@st.composite
def histories(
    draw: st.DrawFn,
    *,
    most_ranks: int = 4,
    silences: bool = True,
    hangs: bool = True,
) -> History:
    """
    Draw one to three attempts of one to *most_ranks* ranks, and their ends.

    Args:
        draw: Hypothesis' own.
        most_ranks: How large the job is at most.
        silences: Some of what ranks say may be lost for a while.
        hangs: Steps may be open for longer than their limit.
    """
    acts = ACTS if hangs else ACTS[:-1]
    world = draw(st.integers(1, most_ranks))
    ranks: list[Rank] = []
    deaths: list[RunObservation] = []
    at_s, step = 0.0, 0
    attempts = draw(st.integers(1, 3))
    for life in range(1, attempts + 1):
        starts = [at_s + draw(st.integers(0, 5)) for _ in range(world)]
        crew_now = crew(world, life=life, begins_s=starts)
        step = _attempt(draw, crew_now, step, acts)
        ranks += crew_now
        if life == attempts and draw(st.booleans()):
            leave(crew_now)
        for rank in crew_now:
            ok = rank.ends_ok is not None
            after_s = 0.0 if ok else draw(st.integers(0, 5))
            deaths.append(death(rank, 0 if ok else -9, after_s=after_s))
        at_s = max(rank.ends_s for rank in crew_now) + draw(st.integers(6, 40))
    seen = told(ranks, [d for d in deaths if not isinstance(d, RankReport)])
    if silences:
        seen = _silenced(draw, seen, world, at_s)
    return History(world, seen, at_s)


def _attempt(draw: st.DrawFn, ranks: list[Rank], step: int, acts: Sequence[str]) -> int:
    last_s = max(rank.begins_s for rank in ranks)
    init_until(ranks, last_s + draw(st.integers(1, 15)))
    if step and draw(st.booleans()):
        step = draw(st.integers(0, step))
        for rank in ranks:
            if step:
                rank.restore(2.0, step - 1)
    for act in draw(st.lists(st.sampled_from(acts), min_size=1, max_size=4)):
        step = _play(draw, ranks, act, step)
    if draw(st.booleans()):
        for rank in ranks:
            rank.cut(3.0)
    return step


def _play(draw: st.DrawFn, ranks: list[Rank], act: str, step: int) -> int:
    each_s = draw(st.sampled_from([0.4, 1.0, 2.0, 7.0, 13.0]))
    count = draw(st.integers(1, 8))
    who = draw(st.sampled_from(ranks))
    if act == "rollback" and step:
        step = draw(st.integers(0, step))
    for rank in ranks:
        _act(rank, act, step, each_s, is_alone=rank is who)
    waits = {(who.rank, step): 5.0} if act == "wait" else {}
    in_step(ranks, step, step + count - 1, each=each_s, waits=waits)
    return step + count


def _act(rank: Rank, act: str, step: int, each_s: float, *, is_alone: bool) -> None:
    """Let one rank do its part of what all do together, before the next step."""
    if act == "eval":
        rank.phase("eval", each_s)
    elif act == "hang":
        rank.cut(90.0)
    elif act == "save_0" and not is_alone:
        rank.cut(each_s)
    elif step and act in ("save", "save_0"):
        rank.save(each_s, step - 1)
    elif step and act == "rollback":
        rank.restore(1.0, step - 1)


def _silenced(
    draw: st.DrawFn, seen: Sequence[RunObservation], world: int, ends_s: float
) -> list[RunObservation]:
    """Lose what some ranks say for a while."""
    kept = list(seen)
    for _ in range(draw(st.integers(0, 2))):
        rank = draw(st.integers(0, world - 1))
        from_s = draw(st.integers(0, max(1, int(ends_s))))
        gap = Span(
            ns(START_S + from_s), ns(START_S + from_s + draw(st.integers(3, 100)))
        )
        kept = [
            o
            for o in kept
            if not (
                isinstance(o, RankReport)
                and o.rank == rank
                and gap.start_ns <= o.at_ns < gap.end_ns
            )
        ]
    return kept


def watched(history: History, *, tick_s: float = 2.0) -> Observer:
    """Watch a history to its end and past every delay."""
    return Observer(tick_s=tick_s).watch(history.seen, history.ends_s + 70)


def assert_every_instant_is_booked_once(story: Observer) -> None:
    """Check that the booked and the open time tile the run's book, device by device."""
    fold = story.fold
    edges: dict[int, int] = {}
    spans = [(segment.span, segment.devices) for segment in story.segments()]
    spans += [(span, fold.asked) for span in fold.steps.open]
    spans += [(s, fold.asked) for held in fold.steps.held for s in held.spans]
    for span, devices in spans:
        edges[span.start_ns] = edges.get(span.start_ns, 0) + devices
        edges[span.end_ns] = edges.get(span.end_ns, 0) - devices
    busy = 0
    last_ns = max(edges, default=0)
    for at_ns in sorted(edges):
        busy += edges[at_ns]
        assert busy == (0 if at_ns == last_ns else fold.asked), at_ns
    if edges:
        assert min(edges) == fold.opened_ns
        assert last_ns == fold.line_ns


def moved_into(story: Observer, states: Iterable[RunState]) -> int:
    """Return how much GPU time restatements have moved into some states, net."""
    names = {state.value for state in states}
    moved = [b for b in story.bookings if isinstance(b, Restatement)]
    return sum(
        b.gpu_ns * ((b.to_state in names) - (b.from_state in names)) for b in moved
    )
