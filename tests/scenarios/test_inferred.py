"""What a run's book says where no rank speaks and others look at its GPUs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goodput_exporter.domain.bookings import EventKind
from goodput_exporter.domain.observations import RankExited, RunObservation
from goodput_exporter.domain.sentences import notes
from goodput_exporter.domain.states import Phase
from tests.fakes.guesses import guessed, looks, spins
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import START_S, Observer, observations
from tests.scenarios.telling import PINNED, books_close, events, lost_by_cause

START_UP = looks(Phase.INIT, 20)
TRAINS = looks(Phase.TRAIN_STEP, 100)


def killed(life: int, at_s: float) -> RankExited:
    """Return the end of a container that somebody saw."""
    return RankExited(f"{life:016x}", ns(START_S + at_s), -9, "container killed")


def in_order(*lists: list[RunObservation]) -> list[RunObservation]:
    """Return observations of several senders as they come."""
    return sorted((one for seen in lists for one in seen), key=lambda o: o.at_ns)


def test_what_looks_like_training_is_productive_and_an_upper_bound() -> None:
    """No step is ever known, so nothing waits for one to complete."""
    story = Observer().watch(guessed([START_UP, TRAINS]), 120).settle(8)

    assert story.live() == {"initializing": 20, "productive": 100}
    assert story.fold.progress.upper_bound
    assert story.fold.source == "inferred"
    assert story.fold.progress.position is None
    assert books_close(story)


def test_a_step_number_in_an_inferred_report_is_not_believed() -> None:
    """Inference cannot know one; whoever sends one has made it up."""
    seen = [
        replace(one, step=one.seq, steps_done=one.seq)
        for one in guessed([START_UP, TRAINS])
    ]
    story = Observer().watch(seen, 120).settle(8)

    assert story.fold.progress.high_water is None
    assert story.live() == {"initializing": 20, "productive": 100}


def test_phases_between_are_booked_as_they_look() -> None:
    """A save, a wait for data, and on with it."""
    parts = [
        START_UP,
        TRAINS,
        looks(Phase.CHECKPOINT_SAVE, 30),
        looks(Phase.DATA_LOADING, 10),
        TRAINS,
    ]
    story = Observer().watch(guessed(parts), 260).settle(8)

    assert story.live() == {
        "initializing": 20,
        "productive": 200,
        "checkpointing": 30,
        "data_wait": 10,
    }
    assert books_close(story)


def test_a_busy_looking_hang_is_not_productive() -> None:
    """Past the limit of a step it is stalled, from the last sign of training on."""
    story = Observer().watch(guessed([START_UP, TRAINS, spins(200)]), 320).settle(8)

    assert story.live() == {"initializing": 20, "productive": 100, "stalled": 200}
    assert lost_by_cause(story)["hang"] == 200
    assert books_close(story)


def test_a_short_pause_between_signs_of_training_is_part_of_it() -> None:
    """A long collective looks like a hang until the next sign comes."""
    parts = [START_UP, TRAINS, spins(40), TRAINS]
    story = Observer().watch(guessed(parts), 260).settle(8)

    assert story.live() == {"initializing": 20, "productive": 240}


def test_work_after_a_suspected_hang_is_credited_again() -> None:
    """What was stalled stays stalled; what follows is work."""
    parts = [START_UP, TRAINS, spins(200), TRAINS]
    story = Observer().watch(guessed(parts), 420).settle(8)

    assert story.live() == pytest.approx(
        {"initializing": 20, "productive": 200, "stalled": 200}, abs=3
    )
    assert books_close(story)


def test_a_killed_container_costs_the_outage_and_what_was_open() -> None:
    """The next container is a life of its own; its first work ends the incident."""
    first = guessed([START_UP, TRAINS])
    second = guessed([START_UP, TRAINS], life=2, begins_s=200)
    seen = in_order([*first], [killed(1, 120)], [*second])
    story = Observer().watch(seen, 320).settle(8)

    expected = {"initializing": 40, "productive": 200, "down": 80}
    assert story.live() == pytest.approx(expected, abs=2)
    (incident,) = story.fold.incidents
    assert incident.recovered_ns is not None
    assert lost_by_cause(story) == pytest.approx({"none": 20, "unknown": 100})
    assert books_close(story)


def test_a_container_that_dies_hung_died_of_the_hang() -> None:
    """The stall before the end is the symptom that speaks."""
    seen = in_order([*guessed([START_UP, TRAINS, spins(300)])], [killed(1, 420)])
    story = Observer().watch(seen, 420).settle(8)

    assert story.fold.incidents[0].cause.value == "hang"


def test_containers_of_a_run_share_its_time_by_the_slowest() -> None:
    """Two pods of four GPUs: one waits for data, the other waits for it."""
    one = guessed([START_UP, TRAINS, looks(Phase.DATA_LOADING, 20)], life=1, gpus=4)
    two = guessed([START_UP, TRAINS, TRAINS], life=2, gpus=4)
    seen = in_order([*one], [*two[: len(one)]])
    story = Observer().watch(seen, 140).settle(8)

    assert story.fold.asked == 8
    assert story.live() == {
        "initializing": 8 * 20,
        "productive": 8 * 100,
        "data_wait": 8 * 20,
    }
    assert story.fold.attempt == 1
    assert books_close(story)


def test_containers_that_start_at_different_times_are_one_attempt() -> None:
    """A pod that is late is no restart, and does not end the first one."""
    one = guessed([looks(Phase.INIT, 50), TRAINS], life=1)
    two = guessed([looks(Phase.INIT, 20), TRAINS], life=2, begins_s=29.5)
    story = Observer().watch(in_order([*one], [*two]), 149).settle(8)

    assert story.fold.attempt == 1
    assert story.fold.interruptions == 0
    assert sum(life.is_alive for life in story.fold.lives.values()) == 2


def test_a_rank_that_speaks_replaces_what_was_inferred() -> None:
    """From its first word on there is its word only; what was booked stays."""
    rank = Rank(inc="b" * 16, pid=7, begins_s=100).init(20).steps(0, 9, each=10).bye()
    inferred = guessed([START_UP, looks(Phase.TRAIN_STEP, 300)], life=1)
    seen = in_order([*inferred], observations([rank]))
    story = Observer(PINNED).watch(seen, 220).settle(8)

    assert story.live() == {"initializing": 40, "productive": 180}
    assert story.fold.attempt == 1
    assert story.fold.source == "sdk"
    assert story.fold.steps_first == 10
    assert story.fold.outdone > 40
    assert events(story, EventKind.INTERRUPTED) == []
    assert books_close(story)


def test_half_open_time_of_inference_is_not_a_ranks_first_step() -> None:
    """The rank's own start-up is its own; a suspected hang before it is not."""
    rank = Rank(inc="b" * 16, pid=7, begins_s=150).init(10).steps(0, 4, each=10)
    inferred = guessed([START_UP, TRAINS, spins(400)], life=1)
    seen = in_order([*inferred], observations([rank], known_exit=False))
    story = Observer(PINNED).watch(seen, 210).settle(8)

    live = story.live()
    assert live["productive"] == pytest.approx(100 + 50, abs=3)
    assert live["initializing"] == pytest.approx(30, abs=3)
    assert live["idle"] == pytest.approx(30, abs=3)
    assert books_close(story)


