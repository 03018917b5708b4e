"""A run that its ranks name after its pods ran: each instant is in one book."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from goodput_exporter.domain.observations import RankReport
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.wire.kinds import Observation
from tests.fakes.cluster import BEGIN_NS, Pod, condition, job, node, ns
from tests.fakes.ledger import MemoryLedger
from tests.fakes.shards import Shards
from tests.fakes.trainers import Trainer

RUNS_S, HELLO_S, ENDS_S, OVER_S = 10, 40, 80, 130
WORD = "llama-70b"


def named_late(pods_s: Sequence[int], push_s: int) -> MemoryLedger:
    """
    Let a Job's ranks call its run otherwise, and return the cluster's book.

    Args:
        pods_s: When each of the Job's pods runs; the first one's rank speaks.
        push_s: How often the agent delivers.
    """
    shards, size = Shards(1), len(pods_s)
    pods = [Pod(f"train-{index}", job(pods=size)) for index in range(size)]
    rank, said = Trainer("train-0", ns(HELLO_S)), list[Observation]()
    for second in range(1, OVER_S):
        if second == 1:
            shards.see(1, node("n0"), job(pods=size))
            shards.see(1, *(pod.bound(1, "n0") for pod in pods))
        for pod, runs_s in zip(pods, pods_s, strict=True):
            if second == runs_s:
                shards.see(second, pod.running(second))
        if second == ENDS_S + 1:
            done = [condition("Complete", "True", second)]
            shards.see(second, *(pod.over(second, "Succeeded") for pod in pods))
            shards.see(second, job(pods=size, conditions=done))
        said += told(rank, second)
        if second % push_s == 0:
            shards.hear("n0", said, second)
            said = []
        shards.tick(second)
    return shards.all[0].ledger


def told(rank: Trainer, second: int) -> list[Observation]:
    """Return what a rank says that has a name of its own for its run."""
    if second > ENDS_S:
        return []
    seen = rank.leave(ns(second)) if second == ENDS_S else rank.look(ns(second))
    for one in seen:
        if isinstance(one, RankReport):
            one.run_id = WORD
    return seen


def lines(ledger: MemoryLedger) -> list[str]:
    """Return what the books hold, in order: run, from, to, state; seconds cut off."""
    found: list[tuple[int, int, str, str]] = []
    for run in ledger.runs():
        for one in sorted(ledger.segments(run.key, None), key=lambda s: s.span):
            what = run.key.run, one.state.value
            start_ns, end_ns = one.span.start_ns - BEGIN_NS, one.span.end_ns - BEGIN_NS
            if found and found[-1][1:] == (start_ns, *what):
                start_ns = found.pop()[0]
            found.append((start_ns, end_ns, *what))
    return [
        f"{run} {start_ns // NS_PER_SECOND}-{end_ns // NS_PER_SECOND} {state}"
        for start_ns, end_ns, run, state in sorted(found)
    ]


@pytest.mark.parametrize("push_s", [1, 5, 20, 50])
def test_the_time_before_a_rank_names_its_run_is_in_one_book(push_s: int) -> None:
    """
    What its pods waited for stays with the workload; since they run it starts up.

    So it is however late the rank's word comes: also where the agent kept it, and the
    word is older than all that is waited for.
    """
    ledger = named_late([RUNS_S], push_s)

    assert lines(ledger) == [
        "train 0-1 scheduling",
        "train 1-10 provisioning",
        f"{WORD} 10-40 initializing",
        f"{WORD} 40-80 productive",
        f"{WORD} 80-81 idle",
    ]


def test_what_a_job_waits_for_with_its_last_pod_is_in_one_book() -> None:
    """The first one's rank speaks late: the second pod has run 20 s after the first."""
    ledger = named_late([RUNS_S, RUNS_S + 20], 5)

    assert lines(ledger)[:3] == [
        "train 0-1 scheduling",
        "train 1-30 provisioning",
        f"{WORD} 30-40 initializing",
    ]


def test_a_run_that_is_named_before_all_its_pods_run_waits_on_under_its_name() -> None:
    """From where the process began that named it; its second pod runs 10 s later."""
    ledger = named_late([RUNS_S, HELLO_S + 10], 1)

    assert lines(ledger)[:3] == [
        "train 0-1 scheduling",
        "train 1-40 provisioning",
        f"{WORD} 40-41 provisioning",
    ]
