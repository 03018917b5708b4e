"""Files that get their name once they are whole; a kill on the way takes nothing."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from goodput_exporter.errors import LedgerError

LOCK: Final = ".lock"
BESIDES: Final = ("-journal", "-wal", "-shm")
"""What SQLite keeps beside a file, and what must not be taken for a new file's."""
PRIVATE: Final = 0o600
ORDINARY: Final = 0o666
"""As the user's umask says."""
NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""What file systems without hard links say, as FAT and many network folders."""


@contextmanager
def beside(target: Path, suffix: str, mode: int = PRIVATE) -> Iterator[Path]:
    """
    Make an empty file beside *target*, and remove that name in the end.

    While it is made, a lock file lies beside it, and the kernel lets go of the
    lock in any death. So what a killed attempt left is told from what another
    one makes right now, and from a file that only happens to have the name: the
    first is removed, the others are not touched.

    Args:
        target: What the file is to be called in the end; see ``place``.
        suffix: Is added to that name.
        mode: Who may read the file: its owner alone, since a ledger names runs,
            hosts and people's mistakes.

    Raises:
        LedgerError: The file cannot be made, or another process makes it.
    """
    partial = target.with_name(target.name + suffix)
    lock = partial.with_name(partial.name + LOCK)
    with explained_by_os(partial):
        fd, is_left_over = _open(lock)
    try:
        _take(fd, lock, target)
        try:
            if is_left_over:
                _remove(partial)
            with explained_by_os(partial):
                os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
            try:
                yield partial
            finally:
                _remove(partial)
        finally:
            lock.unlink(missing_ok=True)
    finally:
        os.close(fd)


def place(
    partial: Path, target: Path, *, link: Callable[[Path, Path], None] = os.link
) -> None:
    """
    Give a finished file its name, durably, unless another has it.

    Where there are no hard links it is renamed, which a file that gets the name
    at the same instant does not survive.

    Args:
        partial: The file; where links are known it keeps this name as well.
        target: Its new name.
        link: Makes a hard link.

    Raises:
        LedgerError: *target* exists, or its folder cannot be written.
    """
    with explained_by_os(target):
        _sync(partial, os.O_RDONLY)
        try:
            link(partial, target)  # unlike a rename, never in the place of another
        except OSError as exc:
            if exc.errno not in NO_LINKS:
                raise
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from exc
            partial.rename(target)
        sync_folder(target.parent)


@contextmanager
def explained_by_os(path: Path) -> Iterator[None]:
    """
    Say of a file that the block makes what to check where that fails.

    Raises:
        LedgerError: The operating system refused it.
    """
    try:
        yield
    except FileExistsError as exc:
        msg = (
            f"{path}: exists already; nothing is overwritten. Name another file, or "
            "remove it if an earlier attempt was cut off"
        )
        raise LedgerError(msg) from exc
    except OSError as exc:
        msg = (
            f"{path}: cannot be written ({exc.strerror}); check the folder, the rights "
            "on it, and the space that is left"
        )
        raise LedgerError(msg) from exc


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    fd = os.open(path, flags)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _open(lock: Path) -> tuple[int, bool]:
    """Open a lock file, and tell whether it was there before."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(lock, flags | os.O_EXCL, PRIVATE), False
    except FileExistsError:
        return os.open(lock, flags, PRIVATE), True


def _take(fd: int, lock: Path, target: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        msg = (
            f"{target}: another process is making it (it holds {lock}); wait for that, "
            "or name another file"
        )
        raise LedgerError(msg) from exc
    if not os.fstat(fd).st_nlink:
        msg = f"{target}: another process has just made it; name another file"
        raise LedgerError(msg)


def _remove(partial: Path) -> None:
    # Never truncated: a finished file may go by this name as well.
    for name in (partial.name, *(partial.name + each for each in BESIDES)):
        partial.with_name(name).unlink(missing_ok=True)
