"""However many shards there are, together they book what one process would."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.observations import RankReport
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.wire.kinds import Observation
from tests.fakes.cluster import Pod, condition, job, node, ns
from tests.fakes.shards import PUSH_S, Shards
from tests.fakes.trainers import Trainer

RUNS = ("llama", "t5", "moe", "gpt")
BEGINS_S, ENDS_S, OVER_S = 12, 80, 130


@dataclass(frozen=True)
class Life:
    """
    What happens to a cluster of four runs, two on each node.

    Args:
        crashes: By run, when its rank dies and begins again, in seconds.
        away: By shard, from when to when it is away.
        says: Runs whose ranks name them otherwise than their Jobs.
    """

    crashes: dict[str, int]
    away: dict[int, tuple[int, int]]
    says: frozenset[str] = frozenset()


crashes = st.dictionaries(st.sampled_from(RUNS), st.integers(20, 70))
absences = st.dictionaries(
    st.integers(0, 3), st.tuples(st.integers(15, 60), st.integers(61, 90))
)


def lived(life: Life, count: int) -> dict[RunKey, Account]:
    """Let a cluster live with so many shards, and return the runs' accounts."""
    shards = Shards(count)
    pods = {run: Pod(f"{run}-0", job(run)) for run in RUNS}
    nodes = {run: f"n{number % 2}" for number, run in enumerate(RUNS)}
    ranks = {run: Trainer(f"{run}-0", ns(BEGINS_S)) for run in RUNS}
    said: dict[str, list[Observation]] = {"n0": [], "n1": []}
    for second in range(1, OVER_S):
        if second == 1:
            shards.see(1, *(node(name) for name in said), *map(job, RUNS))
            shards.see(1, *(pods[run].bound(1, nodes[run]) for run in RUNS))
        if second == BEGINS_S - 2:
            shards.see(second, *(pods[run].running(second) for run in RUNS))
        if second == ENDS_S + 1:
            shards.see(second, *(pods[run].over(second, "Succeeded") for run in RUNS))
            done = [condition("Complete", "True", second)]
            shards.see(second, *(job(run, conditions=done) for run in RUNS))
        for run, rank in ranks.items():
            said[nodes[run]] += told(life, run, rank, second)
        if second % PUSH_S == 0:
            for name, seen in said.items():
                shards.hear(name, seen, second)
                said[name] = []
        shards.tick(second, away_at(life, second) if count > 1 else ())
    return shards.accounts()


def away_at(life: Life, second: int) -> set[int]:
    """Return the shards that are away."""
    return {
        index for index, (from_s, to_s) in life.away.items() if from_s <= second < to_s
    }


def told(life: Life, run: str, rank: Trainer, second: int) -> list[Observation]:
    """Return what a rank says at a second of its life."""
    if second > ENDS_S:
        return []
    if second == ENDS_S:
        seen = rank.leave(ns(second))
    elif second == life.crashes.get(run):
        seen = rank.crash(ns(second))
    else:
        seen = rank.look(ns(second))
    for one in seen:
        if run in life.says and isinstance(one, RankReport):
            one.run_id = f"{run}-by-its-own-word"
    return seen


@settings(max_examples=5)  # each of them is two clusters' lives of two minutes
@given(crashes, absences, st.integers(2, 4))
def test_shards_book_what_one_process_would(
    died: dict[str, int], away: dict[int, tuple[int, int]], count: int
) -> None:
    """Each run in one ledger, every state of it as long; whoever was away meanwhile."""
    life = Life(died, away)

    assert lived(life, count) == lived(life, 1)


@settings(max_examples=3)  # see above
@given(crashes, st.frozensets(st.sampled_from(RUNS), min_size=1), st.integers(2, 4))
def test_a_run_that_its_ranks_name_changes_its_shard_and_is_booked_once(
    died: dict[str, int], says: frozenset[str], count: int
) -> None:
    """Every shard hears every rank: who had it lets go when its new one begins."""
    life = Life(died, {}, says)

    assert lived(life, count) == lived(life, 1)


def test_a_shard_that_was_away_has_what_it_missed() -> None:
    """So the law above is about time that was booked: nothing of it is unobserved."""
    accounts = lived(Life({"t5": 33}, {0: (20, 61), 1: (30, 85)}), 3)

    states = {
        key.run: {state.value for state, gpu_ns in account.gpu_ns.items() if gpu_ns}
        for key, account in accounts.items()
    }
    whole = {"scheduling", "provisioning", "initializing", "productive"}
    assert [run for run in RUNS if "unobserved" in states[run]] == []
    assert all(states[run] >= whole for run in RUNS)
    assert states["t5"] >= {"down", "recomputing"}
