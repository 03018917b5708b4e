"""Where NVML's library and the device nodes are, in a pod that requests no GPU."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NAME: Final = "libnvidia-ml.so.1"
MOST_LINKS: Final = 40
"""As many symbolic links as Linux itself follows."""

DISTRIBUTIONS: Final = (
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/lib64",
    "usr/lib/x86_64-linux-gnu/nvidia/current",
    "usr/lib/aarch64-linux-gnu/nvidia/current",
    "lib/x86_64-linux-gnu",
    "lib/aarch64-linux-gnu",
    "lib64",
    "usr/lib",
)
"""Where Debian, Ubuntu, Red Hat and their kin put it, below the root of a host."""

BOTTLEROCKET: Final = tuple(
    f"{machine}-bottlerocket-linux-gnu/sys-root/usr/lib/{folder}"
    for machine in ("x86_64", "aarch64")
    for folder in ("nvidia/tesla", "nvidia", "")
)

PLACES: Final = (
    ("gpu-operator", "run/nvidia/driver", DISTRIBUTIONS),
    ("gke", "home/kubernetes/bin/nvidia", ("lib64", "lib")),
    ("bottlerocket", "", BOTTLEROCKET),
    ("host", "", DISTRIBUTIONS),
)
"""Name, root below the host's, folders below that; the first is the most special."""

DEVICE_FOLDERS: Final = ("dev", "run/nvidia/driver/dev")
NODE: Final = re.compile(r"nvidia(ctl|\d+)")
CONTROL: Final = "nvidiactl"


@dataclass(frozen=True, slots=True)
class Library:
    """
    One place to load NVML from.

    Args:
        place: Such as ``"gke"``; ``"loader"`` is the loader's own search, which
            finds what a container runtime or a distribution put in its way.
        path: The file; None for the loader's own search.
    """

    place: str
    path: str | None = None


LOADER: Final = Library("loader")


@dataclass(frozen=True, slots=True)
class Nodes:
    """
    The device nodes in one folder.

    Args:
        folder: NVML itself opens those in ``/dev`` only.
        names: Such as ``"nvidia0"``, ``"nvidiactl"``; ascending.
    """

    folder: str
    names: tuple[str, ...]


def libraries(roots: Sequence[Path]) -> list[Library]:
    """
    Return every place that has a library, the loader's own search first.

    Args:
        roots: Where the host's file system may be seen, such as ``/`` and ``/host``.
    """
    found = dict.fromkeys(_found(roots))
    return [LOADER, *found]


def _found(roots: Sequence[Path]) -> Iterator[Library]:
    for place, below, folders in PLACES:
        for root in roots:
            driver_root = root / below
            for folder in folders:
                path = resolve(driver_root, f"{folder}/{NAME}")
                if path is not None:
                    yield Library(place, str(path))


def resolve(root: Path, relative: str) -> Path | None:
    """
    Return the file that a path means to a program whose root directory is *root*.

    Links in a driver's root are absolute at times, and mean that root, not ours;
    ``..`` does not lead out of it.

    Returns:
        An existing regular file below *root*, or None.
    """
    pending = [part for part in reversed(relative.split("/")) if part]
    at, links = root, 0
    while pending:
        part = pending.pop()
        if part == ".":
            continue
        if part == "..":
            at = at if at == root else at.parent
            continue
        step = at / part
        try:
            target = str(step.readlink())
        except OSError:  # no link; whether it is there shows at the end
            at = step
            continue
        links += 1
        if links > MOST_LINKS:
            return None
        at = root if target.startswith("/") else at
        pending.extend(part for part in reversed(target.split("/")) if part)
    try:
        return at if at.is_file() else None
    except OSError:
        return None


def device_nodes(roots: Sequence[Path]) -> tuple[Nodes, ...]:
    """Return the folders that hold NVIDIA device nodes; ``/dev`` first."""
    folders = dict.fromkeys(
        root / folder for folder in DEVICE_FOLDERS for root in roots
    )
    found = (Nodes(str(folder), _names(folder)) for folder in folders)
    return tuple(nodes for nodes in found if nodes.names)


def _names(folder: Path) -> tuple[str, ...]:
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return ()
    return tuple(sorted(name for name in names if NODE.fullmatch(name)))


def link_nodes(nodes: Sequence[Nodes], dev: Path) -> tuple[str, ...]:
    """
    Link the nodes of a driver's root into *dev*, where NVML looks for them.

    For a privileged pod that mounts the host's nodes elsewhere; does nothing
    where *dev* has a control node already.

    Returns:
        The names that were linked.

    Raises:
        OSError: *dev* cannot be written.
    """
    if (dev / CONTROL).exists():
        return ()
    source = next((one for one in nodes if CONTROL in one.names), None)
    if source is None:
        return ()
    missing = [name for name in source.names if not (dev / name).exists()]
    for name in missing:
        (dev / name).unlink(missing_ok=True)  # a link whose node has gone
        (dev / name).symlink_to(Path(source.folder) / name)
    return tuple(missing)
