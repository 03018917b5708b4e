"""Reading a recording back, up to where each file was cut off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

from goodput_exporter.errors import (
    ConfigError,
    LedgerCorruptError,
    LedgerError,
    LedgerTooNewError,
)
from goodput_exporter.ledger.pieces import FRAME
from goodput_exporter.ledger.recorder import files_of
from goodput_exporter.ledger.recording import (
    FORMAT,
    MOST_FRAME_BYTES,
    Head,
    Tick,
    decode_frame,
)


class Recording:
    """
    A folder of files, or one of them.

    Args:
        path: Which.

    Raises:
        LedgerError: No recording is there.
    """

    def __init__(self, path: Path) -> None:
        self.files = files_of(path) if path.is_dir() else [path]
        if not self.files or not self.files[0].is_file():
            msg = f"{path}: no recording is there; name a folder that was recorded into"
            raise LedgerError(msg)
        self.damage: list[str] = []

    def frames(self) -> Iterator[Head | Tick]:
        """
        Yield what was recorded, file by file.

        A file that ends within a frame was cut off, as by a kill: what came before
        is whole. A file that is damaged further in is read up to there, and said
        so in ``damage``, as is a file without a head.

        Raises:
            LedgerTooNewError: A later version wrote it.
            LedgerError: A file cannot be read, or is no recording.
        """
        for path in self.files:
            try:
                with path.open("rb") as file:
                    self._require_ours(path, file)
                    yield from self._frames(path, file)
            except OSError as exc:
                msg = f"{path}: cannot be read ({exc.strerror})"
                raise LedgerError(msg) from exc

    def _frames(self, path: Path, file: BinaryIO) -> Iterator[Head | Tick]:
        stream = _zstandard().ZstdDecompressor().decompressobj()
        is_first = True
        for piece in self._pieces(path, file):
            try:
                frame = decode_frame(_unpacked(stream, piece))
            except LedgerCorruptError as exc:
                self.damage.append(f"{path}: {exc}")
                return
            if is_first and not isinstance(frame, Head):
                self.damage.append(f"{path}: it does not begin with a head")
                return
            is_first = False
            yield frame
        if is_first:
            self.damage.append(f"{path}: it was cut off before its first tick")

    def _pieces(self, path: Path, file: BinaryIO) -> Iterator[bytes]:
        while before := file.read(FRAME.size):
            if len(before) < FRAME.size:
                return self._note_cut(path, file)
            length, checksum = FRAME.unpack(before)
            piece = file.read(min(length, MOST_FRAME_BYTES))
            if len(piece) < length:
                return self._note_cut(path, file)
            if crc32(piece) != checksum:
                at = file.tell() - length - FRAME.size
                self.damage.append(
                    f"{path}: the frame at byte {at} is not what was written (its "
                    "checksum differs); what follows in this file is left out"
                )
                return None
            yield piece
        return None

    def _note_cut(self, path: Path, file: BinaryIO) -> None:
        self.damage.append(
            f"{path}: it was cut off within a frame, at byte {file.tell()}; the frames "
            "before are whole"
        )

    def _require_ours(self, path: Path, file: BinaryIO) -> None:
        begins = file.read(len(FORMAT))
        if begins == FORMAT or FORMAT.startswith(begins):
            return  # one that was cut off in its first line says so by its end
        name, _, _ = FORMAT.partition(b"/")
        if begins.startswith(name + b"/"):
            found = begins.partition(b"/")[2].decode("ascii", "replace").strip()
            msg = (
                f"{path}: the recording has format {found} and this program reads "
                f"{FORMAT.decode().strip()}; use the version that wrote it, or later"
            )
            raise LedgerTooNewError(msg)
        msg = f"{path}: it is no recording; check the path"
        raise LedgerError(msg)


def _unpacked(stream: Any, piece: bytes) -> bytes:  # noqa: ANN401 - zstandard's
    try:
        content: bytes = stream.decompress(piece)
    except _zstandard().ZstdError as exc:
        msg = f"a frame cannot be decompressed ({exc})"
        raise LedgerCorruptError(msg) from exc
    return content


def _zstandard() -> Any:  # noqa: ANN401 - a module
    try:
        import zstandard  # noqa: PLC0415 - an extra; see the recorder
    except ImportError as exc:
        msg = f"recordings cannot be read ({exc}); install goodput-exporter[recording]"
        raise ConfigError(msg) from exc
    return zstandard
