"""
Rows of a table in chunks: the unit in which lines are kept.

A page is the join of its chunks, so one that did not change costs one copy,
and a run that comes or goes costs the chunk it is in and no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from goodput_exporter.exposition.family import Keys, Labels
from goodput_exporter.exposition.lines import Lines

T = TypeVar("T")
Read = tuple[Sequence[int], list[Keys], list[float]]
"""Rows, the keys of each, and the values of all."""

LEAST: Final = 8
MOST: Final = 3 * LEAST
"""
A changed run makes its whole chunk be joined again, and every chunk costs a
few microseconds per family: at these sizes neither is felt. Three to one, so
that what is too small can swallow a neighbour without being too big.
"""


@dataclass(slots=True)
class Chunk(Generic[T]):
    """
    Some rows that follow one another.

    Args:
        labels: Per row, the subject's own label values; no two rows share them.
        width: How many families there are.
        subjects: Per row, who; kept, so that an ``id`` stays its own.
        lines: Per family.
        blocks, series: Per family, the lines as bytes, and how many they are.
        read: Per family, what was last read, of which rows: most of what is read
            every second has not changed, and is not printed again.
    """

    labels: tuple[Labels, ...]
    width: int
    subjects: list[T] = field(default_factory=list)
    lines: list[Lines | None] = field(init=False)
    blocks: list[bytes] = field(init=False)
    series: list[int] = field(init=False)
    read: list[Read | None] = field(init=False)

    def __post_init__(self) -> None:
        """Begin without a line."""
        self.lines = [None] * self.width
        self.blocks = [b""] * self.width
        self.series = [0] * self.width
        self.read = [None] * self.width

    def take(self, subjects: list[T]) -> list[int]:
        """Take the rows' subjects of now; return the rows that changed."""
        before, self.subjects = self.subjects, subjects
        if not before:
            return list(range(len(subjects)))
        pairs = enumerate(zip(before, subjects, strict=True))
        return [row for row, (old, new) in pairs if old is not new]

    def forget(self, columns: Iterable[int]) -> None:
        """Drop the lines of some families."""
        for column in columns:
            self.lines[column] = None


def regroup(
    roster: Sequence[Labels], chunks: Sequence[Chunk[T]], width: int
) -> list[Chunk[T]]:
    """
    Return chunks for *roster*, those of before wherever they still fit.

    Args:
        roster: The labels of all rows, in order, no two the same.
        chunks: Those of the roster before.
        width: How many families there are.
    """
    known = {chunk.labels[0]: chunk for chunk in chunks if len(chunk.labels) >= LEAST}
    done: list[Chunk[T]] = []
    loose = at = 0
    while at < len(roster):
        chunk = known.get(roster[at])
        is_small = 0 < at - loose < LEAST
        if chunk is None or is_small or not _stands_at(roster, at, chunk):
            at += 1
            continue
        done.extend(_cut(roster[loose:at], width))
        done.append(chunk)
        loose = at = at + len(chunk.labels)
    done.extend(_cut(roster[loose:], width))
    return done


def _stands_at(roster: Sequence[Labels], at: int, chunk: Chunk[T]) -> bool:
    return tuple(roster[at : at + len(chunk.labels)]) == chunk.labels


def _cut(rows: Sequence[Labels], width: int) -> list[Chunk[T]]:
    """Cut rows into equal chunks of at most ``MOST``."""
    count = -(-len(rows) // MOST)
    edges = [len(rows) * number // count for number in range(count)] if count else []
    return [
        Chunk(tuple(rows[start:end]), width)
        for start, end in zip(edges, [*edges[1:], len(rows)], strict=False)
    ]
