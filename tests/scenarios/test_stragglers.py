"""Stories in which one rank makes the others wait: rule 6, against the truth."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.observations import RunObservation
from tests.fakes.crews import Waits, crew, in_step, init_until, told
from tests.fakes.ranks import Rank
from tests.fakes.simulation import Workload, simulate
from tests.fakes.stories import START_S, Observer

INIT_S = 20.0
SILENCE_S = 70.0
"""The settle delay and the grace: the last window is whole when all are silent."""


def lockstep(
    world: int, steps: int, *, each: float, waits: Waits | None = None
) -> list[Rank]:
    """Return a crew that starts up and completes steps together."""
    ranks = crew(world)
    init_until(ranks, INIT_S)
    in_step(ranks, 0, steps - 1, each=each, waits=waits)
    return ranks


def watched(ranks: list[Rank]) -> Observer:
    """Watch until all has been said, and nobody waits for more."""
    seen: list[RunObservation] = told(ranks, [])
    return Observer().watch(seen, ranks[0].ends_s).settle(SILENCE_S)


def per_device(story: Observer) -> dict[str, float]:
    """Return the live view in seconds of the run."""
    return {state: s / story.fold.asked for state, s in story.live().items()}


def test_stalls_of_different_ranks_at_different_times_add_up() -> None:
    """Rank 0 waits for 12 s, later rank 1 does: the job waited for 24 s."""
    ranks = lockstep(2, 60, each=2.0, waits={(0, 10): 12.0, (1, 40): 12.0})

    story = watched(ranks)

    spent = per_device(story)
    assert spent["data_wait"] == pytest.approx(24, rel=0.10)
    assert spent["productive"] == pytest.approx(120, rel=0.02)
    assert story.conserves()


def test_stalls_of_two_ranks_in_the_same_step_count_once() -> None:
    """Both wait for the same slow store: the job waited as long as the slower."""
    ranks = lockstep(2, 40, each=2.0, waits={(0, 20): 12.0, (1, 20): 8.0})

    story = watched(ranks)

    spent = per_device(story)
    assert spent["data_wait"] == pytest.approx(12, rel=0.10)
    assert spent["productive"] == pytest.approx(80, rel=0.02)


def test_steps_much_shorter_than_the_window_understate_alternating_stalls() -> None:
    """
    20 steps in two seconds, the ranks stall in turn: 1.0 s shows of 1.5 s.

    All falls into one window, whose longest wait of one rank is what rule 6
    can know; the definitions say so.
    """
    waits = {(1, step): 0.1 for step in range(0, 20, 2)}
    waits |= {(0, step): 0.05 for step in range(1, 20, 2)}

    story = watched(lockstep(2, 20, each=0.037, waits=waits))

    assert per_device(story)["data_wait"] == pytest.approx(1.0, abs=0.2)
    assert story.conserves()


def test_stalls_of_both_ranks_in_one_window_count_as_the_longer_ones() -> None:
    """
    Ten stalls of a second of one rank, then ten of half a second of the other.

    The window in which they meet has three of the one and seven of the other: it
    shows 3.5 s of 6.5 s, and the windows around it all of theirs.
    """
    waits = {(1, step): 1.0 for step in range(10)}
    waits |= {(0, step): 0.5 for step in range(10, 20)}

    story = watched(lockstep(2, 20, each=0.37, waits=waits))

    assert per_device(story)["data_wait"] == pytest.approx(12.4, rel=0.02)
    assert story.conserves()


def test_the_same_stalls_in_windows_of_their_own_are_seen_whole() -> None:
    """The first rank's ten stalls fill 20 s to the second; then the other's begin."""
    waits = {(1, step): 1.0 for step in range(10)}
    waits |= {(0, step): 0.5 for step in range(10, 20)}

    story = watched(lockstep(2, 20, each=1.0, waits=waits))

    assert per_device(story)["data_wait"] == pytest.approx(15.0, rel=0.02)
    assert story.conserves()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_data_stalls_of_256_ranks_are_known_within_a_tenth(seed: int) -> None:
    """
    A barrier every step, 2 s of compute, each rank stalls now and then.

    No rank sees more than a hundredth of what the job loses to data, and a
    mean or a sum over ranks would be wrong by a factor.
    """
    job = simulate(Workload(ranks=256, steps=60), seed=seed)

    ends_s = job.truth.ends_ns / 1e9 - START_S
    story = Observer(tick_s=5.0).watch(job.reports(), ends_s).settle()

    spent = per_device(story)
    assert spent["data_wait"] == pytest.approx(job.truth.stalled_ns / 1e9, rel=0.10)
    good = spent["productive"] + spent.get("slow", 0.0)
    assert good == pytest.approx(job.truth.computed_ns / 1e9, rel=0.05)
    assert spent.get("slow", 0.0) < 0.02 * good
    assert story.conserves()


def test_a_small_job_is_told_right_through_real_datagrams() -> None:
    """The same simulation, four ranks, over the wire and its decoder."""
    work = Workload(ranks=4, steps=100, stall_chance=0.01)
    job = simulate(work, seed=7)
    ranks = [job.script(number) for number in range(4)]

    story = watched(ranks)

    spent = per_device(story)
    assert spent["data_wait"] == pytest.approx(job.truth.stalled_ns / 1e9, rel=0.10)
    assert spent["productive"] == pytest.approx(job.truth.computed_ns / 1e9, rel=0.05)


def test_waiting_inside_steps_longer_than_the_window_is_found() -> None:
    """Steps of 30 s; one rank's second micro-batch comes 20 s late, once 12 s."""
    ranks = crew(4)
    init_until(ranks, INIT_S)
    late = {4: (2, 20.0), 7: (3, 12.0)}
    for step in range(10):
        who, wait_s = late.get(step, (-1, 0.0))
        for rank in ranks:
            own_s = wait_s if rank.rank == who else 0.0
            rank.phase("train_step", 10.0).data(own_s)
            rank.steps(step, step, each=20.0 + wait_s - own_s)

    story = watched(ranks)

    spent = per_device(story)
    assert spent["data_wait"] == pytest.approx(32, rel=0.10)
    assert spent["productive"] == pytest.approx(300, rel=0.02)
    assert story.conserves()


