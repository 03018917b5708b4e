"""What an agent must know after its own death, in one small file."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

_log = logging.getLogger(__name__)

FILE_NAME: Final = "notes.json"


class Notes:
    """
    Texts by name, replaced whole and only when one of them has changed.

    Trouble with the disk leaves it with a log line only: an agent without notes
    reads a few exits as silence, and nothing worse.

    Args:
        folder: Where the file lies; made if need be.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._is_failing = False
        # Others keep files beside this one, before the first note is written.
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.kept: dict[str, str] = self._read()

    def keep(self, wanted: Mapping[str, str]) -> None:
        """Keep texts, beside those of other names."""
        after = {**self.kept, **wanted}
        if after == self.kept and not self._is_failing:
            return
        self.kept = after
        fresh = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh.write_text(json.dumps(after, sort_keys=True), encoding="utf-8")
            fresh.replace(self._path)
        except OSError as exc:
            self._fail(f"{self._path} cannot be written ({exc})")
            return
        self._is_failing = False

    def _read(self) -> dict[str, str]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as exc:
            self._fail(f"{self._path} cannot be read ({exc})")
            return {}
        if not isinstance(found, dict):
            return {}
        return {
            str(name): text for name, text in found.items() if isinstance(text, str)
        }

    def _fail(self, what: str) -> None:
        if not self._is_failing:
            advice = "check that agent.folder is on the node and can be written"
            _log.warning("%s; what it says is forgotten; %s", what, advice)
        self._is_failing = True
