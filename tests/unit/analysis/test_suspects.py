"""Bad nodes are found, and good ones are left in peace."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from scipy import stats

from goodput_exporter.analysis.records import NodeTime
from goodput_exporter.analysis.suspects import suspect_nodes
from goodput_exporter.domain.states import Cause
from tests.fakes.failures import DAY, failures, failures_by_chance, fleet, interruption


def test_a_node_with_ten_times_the_failures_is_named() -> None:
    """It carries its count, what its peers would make likely, and the chance."""
    counts = {f"n{i}": 1 for i in range(20)} | {"n7": 10}

    (found,) = suspect_nodes(fleet(20), failures(counts))

    assert (found.node, found.failures, found.runs) == ("n7", 10, 10)
    assert found.expected == pytest.approx(1)
    assert found.node_days == 30
    exact = stats.binomtest(10, 29, 1 / 20, alternative="greater").pvalue
    assert found.p_value == pytest.approx(20 * exact)


def test_a_node_that_was_exposed_longer_may_fail_more() -> None:
    """Ten failures in ten times the time are what everybody has."""
    times = [*fleet(20), NodeTime("old", "H100", 300 * DAY)]
    counts = {f"n{i}": 1 for i in range(20)} | {"old": 10}

    assert suspect_nodes(times, failures(counts)) == ()


def test_the_worst_does_not_hide_the_second_worst() -> None:
    """Beside 30 failures, 8 look like chance; beside the healthy they do not."""
    counts = {"n0": 30, "n1": 8, "n2": 1, "n3": 1}
    masked = stats.binomtest(8, 40, 1 / 10, alternative="greater").pvalue

    found = suspect_nodes(fleet(10), failures(counts))

    assert masked > 0.04
    assert [one.node for one in found] == ["n0", "n1"]
    assert found[0].p_value <= found[1].p_value


def test_nodes_are_compared_with_nodes_that_have_the_same_gpus() -> None:
    """If every B200 fails often, that is the model's rate and no node's fault."""
    new = [replace(one, node=f"b{one.node}") for one in fleet(10, gpu_model="B200")]
    counts = {one.node: 10 for one in new} | {"n0": 1}

    assert suspect_nodes([*fleet(200), *new], failures(counts)) == ()


def test_a_crash_loop_is_one_failure() -> None:
    """Forty ends of one run on one node within minutes of each other count once."""
    loop = [
        interruption(number=i, at_hours=i / 20, hours=0.01, node="n0")
        for i in range(40)
    ]
    apart = [replace(one, detected_ns=one.detected_ns * 40) for one in loop]

    assert suspect_nodes(fleet(20), loop) == ()
    (found,) = suspect_nodes(fleet(20), apart)
    assert (found.failures, found.runs) == (40, 1)


@pytest.mark.parametrize(
    "cause",
    [
        Cause.APPLICATION_ERROR,
        Cause.OOM_KILLED,
        Cause.PREEMPTED,
        Cause.NODE_MAINTENANCE,
    ],
)
def test_no_node_is_blamed_for_what_the_job_or_somebody_did(cause: Cause) -> None:
    """A bug crashes where rank 0 is; a drain is not a defect."""
    assert suspect_nodes(fleet(20), failures({"n0": 50}, cause)) == ()


def test_a_healthy_fleet_is_accused_as_seldom_as_promised() -> None:
    """Of 400 fleets without a bad node, one in twenty or fewer has a suspect."""
    rng = random.Random(1979)  # noqa: S311 - a simulation, not a secret
    nodes = fleet(60)
    weights = {one.node: 1.0 for one in nodes}

    accused = sum(
        bool(suspect_nodes(nodes, failures_by_chance(rng, weights, 40)))
        for _ in range(400)
    )

    # Three sigma of 400 throws at 5 % are 3.3 %; whole numbers make it rarer.
    assert accused / 400 < 0.05 + 0.033


def test_bad_nodes_are_found_without_accusing_the_others() -> None:
    """Three of 100 nodes fail 20 times as often: most found, hardly any other named."""
    rng = random.Random(1940)  # noqa: S311 - a simulation, not a secret
    nodes = fleet(100)
    bad = {"n3", "n50", "n97"}
    weights = {one.node: 20.0 if one.node in bad else 1.0 for one in nodes}

    found, fleets_accused = 0, 0
    for _ in range(100):
        named = {
            one.node
            for one in suspect_nodes(nodes, failures_by_chance(rng, weights, 80))
        }
        found += len(named & bad)
        fleets_accused += bool(named - bad)

    assert found > 0.95 * 300
    assert fleets_accused <= 5 + 6.5


def test_a_fleet_without_failures_or_without_time_has_no_suspect() -> None:
    """Nothing is concluded from nothing."""
    assert suspect_nodes([], failures({"n0": 9})) == ()
    assert suspect_nodes(fleet(3), []) == ()
    assert suspect_nodes([NodeTime("n0", None, 0)], failures({"n0": 9})) == ()
    assert suspect_nodes(fleet(1), failures({"n0": 9})) == ()
