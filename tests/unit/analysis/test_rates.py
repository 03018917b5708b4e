"""Failures are counted against the time in which they could have happened."""

from __future__ import annotations

import pytest

from goodput_exporter.analysis.rates import (
    rates_by_cause,
    rates_by_model,
    rates_by_node,
)
from goodput_exporter.analysis.records import NodeTime
from goodput_exporter.domain.states import Cause
from goodput_exporter.errors import BadInputError
from tests.fakes.failures import DAY, failures, fleet, interruption


def test_a_rate_is_per_thousand_node_days() -> None:
    """Three failures of one node in 30 days are 100 per 1,000 node-days."""
    table = rates_by_node(fleet(2), failures({"n0": 3}))

    assert table.rows["n0"].per_1000_node_days == pytest.approx(100)
    assert table.rows["n0"].low == pytest.approx(20.6, abs=0.1)
    assert table.rows["n0"].high == pytest.approx(292.2, abs=0.1)
    assert table.rows["n1"].per_1000_node_days == 0
    assert table.rows["n1"].high == pytest.approx(123, abs=0.1)


def test_a_model_has_the_rate_of_all_its_nodes() -> None:
    """And a node whose GPUs nobody knows has a row of its own."""
    times = [*fleet(4), NodeTime("old", "A100", 30 * DAY), NodeTime("new", None, 0)]

    table = rates_by_model(times, failures({"n0": 3, "n3": 3, "old": 3}))

    h100, a100 = table.rows["H100"], table.rows["A100"]
    assert (h100.events, a100.events) == (6, 3)
    assert h100.per_1000_node_days == pytest.approx(50)
    assert a100.per_1000_node_days == pytest.approx(100)
    assert table.rows[None].per_1000_node_days is None


def test_a_failure_without_a_node_is_counted_beside_the_table() -> None:
    """Nobody knows where, or on a node that had no time: never dropped silently."""
    lost = [interruption(), interruption(node="gone")]

    by_node = rates_by_node(fleet(2), lost)

    assert by_node.unplaced == 2
    assert rates_by_cause(fleet(2), lost).rows[Cause.GPU_ERROR].events == 2


def test_a_preemption_interrupts_but_no_node_failed() -> None:
    """It has a rate as a cause, and none as a failure of a node."""
    evicted = failures({"n0": 2}, Cause.PREEMPTED)

    assert rates_by_cause(fleet(2), evicted).rows[Cause.PREEMPTED].events == 2
    assert rates_by_node(fleet(2), evicted).rows["n0"].events == 0


def test_a_node_has_one_gpu_model() -> None:
    """Two machines under one name would spoil each other's rate: refused."""
    times = [NodeTime("n0", "H100", DAY), NodeTime("n0", "A100", DAY)]

    with pytest.raises(BadInputError, match="node n0 has two GPU models"):
        rates_by_node(times, [])
