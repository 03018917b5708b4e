"""``ledger compact``: join what was booked tick by tick, fold days that are old."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, date, datetime, timedelta
from typing import Final, TextIO

from goodput_exporter.config.settings import Settings
from goodput_exporter.errors import ConfigError
from goodput_exporter.ledger.days import EPOCH, day_name
from goodput_exporter.services.ledger_places import compacted

UNFINISHED: Final = 2
"""Today and yesterday stay as they were booked: a page and a restart read them."""


def main(settings: Settings, chosen: Namespace, out: TextIO) -> int:
    """
    Compact the ledger that the settings name.

    Returns:
        0, or 1 where a run breaks a law and was left as it is.

    Raises:
        ConfigError: The date is none, or too late.
        LedgerError: The ledger cannot be read or written.
    """
    today = datetime.now(UTC).date()
    latest = today - timedelta(days=UNFINISHED - 1)
    fold = _first_kept(settings, chosen.before, today)
    if fold is not None and fold > latest:
        msg = (
            f"ledger compact: --before {fold}: {latest} is the latest; today and "
            "yesterday stay as they were booked"
        )
        raise ConfigError(msg)
    fold_before = _number(fold) if fold is not None else -EPOCH
    done = compacted(settings, fold_before, _number(latest))
    folded = f" into days before {day_name(fold_before)}" if fold is not None else ""
    out.write(f"{done.folded} segments folded{folded}, {done.joined} joined\n")
    if done.gpu_folded:
        out.write(f"{done.gpu_folded} lines of the cluster book folded likewise\n")
    out.writelines(f"left as it is: {found.what}\n" for found in done.findings)
    return 1 if done.findings else 0


def _first_kept(settings: Settings, before: str | None, today: date) -> date | None:
    """Return the first day whose segments stay; None folds nothing."""
    if before is not None:
        try:
            return date.fromisoformat(before)
        except ValueError as exc:
            msg = f"ledger compact: --before {before}: write a date as 2026-03-01"
            raise ConfigError(msg) from exc
    keep_days = settings.ledger.keep_days
    return None if keep_days is None else today - timedelta(days=keep_days)


def _number(day: date) -> int:
    return day.toordinal() - EPOCH
