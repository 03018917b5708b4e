"""
Charges as a FOCUS file, so that any FinOps tool reads them beside the cloud's bill.

Source:
    FinOps Open Cost and Usage Specification (FOCUS) 1.2, a published release:
    https://focus.finops.org/focus-specification/v1-2/. All its mandatory columns
    are here, and of the conditional ones those that the books can fill. What is
    ours alone has the prefix ``x_`` that the specification reserves for it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from goodput_exporter.analysis.money import (
    GRAINS_PER_UNIT,
    NS_PER_HOUR,
    Charge,
    common_currency,
)
from goodput_exporter.analysis.prices import Price
from goodput_exporter.analysis.rounding import rounded
from goodput_exporter.analysis.usage import Usage
from goodput_exporter.domain.slots import WHOLE
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.domain.states import Cause
from goodput_exporter.errors import BadInputError, ConfigError

FOCUS_VERSION: Final = "1.2"
COST_DECIMALS: Final = 6
"""Rows are small: with cents, an hour's rows would be rounding more than cost."""
QUANTITY_DECIMALS: Final = 9

COLUMNS: Final = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SubAccountId",
    "SubAccountName",
    "x_Cause",
    "x_GpuModel",
    "x_GpuNanoseconds",
    "x_NodePool",
    "x_PricePerGpuHour",
    "x_Run",
    "x_State",
)
"""
FOCUS's columns and then ours, by name.

ListUnitPrice and ContractedUnitPrice are left out on purpose: their product with
PricingQuantity must be the cost exactly, and rounded rows cannot promise that.
The price is in x_PricePerGpuHour.
"""


@dataclass(frozen=True, slots=True)
class Billing:
    """
    What a FOCUS file says of itself and no book knows.

    Args:
        account_id, account_name: Who pays.
        provider: Who makes the GPUs available, such as the cluster's name.
        publisher, issuer: Who made them, and who sends the bill.
        period: The billing period, on whole seconds.
        service: The name of the service.
    """

    account_id: str
    account_name: str
    provider: str
    publisher: str
    issuer: str
    period: Span
    service: str = "GPU cluster"


FocusRow = dict[str, str | None]


def focus_rows(
    charges: Iterable[Charge], billing: Billing, *, charge_period_ns: int = NS_PER_HOUR
) -> list[FocusRow]:
    """
    Return one row per charge period, owner, place, state, cause and price.

    Costs and GPU-hours are rounded over the whole file at once: the rows' sum is
    the charges' cost to the last of six decimals. x_GpuNanoseconds is exact.

    Args:
        charges: All priced, in one currency, inside the billing period.
        billing: What goes into every row.
        charge_period_ns: Length of a charge period, in whole seconds; periods
            begin at its multiples since the epoch.

    Raises:
        ConfigError: Some time has no price, and FOCUS knows no unknown cost; or
            the charges are in two currencies.
        BadInputError: A charge lies outside the billing period, or a period is
            not of whole seconds.
    """
    lines: dict[_Line, int] = {}
    for charge in charges:
        for line, gpu_ns in _cut(charge, billing, charge_period_ns):
            lines[line] = lines.get(line, 0) + gpu_ns
    lines = {line: lines[line] for line in sorted(lines, key=_order)}
    _one_currency(lines)
    costs = rounded(
        {line: ns * line.price.nanos_per_gpu_hour for line, ns in lines.items()},
        per_unit=GRAINS_PER_UNIT,
        decimals=COST_DECIMALS,
    )
    hours = rounded(lines, per_unit=NS_PER_HOUR, decimals=QUANTITY_DECIMALS)
    return [
        _row(line, billing, costs[line], hours[line], gpu_ns)
        for line, gpu_ns in lines.items()
    ]


