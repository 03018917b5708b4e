"""A run's account on paper: every column adds up, and what is unknown stays absent."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest

from goodput_exporter.analysis.money import charges
from goodput_exporter.analysis.prices import PriceBook
from goodput_exporter.analysis.usage import Category, Usage
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import AccountingError
from goodput_exporter.report.account import AccountReport, account_report
from goodput_exporter.report.text import account_csv, account_markdown
from tests.fakes.bills import LLAMA, book, hours, price, usage

DAY = hours(0, 12)
STORY = (
    usage(hours(0, 1), 8, RunState.QUEUED),
    usage(hours(1, 8), 8),
    usage(hours(8, 11), 8, RunState.DOWN, cause=Cause.GPU_LOST),
    usage(hours(11, 12), 8, RunState.UNOBSERVED),
)
PAGE = """\
# east/research/llama

From 1970-01-01T00:00:00Z to 1970-01-01T12:00:00Z, live view.

| Ratio | Value |
| --- | ---: |
| infrastructure | 70.00 % |
| framework | 100.00 % |
| pace | 100.00 % |
| goodput | 70.00 % |
| model | – |
| overall | – |
| ettr | 63.64 % |
| coverage | 91.67 % |
| goodput_with_evaluation | 70.00 % |

## Where the time went

| State | GPU-hours | % | Cost, EUR |
| --- | ---: | ---: | ---: |
| queued | 8.000 | 8.34 | – |
| down | 24.000 | 25.00 | 2,400.00 |
| productive | 56.000 | 58.33 | 5,600.00 |
| unobserved | 8.000 | 8.33 | 800.00 |
| total | 96.000 | 100.00 | 8,800.00 |

## What lost time was lost to

| Cause | GPU-hours | % | Cost, EUR |
| --- | ---: | ---: | ---: |
| none | 8.000 | 25.00 | – |
| gpu_lost | 24.000 | 75.00 | 2,400.00 |
| total | 32.000 | 100.00 | 2,400.00 |

8.000 GPU-hours have no price and are in no cost.

Queued GPUs are asked for and not held: their cost is their worth, and on no invoice.
"""


def report(
    *used: Usage, prices: PriceBook | None = None, run: RunKey = LLAMA
) -> AccountReport:
    """Return a report of half a day."""
    priced = charges(used, prices or book(), DAY)
    return account_report(priced, run=run, view="live", window=DAY)


def test_a_page_says_where_time_and_money_went() -> None:
    """The whole page, with a gap in the prices at its beginning."""
    prices = book(price("100", hours(1, 99)))

    assert account_markdown(report(*STORY, prices=prices)) == PAGE


def test_every_column_adds_up() -> None:
    """Thirds of an hour, of a percent and of a cent leave nothing over."""
    states = (RunState.DOWN, RunState.STALLED, RunState.PRODUCTIVE)
    used = [
        usage(hours(at, at + 1 / 3), state=state) for at, state in enumerate(states)
    ]

    found = report(*used, prices=book(price("0.10")))

    assert sum(line.gpu_ns for line in found.states) == found.total.gpu_ns
    assert sum(line.gpu_hours for line in found.states) == found.total.gpu_hours
    assert sum(line.percent or 0 for line in found.states) == 100
    assert sum(line.cost or 0 for line in found.states) == Decimal("0.10")


def test_a_program_finds_exact_time_and_no_totals() -> None:
    """Summing the state lines of the file gives the book, once."""
    found = report(*STORY, prices=book(price("100", hours(1, 99))))

    rows = list(csv.DictReader(io.StringIO(account_csv(found))))

    states = [row for row in rows if row["table"] == "state"]
    assert sum(int(row["gpu_ns"]) for row in states) == found.total.gpu_ns
    assert [row["cost"] for row in states] == ["", "2400.00", "5600.00", "800.00"]
    assert states[0]["currency"] == ""
    assert rows[-1]["name"] == "gpu_lost"
    assert rows[-1]["to"] == "1970-01-01T12:00:00Z"


def test_without_prices_there_are_no_costs() -> None:
    """The account stands without money; no column claims that it was free."""
    found = report(*STORY)

    assert found.currency is None
    assert {line.cost for line in (*found.states, found.total)} == {None}
    assert "Cost, –" in account_markdown(found)


def test_a_window_without_the_run_is_an_empty_report() -> None:
    """Nothing booked: no share of it can be named."""
    found = report()

    assert (found.states, found.total.percent) == ((), None)
    assert "| total | 0.000 | – | – |" in account_markdown(found)


def test_the_cluster_book_is_not_a_runs() -> None:
    """Idle GPUs are in no run's account."""
    with pytest.raises(AccountingError, match="unallocated is no state of a run"):
        report(usage(hours(0, 1), state=Category.UNALLOCATED))


def test_a_name_cannot_draw_on_the_page() -> None:
    """A run is named by its owner, and a page is read by others."""
    nasty = RunKey("east", "a|b", "x\n# y")

    text = account_markdown(report(run=nasty))

    assert text.startswith("# east/a\\|b/x # y\n")
