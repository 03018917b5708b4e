"""What may wait in a spool, what waits, and what was given up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from goodput_exporter.domain.spans import NS_PER_SECOND


class Reason(StrEnum):
    """Why something was given up before it was delivered."""

    BYTES = "bytes"
    AGE = "age"
    MEMORY = "memory"
    DAMAGED = "damaged"
    UNREADABLE = "unreadable"
    TOO_BIG = "too_big"


@dataclass(frozen=True, slots=True)
class Bounds:
    """
    How much may wait.

    Args:
        disk_bytes: All files together; beyond it the oldest file is given up.
        age_ns: From when on a batch is not worth sending.
        segment_bytes: A file is full from here on; what is given up is a file.
        memory_bytes: What waits in memory while the disk takes nothing.
    """

    disk_bytes: int = 256 * 2**20
    age_ns: int = 24 * 3600 * NS_PER_SECOND
    segment_bytes: int = 2**20
    memory_bytes: int = 8 * 2**20


@dataclass(slots=True)
class Loss:
    """
    What was given up for one reason since the start.

    Args:
        records: Batches; of damaged bytes nobody can say how many they were.
        first_ns, last_ns: The span in which they were made; None where unknown.
    """

    records: int = 0
    bytes: int = 0
    first_ns: int | None = None
    last_ns: int | None = None

    def add(self, records: int, size: int, first_ns: int, last_ns: int) -> None:
        """Add batches made between two instants, both included."""
        self.records += records
        self.bytes += size
        known = first_ns if self.first_ns is None else self.first_ns
        self.first_ns = min(first_ns, known)
        self.last_ns = max(last_ns, self.last_ns or 0)


@dataclass(frozen=True, slots=True)
class Waiting:
    """
    What has not been delivered yet.

    Args:
        records, bytes: Batches, and what they take with their heads.
        oldest_ns: When the oldest was made, at the latest; None if nothing waits.
        is_durable: All of it would survive the agent's death.
    """

    records: int
    bytes: int
    oldest_ns: int | None
    is_durable: bool
