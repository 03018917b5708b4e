"""Which ledger an address means: a file of SQLite's, or a database of PostgreSQL's."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

from goodput_exporter.errors import ConfigError
from goodput_exporter.ledger import reader, sqlite_compaction, store
from goodput_exporter.ledger.ledger import Archive, Compacted
from goodput_exporter.ledger.one_run import RunReader

ALLOWED = "a path, sqlite://PATH or postgresql://USER@HOST:PORT/DATABASE"


def open_ledger(
    where: Path | str, *, cluster: str = "local", shard: int = 0
) -> Archive:
    """
    Open a ledger to write it; make it, or bring it to this version, if need be.

    Args:
        where: A path; ``sqlite://PATH``, where PATH is all that follows; or
            ``postgresql://...`` as libpq reads it.
        cluster: Whose book, where several share a database; a file is one book.
        shard: Which part of the cluster's runs, where one process is not enough.

    Raises:
        ConfigError: The address is none, or its driver is not installed.
        LedgerTooNewError: A later version of this program wrote it.
        LedgerCorruptError: It is no ledger, or a damaged one.
        LedgerError: Another process writes it, or it cannot be opened.
    """
    path = _file(where)
    if path is not None:
        return store.open_ledger(path)
    opened: Archive = _postgresql().open_book(str(where), cluster, shard)
    return opened


def is_shared(where: Path | str) -> bool:
    """
    Tell whether an address holds the books of several shards; a file holds one.

    Raises:
        ConfigError: It is no address.
    """
    return _file(where) is None


def read_ledger(
    where: Path | str, *, cluster: str = "local", shard: int = 0
) -> RunReader:
    """
    Open a ledger to read it, whoever writes it; nothing in it is changed.

    Args:
        where: See ``open_ledger``.
        cluster: See ``open_ledger``.
        shard: See ``open_ledger``.

    Raises:
        ConfigError: The address is none, or its driver is not installed.
        LedgerTooNewError: A later version of this program wrote it.
        LedgerCorruptError: It is no ledger, or a damaged one.
        LedgerError: There is none, it is of an earlier version, or cannot be read.
    """
    path = _file(where)
    if path is not None:
        return reader.read_ledger(path)
    opened: RunReader = _postgresql().read_book(str(where), cluster, shard)
    return opened


def compact_ledger(
    where: Path | str,
    before: tuple[int, int],
    *,
    cluster: str = "local",
    shards: Sequence[int] = (0,),
) -> Compacted:
    """
    Compact a ledger, also while an exporter writes it; see ``Archive.compact``.

    Args:
        where: See ``open_ledger``.
        before: Fold days before the first, join within days before the second.
        cluster: See ``open_ledger``.
        shards: Whose books, the first one's first; a file is one book.

    Raises:
        ConfigError: The address is none, or its driver is not installed.
        LedgerError: There is none, it is of another version, or cannot be written.
    """
    path = _file(where)
    if path is not None:
        return sqlite_compaction.compact_file(path, before)
    done: Compacted = _postgresql().compact_books(str(where), cluster, shards, before)
    return done


def _file(where: Path | str) -> Path | None:
    """
    Return the file that an address means, or None for a database of PostgreSQL's.

    Raises:
        ConfigError: It is no address.
    """
    if isinstance(where, Path):
        return where
    scheme, colon, rest = where.partition("://")
    if not colon:
        return Path(where)
    if scheme == "sqlite" and rest:
        return Path(rest)
    if scheme in ("postgresql", "postgres"):
        return None
    # The rest of the address stays unsaid: it may hold a password.
    msg = f"ledger.url: '{scheme}://…' names no ledger; use {ALLOWED}"
    raise ConfigError(msg)


def _postgresql() -> ModuleType:
    # Loaded only here: the driver is an extra, and a laptop does without it.
    try:
        return import_module("goodput_exporter.ledger.postgresql.opening")
    except ImportError as exc:
        msg = (
            f"ledger.url: the driver for PostgreSQL cannot be loaded ({exc}); "
            "install goodput-exporter[postgres]"
        )
        raise ConfigError(msg) from exc
