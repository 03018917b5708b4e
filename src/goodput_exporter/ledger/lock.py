"""The lock that keeps a ledger to one writer, released by the kernel in any death."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from typing import Final

from goodput_exporter.errors import LedgerError

PID_BYTES: Final = 32


class WriterLock:
    """
    The right to write one ledger.

    A lock file of its own, because SQLite's locks end with each transaction
    and two exporters would then take turns at booking the same time.

    Args:
        ledger: The ledger's path; the lock lies beside it.

    Raises:
        LedgerError: Another process writes this ledger, its path is that of
            something else than a file, or the lock file cannot be made.
    """

    def __init__(self, ledger: Path) -> None:
        _require_place(ledger)
        path = ledger.with_name(ledger.name + ".lock")
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as exc:
            msg = (
                f"{path}: cannot be opened ({exc.strerror}); the ledger's directory "
                "must exist and be writable for this user"
            )
            raise LedgerError(msg) from exc
        try:
            _lock(self._fd, ledger)
        except BaseException:
            os.close(self._fd)
            raise

    def release(self) -> None:
        """Let another writer in; the file stays, for its name must not be reused."""
        if self._fd >= 0:  # a number closed twice may be another file's by now
            os.close(self._fd)
            self._fd = -1


def _require_place(ledger: Path) -> None:
    """Name what is no file, which SQLite only says that it cannot open."""
    try:
        is_file = stat.S_ISREG(ledger.stat().st_mode)
    except FileNotFoundError:
        return
    except OSError as exc:
        msg = (
            f"{ledger}: cannot be looked at ({exc.strerror}); check ledger.path and "
            "the rights on its folder"
        )
        raise LedgerError(msg) from exc
    if not is_file:
        what = "a folder" if ledger.is_dir() else "no ordinary file"
        msg = (
            f"{ledger}: is {what}; name a file in ledger.path, as {ledger.name}.sqlite"
        )
        raise LedgerError(msg)


def _lock(fd: int, ledger: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        holder = os.pread(fd, PID_BYTES, 0).decode("ascii", "replace").strip()
        msg = (
            f"{ledger}: process {holder or 'unknown'} writes this ledger already; "
            "stop it or give this exporter another path"
        )
        raise LedgerError(msg) from exc
    except OSError as exc:
        msg = (
            f"{ledger}: its lock file cannot be locked ({exc.strerror}); "
            "keep the ledger on a local volume"
        )
        raise LedgerError(msg) from exc
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode("ascii"), 0)
