"""A sheet as rows for programs: one per run, period, state and cause."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from decimal import Decimal
from typing import Final

from goodput_exporter.analysis.money import NS_PER_HOUR, Cost, amounts
from goodput_exporter.analysis.rounding import rounded
from goodput_exporter.analysis.stretches import costs_of
from goodput_exporter.domain.states import LAYER_OF, ORDER_OF, Cause, RunState
from goodput_exporter.report.account import ORDER_OF_CAUSE, hours_decimals
from goodput_exporter.report.sheet import Sheet
from goodput_exporter.report.trends import divided
from goodput_exporter.report.words import instant

MONEY_DECIMALS: Final = 6
"""Rows are small: with cents, they would be rounding more than cost."""


@dataclass(frozen=True, slots=True)
class Row:
    """
    Some GPU time of one run in one period, state and cause.

    The rows sum to the report: *gpu_ns* exactly, the rounded columns to their
    rounded totals.
    """

    cluster: str
    namespace: str
    run: str
    view: str
    begins: str
    ends: str
    state: str
    layer: str
    cause: str
    gpu_ns: int
    gpu_hours: Decimal
    currency: str | None
    cost: Decimal | None
    unpriced_gpu_ns: int


COLUMNS: Final = tuple(field.name for field in fields(Row))
Place = tuple[int, int, RunState, Cause]
"""A run's and a period's number, a state and a cause."""


def rows(made: Sheet) -> list[Row]:
    """Return a report's GPU time by run, period, state and cause."""
    costs = dict(_costs(made))
    hours = rounded(
        {place: cost.gpu_ns for place, cost in costs.items()},
        per_unit=NS_PER_HOUR,
        decimals=hours_decimals(made.whole.total.gpu_ns),
    )
    money = amounts(costs, decimals=MONEY_DECIMALS)
    found: list[Row] = []
    for place, cost in costs.items():
        run, period, state, cause = place
        key, span = made.parts[run].run.key, made.periods[period].span
        found.append(
            Row(
                key.cluster,
                key.namespace,
                key.run,
                made.view.value,
                instant(span.start_ns),
                instant(span.end_ns),
                state.value,
                LAYER_OF[state].value,
                cause.value,
                cost.gpu_ns,
                hours[place],
                cost.currency,
                money[place],
                cost.unpriced_gpu_ns,
            )
        )
    return found


def rows_csv(made: Sheet) -> str:
    """Return a report as CSV with a header; what is not known is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows(made):
        writer.writerow("" if cell is None else _text(cell) for cell in astuple(row))
    return text.getvalue()


def _text(cell: object) -> str:
    return f"{cell:f}" if isinstance(cell, Decimal) else str(cell)


def _costs(made: Sheet) -> Iterator[tuple[Place, Cost]]:
    for number, part in enumerate(made.parts):
        pricing = part.run.pricing
        periods = divided(part.stretches, made.window, made.grain)
        for index, (span, mine) in enumerate(periods):
            found = costs_of(mine, span, pricing)
            for state, cause in sorted(found, key=_order):
                yield (number, index, state, cause), found[state, cause]


def _order(group: tuple[RunState, Cause]) -> tuple[int, int]:
    return ORDER_OF[group[0]], ORDER_OF_CAUSE[group[1]]
