"""This process as the kernel sees it, read from /proc when it is asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_UTIME, _STIME, _START, _RSS = 11, 12, 19, 21
"""Positions in ``stat`` after the command's name, which may hold blanks; proc(5)."""


@dataclass(frozen=True, slots=True)
class Process:
    """
    One process; every figure is None on a system without /proc.

    Args:
        proc: Where procfs is mounted.
        pid: Which process.
    """

    proc: Path = Path("/proc")
    pid: str = "self"

    def resident_bytes(self) -> int | None:
        """Return the resident memory, in bytes."""
        ticks = self._stat(_RSS)
        return None if ticks is None else ticks * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self) -> float | None:
        """Return user plus system time, in seconds."""
        user, system = self._stat(_UTIME), self._stat(_STIME)
        if user is None or system is None:
            return None
        return (user + system) / os.sysconf("SC_CLK_TCK")

    def start_seconds(self) -> float | None:
        """Return when it started, in Unix time."""
        ticks, boot = self._stat(_START), self._boot_seconds()
        if ticks is None or boot is None:
            return None
        return boot + ticks / os.sysconf("SC_CLK_TCK")

    def open_fds(self) -> int | None:
        """Return how many file descriptors are open."""
        try:
            return sum(1 for _ in (self.proc / self.pid / "fd").iterdir())
        except FileNotFoundError:
            return None

    def _stat(self, position: int) -> int | None:
        text = _read(self.proc / self.pid / "stat")
        return None if text is None else int(text.rpartition(")")[2].split()[position])

    def _boot_seconds(self) -> int | None:
        lines = (_read(self.proc / "stat") or "").splitlines()
        return next((int(s.split()[1]) for s in lines if s.startswith("btime ")), None)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
