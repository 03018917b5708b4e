"""A failure is charged for the runs that were preempted to restart the failed one."""

from __future__ import annotations

from goodput_exporter.analysis.preemptions import cascades
from goodput_exporter.domain.states import Cause, RunState
from tests.fakes.failures import interruption


def test_a_failure_pays_for_the_run_that_made_way() -> None:
    """Llama fails at 1 h and takes the place of small at 2 h."""
    fault = interruption(run="llama", at_hours=1, hours=3, cost=100)
    victim = interruption(
        run="small", at_hours=2, hours=5, cost=40, cause=Cause.PREEMPTED, by="llama"
    )

    (found,) = cascades([victim, fault])

    assert found.root is fault
    assert (found.own_gpu_ns, found.secondary_gpu_ns, found.preempted) == (100, 40, 1)


def test_a_chain_is_paid_by_its_first() -> None:
    """Small, preempted by llama, preempts tiny for its own restart."""
    chain = [
        interruption(run="llama", at_hours=1, hours=3, cost=100),
        interruption(
            run="small", at_hours=2, hours=5, cost=40, cause=Cause.PREEMPTED, by="llama"
        ),
        interruption(
            run="tiny", at_hours=6, hours=1, cost=7, cause=Cause.PREEMPTED, by="small"
        ),
    ]

    (found,) = cascades(chain)

    assert found.root.run.run == "llama"
    assert (found.secondary_gpu_ns, found.preempted) == (47, 2)


def test_a_first_start_that_preempts_is_nobody_s_failure() -> None:
    """Llama was not coming back from anything; whom it preempted, stands alone."""
    before = interruption(run="llama", at_hours=1, hours=1, cost=100)
    victim = interruption(
        run="small", at_hours=9, cost=40, cause=Cause.PREEMPTED, by="llama"
    )
    nobody = interruption(run="tiny", at_hours=1.5, cost=7, cause=Cause.PREEMPTED)

    found = cascades([before, victim, nobody])

    assert [one.own_gpu_ns for one in found] == [100, 40, 7]
    assert not any(one.secondary_gpu_ns for one in found)


def test_two_runs_that_preempt_each_other_end() -> None:
    """At one instant neither is the reason; later, the first of them is."""
    same = [
        interruption(run="a", at_hours=1, cost=1, by="b"),
        interruption(run="b", at_hours=1, cost=2, by="a"),
    ]
    later = [
        interruption(run="a", at_hours=1, hours=5, cost=1, by="b"),
        interruption(run="b", at_hours=2, hours=5, cost=2, by="a"),
    ]

    assert [one.secondary_gpu_ns for one in cascades(same)] == [0, 0]
    assert [one.secondary_gpu_ns for one in cascades(later)] == [2]


def test_progress_after_the_restart_is_no_cost() -> None:
    """Kept steps and unseen time carry the incident's number and are not charged."""
    cost = {RunState.DOWN: 5, RunState.PRODUCTIVE: 90, RunState.UNOBSERVED: 9}

    (found,) = cascades([interruption(cost=cost)])

    assert found.own_gpu_ns == 5
