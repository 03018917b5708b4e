"""One job, told in the ways that a job can be told: they agree on its goodput."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

import pytest

from goodput_exporter.domain.observations import RankReport, RunObservation
from goodput_exporter.domain.states import Phase
from goodput_exporter.sources.reception import Reception
from tests.fakes.guesses import Part, guessed, looks
from tests.fakes.heartbeats import StillClock, process
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import GENEROUS, START_S, Observer, observations
from tests.sdk.rig import Rig

INIT_S: Final = 20
LOAD_S: Final = 6
STEP_S: Final = 4
SAVE_S: Final = 10
EVAL_S: Final = 8
ROUNDS: Final = 4
STEPS: Final = 10
"""Of a round: it loads once, steps ten times, saves, and evaluates."""
TRUE: Final = {
    "initializing": INIT_S,
    "data_wait": ROUNDS * LOAD_S,
    "productive": ROUNDS * STEPS * STEP_S,
    "checkpointing": ROUNDS * SAVE_S,
    "evaluating": ROUNDS * EVAL_S,
}
LASTS_S: Final = sum(TRUE.values())
GOODPUT: Final = TRUE["productive"] / LASTS_S


def spend(rig: Rig, seconds: int) -> None:
    """Let time pass in which the sender's thread speaks every second."""
    for _ in range(seconds):
        rig.pass_s(1)
        rig.beat()


def heard(rig: Rig) -> list[RunObservation]:
    """Return what the agent makes of what the SDK sent, as it came."""
    reception = Reception(StillClock(), GENEROUS)
    sender = process(4711)
    seen: list[RunObservation] = []
    for datagram in rig.wire.datagrams:
        at_ns = ns(START_S + json.loads(datagram)["up"])
        for report in reception.accept(datagram, sender, at_ns):
            assert isinstance(report, RankReport)
            seen.append(replace(report, at_ns=at_ns))
    return seen


def by_blocks() -> list[RunObservation]:
    """Wrap what the loop does, as the manual shows it first."""
    rig = Rig()

    def loader() -> Iterator[int]:
        for batch in range(ROUNDS):
            spend(rig, LOAD_S)
            yield batch

    spend(rig, INIT_S)
    step = 0
    for _ in rig.hb.data(loader()):
        for _ in range(STEPS):
            with rig.hb.step(step):
                spend(rig, STEP_S)
            step += 1
        with rig.hb.checkpoint(step - 1):
            spend(rig, SAVE_S)
        with rig.hb.phase("eval"):
            spend(rig, EVAL_S)
    return heard(rig)


def by_callbacks() -> list[RunObservation]:
    """Say what begins, and each step that ended, as a framework's hooks do."""
    rig = Rig()
    hb = rig.hb
    spend(rig, INIT_S)
    for first in range(0, ROUNDS * STEPS, STEPS):
        hb.enter("data_loading")
        spend(rig, LOAD_S)
        hb.enter("train_step")
        for step in range(first, first + STEPS):
            spend(rig, STEP_S)
            hb.step_end(step)
        hb.enter("checkpoint_save")
        spend(rig, SAVE_S)
        hb.saved(first + STEPS - 1)
        hb.durable(first + STEPS - 1)
        hb.enter("eval")
        spend(rig, EVAL_S)
    return heard(rig)


def by_datagrams() -> list[RunObservation]:
    """Send what the reference of the wire says, without our library."""
    rank = Rank(pid=1).init(INIT_S)
    for first in range(0, ROUNDS * STEPS, STEPS):
        rank.data(LOAD_S).steps(first, first + STEPS - 1, each=STEP_S)
        rank.save(SAVE_S, first + STEPS - 1).phase("eval", EVAL_S)
    return observations([rank], known_exit=False)


def by_its_gpus() -> list[RunObservation]:
    """Say nothing: what it does is inferred, as well as it can be."""
    parts: list[Part] = [looks(Phase.INIT, INIT_S)]
    for _ in range(ROUNDS):
        parts += [
            looks(Phase.DATA_LOADING, LOAD_S),
            looks(Phase.TRAIN_STEP, STEPS * STEP_S),
            looks(Phase.CHECKPOINT_SAVE, SAVE_S),
            looks(Phase.EVAL, EVAL_S),
        ]
    return list(guessed(parts))


def goodput(seen: Iterable[RunObservation]) -> float:
    """Return what the books say of all that was seen of the job."""
    booked = Observer().watch(seen, LASTS_S).settle(12).live()
    return booked["productive"] / sum(booked.values())


@pytest.mark.parametrize("told", [by_blocks, by_callbacks, by_datagrams, by_its_gpus])
def test_goodput_is_the_same_however_a_job_is_told(
    told: Callable[[], list[RunObservation]],
) -> None:
    """Within a hundredth of the truth, so within two of each other."""
    assert goodput(told()) == pytest.approx(GOODPUT, abs=0.01)


@pytest.mark.parametrize("told", [by_blocks, by_callbacks, by_datagrams])
def test_who_speaks_for_itself_is_booked_to_the_second(
    told: Callable[[], list[RunObservation]],
) -> None:
    """Each phase is as long as it was, and each step counts."""
    story = Observer().watch(told(), LASTS_S)

    booked = story.settle(12).live()
    per_device = {state: spent / story.fold.asked for state, spent in booked.items()}
    assert per_device == pytest.approx(TRUE, abs=0.1)
    assert story.fold.progress.high_water == ROUNDS * STEPS - 1
