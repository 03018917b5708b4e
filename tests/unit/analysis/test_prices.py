"""The price book: found by time, exact, never contradictory, never silently free."""

from __future__ import annotations

from decimal import Decimal

import pytest

from goodput_exporter.analysis.prices import FOREVER_NS, Price, parse_prices
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.errors import ConfigError
from tests.fakes.bills import H100, book, hours, price

ENTRY = """
[[price]]
gpu_model = "NVIDIA H100 80GB HBM3"
node_pool = "reserved"
currency = "EUR"
per_gpu_hour = 2.49
from = 2026-01-01T00:00:00Z
to = 2026-07-01T00:00:00+02:00
"""


def test_an_entry_says_where_when_and_how_much() -> None:
    """What stands in the file is what is meant, to the last digit."""
    found = parse_prices(ENTRY, origin="prices.toml")

    valid = Span(1_767_225_600 * NS_PER_SECOND, 1_782_856_800 * NS_PER_SECOND)
    expected = Price(H100, "reserved", "EUR", Decimal("2.49"), valid)
    assert found.shelves == {(H100, "reserved"): (expected,)}
    assert expected.nanos_per_gpu_hour == 2_490_000_000


def test_a_price_without_an_end_holds_on() -> None:
    """Nobody writes the end of the current price."""
    text = ENTRY.replace("to = 2026-07-01T00:00:00+02:00\n", "")

    ((found,),) = parse_prices(text, origin="prices.toml").shelves.values()

    assert found.valid.end_ns == FOREVER_NS


def test_a_price_without_a_pool_is_the_models_anywhere() -> None:
    """Most clusters have one price per model."""
    text = ENTRY.replace('node_pool = "reserved"\n', "")

    found = parse_prices(text, origin="prices.toml")

    assert list(found.shelves) == [(H100, None)]


def test_an_empty_file_prices_nothing() -> None:
    """No price is a gap wherever somebody asks, not an error at the start."""
    found = parse_prices("", origin="prices.toml")

    assert found.split(H100, None, hours(0, 1)) == [(hours(0, 1), None)]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("2.49", '"2.49"', "price 1: per_gpu_hour is '2.49'; write a number"),
        ("2.49", "true", "per_gpu_hour is True; write a number"),
        ("2.49", "-1", "per_gpu_hour is -1; a price is zero or more"),
        ("2.49", "nan", "per_gpu_hour is NaN; a price is zero or more"),
        ("2.49", "0.0000000001", "a price has at most 9 decimals"),
        ('"EUR"', '"euro"', "currency is 'euro'; write an ISO 4217 code"),
        ('"reserved"', '" "', "node_pool is ' '; write its name in quotes"),
        ("2026-01-01T00:00:00Z", "2026-01-01", "from is 2026-01-01; write a time with"),
        ("00:00Z", "00:00", "from is 2026-01-01 00:00:00; write a time with its"),
        ("to = 2026", "to = 2025", "it ends at 2025-07-01"),
        ("currency", "curency", "unknown curency, missing currency"),
        ("[[price]]", "[[prices]]", "found prices; it holds [[price]] tables"),
        ("[[price]]", "[price]", "found price as a single value"),
        ("[[price]]", "[[price]", "not TOML"),
        ("[[price]]", "price = [1]\n[rest]", "found rest; it holds"),
    ],
)
def test_a_wrong_entry_is_named(old: str, new: str, says: str) -> None:
    """The message leads to the line, whichever key it is."""
    with pytest.raises(ConfigError) as refusal:
        parse_prices(ENTRY.replace(old, new, 1), origin="prices.toml")

    assert str(refusal.value).startswith("prices.toml: ")
    assert says in str(refusal.value)


def test_an_entry_is_a_table() -> None:
    """A bare number has no model that it would be the price of."""
    with pytest.raises(ConfigError, match="price 1: 1 is no table"):
        parse_prices("price = [1]", origin="prices.toml")


def test_two_prices_at_once_are_refused() -> None:
    """Which of them holds is not ours to choose; different currencies do not help."""
    with pytest.raises(ConfigError) as refusal:
        book(price("2", hours(0, 5)), price("3", hours(4, 9), currency="USD"))

    assert str(refusal.value) == (
        "prices.toml: NVIDIA H100 80GB HBM3 in any pool has two prices from "
        "14400000000000 ns on: 2 EUR and 3 USD; end the earlier one where the later "
        "one begins"
    )


def test_a_price_that_cannot_be_exact_is_refused_in_code_too() -> None:
    """Costs are integers because prices are; a tenth decimal would break that."""
    with pytest.raises(ConfigError, match="at most 9 decimals"):
        price("0.0000000001")


def test_a_span_is_cut_where_the_price_changes() -> None:
    """The price list of July does not apply to the last hour of June."""
    june, july = price("2", hours(0, 5)), price("3", hours(5, 9))

    found = book(july, june).split(H100, None, hours(4, 6))

    assert found == [(hours(4, 5), june), (hours(5, 6), july)]


def test_a_pools_price_goes_before_the_models() -> None:
    """A discount for one pool holds while it lasts, the list price around it."""
    general, spot = price("3"), price("1", hours(2, 3), pool="spot")
    prices = book(general, spot)

    assert prices.split(H100, "spot", hours(1, 4)) == [
        (hours(1, 2), general),
        (hours(2, 3), spot),
        (hours(3, 4), general),
    ]
    assert prices.split(H100, "reserved", hours(1, 4)) == [(hours(1, 4), general)]
    assert prices.split(H100, None, hours(1, 4)) == [(hours(1, 4), general)]


def test_a_time_without_a_price_is_a_gap_of_its_own() -> None:
    """Before, between and after: what has no price is not free."""
    first, last = price("2", hours(1, 2)), price("3", hours(3, 4))

    found = book(first, last).split(H100, None, hours(0, 5))

    assert found == [
        (hours(0, 1), None),
        (hours(1, 2), first),
        (hours(2, 3), None),
        (hours(3, 4), last),
        (hours(4, 5), None),
    ]


def test_another_model_has_no_price() -> None:
    """An H200 is not an H100, and a near name is no licence to guess."""
    found = book(price("2")).split("NVIDIA H200", None, hours(0, 1))

    assert found == [(hours(0, 1), None)]


def test_a_price_of_zero_is_a_price() -> None:
    """Donated hardware is free by decision, not by oversight."""
    free = price("0")

    assert book(free).split(H100, None, hours(0, 1)) == [(hours(0, 1), free)]
