"""One file of the spool: appended to while it is the newest, read from the front."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from goodput_exporter.ledger.spool.records import Record, encode_record, scan


@dataclass(slots=True)
class Segment:
    """
    A file, and how far it is written and delivered.

    Args:
        path: Where it lies.
        end: Bytes of it that hold whole records.
        start: Where the first record begins that is still wanted.
        records: How many are still wanted.
        first_ns, last_ns: When the oldest and the newest of them were made.
    """

    path: Path
    end: int = 0
    start: int = 0
    records: int = 0
    first_ns: int = 0
    last_ns: int = 0

    @classmethod
    def found(cls, path: Path) -> tuple[Self, int]:
        """
        Take up what an earlier life left, and cut off a tail that it tore.

        Returns:
            The segment, and how many bytes of it are damaged.

        Raises:
            OSError: It cannot be read, or not be cut.
        """
        data = path.read_bytes()
        result = scan(data)
        segment = cls(path)
        for record, end in result.records:
            segment.note(record, end)
        if segment.end < len(data):
            os.truncate(path, segment.end)
        return segment, result.damaged_bytes

    @property
    def size(self) -> int:
        """Return the bytes that are still wanted."""
        return self.end - self.start

    def append(self, records: Sequence[Record]) -> None:
        """
        Write records behind the others and wait until they are on the disk.

        Raises:
            OSError: Nothing of them counts as written, whatever lies in the file.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self.path, flags, 0o600)
        try:
            os.ftruncate(descriptor, self.end)
            _write(descriptor, b"".join(map(encode_record, records)), self.end)
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        for record in records:
            self.note(record, self.end + record.size)

    def read(self) -> list[tuple[Record, int]]:
        """
        Return the records that are still wanted, and where each of them ends.

        Raises:
            OSError: It cannot be read.
        """
        data = self.path.read_bytes()[self.start : self.end]
        return [(record, self.start + end) for record, end in scan(data).records]

    def note(self, record: Record, end: int) -> None:
        """Count a record that lies in the file and ends at *end*."""
        if not self.records:
            self.first_ns = record.made_ns
        self.last_ns = record.made_ns
        self.records += 1
        self.end = end

    def pass_by(self, record: Record, end: int) -> None:
        """Forget the first record, which ends at *end*."""
        self.start = end
        self.records -= 1
        self.first_ns = record.made_ns

    def clear(self) -> None:
        """
        Make the file empty, to be written again.

        Raises:
            OSError: It stays as it is; what is in it may be sent once more.
        """
        os.truncate(self.path, 0)
        self.start = self.end = self.records = 0


def _write(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def sync_folder(folder: Path) -> None:
    """
    Make the names in a folder durable.

    Raises:
        OSError: They may be lost with the power.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
