"""Two runs, or two attempts of one, side by side: the same sums, and what differs."""

from __future__ import annotations

from dataclasses import dataclass, fields

from goodput_exporter.analysis.histories import History, View
from goodput_exporter.analysis.statistics import MeanTime, mtti
from goodput_exporter.analysis.stretches import account_of
from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.ratios import LayerRatios, ratios
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import STATE_TABLE
from goodput_exporter.report.reliability import run_book


@dataclass(frozen=True, slots=True)
class Side:
    """
    One of the two.

    Args:
        label: What it is called.
        window: What it is about.
        account: Of the view that is shown.
        interruptions: How many were detected in it.
        mtti: Its mean time to interruption; None where nothing is booked, or
            statistics are not installed.
    """

    label: str
    window: Span
    account: Account
    interruptions: int
    mtti: MeanTime | None

    @property
    def ratios(self) -> LayerRatios:
        """Return the ratios of the account."""
        return ratios(self.account)

    def share(self, gpu_ns: int) -> float | None:
        """Return a part of the account's GPU time, as a fraction of all of it."""
        total = self.account.total_gpu_ns
        return gpu_ns / total if total else None


@dataclass(frozen=True, slots=True)
class Difference:
    """
    One line of the comparison; *change* is second less first.

    Args:
        gpu_ns: Of both sides; None for a ratio.
    """

    name: str
    first: float | None
    second: float | None
    gpu_ns: tuple[int, int] | None = None

    @property
    def change(self) -> float | None:
        """Return the difference, where both are known."""
        if self.first is None or self.second is None:
            return None
        return self.second - self.first


@dataclass(frozen=True, slots=True)
class Comparison:
    """
    Two sides and what differs between them.

    Args:
        ratios: Every ratio that one of them has.
        states: Every state that one of them has, as shares of all its GPU time;
            each column sums to one.
    """

    first: Side
    second: Side
    ratios: tuple[Difference, ...]
    states: tuple[Difference, ...]


def side(
    label: str, run: History, window: Span, view: View, *, with_statistics: bool = True
) -> Side:
    """Account for one run in one window."""
    book = run_book(run, window, view)
    account = account_of(run.stretches(view), window)
    counted = () if book is None else book.interruptions
    mean = mtti([book]) if book is not None and with_statistics else None
    return Side(label, window, account, len(counted), mean)


def compare(first: Side, second: Side) -> Comparison:
    """Put two sides beside each other, line by line."""
    return Comparison(first, second, _ratios(first, second), _states(first, second))


def _ratios(first: Side, second: Side) -> tuple[Difference, ...]:
    one, other = first.ratios, second.ratios
    lines = [
        Difference(field.name, getattr(one, field.name), getattr(other, field.name))
        for field in fields(LayerRatios)
    ]
    return tuple(line for line in lines if (line.first, line.second) != (None, None))


def _states(first: Side, second: Side) -> tuple[Difference, ...]:
    found = []
    for row in STATE_TABLE:
        gpu_ns = first.account.of(row.state), second.account.of(row.state)
        if any(gpu_ns):
            shares = first.share(gpu_ns[0]), second.share(gpu_ns[1])
            found.append(Difference(row.state.value, *shares, gpu_ns))
    return tuple(found)
