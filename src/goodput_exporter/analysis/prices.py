"""
The price book: what an hour of a GPU costs, by model, node pool and time.

A price for a node pool goes before the price of the model in any pool. Where
neither is valid there is no price: the time is a gap with a name, never free.
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import ConfigError

FOREVER_NS: Final = 2**63 - 1
"""The end of a price that has none, in the year 2262."""

PRICE_DECIMALS: Final = 9
"""So that every price is a whole number of nanos, and every cost an integer."""

HIGHEST: Final = 10**12
"""With nine decimals still far from the 28 digits at which decimals round."""

KEYS: Final = ("gpu_model", "node_pool", "currency", "per_gpu_hour", "from", "to")
REQUIRED: Final = ("gpu_model", "currency", "per_gpu_hour", "from")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Price:
    """
    What one GPU-hour costs while the price is valid.

    Args:
        gpu_model: As NVML names it, letter by letter.
        node_pool: Where; None is any pool.
        currency: An ISO 4217 code.
        per_gpu_hour: Not negative, at most nine decimals; zero is a price.
        valid: When, in nanoseconds since the epoch.

    Raises:
        ConfigError: The price is negative, no number, or has too many decimals.
    """

    gpu_model: str
    node_pool: str | None
    currency: str
    per_gpu_hour: Decimal
    valid: Span

    def __post_init__(self) -> None:
        wrong = why_no_price(self.per_gpu_hour)
        if wrong is not None:
            msg = f"the price of {self.gpu_model} {wrong}"
            raise ConfigError(msg)

    @property
    def nanos_per_gpu_hour(self) -> int:
        """Return the price as an integer, in 10^-9 of the currency."""
        return int(self.per_gpu_hour.scaleb(PRICE_DECIMALS))


Shelf = tuple[str, str | None]
"""A GPU model and a node pool, whose prices follow each other in time."""


@dataclass(frozen=True, slots=True)
class PriceBook:
    """
    Prices that never contradict each other; ``price_book`` makes one.

    Args:
        origin: The file that they came from, for messages.
        shelves: By GPU model and node pool, in time order.
    """

    origin: str
    shelves: Mapping[Shelf, tuple[Price, ...]]

    def split(
        self, gpu_model: str, node_pool: str | None, span: Span
    ) -> list[tuple[Span, Price | None]]:
        """
        Cut a span where its price changes.

        Args:
            gpu_model: As NVML names it.
            node_pool: Its node's pool; None if it is in none.
            span: What to cut.

        Returns:
            Pieces in time order that tile *span*, each with the one price that is
            valid throughout; None where the book has no price.
        """
        general = self.shelves.get((gpu_model, None), ())
        if node_pool is None:
            return list(_tiled(general, span))
        pieces: list[tuple[Span, Price | None]] = []
        for piece, price in _tiled(self.shelves.get((gpu_model, node_pool), ()), span):
            if price is None:
                pieces.extend(_tiled(general, piece))
            else:
                pieces.append((piece, price))
        return pieces


def price_book(prices: Iterable[Price], *, origin: str) -> PriceBook:
    """
    Put prices on their shelves.

    Args:
        prices: In any order.
        origin: The file that they came from, for messages.

    Raises:
        ConfigError: Two prices of one model and pool are valid at one instant.
    """
    shelves: defaultdict[Shelf, list[Price]] = defaultdict(list)
    for price in prices:
        shelves[price.gpu_model, price.node_pool].append(price)
    for shelf in shelves.values():
        shelf.sort(key=lambda price: price.valid)
        for earlier, later in pairwise(shelf):
            if later.valid.start_ns < earlier.valid.end_ns:
                raise ConfigError(_overlap(earlier, later, origin))
    return PriceBook(
        origin, MappingProxyType({key: tuple(shelf) for key, shelf in shelves.items()})
    )


def parse_prices(text: str, *, origin: str) -> PriceBook:
    """
    Read a price book from TOML: a list of tables named ``price``.

    Numbers are read as decimals, so 2.49 is 2.49 and no binary fraction.

    Args:
        text: The file's content.
        origin: The file's name, for messages.

    Raises:
        ConfigError: It is no TOML, an entry is incomplete or wrong, or two overlap.
    """
    try:
        tables = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as exc:
        msg = f"{origin}: not TOML ({exc}); check the line that it names"
        raise ConfigError(msg) from exc
    entries = tables.pop("price", [])
    if tables or not isinstance(entries, list):
        found = ", ".join(tables) or "price as a single value"
        msg = f"{origin}: found {found}; it holds [[price]] tables and nothing else"
        raise ConfigError(msg)
    return price_book(
        (
            _price(entry, f"{origin}: price {number}")
            for number, entry in enumerate(entries, start=1)
        ),
        origin=origin,
    )


def why_no_price(amount: Decimal) -> str | None:
    """Return what is wrong with a price, as the end of a sentence; None is nothing."""
    if not amount.is_finite() or not 0 <= amount < HIGHEST:
        return f"is {amount}; a price is zero or more, and below {HIGHEST}"
    if (Fraction(amount) * 10**PRICE_DECIMALS).denominator != 1:
        return f"is {amount}; a price has at most {PRICE_DECIMALS} decimals"
    return None


def _tiled(
    prices: tuple[Price, ...], span: Span
) -> Iterator[tuple[Span, Price | None]]:
    cursor_ns = span.start_ns
    for price in prices:
        inside = price.valid.clip(span)
        if inside is None:
            continue
        if cursor_ns < inside.start_ns:
            yield Span(cursor_ns, inside.start_ns), None
        yield inside, price
        cursor_ns = inside.end_ns
    if cursor_ns < span.end_ns:
        yield Span(cursor_ns, span.end_ns), None


def _price(entry: object, where: str) -> Price:
    if not isinstance(entry, dict):
        msg = f"{where}: {entry!r} is no table; begin each entry with [[price]]"
        raise ConfigError(msg)
    unknown = [key for key in entry if key not in KEYS]
    missing = [key for key in REQUIRED if key not in entry]
    if unknown or missing:
        wrong = [f"unknown {key}" for key in unknown]
        wrong += [f"missing {key}" for key in missing]
        msg = f"{where}: {', '.join(wrong)}; an entry has {', '.join(KEYS)}"
        raise ConfigError(msg)
    return Price(
        _text(entry["gpu_model"], f"{where}: gpu_model"),
        _text(entry["node_pool"], f"{where}: node_pool")
        if "node_pool" in entry
        else None,
        _currency(entry["currency"], f"{where}: currency"),
        _amount(entry["per_gpu_hour"], f"{where}: per_gpu_hour"),
        _validity(entry, where),
    )


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        msg = f"{where} is {value!r}; write its name in quotes"
        raise ConfigError(msg)
    return value


def _currency(value: object, where: str) -> str:
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        msg = f"{where} is {value!r}; write an ISO 4217 code such as 'EUR'"
        raise ConfigError(msg)
    return value


def _amount(value: object, where: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        msg = f"{where} is {value!r}; write a number without quotes, such as 2.49"
        raise ConfigError(msg)
    price = Decimal(value)
    wrong = why_no_price(price)
    if wrong is not None:
        msg = f"{where} {wrong}"
        raise ConfigError(msg)
    return price


def _validity(entry: Mapping[str, object], where: str) -> Span:
    start_ns = _instant_ns(entry["from"], f"{where}: from")
    end_ns = _instant_ns(entry["to"], f"{where}: to") if "to" in entry else FOREVER_NS
    if end_ns <= start_ns:
        msg = (
            f"{where}: it ends at {entry['to']} and begins at {entry['from']}; "
            "'to' is the first instant at which it no longer holds"
        )
        raise ConfigError(msg)
    return Span(start_ns, end_ns)


def _instant_ns(value: object, where: str) -> int:
    if not isinstance(value, datetime) or value.tzinfo is None:
        msg = (
            f"{where} is {value}; write a time with its offset and without quotes, "
            "such as 2026-01-01T00:00:00Z"
        )
        raise ConfigError(msg)
    return (value - _EPOCH) // _MICROSECOND * 1_000


def _overlap(earlier: Price, later: Price, origin: str) -> str:
    pool = "any pool" if later.node_pool is None else f"pool {later.node_pool}"
    return (
        f"{origin}: {later.gpu_model} in {pool} has two prices from "
        f"{later.valid.start_ns} ns on: {earlier.per_gpu_hour} {earlier.currency} and "
        f"{later.per_gpu_hour} {later.currency}; end the earlier one where the later "
        "one begins"
    )