def focus_csv(rows: Iterable[FocusRow]) -> str:
    """Return rows as CSV with a header; an absent value is an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@dataclass(frozen=True, slots=True)
class _Line:
    """What a row is about, over its whole charge period: everything but how much."""

    usage: Usage
    price: Price


def _cut(
    charge: Charge, billing: Billing, period_ns: int
) -> Iterable[tuple[_Line, int]]:
    if charge.price is None:
        raise ConfigError(_no_price(charge))
    span = charge.usage.span
    _inside(span, billing.period, period_ns)
    start_ns = span.start_ns - span.start_ns % period_ns
    for begin_ns in range(start_ns, span.end_ns, period_ns):
        grid = Span(begin_ns, begin_ns + period_ns)
        part = span.clip(grid)
        period = grid.clip(billing.period)
        if part is None or period is None:
            continue
        # How many and since when is no part of a row's key: it is what is summed.
        usage = replace(charge.usage, span=period, devices=1, slots=WHOLE)
        yield _Line(usage, charge.price), replace(charge.usage, span=part).gpu_ns


def _inside(span: Span, period: Span, charge_period_ns: int) -> None:
    edges = (period.start_ns, period.end_ns, charge_period_ns)
    if charge_period_ns <= 0 or any(edge % NS_PER_SECOND for edge in edges):
        msg = (
            f"billing period {period.start_ns}-{period.end_ns} ns in charge periods "
            f"of {charge_period_ns} ns; FOCUS writes whole seconds"
        )
        raise BadInputError(msg)
    if span.start_ns < period.start_ns or span.end_ns > period.end_ns:
        msg = (
            f"a charge from {span.start_ns} to {span.end_ns} ns lies outside the "
            f"billing period {period.start_ns}-{period.end_ns} ns; "
            "price one billing period at a time"
        )
        raise BadInputError(msg)


def _no_price(charge: Charge) -> str:
    place, span = charge.usage.place, charge.usage.span
    pool = "no pool" if place.node_pool is None else f"pool {place.node_pool}"
    return (
        f"{place.gpu_model} in {pool} has no price from {span.start_ns} to "
        f"{span.end_ns} ns, and a FOCUS row needs a cost; "
        "add the price, or leave such charges out by name"
    )


def _one_currency(lines: Iterable[_Line]) -> None:
    currency: str | None = None
    for line in lines:
        currency = common_currency(currency, line.price.currency)


def _order(line: _Line) -> tuple[object, ...]:
    usage = line.usage
    return (
        line.usage.span,
        usage.team or "",
        str(usage.run or ""),
        usage.place.gpu_model,
        usage.place.node_pool or "",
        usage.place.node or "",
        usage.state.value,
        usage.cause.value,
        line.price.valid,
    )


def _row(
    line: _Line, billing: Billing, cost: Decimal, hours: Decimal, gpu_ns: int
) -> FocusRow:
    usage, price = line.usage, line.price
    run = None if usage.run is None else str(usage.run)
    resource = usage.place.node or run
    kind = "Training Run" if usage.place.node is None else "GPU Node"
    return {
        "BilledCost": f"{cost:f}",
        "BillingAccountId": billing.account_id,
        "BillingAccountName": billing.account_name,
        "BillingCurrency": price.currency,
        "BillingPeriodEnd": _instant(billing.period.end_ns),
        "BillingPeriodStart": _instant(billing.period.start_ns),
        "ChargeCategory": "Usage",
        "ChargeClass": None,
        "ChargeDescription": f"{usage.place.gpu_model}, {usage.state.value}",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": _instant(line.usage.span.end_ns),
        "ChargePeriodStart": _instant(line.usage.span.start_ns),
        "ConsumedQuantity": f"{hours:f}",
        "ConsumedUnit": "GPU-Hours",
        "ContractedCost": f"{cost:f}",
        "EffectiveCost": f"{cost:f}",
        "InvoiceIssuerName": billing.issuer,
        "ListCost": f"{cost:f}",
        "PricingQuantity": f"{hours:f}",
        "PricingUnit": "GPU-Hours",
        "ProviderName": billing.provider,
        "PublisherName": billing.publisher,
        "ResourceId": resource,
        "ResourceName": resource,
        "ResourceType": None if resource is None else kind,
        "ServiceCategory": "Compute",
        "ServiceName": billing.service,
        "ServiceSubcategory": "Other (Compute)",
        "SubAccountId": usage.team,
        "SubAccountName": usage.team,
        "x_Cause": None if usage.cause is Cause.NONE else usage.cause.value,
        "x_GpuModel": usage.place.gpu_model,
        "x_GpuNanoseconds": str(gpu_ns),
        "x_NodePool": usage.place.node_pool,
        "x_PricePerGpuHour": f"{price.per_gpu_hour:f}",
        "x_Run": run,
        "x_State": usage.state.value,
    }


def _instant(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // NS_PER_SECOND, UTC).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
