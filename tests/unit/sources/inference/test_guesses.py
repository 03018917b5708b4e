"""What a node's guesses are about: whom they watch, and when they fall silent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goodput_exporter.domain.advance import advance
from goodput_exporter.domain.fold import Fold, observe
from goodput_exporter.domain.observations import GpuSample
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Phase, RunState
from goodput_exporter.sources.inference.guesses import (
    MOST_CONTAINERS,
    PATIENCE_NS,
    Guesses,
)
from goodput_exporter.sources.inference.looks import Look, Usage
from goodput_exporter.sources.inference.watched import Container
from tests.fakes.gpu_traces import BOARDS, CONSUMER, HARSHER, HOPPER, START_NS, trace
from tests.fakes.guessing import confusion, false_productive, recall

ONE = Container("pod-1", "trainer", "c" * 64, START_NS, ("GPU-0",), run_id="llama")
MIG_INSTANCE = GpuSample(0, "GPU-0", "NVIDIA H100 80GB HBM3", START_NS)
"""Under MIG neither utilization nor power is told."""


def at(seconds: float) -> int:
    """Return an instant of the story, in nanoseconds."""
    return START_NS + int(seconds * NS_PER_SECOND)


def gpu(seconds: float, index: int = 0, *, busy: float, watts: float) -> GpuSample:
    """Return what an A100 with a context shows."""
    return GpuSample(
        index,
        f"GPU-{index}",
        "NVIDIA A100-SXM4-80GB",
        at(seconds),
        busy_ratio=busy,
        memory_used_bytes=40 * 2**30,
        memory_total_bytes=80 * 2**30,
        power_watts=watts,
        power_limit_watts=400.0,
    )


def works(guesses: Guesses, first_s: int, last_s: int, container: Container) -> None:
    """Let a container train from one second to another."""
    for second in range(first_s, last_s):
        watts = 60.0 if second < 5 else 350.0
        look = Look(at(second), (gpu(second, busy=1.0, watts=watts),))
        guesses.look(container.place, look)


def watching(*containers: Container, now_s: float = 0) -> Guesses:
    """Return guesses that watch some containers."""
    guesses = Guesses()
    guesses.watch(containers or (ONE,), at(now_s))
    return guesses


def test_what_is_inferred_reads_like_a_rank_that_counts_no_steps() -> None:
    """The fold takes it like any report; it says that it is inferred."""
    guesses = watching()
    works(guesses, 0, 60, ONE)

    (report,) = guesses.reports()

    assert report.source == "inferred"
    assert report.phase is Phase.TRAIN_STEP
    assert report.run_id == "llama"
    assert report.pod == "pod-1"
    assert report.facts is not None
    assert report.facts.gpu_uuids == ("GPU-0",)
    assert (report.step, report.steps_done, report.tokens) == (None, None, None)
    assert sum(report.cum_ns.values()) == report.up_ns
    assert report.at_ns == at(54)
    assert report.step_age_ns == 0


def test_a_pod_that_speaks_is_not_guessed_at() -> None:
    """From its first word on, and until it has been silent for a minute."""
    guesses = watching()
    works(guesses, 0, 60, ONE)
    (before,) = guesses.reports()

    guesses.spoke("pod-1", at(60))
    guesses.watch([ONE], at(61))
    assert guesses.reports() == []

    again_s = 60 + PATIENCE_NS // NS_PER_SECOND
    guesses.watch([ONE], at(again_s))
    works(guesses, again_s, again_s + 40, ONE)
    (after,) = guesses.reports()
    assert after.incarnation != before.incarnation
    assert after.up_ns < 40 * NS_PER_SECOND


def test_a_pod_that_said_goodbye_is_left_in_peace() -> None:
    """What its container does afterwards is no training."""
    guesses = watching()
    guesses.spoke("pod-1", at(60), is_bye=True)
    guesses.watch([ONE], at(600))
    works(guesses, 600, 660, ONE)

    assert guesses.reports() == []


def test_a_container_that_has_run_before_is_watched_from_now_on() -> None:
    """What the agent did not see it does not make up."""
    guesses = watching(now_s=3600)
    works(guesses, 3600, 3660, ONE)

    (report,) = guesses.reports()

    assert report.up_ns <= 60 * NS_PER_SECOND


def test_a_gpu_that_is_first_seen_at_work_is_seen_to_work() -> None:
    """An agent that starts in mid-run has never seen the GPU's own floor."""
    guesses = watching(now_s=3600)
    for second in range(3600, 3700):
        look = Look(at(second), (gpu(second, busy=1.0, watts=330),))
        guesses.look(ONE.place, look)

    (report,) = guesses.reports()

    assert report.phase is Phase.TRAIN_STEP
    assert report.cum_ns[Phase.TRAIN_STEP] > 70 * NS_PER_SECOND


