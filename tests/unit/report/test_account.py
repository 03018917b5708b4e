"""A run's account on paper: every column adds up, and what is unknown stays absent."""

from __future__ import annotations

from decimal import Decimal

import pytest

from goodput_exporter.analysis.money import charges
from goodput_exporter.analysis.prices import PriceBook
from goodput_exporter.analysis.usage import Category, Usage
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import AccountingError
from goodput_exporter.report.account import AccountReport, account_report
from tests.fakes.bills import LLAMA, book, hours, price, usage

DAY = hours(0, 12)
STORY = (
    usage(hours(0, 1), 8, RunState.QUEUED),
    usage(hours(1, 8), 8),
    usage(hours(8, 11), 8, RunState.DOWN, cause=Cause.GPU_LOST),
    usage(hours(11, 12), 8, RunState.UNOBSERVED),
)


def report(
    *used: Usage, prices: PriceBook | None = None, run: RunKey = LLAMA
) -> AccountReport:
    """Return a report of half a day."""
    priced = charges(used, prices or book(), DAY)
    return account_report(priced, run=run, view="live", window=DAY)


def test_a_gap_in_the_prices_has_a_size_and_no_cost() -> None:
    """The queued hour came before the first price: unpriced, never free."""
    found = report(*STORY, prices=book(price("100", hours(1, 99))))

    first, *_ = found.states
    assert (first.name, first.cost, first.unpriced_gpu_ns) == (
        "queued",
        None,
        first.gpu_ns,
    )
    assert found.total.cost == Decimal("8800.00")
    assert found.lost.unpriced_gpu_ns == first.gpu_ns


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


def test_without_prices_there_are_no_costs() -> None:
    """The account stands without money; no column claims that it was free."""
    found = report(*STORY)

    assert found.currency is None
    assert {line.cost for line in (*found.states, found.total)} == {None}


def test_a_window_without_the_run_is_an_empty_report() -> None:
    """Nothing booked: no share of it can be named."""
    found = report()

    assert (found.states, found.total.percent) == ((), None)


def test_the_cluster_book_is_not_a_runs() -> None:
    """Idle GPUs are in no run's account."""
    with pytest.raises(AccountingError, match="unallocated is no state of a run"):
        report(usage(hours(0, 1), state=Category.UNALLOCATED))
