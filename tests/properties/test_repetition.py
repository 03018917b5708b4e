"""What an agent leaves out of its pushes is nothing to the book."""

from __future__ import annotations

from itertools import groupby

from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.domain.fold import Observation, observe
from goodput_exporter.domain.observations import Delivered, RankReport, RunObservation
from goodput_exporter.domain.repetition import Retelling
from tests.fakes.histories import History, histories
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import START_S, Observer, observations

PUSH_S = 5.0
PUSH_NS = ns(PUSH_S)
RANKS_OF_A_NODE = 2

Pushes = list[tuple[int, list[Observation]]]
"""(when it arrives, what it holds), in order."""


def of_a_node(seen: list[RunObservation], node: str, *, is_thinned: bool) -> Pushes:
    """Return what one node pushes every five seconds: all up to then, inclusive."""
    retelling, found = Retelling(), Pushes()
    for number, told in groupby(seen, key=lambda o: -(-o.at_ns // PUSH_NS)):
        at_ns = number * PUSH_NS
        batch: list[Observation] = [*told, Delivered(node, at_ns)]
        found.append((at_ns, retelling.thinned(batch) if is_thinned else batch))
    return found


def pushes(history: History, *, is_thinned: bool) -> Pushes:
    """Return what the nodes of a run push, two ranks on each."""
    node_of = {
        seen.incarnation: f"node-{seen.rank // RANKS_OF_A_NODE}"
        for seen in history.seen
        if isinstance(seen, RankReport)
    }
    found = Pushes()
    for node in sorted(set(node_of.values())):
        mine = [o for o in history.seen if node_of.get(o.incarnation) == node]
        found += of_a_node(mine, node, is_thinned=is_thinned)
    return sorted(found, key=lambda push: push[0])


def booked(arriving: Pushes, ends_s: float, tick_s: float = PUSH_S) -> Observer:
    """Return the book of who takes these pushes, once everything is settled."""
    story, position = Observer(), 0
    while story.now_s < ends_s + 70:
        story.now_s += tick_s
        now_ns = ns(START_S + story.now_s)
        while position < len(arriving) and arriving[position][0] <= now_ns:
            for seen in arriving[position][1]:
                observe(story.fold, seen)
            position += 1
        story.tick()
    return story


def steps_of(batch: list[Observation]) -> set[tuple[str, int | None]]:
    """Return the steps that each incarnation has said to be complete."""
    return {(o.incarnation, o.step) for o in batch if isinstance(o, RankReport)}


def observations_of(arriving: Pushes) -> list[Observation]:
    """Return all that pushes hold."""
    return [seen for _, batch in arriving for seen in batch]


@settings(max_examples=10)
@given(histories())
def test_the_book_is_the_same_to_the_nanosecond(history: History) -> None:
    """Restarts, hangs, rollbacks, silences, ranks that wait alone: all is the same."""
    whole = booked(pushes(history, is_thinned=False), history.ends_s)
    less = booked(pushes(history, is_thinned=True), history.ends_s)

    assert less.fold == whole.fold
    assert less.conserves()


@settings(max_examples=10)
@given(histories())
def test_between_two_pushes_the_line_may_have_come_less_far(history: History) -> None:
    """
    An aggregator that looks five times per push books in other portions.

    The line moves as far as ranks have spoken, so it waits for the next report that
    is told, and windows end elsewhere. Progress is the same, and so is the total.
    """
    whole = booked(pushes(history, is_thinned=False), history.ends_s, 1.0)
    less = booked(pushes(history, is_thinned=True), history.ends_s, 1.0)

    assert less.conserves()
    assert less.fold.book.live.total_gpu_ns == whole.fold.book.live.total_gpu_ns
    assert less.fold.progress.high_water == whole.fold.progress.high_water
    assert less.fold.interruptions == whole.fold.interruptions


@settings(max_examples=15)
@given(histories())
def test_every_end_and_every_last_word_is_told_at_once(history: History) -> None:
    """A push holds what was newest of each rank, and every exit, unchanged."""
    whole = pushes(history, is_thinned=False)
    less = pushes(history, is_thinned=True)

    for (at_ns, batch), (same_ns, kept) in zip(whole, less, strict=True):
        last = {one.incarnation: one for one in batch if isinstance(one, RankReport)}
        others = [one for one in batch if not isinstance(one, RankReport)]
        assert same_ns == at_ns
        assert all(one in batch for one in kept)
        assert all(one in kept for one in (*last.values(), *others))
    assert steps_of(observations_of(less)) == steps_of(observations_of(whole))


@given(st.sampled_from([0.4, 1.0, 1.6]))
def test_inside_a_long_save_a_push_holds_one_report_a_rank(every_s: float) -> None:
    """Ten minutes of saving: once a push, whatever the send interval is."""
    rank = Rank().init(4).steps(0, 3, each=1.0).save(600, 3)
    seen = observations([rank], every_s=every_s, known_exit=False)

    told = of_a_node(seen, "node-0", is_thinned=True)

    reports = [
        sum(isinstance(one, RankReport) for one in batch) for _, batch in told[4:-1]
    ]
    assert set(reports) == {1}


def test_each_step_is_told_when_it_is_complete() -> None:
    """Steps of a tenth of a second: nothing repeats anything, all is told."""
    rank = Rank().init(4).steps(0, 299, each=0.1)
    seen = observations([rank], every_s=1.0, known_exit=False)

    told = observations_of(of_a_node(seen, "node-0", is_thinned=True))

    said = [one for one in seen if isinstance(one, RankReport) and one.step]
    assert len(said) > 25
    assert all(one in told for one in said)