def test_time_in_which_nobody_looked_has_no_phase() -> None:
    """A gap is unobserved in the run's book, as with any rank."""
    guesses = watching()
    works(guesses, 0, 100, ONE)
    works(guesses, 400, 500, ONE)
    fold = Fold(RunKey("local", "default", "gap"))
    for report in guesses.reports():
        assert report.up_ns < 200 * NS_PER_SECOND
        observe(fold, report)

    advance(fold, at(520), Rules())

    assert fold.line_ns == at(494)


def test_a_new_watch_on_the_same_container_is_no_interruption() -> None:
    """The agent began anew; the container did not."""
    fold = Fold(RunKey("local", "default", "watched twice"))
    first = watching()
    works(first, 0, 100, ONE)
    second = watching(now_s=130)
    works(second, 130, 200, ONE)
    for report in (*first.reports(), *second.reports()):
        observe(fold, report)
        advance(fold, report.at_ns + 6 * NS_PER_SECOND, Rules())

    assert fold.interruptions == 0
    assert fold.attempt == 1
    assert fold.asked == 1
    assert fold.book.live.of(RunState.DOWN) == 0


def test_the_end_of_a_container_is_told_once_and_unseen_without_a_code() -> None:
    """Nobody knows how it ended: an end unseen may have been a good one."""
    guesses = watching()
    works(guesses, 0, 60, ONE)
    ended = guesses.gone(ONE.place, at(70))

    assert ended is not None
    assert ended.since_ns == at(54)
    assert guesses.gone(ONE.place, at(71)) is None

    guesses = watching()
    works(guesses, 0, 60, ONE)
    killed = guesses.gone(ONE.place, at(70), exit_code=137)
    assert killed is not None
    assert (killed.exit_code, killed.since_ns) == (137, None)


def test_gpus_that_show_nothing_are_guessed_nothing() -> None:
    """Under MIG there is neither utilization nor power: absent, not idle."""
    guesses = watching()
    for second in range(60):
        sample = replace(MIG_INSTANCE, at_ns=at(second))
        guesses.look(ONE.place, Look(at(second), (sample,)))

    assert guesses.reports() == []
    assert guesses.suspicions() == []


def test_a_serving_pod_with_little_cpu_is_not_idle() -> None:
    """Ask 44: 5 % of a CPU and 80 % of a GPU is at work; CPU says nothing of it."""
    guesses = watching()
    for second in range(300):
        usage = Usage(at(second), cpu_ns=int(0.05 * second * NS_PER_SECOND))
        watts = 60.0 if second < 5 else 300.0
        sample = gpu(second, busy=0.0 if second < 5 else 0.8, watts=watts)
        guesses.look(ONE.place, Look(at(second), (sample,), usage))

    (report,) = guesses.reports()

    assert Phase.IDLE not in report.cum_ns
    assert report.phase is Phase.TRAIN_STEP


@pytest.mark.parametrize("cores", [0.0, 64.0])
def test_cpu_alone_never_makes_a_gpu_productive(cores: float) -> None:
    """A GPU that does nothing is not at work, however busy its host is."""
    guesses = watching()
    works(guesses, 0, 60, ONE)
    for second in range(60, 200):
        usage = Usage(at(second), cpu_ns=int(cores * second * NS_PER_SECOND))
        sample = gpu(second, busy=0.0, watts=60)
        guesses.look(ONE.place, Look(at(second), (sample,), usage))

    (report,) = guesses.reports()

    assert report.phase is (Phase.DATA_LOADING if cores else Phase.IDLE)
    assert report.cum_ns[Phase.TRAIN_STEP] < 60 * NS_PER_SECOND


def test_a_collective_that_never_ends_is_suspected_and_its_odd_one_named() -> None:
    """Three GPUs spin at little power, the fourth does nothing: look there."""
    four = replace(ONE, gpus=tuple(f"GPU-{index}" for index in range(4)))
    guesses = watching(four)
    for second in range(200):
        starts, hangs = second < 5, second >= 100
        watts = 60.0 if starts else 75.0 if hangs else 350.0
        spinning = [gpu(second, i, busy=1.0, watts=watts) for i in range(3)]
        odd = gpu(second, 3, busy=0.0 if hangs else 1.0, watts=60 if hangs else watts)
        guesses.look(four.place, Look(at(second), (*spinning, odd)))
        if second == 99:
            assert guesses.suspicions()[0].ratio < 0.2

    (suspicion,) = guesses.suspicions()

    assert suspicion.ratio == 1.0
    assert suspicion.confidence == "medium"
    assert suspicion.odd_ones == ("GPU-3",)
    assert suspicion.quiet_ns > 90 * NS_PER_SECOND


