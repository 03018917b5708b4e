"""Laws of the statistics: limits, units, names, sums and shares."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from goodput_exporter.analysis.advice import daly, young
from goodput_exporter.analysis.ettr import efficiency, expected_ettr
from goodput_exporter.analysis.preemptions import cascades
from goodput_exporter.analysis.rates import (
    rate,
    rates_by_cause,
    rates_by_model,
    rates_by_node,
)
from goodput_exporter.analysis.records import Interruption
from goodput_exporter.analysis.statistics import (
    mean_time,
    mtti,
)
from goodput_exporter.analysis.suspects import suspect_nodes
from goodput_exporter.domain.states import Cause, RunState
from tests.fakes.failures import DAY, book, failures, fleet, interruption

EVENTS = st.integers(1, 1_000_000)
SECONDS = st.floats(1e-3, 1e12)
CONFIDENCE = st.floats(0.01, 0.9999)
RATIO = st.floats(1e-6, 1.5)
"""Of one save's time to the mean time to interruption."""


@given(SECONDS, EVENTS, CONFIDENCE)
def test_the_limits_contain_the_estimate_and_their_exact_quantiles(
    exposure: float, events: int, confidence: float
) -> None:
    """At any confidence; and seeing so few, or so many, has the chance promised."""
    mean = mean_time(exposure, events, confidence=confidence)

    assert mean.seconds is not None
    assert mean.high_seconds is not None
    assert mean.low_seconds <= mean.seconds <= mean.high_seconds
    miss = (1 - confidence) / 2
    most, least = exposure / mean.low_seconds, exposure / mean.high_seconds
    assert stats.poisson.cdf(events, most) == pytest.approx(miss, rel=1e-5)
    assert stats.poisson.sf(events - 1, least) == pytest.approx(miss, rel=1e-5)


@given(SECONDS, EVENTS, st.integers(1, 1_000_000))
def test_more_events_at_the_same_rate_bring_the_limits_closer(
    mean_seconds: float, fewer: int, more: int
) -> None:
    """And both limits move inwards."""
    few = mean_time(mean_seconds * fewer, fewer)
    many = mean_time(mean_seconds * (fewer + more), fewer + more)

    assert few.high_seconds is not None
    assert many.high_seconds is not None
    assert many.low_seconds > few.low_seconds
    assert many.high_seconds < few.high_seconds


@given(SECONDS, EVENTS, st.floats(1e-6, 1e6))
def test_another_unit_of_time_changes_only_the_unit(
    exposure: float, events: int, unit: float
) -> None:
    """Estimate and limits scale with the exposure."""
    one, other = mean_time(exposure, events), mean_time(exposure * unit, events)

    assert one.seconds is not None
    assert one.high_seconds is not None
    assert other.seconds == pytest.approx(one.seconds * unit)
    assert other.low_seconds == pytest.approx(one.low_seconds * unit)
    assert other.high_seconds == pytest.approx(one.high_seconds * unit)


@given(st.integers(1, 10**6 * DAY), EVENTS)
def test_a_rate_is_the_inverse_of_a_mean_time(node_ns: int, events: int) -> None:
    """The one's upper limit is the other's lower one."""
    found, mean = rate(node_ns, events), mean_time(node_ns / DAY / 1_000, events)

    assert mean.seconds is not None
    assert mean.high_seconds is not None
    assert found.per_1000_node_days == pytest.approx(1 / mean.seconds)
    assert found.low == pytest.approx(1 / mean.high_seconds)
    assert found.high == pytest.approx(1 / mean.low_seconds)


COUNTS = st.lists(st.integers(0, 12), min_size=2, max_size=12)
CAUSES = st.sampled_from(list(Cause))


@given(COUNTS, st.randoms(use_true_random=False))
def test_a_node_is_judged_by_its_failures_and_not_by_its_place(
    counts: list[int], rng: random.Random
) -> None:
    """Shuffled nodes and failures give the same rates and the same suspects."""
    nodes = fleet(len(counts))
    seen = failures({f"n{i}": count for i, count in enumerate(counts)})
    rates, suspects = rates_by_node(nodes, seen), suspect_nodes(nodes, seen)

    rng.shuffle(nodes)
    rng.shuffle(seen)

    assert rates_by_node(nodes, seen) == rates
    assert suspect_nodes(nodes, seen) == suspects


@given(COUNTS, st.randoms(use_true_random=False))
def test_nodes_that_swap_their_names_swap_their_verdicts(
    counts: list[int], rng: random.Random
) -> None:
    """A name is a name."""
    nodes = fleet(len(counts))
    names = [one.node for one in nodes]
    rng.shuffle(names)
    renamed = dict(zip((one.node for one in nodes), names, strict=True))
    seen = failures({f"n{i}": count for i, count in enumerate(counts)})

    before = suspect_nodes(nodes, seen)
    after = suspect_nodes(
        [replace(one, node=renamed[one.node]) for one in nodes],
        [replace(one, node=renamed[one.node or ""]) for one in seen],
    )

    assert {renamed[one.node]: one.p_value for one in before} == pytest.approx(
        {one.node: one.p_value for one in after}
    )


@given(COUNTS, st.floats(1e-3, 0.5), st.floats(1e-3, 0.5))
def test_who_is_named_under_a_strict_promise_is_named_under_a_loose_one(
    counts: list[int], one: float, other: float
) -> None:
    """Every corrected chance is within the promise, and they only grow."""
    nodes, strict, loose = fleet(len(counts)), min(one, other), max(one, other)
    seen = failures({f"n{i}": count for i, count in enumerate(counts)})

    few = suspect_nodes(nodes, seen, error=strict)
    many = suspect_nodes(nodes, seen, error=loose)

    assert many[: len(few)] == few
    chances = [found.p_value for found in many]
    assert chances == sorted(chances)
    assert all(chance <= loose for chance in chances)


