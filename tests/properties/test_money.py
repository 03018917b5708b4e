"""Money and energy are conserved: no cut, grouping or rounding makes or loses any."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.analysis.allocation import Rule, allocate
from goodput_exporter.analysis.energy import Held, energy_book
from goodput_exporter.analysis.focus import Billing, focus_csv, focus_rows
from goodput_exporter.analysis.money import (
    GRAINS_PER_UNIT,
    Charge,
    Cost,
    amounts,
    charges,
    cost_by,
    cost_of,
    verify_reconciles,
)
from goodput_exporter.analysis.prices import PriceBook
from goodput_exporter.analysis.usage import Usage
from goodput_exporter.domain.energy import Energy, Reading
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.domain.states import Cause, RunState
from tests.fakes.bills import DAY_NS, TEAMS, books, gpu_ns_of, usages

DAY = Span(0, DAY_NS)
FEWER = settings(max_examples=40)
"""A day of many usages and prices takes a while to draw."""
INSTANTS = st.integers(0, DAY_NS)
GROUPINGS: tuple[Callable[[Charge], object], ...] = (
    lambda one: one.usage.state,
    lambda one: one.usage.cause,
    lambda one: one.usage.team,
    lambda one: (one.usage.place.node, one.usage.state),
)


@FEWER
@given(usages(), books())
def test_costs_are_about_all_gpu_time(used: list[Usage], prices: PriceBook) -> None:
    """However prices change and miss, each GPU-nanosecond is charged exactly once."""
    found = list(charges(used, prices))

    verify_reconciles([cost_of(found)], gpu_ns_of(used))
    for charge in found:
        valid = None if charge.price is None else charge.price.valid
        assert valid is None or charge.usage.span.clip(valid) == charge.usage.span


@FEWER
@given(usages(), books(), st.sampled_from(GROUPINGS), st.integers(0, 6))
def test_a_tables_lines_sum_to_the_total(
    used: list[Usage],
    prices: PriceBook,
    by: Callable[[Charge], object],
    decimals: int,
) -> None:
    """By whatever a cost is asked, the parts are the whole, to the last digit."""
    found = list(charges(used, prices))
    whole, parts = cost_of(found), cost_by(found, by)

    assert sum(parts.values(), Cost()) == whole
    shown = [one for one in amounts(parts, decimals=decimals).values() if one]
    assert sum(shown, Decimal(0)) == (whole.amount(decimals) or 0)


@FEWER
@given(usages(), books(), st.integers(0, 6))
def test_no_line_is_a_whole_unit_off(
    used: list[Usage], prices: PriceBook, decimals: int
) -> None:
    """What makes a table add up moves a line by less than three halves of a unit."""
    parts = cost_by(charges(used, prices), lambda one: one.usage.place)
    unit = Fraction(1, 10**decimals)

    shown = amounts(parts, decimals=decimals)

    for place, amount in shown.items():
        exact = Fraction(parts[place].grains, GRAINS_PER_UNIT)
        # The total is rounded first, by at most half a unit, and the lines share it.
        assert amount is None or abs(Fraction(amount) - exact) < unit * Fraction(3, 2)


@FEWER
@given(usages(), books(), st.lists(INSTANTS, max_size=4))
def test_the_costs_of_windows_sum_to_the_cost_of_all(
    used: list[Usage], prices: PriceBook, cuts: list[int]
) -> None:
    """Wherever a day is cut, in a segment or at a price change, it costs the same."""
    edges = sorted([0, *cuts, DAY_NS])
    windows = [Span(*edge) for edge in pairwise(edges)]

    parts = [cost_of(charges(used, prices, window)) for window in windows]

    assert sum(parts, Cost()) == cost_of(charges(used, prices))


@FEWER
@given(
    usages(),
    books(),
    st.dictionaries(st.sampled_from(TEAMS), st.integers(0, 10**18)),
    st.sampled_from(Rule),
)
def test_allocation_bills_everything_once(
    used: list[Usage],
    prices: PriceBook,
    asked: dict[str | None, int],
    rule: Rule,
) -> None:
    """Whoever asked for how much, the bills and the rest are the cluster's cost."""
    found = list(charges(used, prices))

    allocation = allocate(found, asked, rule)

    assert allocation.total == cost_of(found)


