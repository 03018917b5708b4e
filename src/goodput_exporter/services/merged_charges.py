"""Charges of many lines as few that say the same: a cluster's year fits in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from goodput_exporter.analysis.money import NS_PER_HOUR, Charge, charges
from goodput_exporter.analysis.prices import Price, PriceBook
from goodput_exporter.analysis.usage import Usage
from goodput_exporter.domain.slots import WHOLE
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import BadInputError
from goodput_exporter.ledger.days import day_name, day_of
from goodput_exporter.services.reading_costs import Told

HOUR_NS: Final = NS_PER_HOUR


@dataclass(slots=True)
class Sums:
    """
    GPU time that was priced, by owner, place, state, cause and price.

    Args:
        prices: The price book.
        window: What is charged for.
        by_hour: Hours and nodes are told apart; else the window is one sum.
        found: GPU-nanoseconds by usage, which is one GPU's over the hour, and price.
        has_days: Some of it is known by the day only.
    """

    prices: PriceBook
    window: Span
    by_hour: bool
    found: dict[tuple[Usage, Price | None], int] = field(default_factory=dict)
    has_days: bool = False

    def add(self, told: Iterable[Told]) -> None:
        """
        Price usages and add them up.

        Raises:
            BadInputError: A price changes within a day that was folded.
        """
        for one in told:
            if one.is_day:
                self.has_days = True
                self._require_one_price(one.usage)
            for charge in charges([one.usage], self.prices, self.window):
                self._add(charge)

    def charges(self) -> Iterator[Charge]:
        """Yield charges whose GPU time and cost sum to what was added."""
        for (usage, price), gpu_ns in self.found.items():
            for part in _laid_out(usage, gpu_ns):
                yield Charge(part, price)

    def _add(self, charge: Charge) -> None:
        if not self.by_hour:
            place = replace(charge.usage.place, node=None)
            usage = replace(charge.usage, place=place)
            self._count(usage, self.window, charge.price, charge.usage.gpu_ns)
            return
        span = charge.usage.span
        for begin_ns in range(span.start_ns // HOUR_NS * HOUR_NS, span.end_ns, HOUR_NS):
            hour = Span(begin_ns, begin_ns + HOUR_NS)
            part, inside = span.clip(hour), hour.clip(self.window)
            if part is not None and inside is not None:
                gpu_ns = replace(charge.usage, span=part).gpu_ns
                self._count(charge.usage, inside, charge.price, gpu_ns)

    def _count(
        self, usage: Usage, inside: Span, price: Price | None, gpu_ns: int
    ) -> None:
        # How many and since when is what is summed, and no part of the name.
        at = replace(usage, span=inside, devices=1, slots=WHOLE), price
        self.found[at] = self.found.get(at, 0) + gpu_ns

    def _require_one_price(self, usage: Usage) -> None:
        place = usage.place
        split = self.prices.split(place.gpu_model, place.node_pool, usage.span)
        if len({price for _, price in split}) > 1:
            msg = (
                f"the price of {place.gpu_model} changes within "
                f"{day_name(day_of(usage.span.start_ns))}, which was folded into a "
                "daily account; let prices begin at midnight in UTC"
            )
            raise BadInputError(msg)


def _laid_out(usage: Usage, gpu_ns: int) -> Iterator[Usage]:
    span = usage.span
    devices, rest_ns = divmod(gpu_ns, span.length_ns)
    for part, count in (
        (span, devices),
        (Span(span.start_ns, span.start_ns + rest_ns), 1),
    ):
        if count and part.length_ns:
            yield replace(usage, span=part, devices=count)
