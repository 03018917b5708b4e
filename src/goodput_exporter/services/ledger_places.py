"""Where the ledger that the settings name is, opened for one command."""

from __future__ import annotations

from pathlib import Path

from goodput_exporter.config.settings import Settings
from goodput_exporter.ledger.ledger import Compacted
from goodput_exporter.ledger.one_run import RunReader
from goodput_exporter.ledger.opening import compact_ledger, read_ledger


def place_of(settings: Settings) -> Path | str:
    """Return the ledger's path or address."""
    return settings.ledger.url or settings.ledger.path


def reader_of(settings: Settings) -> RunReader:
    """
    Open the ledger to read it, whoever writes it.

    Raises:
        LedgerError: It is not there, of another version, or cannot be read.
    """
    return read_ledger(place_of(settings), cluster=settings.identity.cluster)


def compacted(settings: Settings, fold_before: int, join_before: int) -> Compacted:
    """
    Compact the ledger, also while an exporter writes it.

    Raises:
        LedgerError: It is not there, of another version, or cannot be written.
    """
    where, cluster = place_of(settings), settings.identity.cluster
    return compact_ledger(where, (fold_before, join_before), cluster=cluster)
