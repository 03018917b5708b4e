"""A FOCUS file: what the specification asks for, and the books' sums."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal

import pytest

from goodput_exporter.analysis.focus import (
    COLUMNS,
    Billing,
    FocusRow,
    focus_csv,
    focus_rows,
)
from goodput_exporter.analysis.money import charges
from goodput_exporter.analysis.prices import PriceBook
from goodput_exporter.analysis.usage import Category, Place, Usage
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import BadInputError, ConfigError
from tests.fakes.bills import H100, book, hours, price, usage

MANDATORY = {
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
}
"""Feature level Mandatory in FOCUS 1.2."""

DAY = Billing("acc-1", "Research", "east", "Acme", "Acme Finance", hours(0, 24))


def rows(*used: Usage, prices: PriceBook | None = None) -> list[FocusRow]:
    """Return the rows of a day's usage, at 2 euro unless said otherwise."""
    return focus_rows(charges(used, prices or book(price("2"))), DAY)


def column(found: list[FocusRow], name: str) -> list[str | None]:
    """Return one column."""
    return [row[name] for row in found]


def test_every_mandatory_column_is_there() -> None:
    """A file without one of them is no FOCUS file."""
    assert set(COLUMNS) >= MANDATORY
    assert len(set(COLUMNS)) == len(COLUMNS)


def test_a_name_is_focuss_own_or_marked_as_ours() -> None:
    """Custom columns have the reserved prefix, and all names fit any store."""
    for name in COLUMNS:
        assert re.fullmatch(r"(x_)?[A-Z][A-Za-z]{1,47}", name), name


def test_a_row_says_what_was_paid_for_whom_and_why() -> None:
    """One hour of a run that was down for a lost GPU, on a known node."""
    bad = usage(
        hours(3, 4),
        8,
        RunState.DOWN,
        cause=Cause.GPU_LOST,
        place=Place(H100, "reserved", "node-7"),
    )

    (row,) = rows(bad)

    assert set(row) == set(COLUMNS)
    assert row["BilledCost"] == row["EffectiveCost"] == "16.000000"
    assert (row["BillingCurrency"], row["x_PricePerGpuHour"]) == ("EUR", "2")
    assert row["ChargePeriodStart"] == "1970-01-01T03:00:00Z"
    assert row["ChargePeriodEnd"] == "1970-01-01T04:00:00Z"
    assert row["BillingPeriodEnd"] == "1970-01-02T00:00:00Z"
    assert (row["ConsumedQuantity"], row["ConsumedUnit"]) == (
        "8.000000000",
        "GPU-Hours",
    )
    assert (row["ResourceId"], row["ResourceType"]) == ("node-7", "GPU Node")
    assert (row["x_State"], row["x_Cause"]) == ("down", "gpu_lost")
    assert (row["x_Run"], row["SubAccountId"]) == ("east/research/llama", "research")
    assert row["x_GpuNanoseconds"] == str(bad.gpu_ns)


def test_what_is_not_known_is_null() -> None:
    """No placeholder, no empty string: nobody's GPUs have no run, team or cause."""
    (row,) = rows(usage(hours(0, 1), 4, Category.UNALLOCATED, team=None))

    for name in ("ResourceId", "ResourceType", "SubAccountId", "x_Run", "x_Cause"):
        assert row[name] is None
    assert "" not in row.values()


def test_a_run_on_an_unknown_node_is_the_resource() -> None:
    """Without Kubernetes the run itself is what was paid for."""
    (row,) = rows(usage(hours(0, 1)))

    assert row["ResourceId"] == "east/research/llama"
    assert row["ResourceType"] == "Training Run"


def test_time_is_cut_into_charge_periods_and_summed_in_them() -> None:
    """Two segments of one state within an hour are one row of that hour."""
    found = rows(usage(hours(0.5, 1.25)), usage(hours(1.5, 1.75)))

    assert column(found, "ChargePeriodStart") == [
        "1970-01-01T00:00:00Z",
        "1970-01-01T01:00:00Z",
    ]
    assert column(found, "BilledCost") == ["1.000000", "1.000000"]


def test_a_price_change_within_an_hour_is_two_rows() -> None:
    """A row has one price."""
    prices = book(price("2", hours(0, 0.5)), price("4", hours(0.5, 9)))

    found = rows(usage(hours(0, 1)), prices=prices)

    assert column(found, "BilledCost") == ["1.000000", "2.000000"]


def test_rows_sum_to_the_cost_and_to_the_gpu_hours() -> None:
    """Three thirds of 0.000001 euro are still 0.000001 euro."""
    prices = book(price("0.000001"))
    third = NS_PER_SECOND * 1_200
    used = [
        usage(hours(at, at + third / 3.6e12), state=RunState.DOWN) for at in (0, 1, 2)
    ]

    found = rows(*used, prices=prices)

    assert sorted(map(str, column(found, "BilledCost"))) == [
        "0.000000",
        "0.000000",
        "0.000001",
    ]
    assert sum(Decimal(str(row["PricingQuantity"])) for row in found) == 1


def test_time_without_a_price_is_refused_by_name() -> None:
    """FOCUS has no unknown cost, and zero would be a lie."""
    place = Place("NVIDIA B200", "spot")

    with pytest.raises(ConfigError, match="NVIDIA B200 in pool spot has no price"):
        rows(usage(hours(0, 1), place=place))


def test_a_file_has_one_currency() -> None:
    """The amounts of a file are summed by whoever reads it."""
    prices = book(price("2", hours(0, 1)), price("3", hours(1, 2), currency="USD"))

    with pytest.raises(ConfigError, match="mix EUR and USD"):
        rows(usage(hours(0, 2)), prices=prices)


def test_a_charge_outside_the_billing_period_is_refused() -> None:
    """It would be on two bills, or on none."""
    with pytest.raises(BadInputError, match="price one billing period at a time"):
        rows(usage(hours(23, 25)))


def test_a_charge_period_ends_with_the_billing_period() -> None:
    """A bill that begins at half past has a first charge period of half an hour."""
    half_past = Billing("1", "all", "east", "us", "us", hours(0.5, 1.5))
    charged = charges([usage(hours(0.5, 1.5))], book(price("2")))

    found = focus_rows(charged, half_past)

    assert column(found, "ChargePeriodStart") == [
        "1970-01-01T00:30:00Z",
        "1970-01-01T01:00:00Z",
    ]
    assert column(found, "ChargePeriodEnd")[-1] == "1970-01-01T01:30:00Z"
    assert column(found, "BilledCost") == ["1.000000", "1.000000"]


def test_periods_are_whole_seconds() -> None:
    """FOCUS writes instants to the second; a finer period would not be told apart."""
    charged = charges([usage(hours(0, 1))], book(price("2")))

    with pytest.raises(BadInputError, match="FOCUS writes whole seconds"):
        focus_rows(charged, DAY, charge_period_ns=1)


def test_a_file_without_charges_is_a_header() -> None:
    """An empty day is a file, too."""
    assert focus_csv(rows()) == ",".join(COLUMNS) + "\n"


def test_a_name_with_a_comma_survives() -> None:
    """Labels are other people's text."""
    text = focus_csv(rows(usage(hours(0, 1), team='a, "b"\nc')))

    (row,) = csv.DictReader(io.StringIO(text))
    assert row["SubAccountName"] == 'a, "b"\nc'
