"""Which batches of an agent have been taken: what makes a second delivery harmless."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from goodput_exporter.errors import LedgerCorruptError

MOST_HOLES: Final = 16
"""Gaps kept open for a latecomer. An agent sends in order, so one is rare."""
MOST_EPOCHS: Final = 8
"""Lives of an agent that are remembered, the last ones heard of. A batch of an older
life can only come from a spool that was full through eight restarts."""


@dataclass(frozen=True, slots=True)
class Mark:
    """
    How far one epoch of one agent has been taken.

    Args:
        epoch: Which life of the agent.
        high: The highest sequence taken.
        holes: Half-open spans of sequences below it that never came.
    """

    epoch: str
    high: int = 0
    holes: tuple[tuple[int, int], ...] = ()

    def has(self, sequence: int) -> bool:
        """Tell whether a batch was taken, or its gap has been given up."""
        if sequence > self.high:
            return False
        return not any(start <= sequence < end for start, end in self.holes)

    def with_taken(self, sequence: int) -> Mark:
        """Return the mark after one more batch, which it does not have yet."""
        if sequence > self.high:
            gap = (self.high + 1, sequence)
            holes = (*self.holes, gap) if gap[0] < gap[1] else self.holes
            return Mark(self.epoch, sequence, holes[-MOST_HOLES:])
        return Mark(self.epoch, self.high, tuple(_without(self.holes, sequence)))


Marks = tuple[Mark, ...]
"""All remembered epochs of one agent, the last one heard of at the end."""


def mark_of(marks: Marks, epoch: str) -> Mark:
    """Return the mark of an epoch, a fresh one if it is new."""
    for mark in marks:
        if mark.epoch == epoch:
            return mark
    return Mark(epoch)


def with_mark(marks: Marks, mark: Mark) -> Marks:
    """Return the marks with that of one epoch replaced, as the last heard of."""
    others = tuple(each for each in marks if each.epoch != mark.epoch)
    return (*others, mark)[-MOST_EPOCHS:]


def encode_marks(marks: Marks) -> str:
    """Write an agent's marks down, for the ledger's meta."""
    rows = [[mark.epoch, mark.high, mark.holes] for mark in marks]
    return msgspec.json.encode(rows).decode()


def decode_marks(text: str) -> Marks:
    """
    Read an agent's marks back.

    Raises:
        LedgerCorruptError: They are not what was written.
    """
    try:
        return tuple(Mark(*row) for row in _decoder.decode(text))
    except msgspec.MsgspecError as exc:
        msg = (
            f"marks {text[:80]!r} cannot be read ({exc}); they were changed outside "
            "this program"
        )
        raise LedgerCorruptError(msg) from exc


_decoder: Final = msgspec.json.Decoder(
    list[tuple[str, int, tuple[tuple[int, int], ...]]]
)


def _without(
    holes: Iterable[tuple[int, int]], sequence: int
) -> Iterable[tuple[int, int]]:
    for start, end in holes:
        if not start <= sequence < end:
            yield start, end
            continue
        if start < sequence:
            yield start, sequence
        if sequence + 1 < end:
            yield sequence + 1, end
