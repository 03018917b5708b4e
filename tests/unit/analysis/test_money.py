"""What GPU time costs: by any question, exactly, and never in two currencies."""

from __future__ import annotations

from decimal import Decimal

import pytest

from goodput_exporter.analysis.allocation import RULES, Rule, allocate
from goodput_exporter.analysis.money import (
    Charge,
    Cost,
    amounts,
    charges,
    cost_by,
    cost_of,
    per_million_tokens,
    verify_reconciles,
)
from goodput_exporter.analysis.usage import Category, Place, usage_of
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import AccountingError, ConfigError
from tests.fakes.bills import H100, LLAMA, book, hours, price, usage


def state_of(charge: Charge) -> str:
    """Name a charge's state."""
    return charge.usage.state.value


def test_an_hour_costs_its_price() -> None:
    """Eight GPUs for two hours at 2.49 cost 39.84."""
    cost = cost_of(charges([usage(hours(0, 2), 8)], book(price("2.49"))))

    assert cost.amount() == Decimal("39.84")
    assert (cost.currency, cost.gpu_ns) == ("EUR", usage(hours(0, 2), 8).gpu_ns)


def test_a_price_change_divides_a_segment() -> None:
    """A run that trains through the change of price pays both, each for its part."""
    prices = book(price("2", hours(0, 3)), price("3", hours(3, 9)))

    found = list(charges([usage(hours(2, 5), 10)], prices))

    assert [charge.usage.span for charge in found] == [hours(2, 3), hours(3, 5)]
    assert cost_of(found).amount() == Decimal(10 * 2 + 20 * 3)


def test_only_the_window_is_charged() -> None:
    """A report of one day leaves out what lies in another."""
    used = [usage(hours(0, 4)), usage(hours(9, 10))]

    cost = cost_of(charges(used, book(price("1")), hours(1, 3)))

    assert cost.amount() == 2


def test_the_lines_of_a_table_sum_to_its_total() -> None:
    """Three thirds of one euro are 0.34 + 0.33 + 0.33, in a fixed order."""
    used = [
        usage(hours(0, 1), state=RunState.DOWN),
        usage(hours(1, 2), state=RunState.STALLED),
        usage(hours(2, 3), state=RunState.PRODUCTIVE),
    ]
    costs = cost_by(charges(used, book(price("0.333333333"))), state_of)

    assert amounts(costs) == {
        "down": Decimal("0.34"),
        "stalled": Decimal("0.33"),
        "productive": Decimal("0.33"),
    }
    assert sum(costs.values(), Cost()).amount() == Decimal("1.00")


def test_a_cost_is_asked_by_cause_node_or_both() -> None:
    """Any question is a grouping of the same charges."""
    bad = Place(H100, node="node-7")
    used = [
        usage(hours(0, 1), 8, RunState.DOWN, cause=Cause.GPU_LOST, place=bad),
        usage(hours(1, 2), 8, RunState.DOWN, cause=Cause.HANG, place=bad),
    ]
    found = list(charges(used, book(price("2"))))

    by_node = cost_by(found, lambda one: one.usage.place.node)
    by_both = cost_by(found, lambda one: (one.usage.place.node, one.usage.cause))

    assert amounts(by_node) == {"node-7": 32}
    assert amounts(by_both) == {
        ("node-7", Cause.GPU_LOST): 16,
        ("node-7", Cause.HANG): 16,
    }


def test_time_without_a_price_is_counted_and_not_costed() -> None:
    """A gap in the price book shows as GPU time, not as a cheap hour."""
    used = [usage(hours(0, 2), 4), usage(hours(5, 6), state=RunState.DOWN)]

    costs = cost_by(charges(used, book(price("2", hours(1, 2)))), state_of)

    assert amounts(costs) == {"productive": 8, "down": None}
    assert costs["productive"].unpriced_gpu_ns == usage(hours(0, 1), 4).gpu_ns
    assert costs["down"].amount() is None


def test_nothing_used_costs_nothing_that_could_be_named() -> None:
    """Without usage there is no currency, so there is no zero of it either."""
    assert cost_of([]).amount() is None
    assert cost_of([]) == Cost()


def test_a_price_of_zero_is_a_cost_of_zero() -> None:
    """Free by decision is a figure: zero."""
    costs = cost_by(charges([usage(hours(0, 1))], book(price("0"))), state_of)

    assert amounts(costs) == {"productive": 0}
    assert costs["productive"].amount() == 0


