"""
What GPU time costs, by whatever it is asked by, exact to the last unit.

Costs are integers of *grains* until they are shown: one grain is one
GPU-nanosecond at a price of 10^-9 per GPU-hour. So sums, splits and windows are
exact, and rounding happens once, on the table that a person reads.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Final, TypeVar

from goodput_exporter.analysis.prices import PRICE_DECIMALS, Price, PriceBook
from goodput_exporter.analysis.rounding import nearest, rounded
from goodput_exporter.analysis.usage import Usage
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.errors import AccountingError, ConfigError

NS_PER_HOUR: Final = 3_600 * NS_PER_SECOND
GRAINS_PER_UNIT: Final = NS_PER_HOUR * 10**PRICE_DECIMALS
CENTS: Final = 2

By = TypeVar("By", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Charge:
    """Usage at one price; None is a gap in the price book, not a price of zero."""

    usage: Usage
    price: Price | None

    @property
    def grains(self) -> int | None:
        """Return what it costs; None where the book has no price."""
        if self.price is None:
            return None
        return self.usage.gpu_ns * self.price.nanos_per_gpu_hour


def charges(
    usages: Iterable[Usage], book: PriceBook, window: Span | None = None
) -> Iterator[Charge]:
    """
    Price usages, cut where a price changes and at the window.

    Args:
        usages: Of one book: the run book's asked GPUs or the cluster book's
            physical ones. Together they would count the held GPUs twice.
        book: The prices.
        window: The half-open span to charge for; None takes all.

    Yields:
        Charges whose GPU time sums to the usages' inside the window.
    """
    for usage in usages:
        inside = usage.span if window is None else usage.span.clip(window)
        if inside is None:
            continue
        place = usage.place
        for span, price in book.split(place.gpu_model, place.node_pool, inside):
            part = usage if span == usage.span else replace(usage, span=span)
            yield Charge(part, price)


@dataclass(frozen=True, slots=True)
class Cost:
    """
    What some GPU time costs, exactly, and how much of it has no price.

    Args:
        currency: None while nothing has a price.
        grains: The cost of the time that has a price.
        priced_gpu_ns: That time. *unpriced_gpu_ns*: the rest.
    """

    currency: str | None = None
    grains: int = 0
    priced_gpu_ns: int = 0
    unpriced_gpu_ns: int = 0

    @property
    def gpu_ns(self) -> int:
        """Return all of its GPU time, priced or not."""
        return self.priced_gpu_ns + self.unpriced_gpu_ns

    def amount(self, decimals: int = CENTS) -> Decimal | None:
        """Return the cost of what has a price; None if nothing has."""
        if self.currency is None:
            return None
        return nearest(self.grains, per_unit=GRAINS_PER_UNIT, decimals=decimals)

    def __add__(self, other: Cost) -> Cost:
        """
        Return both together.

        Raises:
            ConfigError: They are in two currencies.
        """
        return Cost(
            common_currency(self.currency, other.currency),
            self.grains + other.grains,
            self.priced_gpu_ns + other.priced_gpu_ns,
            self.unpriced_gpu_ns + other.unpriced_gpu_ns,
        )


def common_currency(one: str | None, other: str | None) -> str | None:
    """
    Return the currency of a sum; None is of no currency yet.

    Raises:
        ConfigError: There are two; no rate of exchange is ours to choose.
    """
    if one is not None and other is not None and one != other:
        msg = (
            f"a sum would mix {one} and {other}; ask for one node pool or GPU model "
            "at a time, or write all its prices in one currency"
        )
        raise ConfigError(msg)
    return one or other


def cost_of(charges: Iterable[Charge]) -> Cost:
    """Add up charges, all in one currency."""
    return cost_by(charges, lambda _: None).get(None, Cost())


def cost_by(charges: Iterable[Charge], by: Callable[[Charge], By]) -> dict[By, Cost]:
    """
    Add up charges in groups: by state, cause, team, node, or a pair of them.

    Args:
        charges: What to add up.
        by: Names a charge's group, such as ``lambda charge: charge.usage.state``.

    Returns:
        One cost per group, in the order of their first charge.

    Raises:
        ConfigError: One group, or the whole, would mix two currencies.
    """
    costs: dict[By, Cost] = {}
    currency: str | None = None
    for charge in charges:
        group = by(charge)
        one = _cost(charge)
        currency = common_currency(currency, one.currency)
        costs[group] = costs[group] + one if group in costs else one
    return costs


def amounts(
    costs: Mapping[By, Cost], *, decimals: int = CENTS
) -> dict[By, Decimal | None]:
    """
    Round a table of costs so that its lines sum to its rounded total.

    Args:
        costs: All in one currency.
        decimals: 2 for most currencies, 0 for the yen.

    Returns:
        One amount per line; None where nothing in the line has a price.
    """
    priced = {key: cost for key, cost in costs.items() if cost.currency is not None}
    sum(priced.values(), Cost())  # refuses two currencies
    found = rounded(
        {key: cost.grains for key, cost in priced.items()},
        per_unit=GRAINS_PER_UNIT,
        decimals=decimals,
    )
    return {key: found.get(key) for key in costs}


def verify_reconciles(costs: Iterable[Cost], gpu_ns: int) -> None:
    """
    Check that costs are about exactly the GPU time of the books.

    Args:
        costs: One table's lines.
        gpu_ns: What the book holds in the same window.

    Raises:
        AccountingError: A line is missing, or some time is in two of them.
    """
    charged = sum(cost.gpu_ns for cost in costs)
    if charged != gpu_ns:
        msg = (
            f"costs are about {charged} GPU-ns, the book holds {gpu_ns}; "
            "price every segment of the window once, from one book"
        )
        raise AccountingError(msg)


def per_million_tokens(
    cost: Cost, kept_tokens: int | None, *, decimals: int = 6
) -> Decimal | None:
    """
    Return what a million kept tokens cost, all badput included.

    None where it would be too low or has no meaning: some of the time has no
    price, or no token was kept, or nobody said how many.

    Args:
        cost: Of all the run's time: what was lost was paid for these tokens, too.
        kept_tokens: Of steps that survived.
        decimals: Of the result.
    """
    if not kept_tokens or cost.currency is None or cost.unpriced_gpu_ns:
        return None
    per_unit = Fraction(GRAINS_PER_UNIT * kept_tokens, 10**6)
    return nearest(
        cost.grains * per_unit.denominator,
        per_unit=per_unit.numerator,
        decimals=decimals,
    )


def _cost(charge: Charge) -> Cost:
    gpu_ns = charge.usage.gpu_ns
    grains = charge.grains
    if charge.price is None or grains is None:
        return Cost(unpriced_gpu_ns=gpu_ns)
    return Cost(charge.price.currency, grains, gpu_ns)
