"""What GPUs drew in a window, by what they did then, read from the ledger."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from goodput_exporter.analysis.energy_used import Drew, EnergyUsed
from goodput_exporter.analysis.gpu_energy import energy_of_each
from goodput_exporter.analysis.holding import InUse
from goodput_exporter.analysis.money import NS_PER_HOUR
from goodput_exporter.analysis.usage import State
from goodput_exporter.domain.energy import Energy
from goodput_exporter.domain.energy_totals import NOBODY
from goodput_exporter.domain.gpu_bookings import GpuBooking
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause
from goodput_exporter.ledger.days import DAY_NS
from goodput_exporter.ledger.energy_rows import drawn_in
from goodput_exporter.ledger.one_run import RunReader
from goodput_exporter.services.reading_costs import Books, books_of

AT_ONCE_NS: Final = NS_PER_HOUR
"""How much of the GPUs' energy is read at once; windows add up exactly."""


def read_energy(
    ledger: RunReader, window: Span, runs: Collection[RunKey] | None = None
) -> EnergyUsed:
    """
    Read what GPUs drew.

    Args:
        ledger: Where it is.
        window: The half-open span to look at.
        runs: Only what the GPUs drew that these held; None is all, and what is in no
            book.

    Raises:
        AccountingError: One GPU was in two states at one instant.
        LedgerCorruptError: What is stored is not what was written.
    """
    found = EnergyUsed()
    if ledger.energy_totals(NOBODY) is None:
        return found  # none was ever measured, and a long window has many hours
    books = books_of(ledger)
    first_ns = window.start_ns - window.start_ns % DAY_NS
    for begins_ns in range(first_ns, window.end_ns, DAY_NS):
        day = Span(begins_ns, begins_ns + DAY_NS).clip(window)
        if day is not None:
            _add_day(found, books, day, runs)
    return found if runs is None else found.of(runs)


def _add_day(
    found: EnergyUsed, books: Books, day: Span, runs: Collection[RunKey] | None
) -> None:
    in_use: list[InUse] | None = None
    for begins_ns in range(day.start_ns, day.end_ns, AT_ONCE_NS):
        part = Span(begins_ns, min(begins_ns + AT_ONCE_NS, day.end_ns))
        metered = drawn_in(books.ledger.energy_parts(part))
        if not metered:
            continue
        in_use = books.in_use(day, runs) if in_use is None else in_use
        there = [one for one in in_use if one.line.span.clip(part) is not None]
        each = energy_of_each(metered, there, part)
        found.unbooked_millijoules += each.unbooked_millijoules
        found.unplaced_millijoules += each.unplaced_millijoules
        for one, energy in zip(there, each.energies, strict=True):
            drew = _drew(one.line, one.state, one.cause)
            found.found[drew] = found.found.get(drew, Energy()) + energy


def _drew(line: GpuBooking, state: State, cause: Cause) -> Drew:
    return Drew(state, cause, line.hold.run, line.hold.team, line.node_pool)
