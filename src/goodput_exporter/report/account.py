"""One run's account of one window, as lines that add up in time, share and money."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from goodput_exporter.analysis.money import (
    CENTS,
    NS_PER_HOUR,
    Charge,
    Cost,
    amounts,
    cost_by,
)
from goodput_exporter.analysis.rounding import nearest, rounded
from goodput_exporter.domain.accounting import Account, is_bad
from goodput_exporter.domain.ratios import LayerRatios, ratios
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import LAYER_OF, ORDER_OF, Cause, RunState
from goodput_exporter.errors import AccountingError

HOURS_DECIMALS: Final = 3
FINE_DECIMALS: Final = 6
SMALL_GPU_NS: Final = 10 * NS_PER_HOUR
"""A report of less is told in finer decimals: a laptop's minute is not 0.017."""
PERCENT_DECIMALS: Final = 2
ORDER_OF_CAUSE: Final = {cause: place for place, cause in enumerate(Cause)}


@dataclass(frozen=True, slots=True)
class Line:
    """
    One line of a table; the lines of a table sum to its total, column by column.

    Args:
        name: A state, a cause, or ``"total"``.
        layer: The state's layer; None for causes and totals.
        gpu_ns: Its GPU time, exactly. *gpu_hours*: the same, rounded.
        percent: Its share of the table's GPU time; None of an empty table.
        cost: Of the time that has a price; None if none has.
        unpriced_gpu_ns: The time that has none.
    """

    name: str
    layer: str | None
    gpu_ns: int
    gpu_hours: Decimal
    percent: Decimal | None
    cost: Decimal | None
    unpriced_gpu_ns: int


@dataclass(frozen=True, slots=True)
class AccountReport:
    """
    One run in one window.

    Args:
        run: Which run, or what several are called together.
        view: ``"live"`` or ``"settled"``; the two answer different questions.
        window: What it is about.
        states, causes: In the books' order. Causes hold bad states only.
        total: Of the states. *lost*: of the causes.
        ratios: Of the same account.
        currency: None where nothing has a price.
    """

    run: RunKey | str
    view: str
    window: Span
    states: tuple[Line, ...]
    causes: tuple[Line, ...]
    total: Line
    lost: Line
    ratios: LayerRatios
    currency: str | None


def account_report(
    charges: Iterable[Charge],
    *,
    run: RunKey,
    view: str,
    window: Span,
    decimals: int = CENTS,
) -> AccountReport:
    """
    Put one run's charges into tables.

    Args:
        charges: Of the run's book in *window*; an empty price book gives tables
            without costs.
        run: Which run.
        view: Which view they are of.
        window: What they were cut to.
        decimals: Of the costs.

    Raises:
        AccountingError: A charge is of the cluster book.
        ConfigError: They are in two currencies.
    """
    by_both: dict[tuple[RunState, Cause], Cost] = {}
    found = cost_by(charges, lambda one: (one.usage.state, one.usage.cause))
    for (state, cause), cost in found.items():
        if not isinstance(state, RunState):
            msg = (
                f"{run}: {state.value} is no state of a run; "
                "report the run's own book, not the cluster's"
            )
            raise AccountingError(msg)
        by_both[state, cause] = cost
    return report_of_costs(
        by_both, run=run, view=view, window=window, decimals=decimals
    )


def report_of_costs(  # noqa: PLR0913 - what is told, and how
    costs: Mapping[tuple[RunState, Cause], Cost],
    *,
    run: RunKey | str,
    view: str,
    window: Span,
    decimals: int = CENTS,
    model_flops: float | None = None,
    peak_flops: float | None = None,
) -> AccountReport:
    """
    Put GPU time and its cost, by state and cause, into tables.

    Args:
        costs: Of one run's book in *window*, or of several runs'.
        run: Which run, or what the runs are called together.
        view: Which view they are of.
        window: What they were cut to.
        decimals: Of the costs.
        model_flops: Of first-time steps, where they are known.
        peak_flops: Of one device, where it is known.

    Raises:
        ConfigError: The costs are in two currencies.
    """
    account = Account()
    states: dict[RunState, Cost] = {}
    causes: dict[Cause, Cost] = {}
    for (state, cause), cost in costs.items():
        account.add(state, cost.gpu_ns, cause)
        states[state] = states.get(state, Cost()) + cost
        if is_bad(state):
            causes[cause] = causes.get(cause, Cost()) + cost
    whole = sum(states.values(), Cost())
    digits = hours_decimals(whole.gpu_ns), decimals
    layers = {state.value: LAYER_OF[state].value for state in states}
    in_order = {state.value: states[state] for state in sorted(states, key=_place)}
    of_causes = {
        cause.value: causes[cause]
        for cause in sorted(causes, key=ORDER_OF_CAUSE.__getitem__)
    }
    return AccountReport(
        run,
        view,
        window,
        _lines(in_order, layers, digits),
        _lines(of_causes, {}, digits),
        _total(in_order, digits),
        _total(of_causes, digits),
        ratios(account, model_flops=model_flops, peak_flops=peak_flops),
        whole.currency,
    )


def hours_decimals(total_gpu_ns: int) -> int:
    """Return how many decimals GPU-hours have in a report of so much GPU time."""
    is_small = 0 < total_gpu_ns < SMALL_GPU_NS
    return FINE_DECIMALS if is_small else HOURS_DECIMALS


def _place(state: RunState) -> int:
    return ORDER_OF[state]


def _lines(
    costs: Mapping[str, Cost], layers: Mapping[str, str], digits: tuple[int, int]
) -> tuple[Line, ...]:
    gpu_ns = {name: cost.gpu_ns for name, cost in costs.items()}
    whole = sum(gpu_ns.values())
    hours = rounded(gpu_ns, per_unit=NS_PER_HOUR, decimals=digits[0])
    percents: Mapping[str, Decimal] = {}
    if whole:
        scaled = {name: 100 * ns for name, ns in gpu_ns.items()}
        percents = rounded(scaled, per_unit=whole, decimals=PERCENT_DECIMALS)
    money = amounts(costs, decimals=digits[1])
    return tuple(
        Line(
            name,
            layers.get(name),
            cost.gpu_ns,
            hours[name],
            percents.get(name),
            money[name],
            cost.unpriced_gpu_ns,
        )
        for name, cost in costs.items()
    )


def _total(costs: Mapping[str, Cost], digits: tuple[int, int]) -> Line:
    whole = sum(costs.values(), Cost())
    hours = nearest(whole.gpu_ns, per_unit=NS_PER_HOUR, decimals=digits[0])
    hundred = nearest(100, per_unit=1, decimals=PERCENT_DECIMALS)
    return Line(
        "total",
        None,
        whole.gpu_ns,
        hours,
        hundred if whole.gpu_ns else None,
        whole.amount(digits[1]),
        whole.unpriced_gpu_ns,
    )
