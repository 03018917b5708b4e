"""Copies of a ledger's file: taken while it is written, and put back when it is not."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from goodput_exporter.errors import LedgerError
from goodput_exporter.ledger.catching_up import catch_up
from goodput_exporter.ledger.connections import connect_reader, connect_writer
from goodput_exporter.ledger.exchanging import exchange, finish
from goodput_exporter.ledger.failures import explained
from goodput_exporter.ledger.ledger import Finding
from goodput_exporter.ledger.lock import WriterLock
from goodput_exporter.ledger.migrations import migrate, require_ours
from goodput_exporter.ledger.queries import migrations
from goodput_exporter.ledger.reader import read_ledger
from goodput_exporter.ledger.whole_files import (
    beside,
    explained_by_os,
    place,
)


def back_up(path: Path, target: Path) -> list[Finding]:
    """
    Copy a ledger, which may be written meanwhile, and check the copy.

    The copy is one file and holds whole batches only. One that breaks a law is
    left as ``TARGET.unsound``: better than none, but nothing to rely on.

    Returns:
        The laws that the copy breaks.

    Raises:
        LedgerError: The target exists, or either cannot be read or written.
    """
    if target.exists():
        msg = f"{target}: exists already; name a new file, nothing is overwritten"
        raise LedgerError(msg)
    read_ledger(path).close()
    with beside(target, ".partial") as partial:
        findings = _copy(path, partial)
        place(partial, unsound(target) if findings else target)
    return findings


def restore(path: Path, source: Path, name_for_old: str) -> list[Finding]:
    """
    Put a copy in the place of a ledger that nobody writes.

    The copy is checked before anything is touched. The ledger that was there
    stays beside it, together with its write-ahead log. A copy that an earlier
    version took is brought to this one; the backup itself is left as it is.

    Args:
        path: The ledger's file; it need not exist.
        source: A backup.
        name_for_old: What the file that was there is called from now on; *path*'s own
            name, a point and more.

    Returns:
        The laws that the copy breaks; if any, nothing was changed.

    Raises:
        LedgerError: An exporter writes the ledger, or a file cannot be read or
            written.
    """
    with explained_by_os(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    lock = WriterLock(path)
    try:
        finish(path)
        if not source.is_file():
            msg = f"{source}: no such file; name a backup"
            raise LedgerError(msg)
        with beside(path, ".restoring") as partial:
            findings = _copy(source, partial, bring_up=_bring_up)
            if not findings:
                exchange(path, partial, name_for_old)
    finally:
        lock.release()
    return findings


def unsound(target: Path) -> Path:
    """Return what a copy is called that breaks a law."""
    return target.with_name(target.name + ".unsound")


def _copy(
    source: Path,
    target: Path,
    bring_up: Callable[[sqlite3.Connection, Path], None] | None = None,
) -> list[Finding]:
    with (
        explained(target, f"copy {source}"),
        closing(connect_reader(source)) as db,
        closing(connect_writer(target)) as copy,
    ):
        # All pages in one step: a writer that commits meanwhile, as an exporter
        # does every second, would make a copy in several steps begin again.
        db.backup(copy, pages=-1)
        if bring_up is not None:
            bring_up(copy, source)
        # One file that opens wherever it is taken, without a log beside it.
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()
    with closing(read_ledger(target)) as reader:
        return reader.verify()


def _bring_up(copy: sqlite3.Connection, source: Path) -> None:
    """Bring a copy of *source* to this version; messages are about *source*."""
    require_ours(copy, source)
    if copy.execute("PRAGMA user_version").fetchone() == (0,):
        msg = f"{source}: holds no ledger; name a backup"
        raise LedgerError(msg)
    migrate(copy, source, migrations())
    catch_up(copy)