def test_a_start_up_is_never_a_suspected_hang() -> None:
    """Autotuning keeps a GPU busy at little power, and nothing has hung."""
    guesses = watching()
    for second in range(200):
        sample = gpu(second, busy=1.0, watts=70)
        guesses.look(ONE.place, Look(at(second), (sample,)))

    assert guesses.suspicions()[0].ratio == 0.0
    assert guesses.reports()[0].phase is Phase.INIT


def test_looks_that_come_out_of_order_or_twice_change_nothing() -> None:
    """Time goes one way; what is older than the newest look is late."""
    guesses = watching()
    works(guesses, 0, 60, ONE)
    (before,) = guesses.reports()
    works(guesses, 0, 50, ONE)
    (after,) = guesses.reports()

    assert after.cum_ns == before.cum_ns
    assert after.at_ns == before.at_ns


def test_more_containers_than_a_node_has_are_counted_and_not_watched() -> None:
    """Whoever makes up containers costs no memory."""
    many = [replace(ONE, id=f"{n:064x}") for n in range(MOST_CONTAINERS + 3)]
    guesses = watching(*many)

    assert guesses.refused == 3


@pytest.mark.parametrize("name", BOARDS)
def test_little_of_what_is_booked_productive_was_something_else(name: str) -> None:
    """Seeds that no threshold was tuned on; `bench_inference` prints the whole."""
    found = confusion(BOARDS[name], (1, 3), length_s=900)

    assert false_productive(found, without=frozenset({"eval"})) < 0.03
    assert recall(found, "train") > 0.9


def test_a_hang_that_draws_more_than_others_work_is_held_against_its_own_job() -> None:
    """A collective with many channels: what it draws is little for this job only."""
    guesses = watching()
    for second in range(500):
        watts = 60.0 if second < 5 else 380.0 if second < 300 else 180.0
        look = Look(at(second), (gpu(second, busy=1.0, watts=watts),))
        guesses.look(ONE.place, look)

    assert guesses.suspicions()[0].ratio == 1.0
    assert (guesses.reports()[0].step_age_ns or 0) > 180 * NS_PER_SECOND


def test_a_hang_that_draws_as_much_as_work_leaves_the_memory_alone() -> None:
    """Power does not fall and kernels are resident; only nothing is read any more."""
    guesses = watching()
    for second in range(500):
        seen = gpu(second, busy=1.0, watts=60.0 if second < 5 else 350.0)
        moving = replace(seen, memory_busy_ratio=0.4 if second < 300 else 0.01)
        guesses.look(ONE.place, Look(at(second), (moving,)))

    assert guesses.suspicions()[0].ratio == 1.0
    assert (guesses.reports()[0].step_age_ns or 0) > 180 * NS_PER_SECOND


def test_hot_hangs_are_found_without_taking_work_for_hangs() -> None:
    """Twice the power that published ones drew, on seeds that nothing was tuned on."""
    hot = HARSHER["ampere, hangs at twice the published power"]
    found = confusion(hot, (1, 3, 5), length_s=1500)

    assert sum(s for (truth, _), s in found.items() if truth == "hang") > 100
    assert recall(found, "hang") > 0.8
    assert recall(found, "train") > 0.9


def test_hangs_of_boards_without_power_are_found_by_their_memory() -> None:
    """A kernel that spins on a flag leaves memory alone."""
    found = confusion(CONSUMER, (1, 3, 5), length_s=1500)

    assert sum(s for (truth, _), s in found.items() if truth == "hang") > 100
    assert recall(found, "hang") > 0.8


def test_noise_makes_no_second_of_it_vanish() -> None:
    """Every second up to the newest decision has exactly one phase."""
    for seed in range(3):
        seen = trace(HOPPER, seed, length_s=300, noise=3.0)
        guesses = watching()
        for look in seen.looks:
            guesses.look(ONE.place, look)
        (report,) = guesses.reports()
        assert sum(report.cum_ns.values()) == report.up_ns
        assert report.up_ns == report.at_ns - START_NS