def test_a_rank_that_falls_silent_is_guessed_at_again() -> None:
    """Rule 11: no word while the container runs is inferred, never down."""
    rank = Rank(inc="b" * 16, pid=7).init(20).steps(0, 29, each=10).bye()
    spoken = [one for one in observations([rank]) if one.at_ns < ns(START_S + 100)]
    # It begins anew, since inference had let the pod speak for itself.
    inferred = guessed([looks(Phase.TRAIN_STEP, 120)], life=3, begins_s=170)
    story = Observer(PINNED).watch(in_order(spoken, [*inferred]), 290).settle(8)

    live = story.live()
    assert live["productive"] >= 70 + 100
    assert live["unobserved"] == pytest.approx(72, abs=6)
    assert "down" not in live
    assert story.fold.asked == 1
    assert story.fold.source == "inferred"
    assert books_close(story)


def test_what_an_agent_kept_for_us_is_named_afterwards() -> None:
    """Late words move what was booked blind, by what they saw of training."""
    every = guessed([START_UP, looks(Phase.TRAIN_STEP, 400)])
    early = [one for one in every if one.at_ns < ns(START_S + 100)]
    late = [one for one in every if one.at_ns > ns(START_S + 400)]
    story = Observer().watch([*early, *late], 420).settle(8)

    assert story.settled() == pytest.approx({"initializing": 20, "productive": 400})
    assert books_close(story)


def test_a_reader_is_told_what_the_figures_rest_on() -> None:
    """Inferred goodput is an upper bound, and says why."""
    story = Observer().watch(guessed([START_UP, TRAINS]), 120).settle(8)
    said = " ".join(notes(story.fold, story.fold.book.live, has_gpus=True))

    assert "upper bound" in said
    assert "inferred from the GPUs" in said
