"""NVRx's cycle files: what a launcher that restarts in the job writes down of it."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Final

from goodput_exporter.domain.evidence import Evidence
from goodput_exporter.sources.evidence_lines import evidence_of_cycle

PATTERN: Final = "cycle_info.*"
MOST_BYTES: Final = 1 << 20
"""A cycle file has a few hundred bytes; what is larger is something else."""
MOST_FILES: Final = 10_000

_log = logging.getLogger(__name__)


class CycleFiles:
    """
    The ends of cycles in a folder, each told once.

    Only files are read that have changed since the last look. NVRx keeps a link
    to the current file beside it; links are passed over, their files are there.

    Args:
        folder: Where NVRx writes ``cycle_info.JOB.ATTEMPT.CYCLE``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, tuple[int, int]] = {}
        self._told: set[Evidence] = set()
        self.failures = 0

    def drain(self, now_ns: int) -> list[Evidence]:
        """
        Return the cycles that have ended since the last look.

        Args:
            now_ns: The present; dates an end whose own date cannot be read.
        """
        found: list[Evidence] = []
        for path in self._changed():
            for seen in self._read(path, now_ns):
                if seen not in self._told:
                    self._told.add(seen)
                    found.append(seen)
        return found

    def _changed(self) -> list[Path]:
        try:
            paths = sorted(self._folder.glob(PATTERN))[:MOST_FILES]
        except OSError as exc:
            self._fail(self._folder, exc)
            return []
        changed: list[Path] = []
        for path in paths:
            try:
                status = path.lstat()
            except OSError:
                continue  # it went between the two calls
            mark = status.st_mtime_ns, status.st_size
            if not path.is_symlink() and self._seen.get(path.name) != mark:
                self._seen[path.name] = mark
                changed.append(path)
        return changed

    def _read(self, path: Path, now_ns: int) -> list[Evidence]:
        try:
            return evidence_of_cycle(json.loads(_content(path)), now_ns)
        except (OSError, ValueError, RecursionError) as exc:
            self._fail(path, exc)
            return []

    def _fail(self, path: Path, why: Exception) -> None:
        self.failures += 1
        _log.warning("NVRx's %s cannot be read (%s); other files are", path.name, why)


def _content(path: Path) -> bytes:
    # Not a link, and no pipe that somebody laid here to make us wait.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    with os.fdopen(os.open(path, flags), "rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        msg = f"it has more than {MOST_BYTES} bytes"
        raise ValueError(msg)
    return data
