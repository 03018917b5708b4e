"""Objects come in any order, and what is made of them does not depend on it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.domain.placement import Placement
from goodput_exporter.sources.workloads.history import Since, forget, learn
from goodput_exporter.sources.workloads.tracker import Tracker
from tests.fakes.chains import SEEN_NS, chains, final
from tests.fakes.cluster import Pod, Raw, job, node, ns

OBJECTS = {
    chain.name: chain.objects for chain in chains() if chain.expect["kind"] is not None
}


def crash() -> list[Raw]:
    """Return the newest versions of what a crash left: a node, a Job and its pods."""
    train = job(pods=2)
    first, second, third = (Pod(f"train-{index}", train) for index in range(3))
    first.bound(1)
    first.running(10)
    first.says("DisruptionTarget", "True", 90, "EvictionByEvictionAPI")
    first.over(100, "Failed", 143)
    second.bound(1, "n2")
    second.running(11)
    third.bound(110, "n3")
    nodes = [node("n1", "Unknown", 95), node("n2"), node("n3")]
    return [train, *nodes, first.raw, second.raw, third.running(130)]


STORIES = {**OBJECTS, "crash": crash()}


@given(st.sampled_from(sorted(STORIES)).flatmap(
    lambda name: st.tuples(st.just(name), st.permutations(STORIES[name]))
))  # fmt: skip
def test_any_order_tells_the_same_story(drawn: tuple[str, list[Raw]]) -> None:
    """Every placement is the same, its date too: the objects themselves date it."""
    name, shuffled = drawn

    assert placed(shuffled) == placed(STORIES[name])


def placed(objects: list[Raw]) -> list[Placement]:
    """Return all placements that some objects give, heard before one look."""
    tracker = Tracker("c1")
    for raw in objects:
        tracker.change("added", raw, SEEN_NS)
    found = tracker.drain(SEEN_NS)
    return [one for one in found if isinstance(one, Placement)]


@settings(max_examples=40)
@given(st.permutations(crash()))
def test_looking_after_every_object_ends_at_the_same_place(shuffled: list[Raw]) -> None:
    """Dates may be later where a word came late, but nothing goes back."""
    tracker = Tracker("c1")
    told: list[Placement] = []
    for raw in shuffled:
        tracker.change("added", raw, SEEN_NS)
        told += [one for one in tracker.drain(SEEN_NS) if isinstance(one, Placement)]

    of_job = [one for one in told if one.key.run == "train"]
    assert [one.at_ns for one in of_job] == sorted(one.at_ns for one in of_job)
    assert stripped(of_job[-1]) == stripped(placed(crash())[-1])


def stripped(placement: Placement) -> Placement:
    """Return what holds now, without since when and how it came to be."""
    return replace(placement, at_ns=0, how=None)


@pytest.mark.parametrize("name", sorted(STORIES))
def test_the_same_object_again_is_no_news(name: str) -> None:
    """A relist tells everything once more."""
    tracker = Tracker("c1")
    for raw in STORIES[name]:
        tracker.change("added", raw, SEEN_NS)
    tracker.drain(SEEN_NS)
    for raw in STORIES[name]:
        tracker.change("added", raw, SEEN_NS)

    assert final(tracker) == {}
    assert tracker.drain(SEEN_NS + 1) == []


WORDS = st.lists(
    st.builds(Since, st.integers(0, 20), st.sampled_from("abc")), max_size=6
).map(lambda words: sorted(words, key=lambda word: word.at_ns))


@given(WORDS, WORDS)
def test_nothing_goes_back(known: list[Since[str]], told: list[Since[str]]) -> None:
    """Whatever an object tells, its words stay in order and end with what holds."""
    words: list[Since[str]] = []
    learn(words, known)
    learn(words, told)

    assert [word.at_ns for word in words] == sorted(word.at_ns for word in words)
    if told:
        assert words[-1].what == told[-1].what
    assert not learn(words, told)


@given(WORDS, st.integers(0, 25))
def test_forgetting_leaves_what_still_holds(words: list[Since[str]], at: int) -> None:
    """The last word before the instant stays: it is what held then."""
    kept = list(words)
    forget(kept, at)

    assert kept == words[len(words) - len(kept) :]
    assert not words or kept
    assert sum(word.at_ns <= at for word in kept) <= 1 or not kept


def test_a_date_in_the_future_is_not_believed() -> None:
    """A node's clock that runs ahead must not date what follows."""
    pod = Pod("p")
    pod.bound(5)
    tracker = Tracker("c1")
    tracker.change("added", pod.running(99_999), ns(10))
    pod.says("Ready", "True", 99_999)

    [placement] = final(tracker, ns(20)).values()

    assert placement.at_ns == ns(10)


def test_a_date_before_the_object_was_made_is_not_believed() -> None:
    """A node's clock that runs behind must not lengthen the past."""
    pod, train = Pod("p", at=100), job()
    tracker = Tracker("c1")
    pod.says("PodScheduled", "True", -10_000)
    pod.bound(-10_000)
    tracker.change("added", train, ns(101))
    tracker.change("added", pod.raw, ns(101))

    assert final(tracker, ns(102))["p"].at_ns == ns(100)