@FEWER
@given(usages(), books(), st.sampled_from((1_800, 3_600, 86_400)))
def test_a_focus_file_parses_back_and_sums(
    used: list[Usage], prices: PriceBook, period_s: int
) -> None:
    """Any reader that adds up the columns finds the books' cost and GPU-hours."""
    priced = [one for one in charges(used, prices) if one.price is not None]
    billing = Billing("1", "all", "east", "us", "us", DAY)
    whole = cost_of(priced)

    rows = focus_rows(priced, billing, charge_period_ns=period_s * NS_PER_SECOND)
    read = list(csv.DictReader(io.StringIO(focus_csv(rows))))

    assert sum(int(row["x_GpuNanoseconds"]) for row in read) == whole.priced_gpu_ns
    for column in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"):
        total = sum((Decimal(row[column]) for row in read), Decimal(0))
        assert total == (whole.amount(6) or 0)
    assert {row["BillingCurrency"] for row in read} <= {"EUR"}


@st.composite
def metered(draw: st.DrawFn) -> tuple[list[Reading], list[Held]]:
    """Draw one GPU's counter, with gaps and restarts, and what the GPU did."""
    readings: list[Reading] = []
    at_ns = millijoules = 0
    for _ in range(draw(st.integers(0, 6))):
        at_ns += draw(st.integers(1, 120)) * NS_PER_SECOND // 7
        grown = millijoules + draw(st.integers(0, 10**9))
        restarted = draw(st.booleans()) and draw(st.booleans())
        millijoules = draw(st.integers(0, 10**6)) if restarted else grown
        readings.append(Reading("GPU-0", at_ns, millijoules))
    cuts = sorted(draw(st.sets(st.integers(0, 10**11), max_size=5)))
    held = [
        Held("GPU-0", Span(start, end), state, Cause.NONE)
        for start, end in pairwise(cuts)
        if (state := draw(st.sampled_from((RunState.DOWN, RunState.SLOW, None))))
    ]
    return readings, held


@given(metered())
def test_no_energy_is_lost_or_invented(
    story: tuple[list[Reading], list[Held]],
) -> None:
    """What the lines hold is what the counter grew by, restarts counted from zero."""
    readings, held = story
    grown = sum(
        b.millijoules - a.millijoules
        if b.millijoules >= a.millijoules
        else b.millijoules
        for a, b in pairwise(readings)
    )

    book = energy_book(readings, held, DAY, longest_gap_ns=10 * NS_PER_SECOND)

    assert book.total_millijoules == grown
    time = sum(energy.gpu_ns for energy in book.by_group.values())
    assert time == sum(one.span.length_ns for one in held)


@given(metered(), st.lists(st.integers(0, 10**11), max_size=4))
def test_the_energy_of_windows_sums_to_the_energy_of_all(
    story: tuple[list[Reading], list[Held]], cuts: list[int]
) -> None:
    """Wherever time is cut, also at a reading, no millijoule is rounded off."""
    at_readings = {reading.at_ns for reading in story[0]}
    edges = sorted({0, *cuts, *at_readings, DAY_NS})
    windows = [Span(*edge) for edge in pairwise(edges)]

    whole = energy_book(*story, DAY)
    parts = [energy_book(*story, window) for window in windows]

    assert (
        sum(part.unbooked_millijoules for part in parts) == whole.unbooked_millijoules
    )
    assert (
        sum(part.unplaced_millijoules for part in parts) == whole.unplaced_millijoules
    )
    for group, energy in whole.by_group.items():
        found = [part.by_group.get(group, Energy()) for part in parts]
        assert sum(found, Energy()) == energy


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6))))
def test_adding_costs_is_in_any_order(parts: list[tuple[int, int]]) -> None:
    """A sum does not depend on which agent's costs came first."""
    costs = [Cost("EUR", grains, ns) for grains, ns in parts]

    assert sum(costs, Cost()) == sum(reversed(costs), Cost())


def test_one_cent_among_three_is_given_to_the_first() -> None:
    """Equal claims are settled by order, so that two reports agree."""
    costs = {name: Cost("EUR", 12 * 10**18, 1) for name in "abc"}

    assert list(amounts(costs).values()) == [
        Decimal("0.01"),
        Decimal("0.00"),
        Decimal("0.00"),
    ]
