"""``goodput-exporter costs export``: what every GPU-hour cost, and who pays for it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from goodput_exporter.analysis.allocation import Rule, allocate
from goodput_exporter.analysis.energy_used import EnergyUsed
from goodput_exporter.analysis.focus import Billing, focus_csv, focus_rows
from goodput_exporter.analysis.money import (
    cost_of,
    verify_reconciles,
)
from goodput_exporter.analysis.prices import PriceBook
from goodput_exporter.analysis.usage import Place
from goodput_exporter.clock import LedgerClock
from goodput_exporter.config import Settings
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.errors import (
    AccountingError,
    BadInputError,
    ConfigError,
    LedgerError,
)
from goodput_exporter.ledger.days import DAY_NS
from goodput_exporter.ledger.one_run import RunReader
from goodput_exporter.services.asked_reports import price_book_of
from goodput_exporter.services.asked_windows import window_of
from goodput_exporter.services.costs_csv import Bills, in_csv
from goodput_exporter.services.ledger_places import cluster_reader_of
from goodput_exporter.services.merged_charges import HOUR_NS, Sums
from goodput_exporter.services.new_files import write_text
from goodput_exporter.services.reading_costs import Books, Used, books_of
from goodput_exporter.services.reading_energy import read_energy

READINGS: Final = 3
"""How often the books are read anew because somebody folds days meanwhile."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    How a window is to be billed.

    Args:
        rule: Who pays for GPUs that nobody held.
        place: Which GPUs the runs have, where there is no cluster book.
        by_hour: Hours and nodes are told apart.
    """

    rule: Rule
    place: Place | None
    by_hour: bool = False


def main(settings: Settings, chosen: argparse.Namespace, out: TextIO) -> int:
    """
    Write the costs that are asked for.

    Raises:
        ConfigError: The command line or the price book is wrong.
        BadInputError: The books do not say what is asked.
        LedgerError: The ledger cannot be read, or the file not written.
    """
    said = vars(chosen)
    if said["prices"] is None:
        msg = "--prices FILE: name a price book; docs/explanation/money.md has one"
        raise ConfigError(msg)
    prices = price_book_of(Path(said["prices"]))
    times, now_ns = (said["from"], said["to"], said["last"]), LedgerClock().now_ns()
    rule = Rule(said["rule"] or Rule.ASKED.value)
    place = _place(prices, said["gpu_model"], said["node_pool"])
    is_focus = said["format"] == "focus"
    with closing(cluster_reader_of(settings)) as ledger:
        found = bills(
            ledger,
            prices,
            lambda whole: window_of(*times, whole=whole, now_ns=now_ns),
            Wanted(rule, place, by_hour=is_focus),
        )
    text = in_focus(found, settings.identity.cluster) if is_focus else in_csv(found)
    write_text(text, None if said["out"] is None else Path(said["out"]), out)
    return 0


def bills(
    ledger: RunReader,
    prices: PriceBook,
    window_in: Callable[[Span], Span],
    wanted: Wanted,
) -> Bills:
    """
    Price what the books hold of one window.

    Args:
        ledger: Where they are.
        prices: The price book.
        window_in: Says which window is asked for, of all the time that is booked.
        wanted: How it is to be billed.

    Raises:
        AccountingError: The costs are not about exactly the book's GPU time.
    """
    for left in reversed(range(READINGS)):
        books = books_of(ledger)
        if books.whole is None:
            msg = "the ledger holds no booked time; nothing can be priced"
            raise LedgerError(msg)
        window = window_in(books.whole)
        try:
            found = _priced(books, prices, window, wanted)
        except AccountingError:
            if not left:
                raise
            continue
        if not left or books_of(ledger).fold == books.fold:
            return found
    raise AssertionError


def _priced(books: Books, prices: PriceBook, window: Span, wanted: Wanted) -> Bills:
    used, sums = Used(is_cluster=True), Sums(prices, window, wanted.by_hour)
    sums.add(books.usages(window, used))
    if not used.book_gpu_ns:
        if wanted.place is None:
            msg = (
                "the ledger has no cluster book in this window, so only the runs' time "
                "can be priced, and nobody says which GPUs they have; add --gpu-model"
            )
            raise BadInputError(msg)
        used = Used(is_cluster=False)
        sums.add(books.usages_of_runs(window, used, wanted.place))
    charged = tuple(sums.charges())
    verify_reconciles([cost_of(charged)], used.book_gpu_ns)
    allocation = allocate(charged, books.asked(window, used), wanted.rule)
    verify_reconciles([allocation.total], used.book_gpu_ns)
    energy = read_energy(books.ledger, window) if used.is_cluster else EnergyUsed()
    return Bills(window, used, charged, allocation, energy, sums.has_days)


def in_focus(found: Bills, cluster: str) -> str:
    """
    Return the charges as FOCUS rows; the billing period is the window.

    A charge period is an hour, or a day where some days were folded: what happened
    in which hour of those is not known any more.

    Raises:
        ConfigError: Some time has no price.
    """
    start_ns = found.window.start_ns // NS_PER_SECOND * NS_PER_SECOND
    end_ns = -(-found.window.end_ns // NS_PER_SECOND) * NS_PER_SECOND
    period = Span(start_ns, end_ns)
    billing = Billing(cluster, cluster, cluster, cluster, cluster, period)
    grain_ns = DAY_NS if found.has_days else HOUR_NS
    rows = focus_rows(found.charges, billing, charge_period_ns=grain_ns)
    return focus_csv(rows)


def _place(prices: PriceBook, model: str | None, pool: str | None) -> Place | None:
    models = sorted({each for each, _ in prices.shelves})
    if model is None:
        return Place(models[0], pool) if len(models) == 1 else None
    if model not in models:
        msg = (
            f"--gpu-model {model!r}: {prices.origin} has prices of "
            f"{', '.join(models) or 'nothing'}"
        )
        raise ConfigError(msg)
    return Place(model, pool)
