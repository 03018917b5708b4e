"""Stories of physical GPUs: who had them, who broke them, and who did not look."""

from __future__ import annotations

from fractions import Fraction

import pytest

from goodput_exporter.domain.gpu_rules import DAY_NS, GpuRules
from goodput_exporter.domain.gpu_stands import gpu_stand
from goodput_exporter.errors import AccountingError, BadInputError
from tests.fakes.gpus import (
    GOING,
    H100,
    IDLE,
    LOST,
    NOON,
    SERVES,
    TRAINS,
    Cluster,
    S,
    gpu,
    word,
)


def test_a_gpu_is_somebodys_or_nobodys_at_every_second() -> None:
    """Idle until 60, a run's until 160, then told to go, then idle again."""
    cluster = Cluster().hear(
        word(0, 60, gpu(0, IDLE)),
        word(60, 160, gpu(0, TRAINS)),
        word(160, 190, gpu(0, GOING)),
        word(190, 300, gpu(0, IDLE)),
    )
    cluster.tick(300).check()

    assert cluster.seconds() == {
        "unallocated": 60 + 105,
        "held": 100,
        "terminating": 30,
    }


def test_a_silent_node_is_relied_on_for_a_minute_and_no_longer() -> None:
    """Then nobody knows: the time is unobserved, neither idle nor the run's."""
    cluster = Cluster().hear(word(0, 100, gpu(0, TRAINS)))
    cluster.tick(110).tick(1_000).check()

    assert cluster.seconds() == {"held": 160, "unobserved": 780}


def test_what_a_node_tells_late_restates_and_takes_nothing_back() -> None:
    """Ten minutes of spooled looks: live stays, the settled view knows better."""
    cluster = Cluster().hear(word(0, 100, gpu(0, TRAINS))).tick(700).check()
    live = cluster.seconds()
    cluster.hear(word(0, 700, gpu(0, TRAINS))).tick(640).check()

    assert live == cluster.seconds() == {"held": 160, "unobserved": 480}
    assert cluster.seconds(settled=True) == {"held": 640}
    assert cluster.book.restated == {("unobserved", "held"): 480 * S}


def test_what_comes_after_the_horizon_is_counted_and_changes_nothing() -> None:
    """An hour is enough; beyond it a figure that people have used stands."""
    cluster = Cluster().hear(word(0, 9_000, gpu(0, IDLE))).tick(9_000)
    before = cluster.seconds(settled=True)
    cluster.hear(word(-500, 100, gpu(0, TRAINS))).check()

    assert cluster.book.too_late == 1
    assert cluster.seconds(settled=True) == before


def test_a_node_that_joins_late_is_in_the_book_since_it_was_there() -> None:
    """Live from the line on; the time before it is restated from outside."""
    cluster = Cluster().hear(word(0, 600, gpu(0, IDLE))).tick(600)
    cluster.hear(word(500, 600, gpu(1, IDLE), node="node-2")).tick(700).check()

    assert cluster.book.restated == {("outside", "unallocated"): 95 * S}
    live, settled = cluster.seconds(), cluster.seconds(settled=True)
    assert sum(settled.values()) - sum(live.values()) == 95


def test_a_gpu_that_is_not_listed_any_more_is_missing_until_it_is_replaced() -> None:
    """Nobody takes a GPU out by not naming it; a new UUID at its index does."""
    cluster = Cluster().hear(
        word(0, 100, gpu(0, IDLE), gpu(1, IDLE)),
        word(100, 200, gpu(0, IDLE)),
        word(200, 400, gpu(0, IDLE), gpu(2, IDLE), gone=["GPU-1"]),
    )
    cluster.tick(400).check()

    assert cluster.seconds() == {"unallocated": 395 + 100 + 195, "unavailable": 100}


def test_cutting_a_gpu_anew_never_makes_more_than_one_of_it() -> None:
    """Seven 1g, then two 3g: the slices sum to the GPU, before and after (ask 18)."""
    sevenths = [(TRAINS, Fraction(5, 7)), (SERVES, Fraction(2, 7))]
    thirds = [
        (TRAINS, Fraction(3, 7)),
        (SERVES, Fraction(3, 7)),
        (IDLE, Fraction(1, 7)),
    ]
    cluster = Cluster().hear(
        word(0, 70, gpu_stand("GPU-0", H100, None, sevenths)),
        word(70, 146, gpu_stand("GPU-0", H100, None, thirds)),
    )
    cluster.tick(145).check()

    found = {name: round(s, 6) for name, s in cluster.seconds().items()}
    assert sum(cluster.book.totals().values()) == 140 * S
    assert found == {"held": 80, "other_workload": 50, "unallocated": 10}


def test_four_pods_on_one_gpu_have_one_gpu() -> None:
    """A fourth of its time each; the sum is one GPU's to the nanosecond (ask 19)."""
    shared = gpu(0, TRAINS, SERVES, GOING, LOST)
    cluster = Cluster().hear(word(0, 406, shared)).tick(405).check()

    assert cluster.seconds() == dict.fromkeys(
        ("held", "other_workload", "terminating", "unavailable"), 100.0
    )


def test_a_lost_node_stops_charging_when_its_lease_ran_out() -> None:
    """The API says it minutes later, dated back; the pod is charged no longer (38)."""
    cluster = Cluster().hear(word(0, 100, gpu(0, GOING))).tick(105)
    dead = gpu(0, LOST)
    cluster.hear(word(140, 400, dead)).tick(400).check()

    assert cluster.seconds() == {"terminating": 140, "unavailable": 255}


def test_one_gpu_in_two_nodes_is_one_gpu() -> None:
    """It is where the later claim says, and the dispute is counted."""
    cluster = Cluster().hear(
        word(0, 600, gpu(0, IDLE)),
        word(100, 600, gpu(0, TRAINS), node="copy"),
    )
    cluster.tick(600).check()

    assert cluster.seconds() == {"unallocated": 100, "held": 495}
    assert cluster.book.common.owners.disputes == 1


def test_a_day_is_its_gpus_times_24_hours() -> None:
    """No line crosses midnight; the day's total is exact (ask 45)."""
    half_s = 43_200
    cluster = Cluster().hear(
        word(-half_s, half_s + 600, gpu(0, IDLE), gpu(1, TRAINS)),
        word(-half_s, half_s + 600, gpu(2, LOST), node="node-2"),
    )
    for at_s in range(-half_s, half_s + 601, 300):
        cluster.tick(at_s)
    cluster.check()

    day = NOON // DAY_NS
    lines = [one for one in cluster.lines if one.span.start_ns // DAY_NS == day]
    assert all(line.span.end_ns <= (day + 1) * DAY_NS for line in lines)
    assert sum(line.gpu_ns for line in lines) == 3 * DAY_NS


def test_what_cannot_be_a_word_is_refused_by_name() -> None:
    """Times in disorder, a GPU twice, parts that are no whole, lines over midnight."""
    with pytest.raises(BadInputError, match=r"node-1: a stand begins at .* last seen"):
        word(10, 9)
    with pytest.raises(BadInputError, match="GPU-0 is listed twice"):
        word(0, 1, gpu(0, IDLE), gpu(0, TRAINS))
    with pytest.raises(AccountingError, match="sum to exactly 1"):
        gpu_stand("GPU-0", H100, None, [(IDLE, Fraction(1, 2))])
    with pytest.raises(AccountingError, match="do not end with the day"):
        GpuRules(longest_ns=7 * S)
    with pytest.raises(AccountingError, match="longer than a day"):
        GpuRules(horizon_ns=DAY_NS + 1)
