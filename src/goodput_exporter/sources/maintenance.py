"""
Maintenance that people declared, as evidence: the file, and what is read from it.

The file is small JSON beside the ledger. It is replaced as a whole, so a reader
sees the old list or the new one, and a file that cannot be read changes nothing:
the last good list stays, and the failure is counted.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.errors import BadInputError

FILE_NAME: Final = "maintenance.json"
FORMAT: Final = 1
SOURCE: Final = "maintenance"
KEYS: Final = frozenset({"id", "nodes", "from_ns", "to_ns", "note", "by"})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Declared:
    """
    One declared window.

    Args:
        id: Its number in the file, from 1; never given twice.
        nodes: Which nodes; none means every node of the cluster.
        from_ns, to_ns: When; half-open.
        note: What is done, for people.
        by: Who declared it.
    """

    id: int
    nodes: tuple[str, ...]
    from_ns: int
    to_ns: int
    note: str = ""
    by: str = ""

    def evidence(self) -> Iterable[Evidence]:
        """Yield one observation per node; without nodes, one of everything."""
        subjects = [f"node/{node}" for node in self.nodes] or [""]
        for subject in subjects:
            yield Evidence(
                self.from_ns,
                Kind.MAINTENANCE_WINDOW,
                "declared",
                subject,
                SOURCE,
                self.note,
                self.to_ns,
            )


@dataclass(frozen=True, slots=True)
class Declarations:
    """
    What the file holds.

    Args:
        windows: In the order in which they were declared.
        last_id: The highest number ever given.
    """

    windows: tuple[Declared, ...] = ()
    last_id: int = 0


class MaintenanceSource:
    """
    Declared windows, read again whenever their file changes.

    Args:
        path: The file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._known = Declarations()
        self._told: frozenset[Declared] = frozenset()
        self.failures = 0

    @property
    def windows(self) -> tuple[Declared, ...]:
        """Return the last list that could be read."""
        return self._known.windows

    def drain(self) -> list[Evidence]:
        """
        Return what was declared since the last call.

        A window that was removed is not taken back: what it explained stays.
        """
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return []
        self._stamp = stamp
        try:
            self._known = read_declarations(self._path)
        except BadInputError as exc:
            self.failures += 1
            _log.warning("%s; the last good list of maintenance stays", exc)
            return []
        fresh = [one for one in self._known.windows if one not in self._told]
        self._told = frozenset(self._known.windows)
        return [seen for one in fresh for seen in one.evidence()]

    def close(self) -> None:
        """Do nothing: no file stays open."""


def read_declarations(path: Path) -> Declarations:
    """
    Read the file; one that does not exist declares nothing.

    Raises:
        BadInputError: It cannot be read, or is not what this program writes.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Declarations()
    except (OSError, ValueError, RecursionError) as exc:
        msg = f"{path}: the maintenance file cannot be read ({exc}); mend or remove it"
        raise BadInputError(msg) from exc
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        found = raw.get("format") if isinstance(raw, dict) else type(raw).__name__
        msg = f"{path}: its format is {found!r}; this program reads {FORMAT}"
        raise BadInputError(msg)
    rows = raw.get("windows")
    if not isinstance(rows, list) or not _is_whole(raw.get("last_id")):
        msg = f"{path}: it has no list of windows and no last_id; mend or remove it"
        raise BadInputError(msg)
    windows = tuple(
        _declared(row, f"{path}: window {number}")
        for number, row in enumerate(rows, start=1)
    )
    return Declarations(windows, raw["last_id"])


def write_declarations(path: Path, declared: Declarations) -> None:
    """
    Replace the file, as a whole and durably.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "format": FORMAT,
        "last_id": declared.last_id,
        "windows": [asdict(one) for one in declared.windows],
    }
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        json.dump(content, file, ensure_ascii=False, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    # The exporter may run as another user of the same group.
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


def _declared(row: object, where: str) -> Declared:
    if not isinstance(row, dict) or row.keys() != KEYS:
        msg = f"{where} has not the fields {', '.join(sorted(KEYS))}"
        raise BadInputError(msg)
    numbers = [row[name] for name in ("id", "from_ns", "to_ns")]
    if not all(_is_whole(number) for number in numbers):
        msg = f"{where}: id, from_ns and to_ns are {numbers}; they are whole numbers"
        raise BadInputError(msg)
    if row["from_ns"] >= row["to_ns"]:
        msg = f"{where} ends at {row['to_ns']} ns and begins at {row['from_ns']} ns"
        raise BadInputError(msg)
    nodes = _texts(row["nodes"], where)
    note, by = _texts([row["note"], row["by"]], where)
    return Declared(row["id"], nodes, row["from_ns"], row["to_ns"], note, by)


def _texts(values: Any, where: str) -> tuple[str, ...]:  # noqa: ANN401 - any JSON
    if not isinstance(values, Sequence) or isinstance(values, str):
        msg = f"{where}: {values!r} is no list"
        raise BadInputError(msg)
    if not all(isinstance(value, str) for value in values):
        msg = f"{where}: {values!r} holds something that is no text"
        raise BadInputError(msg)
    return tuple(values)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
