"""Where the ledger that the settings name is, opened for one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

from goodput_exporter.config.settings import Settings
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.errors import LedgerError, LedgerTooNewError
from goodput_exporter.exposition.past import Past
from goodput_exporter.ledger.joined import JoinedReader
from goodput_exporter.ledger.ledger import Compacted, Reader
from goodput_exporter.ledger.one_run import RunReader
from goodput_exporter.ledger.opening import compact_ledger, is_shared, read_ledger
from goodput_exporter.services.ledger_past import (
    ClusterPast,
    LedgerPast,
    PastLedger,
    ShardsPast,
)
from goodput_exporter.services.sharding import META, Shard, elsewhere, shard_of


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
        books, count = [first], count_of(first)
        for shard in range(1, count):
            with _naming(shard, count):
                books.append(read_ledger(where, cluster=cluster, shard=shard))
            opened.callback(books[-1].close)
        opened.pop_all()
    return first if count == 1 else JoinedReader(books)


def count_of(ledger: Reader) -> int:
    """Return over how many shards a ledger's cluster is divided, as it notes."""
    return int(ledger.resume().meta.get(META, 1))


def past_of(settings: Settings, ledger: PastLedger, shard: Shard) -> Past:
    """
    Return what the API reads: the whole cluster's past, where one database has it.

    Args:
        settings: They name the ledger.
        ledger: The shard's own book, which this process writes.
        shard: Whose it is.
    """
    own = LedgerPast(ledger)
    if shard.count == 1:
        return own
    if is_shared(place_of(settings)):
        return ClusterPast(partial(cluster_reader_of, settings))
    return ShardsPast(own, partial(elsewhere, shard))


def shard_for(settings: Settings, key: RunKey) -> int:
    """
    Return whose book a run is in, as the first one notes; a file is one book.

    Raises:
        LedgerError: The first book is not there, or cannot be read.
    """
    if not is_shared(place_of(settings)):
        return 0
    with closing(reader_of(settings)) as first:
        return shard_of(key, count_of(first))


def compacted(settings: Settings, fold_before: int, join_before: int) -> Compacted:
    """
    Compact the books of all of a cluster's shards, also while exporters write them.

    A file is one shard's; it is compacted alone.

    Raises:
        LedgerError: One is not there, of another version, or cannot be written.
    """
    where, cluster = place_of(settings), settings.identity.cluster
    # All of them are opened before anything is changed in one.
    with closing(cluster_reader_of(settings)) as ledger:
        shards = range(count_of(ledger)) if is_shared(where) else range(1)
    before = fold_before, join_before
    return compact_ledger(where, before, cluster=cluster, shards=shards)


@contextmanager
def _naming(shard: int, count: int) -> Iterator[None]:
    """Say of a book that cannot be read whose it is."""
    try:
        yield
    except LedgerTooNewError:
        raise
    except LedgerError as exc:
        msg = (
            f"shard {shard} of {count}: {exc}; all of a cluster's books are read as "
            f"one, and the first one notes {count}: an aggregator started once with "
            f"--aggregator-shard {shard}/{count} makes its own"
        )
        raise LedgerError(msg) from exc
