"""Costs as tables of CSV, by state, cause, run, pool and team; all sum to the total."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from goodput_exporter.analysis.allocation import SHARED, Allocation
from goodput_exporter.analysis.energy import kwh
from goodput_exporter.analysis.energy_used import Drew, EnergyUsed
from goodput_exporter.analysis.money import (
    NS_PER_HOUR,
    Charge,
    Cost,
    amounts,
    cost_by,
    cost_of,
)
from goodput_exporter.analysis.rounding import rounded
from goodput_exporter.domain.energy import Energy
from goodput_exporter.domain.spans import Span
from goodput_exporter.services.reading_costs import Used

COLUMNS: Final = (
    "by",
    "name",
    "gpu_ns",
    "gpu_hours",
    "currency",
    "cost",
    "unpriced_gpu_ns",
    "kwh",
    "metered_gpu_ns",
)
DECIMALS: Final = 6
Name = str | None
"""A line's name in its table; None is time that has none, an empty field."""
At = tuple[str, Name]
"""A table and a line of it."""


def _run(one: Charge) -> Name:
    return None if one.usage.run is None else str(one.usage.run)


GROUPS: Final = MappingProxyType[str, Callable[[Charge], Name]](
    {
        "state": lambda one: one.usage.state.value,
        "cause": lambda one: one.usage.cause.value,
        "run": _run,
        "node_pool": lambda one: one.usage.place.node_pool,
    }
)
"""By what a charge is grouped."""


@dataclass(frozen=True, slots=True)
class Bills:
    """
    Every charge of one window.

    Args:
        window: Which.
        used: What the books say.
        charges: What it costs; about exactly the book's GPU time.
        allocation: The same by team.
        energy: What the GPUs drew, as far as that is known.
        has_days: Some of it is known by the day only.
    """

    window: Span
    used: Used
    charges: tuple[Charge, ...]
    allocation: Allocation
    energy: EnergyUsed
    has_days: bool


def in_csv(found: Bills) -> str:
    """Return tables by state, cause, run, pool and team; each sums to the total."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for by, group in GROUPS.items():
        drawn: dict[At, Energy] = {
            (by, name): one for name, one in _drawn(found.energy, by).items()
        }
        costs: dict[At, Cost] = {
            (by, name): one for name, one in cost_by(found.charges, group).items()
        }
        writer.writerows(_lines(costs, drawn))
    writer.writerows(_lines(_teams(found.allocation), _drawn_by_team(found.energy)))
    whole: dict[At, Cost] = {("total", None): cost_of(found.charges)}
    writer.writerows(_lines(whole, {("total", None): found.energy.total}))
    writer.writerows(_beside(found.energy))
    blank = [""] * (len(COLUMNS) - 3)
    writer.writerow(("foot", _foot(found), found.used.book_gpu_ns, *blank))
    return text.getvalue()


def _teams(allocation: Allocation) -> dict[At, Cost]:
    """Return bills in one table, so that held, shared and left sum to the total."""
    found: dict[At, Cost] = {}
    for team, bill in allocation.bills.items():
        found["team_held", team] = bill.own
        found["team_shared", team] = bill.shared
    found["left_with_cluster", None] = allocation.left
    return {at: cost for at, cost in found.items() if cost.gpu_ns}


def _drawn(energy: EnergyUsed, by: str) -> dict[Name, Energy]:
    """Return energy by the names of a table."""
    names: dict[str, Callable[[Drew], Name]] = {
        "state": lambda one: one.state.value,
        "cause": lambda one: one.cause.value,
        "run": lambda one: None if one.run is None else str(one.run),
        "node_pool": lambda one: one.node_pool,
    }
    return energy.by(names[by])


def _drawn_by_team(energy: EnergyUsed) -> dict[At, Energy]:
    """Return what teams' GPUs drew; idle GPUs' energy is not shared out."""
    by_team = energy.by(lambda one: (one.state in SHARED, one.team))
    return {
        ("team_held", team): drawn
        for (is_idle, team), drawn in by_team.items()
        if not is_idle
    }


def _beside(energy: EnergyUsed) -> list[Sequence[object]]:
    """Return the energy that is in no table, and what of theirs is an integral."""
    parts = {
        "unbooked": energy.unbooked_millijoules,
        "unplaced": energy.unplaced_millijoules,
        "of the total from samples of power": energy.total.integrated_millijoules,
    }
    told = kwh(
        {name: Energy(mj) for name, mj in parts.items() if mj}, decimals=DECIMALS
    )
    blank = [""] * (len(COLUMNS) - 4)
    return [("energy", name, *blank, f"{each:f}", "") for name, each in told.items()]


def _lines(
    costs: Mapping[At, Cost],
    energies: Mapping[At, Energy],
) -> list[Sequence[object]]:
    drawn = {at: energies.get(at, Energy()) for at in costs}
    energy = kwh(drawn, decimals=DECIMALS)
    money = amounts(costs, decimals=DECIMALS)
    hours = rounded(
        {at: cost.gpu_ns for at, cost in costs.items()},
        per_unit=NS_PER_HOUR,
        decimals=DECIMALS,
    )
    return [
        (
            *at,
            cost.gpu_ns,
            f"{hours[at]:f}",
            cost.currency or "",
            "" if (amount := money[at]) is None else f"{amount:f}",
            cost.unpriced_gpu_ns,
            "" if (each := energy[at]) is None else f"{each:f}",
            "" if each is None else drawn[at].measured_gpu_ns,
        )
        for at, cost in costs.items()
    ]


def _foot(found: Bills) -> str:
    if not found.used.is_cluster:
        return (
            "run time only: there is no cluster book in this window; GPUs that no run "
            "asked for are not here; all of the run book's GPU-ns are in each table"
        )
    return (
        "all of the cluster book's GPU-ns (live view) are in each table, exactly; "
        f"idle GPUs by rule {found.allocation.rule.value}"
    )
