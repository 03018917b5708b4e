"""Processes seen to end through a pidfd: the instant, and how, where it is told."""

from __future__ import annotations

import fcntl
import logging
import os
import resource
import select
import signal
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from goodput_exporter.domain.spans import NS_PER_SECOND

_log = logging.getLogger(__name__)

# struct pidfd_info of <linux/pidfd.h>, its first published size of 64 bytes:
# mask, cgroupid, eleven 32-bit ids, exit_code.
_PIDFD_INFO: Final = struct.Struct("=QQ11Ii")
_INFO_EXIT: Final = 1 << 3
# _IOWR(0xFF, 11, struct pidfd_info); PIDFD_INFO_EXIT is known since Linux 6.15.
_GET_INFO: Final = 3 << 30 | _PIDFD_INFO.size << 16 | 0xFF << 8 | 11
# Fields of /proc/PID/stat (proc_pid_stat(5)), counted after the command's ")".
_STATE, _START_TICKS, _EXIT_CODE = 3 - 3, 22 - 3, 52 - 3
_NS_PER_TICK: Final = NS_PER_SECOND // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """
    One process, told apart from later ones with its pid.

    Args:
        start_ticks: When it started, in clock ticks since the boot; None where
            /proc does not show it.
        started_ns: The same on the ledger's clock, early by at most one tick.
    """

    pid: int
    start_ticks: int | None
    started_ns: int | None


@dataclass(frozen=True, slots=True)
class ProcessExit:
    """
    A process is gone.

    Args:
        at_ns: When that was seen, on the ledger's clock.
        exit_code: What it returned, minus the signal that killed it, or None.
        witnessed: False where it was gone before it could be watched.
    """

    pid: int
    at_ns: int
    exit_code: int | None
    detail: str
    witnessed: bool = True


class ProcessWatch:
    """
    The processes whose end is waited for.

    Args:
        epoll: Where their pidfds are registered; the owner polls it.
        now_ns: The ledger's clock.
        limit: How many at once. Half of the descriptors that this process may
            open bounds it too: the rest is for the HTTP server and the ledger.
    """

    def __init__(
        self, epoll: select.epoll, now_ns: Callable[[], int], limit: int
    ) -> None:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._limit = limit if soft == resource.RLIM_INFINITY else min(limit, soft // 2)
        self._epoll = epoll
        self._now_ns = now_ns
        self._by_fd: dict[int, Process] = {}
        self._fd_of: dict[int, int] = {}
        self.unwatched = 0

    def open(self, pid: int) -> Process | None:
        """
        Watch a process, or return it if it is watched already.

        Returns:
            The process, or None where it cannot be watched: too many are, or
            the kernel refuses. Its silence is then the only sign of its end.

        Raises:
            ProcessLookupError: There is no such process any more.
        """
        fd = self._fd_of.get(pid)
        if fd is not None:
            return self._by_fd[fd]
        if len(self._by_fd) >= self._limit:
            self.unwatched += 1
            return None
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            raise
        except OSError as exc:
            self.unwatched += 1
            # One line tells why; the counter tells how many.
            if self.unwatched == 1:
                _log.warning(
                    "pid %d cannot be watched (%s); its exit will be seen as silence "
                    "only; further ones are counted",
                    pid,
                    exc,
                )
            return None
        process = self._describe(pid)
        self._by_fd[fd] = process
        self._fd_of[pid] = fd
        self._epoll.register(fd, select.EPOLLIN)
        return process

    def _describe(self, pid: int) -> Process:
        ticks = start_ticks_of(pid)
        if ticks is None:
            return Process(pid, None, None)
        age_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - ticks * _NS_PER_TICK
        return Process(pid, ticks, self._now_ns() - age_ns)

    def get(self, pid: int) -> Process | None:
        """Return a process that is watched now."""
        fd = self._fd_of.get(pid)
        return None if fd is None else self._by_fd.get(fd)

    def collect(self, fd: int) -> ProcessExit | None:
        """
        Take down the end of a process whose pidfd became readable.

        Returns:
            None if *fd* is none of ours.
        """
        at_ns = self._now_ns()
        process = self._by_fd.pop(fd, None)
        if process is None:
            return None
        self._fd_of.pop(process.pid, None)
        self._epoll.unregister(fd)
        try:
            exit_code = exit_code_of(fd, process.pid)
        finally:
            os.close(fd)
        return ProcessExit(
            process.pid, at_ns, exit_code, describe_exit(process.pid, exit_code)
        )

    def close(self) -> None:
        """Stop watching everything."""
        for fd in list(self._by_fd):
            del self._by_fd[fd]
            os.close(fd)
        self._fd_of.clear()

    def __len__(self) -> int:
        """Return how many processes are watched."""
        return len(self._by_fd)


def start_ticks_of(pid: int) -> int | None:
    """Return when a process started, in ticks since the boot; None if unknown."""
    fields = _stat_fields(pid)
    return None if fields is None else int(fields[_START_TICKS])


def exit_code_of(fd: int, pid: int) -> int | None:
    """
    Return how a process that has ended did so.

    A zombie tells it through /proc, a reaped process through its pidfd. It may
    be reaped between the two questions, so the pidfd is asked twice.
    """
    for status in (_reaped_status, _zombie_status, _reaped_status):
        found = status(fd, pid)
        if found is not None:
            return os.waitstatus_to_exitcode(found)
    return None


def _reaped_status(fd: int, _pid: int) -> int | None:
    """Return the wait status that the pidfd keeps after the process was reaped."""
    info = bytearray(_PIDFD_INFO.pack(_INFO_EXIT, *([0] * 13)))
    try:
        fcntl.ioctl(fd, _GET_INFO, info)
    except OSError:  # an older kernel, or not reaped yet
        return None
    mask, *_, status = _PIDFD_INFO.unpack(info)
    return int(status) if mask & _INFO_EXIT else None


def _zombie_status(_fd: int, pid: int) -> int | None:
    fields = _stat_fields(pid)
    if fields is None or fields[_STATE] != "Z":
        return None
    status = int(fields[_EXIT_CODE])
    # The kernel shows 0 to those who may not look; then 0 says nothing.
    return None if status == 0 and not _may_look(pid) else status


def _may_look(pid: int) -> bool:
    """Return whether the kernel lets us see a zombie's fields (ptrace(2) rules)."""
    try:
        Path(f"/proc/{pid}/exe").readlink()
    except PermissionError:
        return False
    except OSError:  # a zombie has no executable any more: we were let through
        return True
    return True


def _stat_fields(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command may hold spaces and brackets; nothing after it does.
    return text.rpartition(")")[2].split()


def describe_exit(pid: int, exit_code: int | None) -> str:
    """Say how a process ended, for the evidence of an entry."""
    if exit_code is None:
        return f"pid {pid} is gone; how it ended is not known"
    if exit_code >= 0:
        return f"pid {pid} exited with code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    return f"pid {pid} killed by {name}"
