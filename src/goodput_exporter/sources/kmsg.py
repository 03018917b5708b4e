"""The kernel's log as it is written, read without waiting, through ``/dev/kmsg``."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from goodput_exporter.clock import Clock
from goodput_exporter.domain.evidence import Evidence
from goodput_exporter.sources.evidence_lines import evidence_of_kernel_line
from goodput_exporter.sources.kernel_lines import PodOf

KMSG: Final = Path("/dev/kmsg")
MOST_BYTES: Final = 16 * 1024
"""One read is one record of at most 8 KiB (CONSOLE_EXT_LOG_MAX); a smaller buffer
would be refused with EINVAL."""
MOST_RECORDS: Final = 4096
"""In one go; a kernel that floods its log must not stop the node's sampling."""
NS_PER_MICROSECOND: Final = 1_000

# "PREFIX,SEQUENCE,MICROSECONDS,FLAGS[,...];MESSAGE": Linux, ABI/testing/dev-kmsg.
# PREFIX is facility * 8 + level; what programs write there has a facility above 0.
RECORD: Final = re.compile(rb"(\d{1,6}),(\d{1,20}),(\d{1,20}),[^;\n]{0,256};([^\n]*)")
LEVELS: Final = 8

WHY_OFF: Final = {
    errno.EPERM: "needs CAP_SYSLOG (kernel.dmesg_restrict is set)",
    errno.EACCES: "its device node is not readable for this user",
    errno.ENOENT: "is not in this container; mount it from the host",
    errno.ENODEV: "is not in this kernel",
    errno.ENXIO: "is not in this kernel",
}


@dataclass(slots=True)
class KernelCounts:
    """
    What was read since the start.

    Args:
        records: Of the kernel itself. *lost*: overwritten before they were read, by
            gaps in their numbers.
        foreign: Written by programs: anybody may claim anything there.
        malformed: Not in the format.
        old: From before the start that was asked for.
    """

    records: int = 0
    lost: int = 0
    foreign: int = 0
    malformed: int = 0
    old: int = 0


@dataclass(slots=True)
class KernelLog:
    """
    Evidence from the kernel's log; off where it cannot be read, and says why.

    It holds a descriptor of its own, so it takes no line away from anybody.

    Args:
        clock: Dates records: the kernel counts from its boot. Its counter is not
            slewed by NTP, so a date is off by some seconds after a month.
        node: Whose kernel.
        since_ns: What is older is left out; an earlier life of ours has told it.
        pod_of: Names pods by their uid.
        path, read: The device, and how it is read.
    """

    clock: Clock
    node: str
    since_ns: int = 0
    pod_of: PodOf | None = None
    path: Path = KMSG
    read: Callable[[int, int], bytes] = os.read
    counts: KernelCounts = field(default_factory=KernelCounts)
    why_off: str | None = None
    _file: int | None = None
    _next: int | None = None
    _rest: bytes = b""

    def drain(self) -> list[Evidence]:
        """Return what was logged since the last call; never waits, never raises."""
        if self._file is None:
            self._open()
        found: list[Evidence] = []
        for _ in range(MOST_RECORDS):
            chunk = self._read()
            if chunk is None:
                break
            for line in self._lines(chunk):
                found += self._take(line)
        return found

    def close(self) -> None:
        """Let the descriptor go."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> None:
        try:
            self._file = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as exc:
            self._off(exc)
            return
        self.why_off = None

    def _off(self, exc: OSError) -> None:
        why = WHY_OFF.get(exc.errno or 0, f"cannot be read: {exc.strerror}")
        self.why_off = f"{self.path} {why}"

    def _read(self) -> bytes | None:
        """Return one record or more; None where there is nothing now."""
        if self._file is None:
            return None
        try:
            chunk = self.read(self._file, MOST_BYTES)
        except BlockingIOError:
            return None
        except OSError as exc:
            if exc.errno == errno.EPIPE:
                # The ring went on over our place; the next record's number says
                # how many were lost.
                return b""
            self._off(exc)
            self.close()
            return None
        return chunk or None

    def _lines(self, chunk: bytes) -> list[bytes]:
        """Return whole lines; a line that never ends is given up."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > MOST_BYTES:
            self._rest = b""
            self.counts.malformed += 1
        return lines

    def _take(self, line: bytes) -> list[Evidence]:
        if not line or line.startswith(b" "):
            return []  # what a record says of its device, in lines of their own
        match = RECORD.fullmatch(line)
        if match is None:
            self.counts.malformed += 1
            return []
        prefix, number, micros = (int(match[place]) for place in (1, 2, 3))
        if self._next is not None and number > self._next:
            self.counts.lost += number - self._next
        self._next = number + 1
        if prefix >= LEVELS:
            self.counts.foreign += 1
            return []
        self.counts.records += 1
        now_ns = self.clock.now_ns()
        at_ns = min(now_ns, self.clock.from_monotonic(micros * NS_PER_MICROSECOND))
        if at_ns < self.since_ns:
            self.counts.old += 1
            return []
        text = match[4].decode(errors="replace")
        return evidence_of_kernel_line(text, at_ns, self.node, self.pod_of)
