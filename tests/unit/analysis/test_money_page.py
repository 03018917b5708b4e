"""docs/explanation/money.md, computed again from its own tables."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from goodput_exporter.analysis.allocation import Rule, allocate
from goodput_exporter.analysis.energy import Held, energy_book, energy_by_state
from goodput_exporter.analysis.focus import COLUMNS, FOCUS_VERSION
from goodput_exporter.analysis.money import (
    NS_PER_HOUR,
    Charge,
    Cost,
    amounts,
    charges,
    cost_by,
    cost_of,
    per_million_tokens,
)
from goodput_exporter.analysis.prices import parse_prices
from goodput_exporter.analysis.usage import Category, State, Usage
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.domain.states import Cause, RunState
from tests.fakes.bills import SOMEWHERE, counter, seconds

PAGE = (Path(__file__).parents[3] / "docs/explanation/money.md").read_text("utf-8")
MIDNIGHT_NS = 1_772_323_200 * NS_PER_SECOND  # 2026-03-01T00:00:00Z


def table(header: str) -> list[list[str]]:
    """Return the cells of the one table whose header begins so."""
    _, found, rest = PAGE.partition(f"\n| {header}")
    assert found, header
    lines = rest.partition("\n\n")[0].split("\n")[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def state_named(name: str) -> State:
    """Return a state of either book."""
    return RunState(name) if name in list(RunState) else Category(name)


def cluster_day() -> list[Charge]:
    """Return the charges of the page's day."""
    toml = PAGE.partition("```toml\n")[2].partition("```")[0]
    used = [
        Usage(
            Span(
                MIDNIGHT_NS + int(start) * NS_PER_HOUR,
                MIDNIGHT_NS + int(end) * NS_PER_HOUR,
            ),
            int(gpus),
            state_named(state),
            SOMEWHERE,
            Cause(cause),
            None if team == "-" else team,
        )
        for start, end, gpus, state, cause, team in table("From (h)")
    ]
    return list(charges(used, parse_prices(toml, origin="money.md")))


def test_the_cost_by_state_is_what_the_page_says() -> None:
    """A price that changes inside an outage, and a sum that is the invoice."""
    found = cost_by(cluster_day(), lambda one: one.usage.state.value)
    costs = {**found, "total": sum(found.values(), Cost())}

    for state, gpu_hours, euro in table("State | GPU-hours"):
        assert costs[state].gpu_ns == int(gpu_hours) * NS_PER_HOUR
        assert costs[state].amount() == Decimal(euro)
    assert amounts(found) == {name: costs[name].amount() for name in found}


def test_the_teams_bills_are_what_the_page_says() -> None:
    """Idle GPUs in proportion to what was asked."""
    asked: dict[str | None, int] = {"research": 192, "search": 96}

    found = allocate(cluster_day(), asked, Rule.ASKED)

    for team, held, shared, total in table("Team"):
        bill = found.bills[team]
        assert bill.own.amount() == Decimal(held)
        assert bill.shared.amount() == Decimal(shared)
        assert bill.total.amount() == Decimal(total)
    assert found.total.amount() == Decimal("898.56")


def test_the_price_of_a_token_is_what_the_page_says() -> None:
    """The outage is part of it."""
    cost = cost_of(one for one in cluster_day() if one.usage.team == "research")

    assert "kept 3,200,000,000 tokens. They cost 0.1404 EUR per million" in PAGE
    assert per_million_tokens(cost, 3_200_000_000) == Decimal("0.1404")


def test_the_energy_by_state_is_what_the_page_says() -> None:
    """Divided by time, but not across the gap."""
    readings = counter(*((int(at), int(j)) for at, j in table("At (s)")))
    held = [
        Held("GPU-0", seconds(0, 45), RunState.PRODUCTIVE),
        Held("GPU-0", seconds(45, 430), RunState.DOWN),
    ]

    found = energy_book(readings, held, seconds(0, 430))

    *states, unplaced = table("State | Energy")
    for state, joules, measured, unknown in states:
        energy = energy_by_state(found)[RunState(state)]
        assert energy.millijoules == int(joules) * 1_000
        assert energy.measured_gpu_ns == int(measured) * NS_PER_SECOND
        assert energy.unknown_gpu_ns == int(unknown) * NS_PER_SECOND
    assert found.unplaced_millijoules == int(unplaced[1]) * 1_000


@pytest.mark.parametrize("rule", Rule)
def test_every_rule_is_on_the_page(rule: Rule) -> None:
    """Who is billed by a rule can read it."""
    assert f"\n| `{rule.value}` |" in PAGE


def test_every_column_of_ours_is_on_the_page() -> None:
    """Nobody has to guess what an x_ column holds."""
    for name in COLUMNS:
        assert not name.startswith("x_") or f"`{name}`" in PAGE
    assert f"(FOCUS) {FOCUS_VERSION}]" in PAGE
