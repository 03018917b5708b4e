"""What stored rows mean to a reader, the same for every database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final
from zlib import crc32

from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import LedgerCorruptError
from goodput_exporter.ledger.days import DAY_NS, DailyAmount, Part, day_name
from goodput_exporter.ledger.entries import INT64_MAX, INT64_MIN
from goodput_exporter.ledger.extents import Extent, Needed
from goodput_exporter.ledger.shelves import Shelf

ALWAYS: Final = Span(INT64_MIN, INT64_MAX)
PARTS: Final = {part.value: part for part in Part}
"""A report reads tens of thousands of amounts: looked up, not called."""


def added_up(
    where: object, key: RunKey, rows: Iterable[tuple[str, str, int, int]]
) -> Account:
    """
    Make an account of sums of nanoseconds per state, cause and number of devices.

    Args:
        where: The ledger, for the message.
        key: Whose sums they are.
        rows: state, cause, devices, nanoseconds.

    Raises:
        LedgerCorruptError: A state or cause is none.
    """
    account = Account()
    try:
        for state, cause, devices, length_ns in rows:
            account.add(RunState(state), length_ns * devices, Cause(cause))
    except ValueError as exc:
        msg = (
            f"{where}: run {key} holds a line that no version wrote ({exc}); "
            "verify names it"
        )
        raise LedgerCorruptError(msg) from exc
    return account


def reach(window: Span, run_id: int, longest_ns: int) -> dict[str, int] | None:
    """
    Return the bounds of a window's scan, or None for a window without time.

    Args:
        window: What is asked for; cut to 64 bits.
        run_id: Whose entries.
        longest_ns: The run's longest segment: none begins earlier than that
            before the window and still touches it.
    """
    start_ns, end_ns = max(window.start_ns, INT64_MIN), min(window.end_ns, INT64_MAX)
    if start_ns >= end_ns:
        return None
    return {
        "run_id": run_id,
        "reach_ns": max(start_ns - longest_ns, INT64_MIN),
        "start_ns": start_ns,
        "end_ns": end_ns,
    }


Stored = tuple[int, object, bytes | None]
"""A row of ``state_of``: a state's checksum, the state, and what was heard since."""


def intact(
    where: object, key: RunKey, checksum: int, state: object, heard: bytes | None
) -> bytes:
    """
    Return a run's state if it is what was written, and behind it what was heard since.

    Raises:
        LedgerCorruptError: Its checksum differs.
    """
    if isinstance(state, bytes) and crc32(state) == checksum:
        return state + (heard or b"")
    msg = (
        f"{where}: the state of run {key} is not what was written (its "
        "checksum differs); its entries stay, but nothing can go on from it: "
        "restore a backup, or let the run begin anew"
    )
    raise LedgerCorruptError(msg)


def account_rows(
    shelf: Shelf, extent: Extent, asked: Needed
) -> list[tuple[str, str, int, int]]:
    """Return sums by state, cause and devices: of whole days, and of spans beside."""
    rows: list[tuple[Any, ...]] = []
    if asked.days is not None:
        first, last = asked.days
        named = {"run_id": extent.run_id, "first": first, "last": last}
        rows += shelf.ask("days_account", named)
    for span in asked.spans:
        bounds = reach(span, extent.run_id, extent.longest_ns)
        if bounds is not None:
            rows += shelf.ask("account", bounds)
    return [
        (state, cause, devices, int(length_ns))
        for state, cause, devices, length_ns in rows
    ]


def daily_amount(key: RunKey, row: Sequence[Any]) -> DailyAmount:
    """
    Read one line of a daily account.

    Raises:
        LedgerCorruptError: Its part is none.
    """
    day, part, state, cause, devices, length_ns = row
    try:
        return DailyAmount(key, day, PARTS[part], state, cause, devices, length_ns)
    except KeyError as exc:
        msg = (
            f"run {key}: the daily account of {day_name(day)} holds a line that no "
            f"version wrote (its part is {part!r}); verify says more"
        )
        raise LedgerCorruptError(msg) from exc


def start_of(day: int | None) -> int | None:
    """Return when a day begins, in nanoseconds; None for none."""
    return None if day is None else day * DAY_NS
