"""What a run takes for its normal step time, and that it does not get used to worse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goodput_exporter.domain.fold import reference_of
from goodput_exporter.domain.observations import ModelFacts, RankReport, RunObservation
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import NS_PER_SECOND
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import Observer, observations
from tests.scenarios.telling import PINNED, books_close, tell


def reference_s(story: Observer) -> float | None:
    """Return the run's reference step time in seconds."""
    found = reference_of(story.fold).lowest_ns
    return None if found is None else found / NS_PER_SECOND


def life(steps: int, each: float = 10) -> Rank:
    """Return a rank that has done some equal steps."""
    return Rank(inc="a" * 16, pid=1).init(5).steps(0, steps - 1, each=each)


def test_twenty_steps_after_the_warm_up_make_a_reference() -> None:
    """With nineteen there is none, and nothing is slow."""
    assert reference_s(tell(life(3 + 19).bye())) is None
    assert reference_s(tell(life(3 + 20).bye())) == 10


def test_without_a_reference_nothing_is_slow() -> None:
    """Fifteen steps tell too little to call the next one slow."""
    story = tell(life(18).steps(18, 18, each=50).bye())

    assert story.live() == {"initializing": 5, "productive": 230}
    assert books_close(story)


def test_with_a_reference_the_next_slow_step_is_slow() -> None:
    """The run's own pace is the measure."""
    story = tell(life(23).steps(23, 23, each=50).bye())

    assert story.live() == {"initializing": 5, "productive": 240, "slow": 40}
    assert books_close(story)


def test_the_reference_does_not_follow_a_slow_drift() -> None:
    """Steps creep from 10 s to 15 s; all the creep is slow, not a new normal."""
    rank = life(30)
    lengths = [10 + 0.025 * n for n in range(200)]
    for step, each in enumerate(lengths, start=30):
        rank.steps(step, step, each=each)
    story = tell(rank.bye())
    excess = sum(each - 10 for each in lengths if each > 10.5)

    assert reference_s(story) == 10
    assert story.live()["slow"] == pytest.approx(excess, abs=1e-3)
    assert books_close(story)


def test_the_reference_follows_a_run_that_gets_faster() -> None:
    """Twenty quicker steps in a hundred are a better normal."""
    story = tell(life(30).steps(30, 60, each=8).bye())

    assert reference_s(story) == 8


def test_one_quick_step_is_no_normal() -> None:
    """A tenth must be as fast, so that a measuring error sets no standard."""
    rank = life(30).steps(30, 30, each=3).steps(31, 40, each=10)
    story = tell(rank.bye())

    assert reference_s(story) == 10


def test_the_reference_outlives_a_restart() -> None:
    """The second incarnation's warm-up is judged at once."""
    story = tell(
        life(30).cut(5),
        Rank(inc="b" * 16, pid=2, begins_s=400)
        .init(5)
        .declare(29)
        .steps(30, 32, each=25)
        .steps(33, 33, each=12)
        .bye(),
    )

    assert story.live()["initializing"] == 10 + 3 * 15
    assert story.live()["slow"] == 2
    assert books_close(story)


def test_warm_up_steps_are_no_samples() -> None:
    """Three quick ones before the caches filled say nothing."""
    story = tell(life(3, each=2).steps(3, 22, each=10).bye())

    assert reference_s(story) == 10


def test_stalled_steps_are_no_samples() -> None:
    """What a hang leaves of a step is one reference by definition."""
    rank = life(3 + 19).steps(22, 22, each=200)
    story = tell(rank.bye())

    assert reference_s(story) is None


def test_skipped_steps_are_no_samples() -> None:
    """A skipped step is often quicker: it updates nothing."""
    story = tell(life(10).skip(30, each=2).steps(10, 22, each=10).bye())

    assert reference_s(story) == 10


def test_redone_steps_are_samples() -> None:
    """They take as long as any other."""
    story = tell(
        life(13).cut(5),
        Rank(inc="b" * 16, pid=2, begins_s=200)
        .init(5)
        .declare(0)
        .steps(1, 13, each=10)
        .bye(),
    )

    assert reference_s(story) == 10


def test_a_pinned_reference_is_not_learned_away() -> None:
    """Somebody knows that a step takes ten seconds; the run does twelve."""
    story = tell(life(40, each=12).bye(), rules=PINNED)

    assert story.live()["productive"] == 400
    assert story.live()["slow"] == 37 * 2
    assert story.live()["initializing"] == 5 + 3 * 2


def test_other_tokens_per_step_have_another_reference() -> None:
    """A bigger batch takes longer, and is not slow for it."""
    seen = [with_tokens(one, 1000) for one in observations([life(30).cut(5)])]
    bigger = Rank(inc="b" * 16, pid=2, begins_s=400).init(5).declare(29)
    seen += [
        with_tokens(one, 2000)
        for one in observations([bigger.steps(30, 59, each=20).bye()])
    ]
    story = Observer().watch(seen, 1050)

    assert "slow" not in story.live()
    assert reference_s(story) == 20
    assert sorted(r.lowest_ns or 0 for r in story.fold.references.values()) == [
        ns(10),
        ns(20),
    ]


def with_tokens(one: RunObservation, tokens: int) -> RunObservation:
    """Let a hello state how many tokens a step has."""
    if isinstance(one, RankReport):
        return replace(one, facts=ModelFacts(tokens_per_step=tokens))
    return one


def test_a_long_history_of_facts_is_bounded() -> None:
    """Only the last few comparable sets are remembered."""
    story = Observer(Rules())
    for tokens in range(50):
        story.fold.facts = ModelFacts(tokens_per_step=tokens)
        reference_of(story.fold)

    assert len(story.fold.references) == 8