@given(st.lists(st.tuples(st.integers(0, 9), CAUSES), max_size=40))
def test_every_failure_is_in_one_row_or_beside_the_table(
    seen: list[tuple[int, Cause]],
) -> None:
    """By node, by model and by cause the same interruptions are added up."""
    nodes = fleet(7)
    all_of_them = [interruption(node=f"n{i}", cause=cause) for i, cause in seen]
    broken = sum(one.is_failure for one in all_of_them)

    for table in (
        rates_by_node(nodes, all_of_them),
        rates_by_model(nodes, all_of_them),
    ):
        assert sum(row.events for row in table.rows.values()) + table.unplaced == broken
    causes = rates_by_cause(nodes, all_of_them)
    assert sum(row.events for row in causes.rows.values()) == sum(
        one.is_interruption for one in all_of_them
    )


@given(st.lists(st.tuples(st.floats(0.1, 1e4), st.integers(0, 9)), min_size=1))
def test_the_mean_time_of_a_group_lies_between_those_of_its_runs(
    runs: list[tuple[float, int]],
) -> None:
    """As every ratio of sums does."""
    books = [
        book({RunState.PRODUCTIVE: hours}, *[interruption()] * events)
        for hours, events in runs
    ]
    means = [mtti([one]).seconds for one in books]
    known = [mean for mean in means if mean is not None]
    whole = mtti(books)

    assert whole.events == sum(events for _, events in runs)
    assert whole.seconds is None or whole.seconds >= min(known) * (1 - 1e-9)
    if len(known) == len(runs):
        assert whole.seconds is not None
        assert whole.seconds <= max(known) * (1 + 1e-9)


@given(RATIO, st.floats(1e-3, 10), st.floats(0, 5), st.floats(0, 5), st.floats(0.1, 9))
def test_efficiency_is_a_share_that_every_cost_lowers(
    write: float, interval: float, restart: float, outage: float, unit: float
) -> None:
    """Between 0 and 1; the same in minutes and hours; worse with every cost."""
    found = efficiency(interval, write, 1.0, restart=restart, outage=outage)

    assert 0 <= found < 1
    assert found == pytest.approx(
        efficiency(
            interval * unit,
            write * unit,
            unit,
            restart=restart * unit,
            outage=outage * unit,
        )
    )
    assert found >= efficiency(
        interval, write + 0.1, 1.0, restart=restart, outage=outage
    )
    assert found >= efficiency(interval, write, 0.9, restart=restart, outage=outage)
    assert found <= efficiency(interval, write, 1.0)


@given(RATIO, st.floats(0.05, 20))
def test_no_other_interval_wastes_less_than_daly_s(ratio: float, factor: float) -> None:
    """To a ten-thousandth, up to saves that take longer than the mean."""
    best = daly(ratio, 1.0)

    there = efficiency(best, ratio, 1.0)
    elsewhere = efficiency(best * factor, ratio, 1.0)

    assert elsewhere <= there + 1e-4


@given(RATIO, st.floats(1e-6, 1e6))
def test_intervals_scale_with_the_unit_and_stay_below_young_s(
    ratio: float, unit: float
) -> None:
    """Daly's is shorter than Young's, for it knows that a save takes time, too."""
    assert daly(ratio * unit, unit) == pytest.approx(daly(ratio, 1.0) * unit)
    assert young(ratio * unit, unit) == pytest.approx(young(ratio, 1.0) * unit)
    assert daly(ratio, 1.0) < young(ratio, 1.0)


@given(st.floats(0, 1e5), st.floats(0, 1), st.floats(0, 1), st.floats(1e-6, 1))
def test_an_expected_ettr_is_a_ratio_or_absent(
    nodes: float, per_day: float, restart: float, interval: float
) -> None:
    """Never negative, never clamped, never without its reason."""
    expected = expected_ettr(
        nodes=nodes,
        failures_per_node_day=per_day,
        restart_days=restart,
        interval_days=interval,
        write_days=interval / 20,
    )

    assert 0 <= expected.renewal <= 1
    assert (expected.value is None) == bool(expected.why)
    assert expected.value is None or 0.7 < expected.value <= 1


PREEMPTIONS = st.lists(
    st.builds(
        interruption,
        run=st.sampled_from("abcd"),
        cause=CAUSES,
        at_hours=st.integers(0, 20),
        hours=st.integers(0, 9),
        by=st.sampled_from([None, *"abcd"]),
        cost=st.integers(0, 10**15),
    ),
    max_size=15,
).map(lambda some: [replace(one, number=i) for i, one in enumerate(some)])


@given(PREEMPTIONS, st.randoms(use_true_random=False))
def test_cascades_add_up_to_the_cost_of_all_interruptions(
    seen: list[Interruption], rng: random.Random
) -> None:
    """Each is charged once, exactly, whatever the order they are told in."""
    found = cascades(seen)

    charged = sum(one.own_gpu_ns + one.secondary_gpu_ns for one in found)
    assert charged == sum(one.cost_gpu_ns for one in seen)
    assert sum(1 + one.preempted for one in found) == len(seen)
    rng.shuffle(seen)
    assert cascades(seen) == found
