"""However many shards there are, each joule is on one of their pages, and once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.domain.energy import Energy
from goodput_exporter.domain.gpu_holdings import FreePart, GpuHoldings, HeldPart
from goodput_exporter.domain.holdings import Sharing
from goodput_exporter.wire.kinds import Observation
from tests.fakes.cluster import Pod, condition, job, node, ns
from tests.fakes.shards import PUSH_S, Shards
from tests.fakes.snapshots import gpu_sample
from tests.fakes.trainers import Trainer

RUNS: Final = ("llama", "t5", "moe")
WATTS: Final = (700, 500, 300, 90)
"""What each run's GPU draws, and one that nobody has."""
BEGINS_S, ENDS_S, OVER_S = 12, 80, 200
HELD_S: Final = ENDS_S
"""From the first push, at 5 s, to the first one in which nobody has the GPUs."""

Shown = dict[tuple[str, str, str], Energy]


@dataclass(frozen=True)
class Life:
    """
    What happens to three runs on one node.

    Args:
        crashes: By run, when its rank dies and begins again, in seconds.
        away: By shard but the first, from when to when it is away.
    """

    crashes: dict[str, int]
    away: dict[int, tuple[int, int]]


lives = st.builds(
    Life,
    st.dictionaries(st.sampled_from(RUNS), st.integers(20, 70)),
    st.dictionaries(
        st.integers(1, 3), st.tuples(st.integers(15, 60), st.integers(61, 90))
    ),
)


def drawn(second: int) -> list[Observation]:
    """Return what the node's agent sees of its GPUs: counters, and who has which."""
    samples = [
        gpu_sample(number, at_ns=ns(second), energy_joules=float(power * second))
        for number, power in enumerate(WATTS)
    ]
    alone = Sharing.NONE.value, 1, 1
    held = tuple(
        HeldPart(sample.uuid, (), "ml", f"{run}-0", f"{run}-0", "trainer", *alone)
        for sample, run in zip(samples, RUNS, strict=False)
        if second <= ENDS_S
    )
    taken = {part.gpu_uuid for part in held}
    free = tuple(
        FreePart(sample.uuid, int(sample.uuid not in taken), 1) for sample in samples
    )
    return [*samples, GpuHoldings(ns(second), is_known=True, held=held, free=free)]


def lived(life: Life, count: int, *, is_shared: bool = True) -> Shown:
    """Let a cluster live with so many shards, and return what their pages show."""
    shards = Shards(count, is_shared=is_shared)
    pods = {run: Pod(f"{run}-0", job(run)) for run in RUNS}
    ranks = {run: Trainer(f"{run}-0", ns(BEGINS_S)) for run in RUNS}
    shards.see(1, node("n1"), *map(job, RUNS))
    shards.see(1, *(pod.bound(1) for pod in pods.values()))
    said: list[Observation] = []
    for second in range(2, OVER_S):
        if second == BEGINS_S - 2:
            shards.see(second, *(pod.running(second) for pod in pods.values()))
        if second == ENDS_S + 1:
            shards.see(
                second, *(pod.over(second, "Succeeded") for pod in pods.values())
            )
            done = [condition("Complete", "True", second)]
            shards.see(second, *(job(run, conditions=done) for run in RUNS))
        for run, rank in ranks.items():
            said += told(life, run, rank, second)
        if second % PUSH_S == 0:
            shards.hear("n1", [*said, *drawn(second)], second)
            said = []
            shards.tick(second, away_at(life, second))
    return shards.energy(OVER_S)


def told(life: Life, run: str, rank: Trainer, second: int) -> list[Observation]:
    """Return what a rank says at a second of its life."""
    if second > ENDS_S or second < BEGINS_S:
        return []
    if second == ENDS_S:
        return [*rank.leave(ns(second))]
    if second == life.crashes.get(run):
        return [*rank.crash(ns(second))]
    return [*rank.look(ns(second))]


def away_at(life: Life, second: int) -> set[int]:
    """Return the shards that are away."""
    return {
        index for index, (from_s, to_s) in life.away.items() if from_s <= second < to_s
    }


@settings(max_examples=5)  # each of them is two clusters' lives of three minutes
@given(lives, st.integers(2, 4))
def test_shards_show_the_energy_that_one_process_would(life: Life, count: int) -> None:
    """Each run's by state and cause on its shard's page, and nobody's on the first."""
    assert lived(life, count) == lived(life, 1)


@pytest.mark.parametrize("count", [2, 3])
def test_energy_by_a_book_that_cannot_be_read_is_held_and_not_idle(count: int) -> None:
    """Where each shard has a file, the first knows who has a GPU, and not for what."""
    life = Life({"t5": 33}, {})
    one, many = lived(life, 1), lived(life, count, is_shared=False)

    own = {run for run, _, _ in many} - {""}
    strange = [watts for run, watts in zip(RUNS, WATTS, strict=False) if run not in own]
    assert strange
    assert many["", "held", "none"].millijoules == 1_000 * HELD_S * sum(strange)
    assert [name for name in many if name[0] == "" and name[1] == "idle"] == []
    assert {name: many[name] for name in many if name[0]} == {
        name: one[name] for name in one if name[0] in own
    }


def test_the_runs_of_these_lives_draw_in_several_states() -> None:
    """So the law above is about energy that was divided, of more than one run."""
    shown = lived(Life({"t5": 33}, {}), 3)

    assert {run for run, _, _ in shown} == {"", *RUNS}
    assert {state for run, state, _ in shown if run == "t5"} >= {
        "productive",
        "recomputing",
        "down",
    }
