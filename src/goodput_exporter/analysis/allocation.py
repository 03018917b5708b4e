"""Who pays for the GPUs that nobody held: a rule that is stated, and that adds up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from goodput_exporter.analysis.money import Charge, Cost, cost_by
from goodput_exporter.analysis.usage import Category
from goodput_exporter.domain.spans import apportion

SHARED: Final = frozenset({Category.UNALLOCATED, Category.UNAVAILABLE})
"""Paid for, held by nobody; all else is its holder's own."""


class Rule(StrEnum):
    """How the cost of shared GPUs is divided."""

    ASKED = "asked"
    NONE = "none"


RULES: Final = {
    Rule.ASKED: "in proportion to the GPU-hours that each team asked for",
    Rule.NONE: "not at all: it stays with the cluster",
}
"""What a report says beside the figures."""


@dataclass(frozen=True, slots=True)
class Bill:
    """One team's cost: of what it held, and its part of what nobody held."""

    own: Cost = field(default_factory=Cost)
    shared: Cost = field(default_factory=Cost)

    @property
    def total(self) -> Cost:
        """Return both together."""
        return self.own + self.shared


@dataclass(frozen=True, slots=True)
class Allocation:
    """
    Every charge on somebody's bill, or left with the cluster.

    Args:
        rule: By which rule.
        bills: By team; None is the time that carries no team's label.
        left: What the rule leaves with the cluster.
    """

    rule: Rule
    bills: Mapping[str | None, Bill]
    left: Cost

    @property
    def total(self) -> Cost:
        """Return the cost of all charges."""
        return sum((bill.total for bill in self.bills.values()), self.left)


def allocate(
    charges: Iterable[Charge], asked_gpu_ns: Mapping[str | None, int], rule: Rule
) -> Allocation:
    """
    Bill the cluster book's charges to teams.

    The proportion is that of the whole window: allocating day by day divides
    each day's idle GPUs by that day's asking, which is another, finer rule.

    Args:
        charges: Of the cluster book, in one currency.
        asked_gpu_ns: GPU time of the run book by team, of the same window. It
            counts waiting runs, too: who asked and was not served still asked.
        rule: How to divide what nobody held.

    Returns:
        Bills that sum to the charges, GPU time and cost, exactly. Where nobody
        asked for anything, the shared part is left.
    """
    found = cost_by(charges, lambda one: (one.usage.state in SHARED, one.usage.team))
    own = {team: cost for (shared, team), cost in found.items() if not shared}
    to_share = sum((cost for (shared, _), cost in found.items() if shared), Cost())
    asking = {team: ns for team, ns in asked_gpu_ns.items() if ns}
    divided: dict[str | None, Cost] = {}
    if rule is Rule.ASKED and asking:
        divided = _divided(to_share, asking)
        to_share = Cost()
    teams = dict.fromkeys([*own, *divided])
    bills = {
        team: Bill(own.get(team, Cost()), divided.get(team, Cost())) for team in teams
    }
    return Allocation(rule, bills, to_share)


def _divided(cost: Cost, weights: Mapping[str | None, int]) -> dict[str | None, Cost]:
    parts = list(weights.values())
    shares = zip(
        weights,
        apportion(cost.grains, parts),
        apportion(cost.priced_gpu_ns, parts),
        apportion(cost.unpriced_gpu_ns, parts),
        strict=True,
    )
    return {
        team: Cost(cost.currency, grains, priced_ns, unpriced_ns)
        for team, grains, priced_ns, unpriced_ns in shares
    }
