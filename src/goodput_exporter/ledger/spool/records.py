"""
Records one behind the other in a file that may end anywhere, or be damaged.

A record is a mark, the CRC-32 of all that follows it, the length of the payload, its
sequence, when it was made, and the payload. After damage, reading goes on at the
next mark with a true CRC: what is hit is lost, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final
from zlib import crc32

MARK: Final = b"\xf5spl"
HEAD: Final = Struct(">4sI")
REST: Final = Struct(">IQQ")
OVERHEAD: Final = HEAD.size + REST.size
MOST_PAYLOAD_BYTES: Final = 2**22


@dataclass(frozen=True, slots=True)
class Record:
    """
    One batch as it lies in the spool.

    Args:
        sequence: Its number in the epoch that wrote it.
        made_ns: When it was made, on the agent's clock.
        payload: The bytes to send, their meaning none of the spool's business.
    """

    sequence: int
    made_ns: int
    payload: bytes

    @property
    def size(self) -> int:
        """Return how many bytes it takes on disk."""
        return OVERHEAD + len(self.payload)


@dataclass(frozen=True, slots=True)
class Scan:
    """
    What a file holds.

    Args:
        records: Every whole record, and where it ends.
        damaged_bytes: Bytes that belong to none of them.
    """

    records: list[tuple[Record, int]]
    damaged_bytes: int


def encode_record(record: Record) -> bytes:
    """Write one record down."""
    rest = REST.pack(len(record.payload), record.sequence, record.made_ns)
    rest += record.payload
    return HEAD.pack(MARK, crc32(rest)) + rest


def read_record(data: bytes, start: int) -> Record | None:
    """Return the record that begins at *start*; None if no whole one does."""
    if not data.startswith(MARK, start) or len(data) - start < OVERHEAD:
        return None
    _, crc = HEAD.unpack_from(data, start)
    length, sequence, made_ns = REST.unpack_from(data, start + HEAD.size)
    end = start + OVERHEAD + length
    if end > len(data) or crc32(memoryview(data)[start + HEAD.size : end]) != crc:
        return None
    return Record(sequence, made_ns, bytes(data[start + OVERHEAD : end]))


def scan(data: bytes) -> Scan:
    """Find every whole record in a file's bytes."""
    found: list[tuple[Record, int]] = []
    start = damaged = 0
    while start < len(data):
        record = read_record(data, start)
        if record is not None:
            start += record.size
            found.append((record, start))
            continue
        following = data.find(MARK, start + 1)
        onward = len(data) if following < 0 else following
        damaged += onward - start
        start = onward
    return Scan(found, damaged)
