"""
One ledger's file in the place of another's: cut off anywhere, it is ended later.

A write-ahead log beside a file is a part of it. Between the instant at which the old
log goes and the one at which the new file comes, what lies there is neither ledger.
So a whole copy is first given a name that says what is to be done with it; from then
on whoever comes next, and may write, does the rest.
"""

from __future__ import annotations

import os
from glob import escape
from pathlib import Path
from typing import Final

from goodput_exporter.errors import LedgerError
from goodput_exporter.ledger.whole_files import explained_by_os, sync_folder

READY: Final = ".restored"
"""``LEDGER.OLD.restored`` is to be LEDGER, and what is there is to be LEDGER.OLD."""
LOG: Final = "-wal"
MEMORY: Final = "-shm"


def exchange(path: Path, copy: Path, name_for_old: str) -> None:
    """
    Put a whole copy in a ledger's place, and keep what is there under another name.

    Args:
        path: The ledger's file, which nobody writes; it need not exist.
        copy: A file beside it, without a log; it keeps this name as well.
        name_for_old: Of *path* and something behind it.

    Raises:
        LedgerError: The folder cannot be written, or knows no hard links.
    """
    ready = path.with_name(name_for_old + READY)
    with explained_by_os(ready):
        os.link(copy, ready)
        sync_folder(path.parent)
    finish(path)


def finish(path: Path) -> None:
    """
    End an exchange that was cut off; without one nothing happens.

    Args:
        path: The ledger's file; the caller has the right to write it.

    Raises:
        LedgerError: The folder cannot be written.
    """
    for ready in _ready(path):
        old = ready.with_name(ready.name.removesuffix(READY))
        with explained_by_os(old):
            if path.exists() and not old.exists():
                _keep(path, old)
            for part in (LOG, MEMORY):
                _beside(path, part).unlink(missing_ok=True)
            ready.replace(path)
            sync_folder(path.parent)


def is_cut_off(path: Path) -> bool:
    """Tell whether an exchange is under way, or was cut off."""
    return bool(_ready(path))


def require_finished(path: Path) -> None:
    """
    Check that no exchange was cut off: what lies there would be half of a ledger.

    Raises:
        LedgerError: One was, or is under way.
    """
    for ready in _ready(path):
        msg = (
            f"{path}: a restore is under way, or was cut off: {ready.name} is the "
            "whole copy that is to take its place. Start the exporter, or run "
            "goodput-exporter ledger migrate: both end it"
        )
        raise LedgerError(msg)


def _keep(path: Path, old: Path) -> None:
    """Give a ledger another name; its log first, so that the name means all of it."""
    log, old_log = _beside(path, LOG), _beside(old, LOG)
    if log.exists() and not old_log.exists():
        os.link(log, old_log)
    os.link(path, old)
    sync_folder(path.parent)


def _ready(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{escape(path.name)}.*{READY}"))


def _beside(path: Path, part: str) -> Path:
    return path.with_name(path.name + part)
