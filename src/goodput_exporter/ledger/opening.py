"""Which ledger an address means: a file of SQLite's, or a database of PostgreSQL's."""

from __future__ import annotations

from pathlib import Path

from goodput_exporter.errors import ConfigError
from goodput_exporter.ledger import store
from goodput_exporter.ledger.ledger import Archive

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
    if isinstance(where, Path):
        return store.open_ledger(where)
    scheme, colon, rest = where.partition("://")
    if not colon:
        return store.open_ledger(Path(where))
    match scheme:
        case "sqlite" if rest:
            return store.open_ledger(Path(rest))
        case "postgresql" | "postgres":
            return _in_postgresql(where, cluster, shard)
    # The rest of the address stays unsaid: it may hold a password.
    msg = f"ledger.url: '{scheme}://…' names no ledger; use {ALLOWED}"
    raise ConfigError(msg)


def _in_postgresql(url: str, cluster: str, shard: int) -> Archive:
    # Loaded only here: the driver is an extra, and a laptop does without it.
    try:
        from goodput_exporter.ledger.postgresql import (  # noqa: PLC0415 - see above
            store as postgresql,
        )
        from goodput_exporter.ledger.postgresql.writer import (  # noqa: PLC0415 - see above
            Book,
        )
    except ImportError as exc:
        msg = (
            f"ledger.url: the driver for PostgreSQL cannot be loaded ({exc}); "
            "install goodput-exporter[postgres]"
        )
        raise ConfigError(msg) from exc
    return postgresql.open_ledger(url, Book(cluster, shard))
