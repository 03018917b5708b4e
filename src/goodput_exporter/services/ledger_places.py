"""Where the ledger that the settings name is, opened for one command."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from goodput_exporter.config.settings import Settings
from goodput_exporter.ledger.joined import JoinedReader
from goodput_exporter.ledger.ledger import Compacted
from goodput_exporter.ledger.one_run import RunReader
from goodput_exporter.ledger.opening import compact_ledger, is_shared, read_ledger
from goodput_exporter.services.sharding import META


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


def cluster_reader_of(settings: Settings) -> RunReader:
    """
    Open the books of all of a cluster's shards, as one, where a database has them.

    A file is one shard's; it is read alone.

    Raises:
        LedgerError: One is not there, of another version, or cannot be read.
    """
    first = reader_of(settings)
    where, cluster = place_of(settings), settings.identity.cluster
    if not is_shared(where):
        return first
    with ExitStack() as opened:
        opened.callback(first.close)
        books = [first]
        for shard in range(1, int(first.resume().meta.get(META, 1))):
            books.append(read_ledger(where, cluster=cluster, shard=shard))
            opened.callback(books[-1].close)
        opened.pop_all()
    return first if len(books) == 1 else JoinedReader(books)


def compacted(settings: Settings, fold_before: int, join_before: int) -> Compacted:
    """
    Compact the ledger, also while an exporter writes it.

    Raises:
        LedgerError: It is not there, of another version, or cannot be written.
    """
    where, cluster = place_of(settings), settings.identity.cluster
    return compact_ledger(where, (fold_before, join_before), cluster=cluster)
