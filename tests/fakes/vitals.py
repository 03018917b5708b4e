"""What a program and its children hold: memory, threads and open files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

KIB = 2**10


@dataclass(frozen=True, slots=True)
class Vitals:
    """A tree of processes at one instant; *resident* in bytes."""

    processes: int
    resident: int
    threads: int
    descriptors: int


def tree(pid: int) -> list[int]:
    """Return a process and all that it has started."""
    found = [pid]
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found += tree(int(path.parent.name))
    return found


def vitals(pid: int) -> Vitals:
    """Return what a program holds now; a child that ends meanwhile counts no more."""
    resident = threads = descriptors = processes = 0
    for one in tree(pid):
        folder = Path(f"/proc/{one}")
        try:
            said = dict(
                line.split(":", 1)
                for line in (folder / "status").read_text().splitlines()
            )
            files = sum(1 for _ in (folder / "fd").iterdir())
        except OSError:
            continue
        processes += 1
        # A zombie has no memory to tell of.
        resident += int(said.get("VmRSS", "0 kB").split()[0]) * KIB
        threads += int(said["Threads"])
        descriptors += files
    return Vitals(processes, resident, threads, descriptors)
