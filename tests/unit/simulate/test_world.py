"""The simulator's own laws: nothing is lost, all repeats, causes leave traces."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest

from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.simulate.mishaps import IN_START_UP, TABLE, Mishap
from goodput_exporter.simulate.plans import (
    DAY_NS,
    HOUR_NS,
    MINUTE_NS,
    SECOND_NS,
    Hazard,
    Noise,
    Preset,
    Restart,
    RunPlan,
    Training,
)
from goodput_exporter.simulate.presets import LLAMA_COUNTS, PLANNED, PRESETS
from goodput_exporter.simulate.raw import Verb, Via, line_of
from goodput_exporter.simulate.world import Simulated, simulate

TINY = PRESETS["tiny"]
SHORT = Training(
    step_ns=10 * SECOND_NS,
    init_ns=20 * SECOND_NS,
    restore_ns=10 * SECOND_NS,
    save_every=60,
    save_ns=5 * SECOND_NS,
)


@cache
def tiny(seed: int) -> Simulated:
    """Simulate the smallest preset once per seed."""
    return simulate(TINY, seed, days=0.25)


def one_run(mishap: Mishap, restart: Restart = Restart.GANG) -> Preset:
    """Return a cluster of one run to which one thing happens all the time."""
    plan = RunPlan("run", 3, 2, SHORT, restart=restart)
    hazards: tuple[Hazard, ...] = ()
    start_up: tuple[tuple[Mishap, float], ...] = ()
    if mishap in IN_START_UP:
        start_up = ((mishap, 1.0),)
    else:
        hazards = (Hazard(mishap, 8_000.0),)
    return Preset(
        "one",
        "one run",
        0.4,
        8,
        2,
        runs=(plan,),
        hazards=hazards,
        start_up=start_up,
        repair_ns=HOUR_NS,
    )


@pytest.mark.parametrize("seed", range(4))
def test_every_gpu_is_in_one_state_at_every_instant(seed: int) -> None:
    """The true states sum to the asked GPUs times the time, to the nanosecond."""
    for run in tiny(seed).truth.runs:
        assert sum(run.gpu_ns.values()) == run.asked * run.booked_ns, run.run


@pytest.mark.parametrize("seed", range(4))
def test_the_true_account_is_its_stretches_in_order(seed: int) -> None:
    """No instant of a run is told twice, and none is left out."""
    for run in tiny(seed).truth.runs:
        covered = dict.fromkeys(
            (s.start_ns, s.end_ns) for s in run.stretches if s.end_ns > s.start_ns
        )
        edges = sorted(covered)
        gaps = [(a[1], b[0]) for a, b in pairwise(edges)]
        outside = sum(after - before for before, after in gaps)

        assert all(before <= after for before, after in gaps)
        assert outside == run.spans[-1][1] - run.spans[0][0] - run.booked_ns


def test_the_time_of_incidents_is_the_time_of_their_causes() -> None:
    """What follows from interruptions is counted once, by incident and by cause."""
    for run in tiny(1).truth.runs:
        by_cause: Counter[Cause] = Counter()
        for incident in run.incidents:
            by_cause[incident.cause] += sum(incident.gpu_ns.values())

        assert +by_cause == +Counter(run.cause_ns)


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Whoever finds an error can hand on a number."""
    again = simulate(TINY, 1, days=0.25)

    assert [line_of(raw) for raw in again.raws] == [line_of(r) for r in tiny(1).raws]
    assert again.truth == tiny(1).truth


def test_another_seed_gives_another_life() -> None:
    """Seeds are worlds of their own."""
    assert tiny(1).truth.incidents != tiny(2).truth.incidents


def test_what_nobody_sees_changes_nothing_that_happens() -> None:
    """Lost reports and evidence are a matter of sight; the truth stays the same."""
    blind = simulate(TINY, 1, days=0.25, noise=Noise(lost=0.3, without_evidence=1.0))

    true = [(i.mishap, i.ended_ns, i.gpu_ns) for i in tiny(1).truth.incidents]
    assert [(i.mishap, i.ended_ns, i.gpu_ns) for i in blind.truth.incidents] == true
    assert len(blind.raws) != len(tiny(1).raws)


def test_everything_is_seen_in_order_and_nothing_before_it_happens() -> None:
    """Sources cannot know the future."""
    raws = tiny(2).raws

    assert all(a.seen_ns <= b.seen_ns for a, b in pairwise(raws))
    assert all(raw.at_ns <= raw.seen_ns for raw in raws)


def test_an_object_is_added_once_then_changed_then_deleted() -> None:
    """A watch tells every object's life in order."""
    last: dict[str, Verb] = {}
    for raw in tiny(1).raws:
        if raw.via is not Via.OBJECT or raw.body["kind"] in {"Event", "Node"}:
            continue
        uid = raw.body["metadata"]["uid"]
        if raw.body["kind"] == "Pod":
            expected = raw.verb is Verb.ADDED
            assert (uid not in last) is expected, raw.body["metadata"]["name"]
            assert last.get(uid) is not Verb.DELETED
        assert raw.verb is not None
        last[uid] = raw.verb