def test_two_currencies_are_never_one_sum() -> None:
    """Not in one line, not in two lines of one table, not in a table's rounding."""
    prices = book(price("2", hours(0, 1)), price("3", hours(1, 2), currency="USD"))
    found = list(charges([usage(hours(0, 2))], prices))

    with pytest.raises(ConfigError, match="a sum would mix EUR and USD"):
        cost_of(found)
    with pytest.raises(ConfigError, match="a sum would mix EUR and USD"):
        cost_by(found, lambda one: one.usage.span)
    with pytest.raises(ConfigError, match="a sum would mix EUR and USD"):
        amounts({1: Cost("EUR", 1, 1), 2: Cost("USD", 1, 1)})


def test_each_currency_alone_has_a_sum() -> None:
    """Asked one currency at a time, a mixed fleet has its costs."""
    prices = book(price("2", hours(0, 1)), price("3", hours(1, 2), currency="USD"))
    found = list(charges([usage(hours(0, 2))], prices))

    in_usd = [one for one in found if one.price and one.price.currency == "USD"]

    assert cost_of(in_usd).amount() == 3


def test_costs_that_miss_some_time_are_caught() -> None:
    """A table that is not about all the GPU time of the books is not shown."""
    used = usage(hours(0, 1))
    costs = [cost_of(charges([used], book(price("2"))))]

    verify_reconciles(costs, used.gpu_ns)
    with pytest.raises(AccountingError, match="the book holds 1;"):
        verify_reconciles(costs, 1)


def test_lost_time_is_part_of_what_a_token_cost() -> None:
    """100 euro for 40 million kept tokens: 2.50 per million, whatever was lost."""
    cost = cost_of(charges([usage(hours(0, 50))], book(price("2"))))

    assert per_million_tokens(cost, 40_000_000) == Decimal("2.5")


def test_a_price_per_token_is_absent_where_it_would_mislead() -> None:
    """No token kept, none reported, or part of the time unpriced."""
    cost = cost_of(charges([usage(hours(0, 50))], book(price("2"))))

    assert per_million_tokens(cost, 0) is None
    assert per_million_tokens(cost, None) is None
    assert per_million_tokens(cost + Cost(unpriced_gpu_ns=1), 10) is None
    assert per_million_tokens(Cost(), 10) is None


def test_a_segment_becomes_usage_of_a_place() -> None:
    """State, cause and time come from the book; the place says what it costs."""
    segment = Segment(hours(0, 1), RunState.DOWN, 16, Cause.HANG)

    whole = usage_of(segment, Place(H100), team="research", run=LLAMA)
    part = usage_of(segment, Place(H100, node="node-1"), devices=8)

    assert whole == usage(
        hours(0, 1), 16, RunState.DOWN, cause=Cause.HANG, team="research"
    )
    assert (part.devices, part.cause, part.team) == (8, Cause.HANG, None)


def idle_and_held() -> list[Charge]:
    """Return one day's charges: 60 GPU-hours held by two teams, 40 by nobody."""
    used = [
        usage(hours(0, 5), 8, team="research"),
        usage(hours(0, 5), 4, Category.OTHER_WORKLOAD, team="search"),
        usage(hours(0, 5), 6, Category.UNALLOCATED, team=None),
        usage(hours(0, 5), 2, Category.UNAVAILABLE, cause=Cause.GPU_LOST, team=None),
    ]
    return list(charges(used, book(price("2"))))


def test_idle_gpus_are_paid_in_proportion_to_what_was_asked() -> None:
    """Research asked for three quarters, so it pays 60 of the 80 euro."""
    asked: dict[str | None, int] = {"research": 75, "search": 25, "nobody": 0}

    found = allocate(idle_and_held(), asked, Rule.ASKED)

    bills = {team: bill.total.amount() for team, bill in found.bills.items()}
    assert bills == {"research": 80 + 60, "search": 40 + 20}
    assert found.left == Cost()
    assert found.total.amount() == 200


def test_idle_gpus_may_stay_with_the_cluster() -> None:
    """The other rule bills teams for what they held and nothing else."""
    found = allocate(idle_and_held(), {"research": 75}, Rule.NONE)

    bills = {team: bill.total.amount() for team, bill in found.bills.items()}
    assert bills == {"research": 80, "search": 40}
    assert found.left.amount() == 80


def test_where_nobody_asked_nobody_pays() -> None:
    """An idle cluster without a single request has nobody to divide among."""
    found = allocate(idle_and_held(), {"research": 0}, Rule.ASKED)

    assert found.left.amount() == 80


def test_who_only_waited_pays_for_idle_gpus_too() -> None:
    """A team that asked and was not served is one reason why GPUs stand ready."""
    found = allocate(idle_and_held(), {"waiting": 1}, Rule.ASKED)

    assert found.bills["waiting"].own == Cost()
    assert found.bills["waiting"].total.amount() == 80


def test_every_rule_can_be_stated() -> None:
    """A report prints the rule beside the figures."""
    assert set(RULES) == set(Rule)
