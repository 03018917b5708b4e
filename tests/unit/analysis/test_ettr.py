"""The closed form of expected ETTR agrees with a simulated run, or says it cannot."""

from __future__ import annotations

import math

import pytest

from goodput_exporter.analysis.ettr import (
    LOSS_LIMIT,
    WRITE_LIMIT,
    efficiency,
    expected_ettr,
    realised_ettr,
)
from goodput_exporter.domain.states import RunState
from goodput_exporter.errors import BadInputError
from tests.fakes.failures import book, trained

MINUTE = 1 / 1_440


@pytest.mark.parametrize(
    ("nodes", "per_1000_node_days", "restart", "interval", "write"),
    [
        (256, 6.5, 5, 60, 0.0),
        (1_000, 6.5, 10, 30, 0.5),
        (2_048, 3.79, 5, 15, 0.5),
        (1_000, 6.5, 12, 60, 3.0),
        (2_000, 6.5, 5, 20, 2.0),
        (1_500, 6.5, 20, 30, 5.0),
    ],
)
def test_the_closed_form_is_within_five_percent_of_a_simulated_run(
    nodes: int, per_1000_node_days: float, restart: float, interval: float, write: float
) -> None:
    """From one failure in half a day to thirteen a day; times in minutes."""
    per_node_day = per_1000_node_days / 1_000
    expected = expected_ettr(
        nodes=nodes,
        failures_per_node_day=per_node_day,
        restart_days=restart * MINUTE,
        interval_days=interval * MINUTE,
        write_days=write * MINUTE,
    )

    truth = trained(interval, write, 1_440 / nodes / per_node_day, restart=restart)

    assert expected.value == pytest.approx(truth, rel=0.05)
    assert expected.renewal == pytest.approx(truth, rel=0.01)


@pytest.mark.parametrize(
    ("mean", "restart", "outage"), [(100, 5, 0), (20, 5, 10), (15, 10, 60), (10, 0, 5)]
)
def test_the_renewal_form_holds_where_the_closed_form_does_not(
    mean: float, restart: float, outage: float
) -> None:
    """Even where most of the time is lost, and with outages that nothing can hit."""
    truth = trained(10, 2, mean, restart=restart, outage=outage)

    expected = efficiency(10, 2, mean, restart=restart, outage=outage)

    assert expected == pytest.approx(truth, rel=0.02)


def test_beyond_its_range_the_closed_form_says_so() -> None:
    """A run that fails every 15 minutes has no ETTR of -0.33: it has no estimate."""
    expected = expected_ettr(
        nodes=96,
        failures_per_node_day=1,
        restart_days=10 * MINUTE,
        interval_days=20 * MINUTE,
        write_days=0,
    )

    assert expected.value is None
    assert expected.loss == pytest.approx(4 / 3)
    assert "133%" in expected.why
    assert 0 < expected.renewal < 0.5


def test_checkpoints_that_are_rarely_finished_are_beyond_it_too() -> None:
    """The form knows no failure during a save; here one in ten saves meets one."""
    expected = expected_ettr(
        nodes=144,
        failures_per_node_day=1,
        restart_days=0,
        interval_days=1 * MINUTE,
        write_days=1 * MINUTE,
    )

    assert expected.value is None
    assert "10% of checkpoints" in expected.why


def test_within_its_range_the_closed_form_is_off_by_four_percent_at_most() -> None:
    """The limits of the range are where they are because of this."""
    worst = 0.0
    for i in range(21):
        for j in range(1, 21):
            for k in range(21):
                restart = LOSS_LIMIT * i / 20
                interval = 2 * (LOSS_LIMIT - restart) * j / 20
                if interval > 0:
                    expected = expected_ettr(
                        nodes=1,
                        failures_per_node_day=1,
                        restart_days=restart * (1 - 1e-9),
                        interval_days=interval * (1 - 1e-9),
                        write_days=WRITE_LIMIT * k / 20,
                    )
                    assert expected.value is not None
                    worst = max(worst, abs(expected.value / expected.renewal - 1))

    assert 0.03 < worst < 0.04


def test_without_failures_only_the_saves_cost() -> None:
    """Nineteen minutes of training and one of saving are 95 %, by either form."""
    expected = expected_ettr(
        nodes=1_000,
        failures_per_node_day=0,
        restart_days=1,
        interval_days=19,
        write_days=1,
    )

    assert expected.value == pytest.approx(0.95)
    assert expected.renewal == pytest.approx(0.95)


def test_a_hopeless_run_keeps_nothing() -> None:
    """A day between saves and a failure each second: zero, and no overflow."""
    assert efficiency(86_400, 10, 1, restart=3_600) == 0


@pytest.mark.parametrize(
    ("interval", "write", "mean"), [(0, 1, 1), (1, -1, 1), (1, 1, 0), (math.nan, 1, 1)]
)
def test_times_that_cannot_be_are_refused(
    interval: float, write: float, mean: float
) -> None:
    """The message names the values."""
    with pytest.raises(BadInputError, match="no run trains"):
        efficiency(interval, write, mean)


def test_realised_ettr_counts_the_queue_against_the_run() -> None:
    """Of 100 hours 20 were queued and 10 down; a slow step is a step."""
    run = book(
        {
            RunState.QUEUED: 20,
            RunState.DOWN: 10,
            RunState.PRODUCTIVE: 65,
            RunState.SLOW: 5,
        },
        devices=8,
    )

    assert realised_ettr([run]) == pytest.approx(0.7)
    assert realised_ettr([book({RunState.UNOBSERVED: 5})]) is None