@pytest.mark.parametrize("restart", Restart)
@pytest.mark.parametrize("mishap", [m for m in Mishap if m not in IN_START_UP])
def test_whatever_happens_is_in_the_truth_and_leaves_its_evidence(
    mishap: Mishap, restart: Restart
) -> None:
    """Every cause that a cluster can show occurs, whatever comes back afterwards."""
    preset = one_run(mishap, restart)
    if mishap in {Mishap.PREEMPTION, Mishap.QUEUE_PREEMPTION}:
        plan = replace(preset.runs[0], is_queued=mishap is Mishap.QUEUE_PREEMPTION)
        preset = replace(preset, runs=(plan,))

    truth = simulate(preset, 1, days=0.4).truth

    assert {i.cause for i in truth.incidents} == {TABLE[mishap].cause}
    assert all(i.has_evidence is (mishap is not Mishap.KILLED) for i in truth.incidents)


@pytest.mark.parametrize("mishap", sorted(IN_START_UP))
def test_a_pod_that_never_comes_up_ends_the_others(mishap: Mishap) -> None:
    """They give up waiting for it, and what kept it away is to blame."""
    truth = simulate(one_run(mishap), 1, days=0.2).truth

    assert [i.cause for i in truth.incidents] == [TABLE[mishap].cause]
    assert truth.runs[0].steps > 0


def test_without_evidence_an_incident_has_none() -> None:
    """The truth knows what a source cannot know."""
    noise = Noise(without_evidence=1.0)

    truth = simulate(one_run(Mishap.GPU_MEMORY), 1, days=0.4, noise=noise).truth

    assert truth.incidents
    assert not any(incident.has_evidence for incident in truth.incidents)


def test_some_interruptions_are_begun_twice_if_asked_for() -> None:
    """A second cause begins after the first and before the first rank ends."""
    noise = Noise(overlapping=1.0)

    truth = simulate(one_run(Mishap.PLANNED_WORK), 1, days=0.4, noise=noise).truth

    assert all(i.overlaps not in {None, i.cause} for i in truth.incidents)


def test_a_lost_node_is_down_from_the_instant_of_its_loss() -> None:
    """Section 4: whatever the survivors report, who hang in a collective."""
    run = simulate(one_run(Mishap.NODE_SILENT), 1, days=0.4).truth.runs[0]

    first = run.incidents[0]
    after = next(s for s in run.stretches if s.start_ns >= first.ended_ns)
    assert after.state is RunState.DOWN
    assert after.end_ns - after.start_ns > 5 * MINUTE_NS


def test_a_hang_is_stalled_but_for_one_step() -> None:
    """Rule 10: from the last completed step on, less one reference step time."""
    run = simulate(one_run(Mishap.COLLECTIVE_HANG), 1, days=0.4).truth.runs[0]

    for incident in run.incidents:
        open_ns = incident.ended_ns - incident.lost_ns
        stalled_ns = incident.gpu_ns[RunState.STALLED] // run.asked
        assert stalled_ns == open_ns - SHORT.step_ns


def test_redone_steps_cost_what_they_took() -> None:
    """Every step that was done again is recomputing, its warm-up aside."""
    run = simulate(one_run(Mishap.CRASH), 1, days=0.4).truth.runs[0]

    assert run.gpu_ns[RunState.RECOMPUTING] == run.redone * SHORT.step_ns * run.asked


def test_an_elastic_run_goes_on_with_what_is_left() -> None:
    """Its missing GPUs are degraded; nothing is down."""
    preset = one_run(Mishap.CRASH, Restart.IN_PLACE)
    plan = replace(preset.runs[0], is_elastic=True)

    run = simulate(replace(preset, runs=(plan,)), 1, days=0.4).truth.runs[0]

    assert run.incidents
    assert run.attempts == 1
    assert run.gpu_ns[RunState.DEGRADED] > 0
    assert RunState.DOWN not in run.gpu_ns


def test_a_run_that_comes_again_after_a_good_end_is_in_no_book_between() -> None:
    """Section 8: the same run id, another workload."""
    plan = RunPlan("run", 1, 2, SHORT, steps=100, again_ns=HOUR_NS)
    run = simulate(Preset("p", "", 0.2, 2, 2, runs=(plan,)), 1).truth.runs[0]

    assert run.steps == 200
    assert run.outcome == "succeeded"
    assert run.spans[1][0] - run.spans[0][1] == HOUR_NS


def test_the_llama_preset_is_interrupted_as_often_as_llama() -> None:
    """419 unexpected interruptions and 47 planned ones in 54 days, +- Poisson."""
    sums: Counter[str] = Counter()
    preset = replace(PRESETS["llama3"], heartbeat_ns=100 * DAY_NS, reporters=1)

    truth = simulate(replace(preset, runs=_without_checkpoints(preset)), 5).truth

    sums.update(incident.mishap for incident in truth.incidents)
    planned = sums.pop(Mishap.PLANNED_WORK.value)
    assert sum(LLAMA_COUNTS.values()) == 419
    assert abs(sum(sums.values()) - 419) < 4 * 419**0.5
    assert abs(planned - PLANNED) < 4 * PLANNED**0.5


def _without_checkpoints(preset: Preset) -> tuple[RunPlan, ...]:
    """Leave out what only fills the datagrams."""
    (run,) = preset.runs
    plain = replace(run.training, save_every=300, evaluate_every=0)
    return (replace(run, training=plain),)


def test_every_preset_says_where_its_figures_are_from() -> None:
    """What claims to be like a real cluster cites it."""
    assert all(PRESETS[name].sources for name in ("llama3", "research"))