def test_a_straggler_that_no_phase_reports_makes_the_run_slow() -> None:
    """One GPU throttles for 20 steps: 2 s become 3 s and every rank only waits."""
    ranks = crew(4)
    init_until(ranks, INIT_S)
    in_step(ranks, 0, 59, each=2.0)
    in_step(ranks, 60, 79, each=3.0)
    in_step(ranks, 80, 99, each=2.0)

    story = watched(ranks)

    spent = per_device(story)
    assert spent["slow"] == pytest.approx(20, rel=0.05)
    assert spent["productive"] == pytest.approx(200, rel=0.01)


def test_a_checkpoint_of_all_ranks_costs_what_the_slowest_took() -> None:
    """Eight ranks save together for 11 to 12 s; the early ones wait in a step."""
    ranks = crew(8)
    init_until(ranks, INIT_S)
    in_step(ranks, 0, 29, each=2.0)
    for rank in ranks:
        save_s = 11.0 + rank.rank / 7
        rank.save(save_s, 29).phase("train_step", 12.0 - save_s)
    in_step(ranks, 30, 59, each=2.0)

    story = watched(ranks)

    spent = per_device(story)
    assert spent["checkpointing"] == pytest.approx(12, rel=0.05)
    assert spent["productive"] == pytest.approx(120, rel=0.02)
    assert story.fold.progress.durable == 29


def test_a_checkpoint_of_rank_0_alone_holds_everybody_up() -> None:
    """The others report it as a step of 14 s; the job knows better."""
    ranks = crew(8)
    init_until(ranks, INIT_S)
    in_step(ranks, 0, 29, each=2.0)
    ranks[0].save(12.0, 29).steps(30, 30, each=2.0)
    for rank in ranks[1:]:
        rank.steps(30, 30, each=14.0)
    in_step(ranks, 31, 59, each=2.0)

    story = watched(ranks)

    spent = per_device(story)
    assert spent["checkpointing"] == pytest.approx(12, rel=0.05)
    assert spent["productive"] == pytest.approx(120, rel=0.02)
    assert story.conserves()
