"""Writing a recording: beside every tick, bounded, and never in its way."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from goodput_exporter.domain.fold import Observation
from goodput_exporter.errors import ConfigError, LedgerError
from goodput_exporter.ledger.days import DAY_NS
from goodput_exporter.ledger.ledger import Ledger
from goodput_exporter.ledger.pieces import framed
from goodput_exporter.ledger.recording import (
    FORMAT,
    Head,
    Terms,
    Tick,
    encode_frame,
)
from goodput_exporter.ledger.watched import Known, Watched

SUFFIX: Final = ".recording"
FILES: Final = 16
"""Into how many files the space is divided: one is what a bound takes away."""
WAITING: Final = 200_000
"""Observations kept while the ledger fails; as many as the bookkeeper keeps."""
LEVEL: Final = 3

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """
    How much of a recording is kept; what is older goes file by file.

    Args:
        most_bytes: Of all files together.
        keep_ns: From when on a file that is no longer written is too old.
    """

    most_bytes: int = 256 * 1024 * 1024
    keep_ns: int = 14 * DAY_NS


@dataclass(slots=True)
class Counts:
    """Ticks recorded, ticks that could not be, observations that fell out."""

    ticks: int = 0
    failures: int = 0
    dropped: int = 0


class Recorder:
    """
    The files of one exporter's recording.

    It is told what the bookkeeper is told: ``began`` once that has resumed,
    ``take`` beside its ``take``, ``record`` once a tick has been committed. The
    bookkeeper's ledger is ``beside(ledger)``, which notes the states that are
    read and written. Nothing that goes wrong here leaves: it is logged and
    counted, and what follows is a new file whose head says that there is a gap.

    Args:
        folder: Where the files lie; it is made.
        terms: What is in force.
        bounds: How much is kept.

    Raises:
        ConfigError: The compressor is not installed.
    """

    def __init__(
        self, folder: Path, terms: Terms, bounds: Bounds | None = None
    ) -> None:
        self._folder = folder
        self._terms = terms
        self._bounds = bounds or Bounds()
        self._compressor = _zstandard().ZstdCompressor(level=LEVEL)
        self._known = Known()
        self._waiting: list[tuple[str, list[Observation]]] = []
        self._file: _File | None = None
        self.counts = Counts()

    def beside(self, ledger: Ledger) -> Ledger:
        """Return *ledger*, watched: give it to the bookkeeper in its place."""
        return Watched(ledger, self._known)

    def began(self, now_ns: int) -> None:
        """Begin a file where the bookkeeper has resumed, with what it resumed from."""
        self._try(self._begin, now_ns, "began")

    def take(self, observations: Iterable[Observation], agent: str = "") -> None:
        """Take what the bookkeeper takes; see ``Bookkeeper.take``."""
        seen = list(observations)
        room = WAITING - sum(len(some) for _, some in self._waiting)
        self.counts.dropped += max(0, len(seen) - room)
        if seen[:room]:
            self._waiting.append((agent, seen[:room]))

    def record(
        self, now_ns: int, observations: Iterable[Observation] = (), agent: str = ""
    ) -> None:
        """
        Write a tick down that the ledger has committed, with what it took.

        Args:
            now_ns: The tick's present.
            observations: Taken for this tick, beside those given to ``take``.
            agent: Who delivered them.
        """
        self.take(observations, agent)
        tick = Tick(now_ns, tuple(self._waiting), dict(self._known.reopened))
        self._waiting = []
        self._known.reopened.clear()
        self._try(self._write, tick)

    def close(self) -> None:
        """Finish the file; every recorded tick can be read without that."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _try(self, act: Any, *values: Any) -> None:  # noqa: ANN401 - passed on
        try:
            act(*values)
        except Exception:  # noqa: BLE001 - whatever it is, the tick must go on
            if not self.counts.failures:
                _log.exception("a tick is not recorded; a replay will show the gap")
            self.counts.failures += 1
            self.close()

    def _write(self, tick: Tick) -> None:
        if self._file is None:
            # The states are those after this tick, so it cannot be replayed: the
            # new file goes on from it.
            self._begin(tick.now_ns, "gap")
            self.counts.failures += 1
            return
        self._file.write(encode_frame(tick))
        self.counts.ticks += 1
        if self._file.size > self._bounds.most_bytes // FILES or (
            tick.now_ns - self._file.began_ns > self._bounds.keep_ns // FILES
        ):
            self.close()
            self._begin(tick.now_ns, "rotated")

    def _begin(self, now_ns: int, why: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._make_room(now_ns)
        path = self._folder / f"{now_ns:020d}{SUFFIX}"
        self._file = _File(path, self._compressor.compressobj(), now_ns)
        since_ns = now_ns - self._terms.retention_ns
        ended = self._known.lately_ended(since_ns)
        head = Head(now_ns, why, self._terms, dict(self._known.states), ended)
        self._known.reopened.clear()
        self._file.write(encode_frame(head))

    def _make_room(self, now_ns: int) -> None:
        """Remove the oldest files, until what is left and one more are in bounds."""
        files = files_of(self._folder)
        sizes = {path: path.stat().st_size for path in files}
        left = sum(sizes.values())
        most = self._bounds.most_bytes * (FILES - 1) // FILES
        for path, follower in zip(files, [*files, None][1:], strict=True):
            # A file is as old as its end, which is where the next one begins.
            until_ns = now_ns if follower is None else int(follower.stem)
            if left > most or now_ns - until_ns > self._bounds.keep_ns:
                path.unlink()
                left -= sizes[path]


def files_of(folder: Path) -> list[Path]:
    """Return a recording's files, oldest first."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if path.stem.isdecimal())


class _File:
    """One file while it is written: each frame goes to the system at once."""

    def __init__(self, path: Path, stream: Any, began_ns: int) -> None:  # noqa: ANN401 - zstandard's
        self.began_ns = began_ns
        self.size = 0
        self._stream = stream
        self._out: BinaryIO = path.open("xb", buffering=0)  # its own error frees it
        try:
            self._put(FORMAT)
        except BaseException:
            self._out.close()
            raise

    def write(self, content: bytes) -> None:
        piece = self._stream.compress(content)
        piece += self._stream.flush(_zstandard().COMPRESSOBJ_FLUSH_BLOCK)
        self._put(framed(piece))

    def close(self) -> None:
        self._out.close()

    def _put(self, data: bytes) -> None:
        written = self._out.write(data)
        if written != len(data):
            msg = f"{self._out.name}: {written} of {len(data)} bytes were written"
            raise LedgerError(msg)
        self.size += written


def _zstandard() -> Any:  # noqa: ANN401 - a module
    # Loaded only here and by the reader: who records nothing does without it.
    try:
        import zstandard  # noqa: PLC0415 - see above
    except ImportError as exc:
        msg = (
            f"recordings cannot be compressed ({exc}); install "
            "goodput-exporter[recording]"
        )
        raise ConfigError(msg) from exc
    return zstandard
