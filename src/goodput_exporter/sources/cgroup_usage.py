"""What a container uses, by its cgroup and its network namespace; v1 and v2."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from goodput_exporter.sources.inference.looks import Usage
from goodput_exporter.sources.pod_cgroups import PROC

CGROUPS: Final = Path("/sys/fs/cgroup")
MOST_BYTES: Final = 64 * 1024
MOST_FOLDERS: Final = 4096
"""Folders looked at for one container: a node has 110 pods, each with a few."""
CONTAINER_ID: Final = re.compile(r"[0-9a-f]{64}")
NS_PER_MICROSECOND: Final = 1_000
SENT_COLUMN: Final = 9
"""Of ``/proc/PID/net/dev``: a name, eight counters of receiving, then sent bytes."""

V2_FILE: Final = "cgroup.controllers"
V1_CPU: Final = ("cpu,cpuacct", "cpuacct", "cpu")
POD_FOLDERS: Final = ("kubepods*", "kubelet*", "*/kubepods*", "kubelet*/*kubepods*")


@dataclass(slots=True)
class CgroupUsage:
    """
    Counters of this node's containers; what cannot be read is None, never 0.

    Args:
        root: Where the hierarchies are mounted.
        proc: For network counters, by the pids in the cgroup. They are another
            namespace's without hostPID; then there are none.
        failures: Files that are there and could not be read.
    """

    root: Path = CGROUPS
    proc: Path = PROC
    failures: int = 0
    _places: dict[str, str] = field(default_factory=dict)

    def read(self, container_id: str, at_ns: int) -> Usage | None:
        """
        Return what one container has used so far.

        Args:
            container_id: The runtime's, 64 hex digits; a scheme before it is let go.
            at_ns: The present, on the ledger's clock.

        Returns:
            None where no cgroup of that container is found: it is gone, or the
            host's hierarchy is not mounted into this pod.
        """
        found = CONTAINER_ID.search(container_id)
        if found is None:
            return None
        place = self._place_of(found[0])
        if place is None:
            return None
        if (self.root / V2_FILE).exists():
            return self._v2(self.root / place, at_ns)
        return self._v1(place, at_ns)

    def keep(self, container_ids: Iterable[str]) -> None:
        """Forget where every other container is."""
        kept = {one[0] for c in container_ids if (one := CONTAINER_ID.search(c))}
        self._places = {c: place for c, place in self._places.items() if c in kept}

    def _place_of(self, container_id: str) -> str | None:
        known = self._places.get(container_id)
        hierarchy = self._hierarchy()
        if known is not None and (hierarchy / known).is_dir():
            return known
        self._places.pop(container_id, None)
        for folder in _folders(hierarchy):
            # CRI-O's monitor has a cgroup of its own beside the container's.
            if container_id in folder.name and "conmon" not in folder.name:
                self._places[container_id] = str(folder.relative_to(hierarchy))
                return self._places[container_id]
        return None

    def _hierarchy(self) -> Path:
        """Return the one hierarchy of v2, or the one of v1 that accounts for CPU."""
        if (self.root / V2_FILE).exists():
            return self.root
        names = (self.root / name for name in V1_CPU)
        return next((path for path in names if path.is_dir()), self.root)

    def _v2(self, folder: Path, at_ns: int) -> Usage:
        cpu = _after(self._text(folder / "cpu.stat"), "usage_usec")
        io = self._text(folder / "io.stat")
        received, sent = self._network(folder)
        return Usage(
            at_ns,
            None if cpu is None else cpu * NS_PER_MICROSECOND,
            _sum_of(io, r"\brbytes=(\d+)"),
            _sum_of(io, r"\bwbytes=(\d+)"),
            received,
            sent,
            _number(self._text(folder / "pids.current")),
        )

    def _v1(self, place: str, at_ns: int) -> Usage:
        folder = self._hierarchy() / place
        io = self._text(self.root / "blkio" / place / "blkio.throttle.io_service_bytes")
        received, sent = self._network(folder)
        return Usage(
            at_ns,
            _number(self._text(folder / "cpuacct.usage")),
            _sum_of(io, r"\bRead (\d+)"),
            _sum_of(io, r"\bWrite (\d+)"),
            received,
            sent,
            _number(self._text(self.root / "pids" / place / "pids.current")),
        )

    def _network(self, folder: Path) -> tuple[int | None, int | None]:
        """Return bytes received and sent; all containers of a pod share them."""
        pids = (self._text(folder / "cgroup.procs") or "").split()
        # 0 is a process of a namespace that we do not see into.
        pid = next((pid for pid in pids if pid.isdecimal() and pid != "0"), None)
        text = None if pid is None else self._text(self.proc / pid / "net" / "dev")
        if text is None:
            return None, None
        rows = [row.split() for row in text.replace(":", " ").splitlines()]
        cards = [
            (int(row[1]), int(row[SENT_COLUMN]))
            for row in rows
            if len(row) > SENT_COLUMN
            and row[0] != "lo"
            and row[1].isdecimal()
            and row[SENT_COLUMN].isdecimal()
        ]
        return sum(card[0] for card in cards), sum(card[1] for card in cards)

    def _text(self, path: Path) -> str | None:
        try:
            with path.open("rb") as file:
                return file.read(MOST_BYTES).decode(errors="replace")
        except FileNotFoundError:
            return None
        except OSError:
            self.failures += 1
            return None


def _folders(hierarchy: Path) -> Iterator[Path]:
    """Yield the cgroups of pods and of what is directly in them, within limits."""
    left = MOST_FOLDERS
    for pattern in POD_FOLDERS:
        for top in sorted(hierarchy.glob(pattern)):
            for folder in _below(top):
                left -= 1
                if left < 0:
                    return
                yield folder


def _below(top: Path) -> Iterator[Path]:
    """Yield folders down to containers: quality of service, pod, container."""
    level = [top]
    for _ in range(3):
        below: list[Path] = []
        for folder in level:
            try:
                below += [child for child in folder.iterdir() if child.is_dir()]
            except OSError:
                continue  # it went away while we looked
        yield from below
        level = below


def _after(text: str | None, name: str) -> int | None:
    for line in (text or "").splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return _number(value)
    return None


def _number(text: str | None) -> int | None:
    word = (text or "").strip()
    return int(word) if word.isascii() and word.isdecimal() else None


def _sum_of(text: str | None, pattern: str) -> int | None:
    """Return the sum over devices; 0 where the file lists none, None without it."""
    if text is None:
        return None
    return sum(int(found) for found in re.findall(pattern, text, re.ASCII))
