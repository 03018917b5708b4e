"""
The lines of one group of families, kept from page to page.

Three things make it fast: what stands before a value never changes and is
kept per series; a subject that is the same object as last time keeps its
lines; and the values of a whole column are printed in one call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from goodput_exporter.exposition.family import AnyFamily, Family, Labels, Single
from goodput_exporter.exposition.isolation import Isolation
from goodput_exporter.exposition.labels import clean, prefix
from goodput_exporter.exposition.metric import Kind, Metric
from goodput_exporter.exposition.numbers import (
    LIMIT,
    REFUSED,
    plain_texts,
    seconds_texts,
)

T = TypeVar("T")
Block = tuple[bytes, int]
"""Lines, and how many they are."""


class Prefixes(dict[Labels, str]):
    """
    What stands before the value, for each series of one family and subject.

    Args:
        metric: The family's metric.
        subject_labels: The first label values, already clean.
    """

    def __init__(self, metric: Metric, subject_labels: Labels) -> None:
        super().__init__()
        self._metric = metric
        self._subject_labels = subject_labels
        self.has_duplicates = False

    def __missing__(self, labels: Labels) -> str:
        """Write down a series that appears for the first time."""
        values = (*self._subject_labels, *labels)
        text = prefix(self._metric.name, self._metric.labels, values)
        self.has_duplicates |= text in self.values()
        self[labels] = text
        return text


@dataclass(slots=True)
class Row(Generic[T]):
    """
    One subject's lines.

    Args:
        subject: Who; kept, so that its ``id`` stays its own.
        labels: Its label values, clean.
        prefixes: Per family.
        blocks: Lines per family; None where the family failed.
        series: How many lines there are.
    """

    subject: T
    labels: Labels
    prefixes: list[Prefixes]
    blocks: list[bytes | None]
    series: int = 0


class Table(Generic[T]):
    """
    Rows by subject, columns by family.

    Args:
        families: The columns.
        labels: A subject's own label values.
        isolation: Where failures go.
    """

    def __init__(
        self,
        families: tuple[AnyFamily[T], ...],
        labels: Callable[[T], Labels],
        isolation: Isolation,
    ) -> None:
        self._families = families
        self._labels = labels
        self._isolation = isolation
        self._headers = [header(family.metric) for family in families]
        self._by_id: dict[int, Row[T]] = {}
        self._by_labels: dict[Labels, Row[T]] = {}

    @property
    def metric(self) -> Metric:
        """Return the metric that stands for the table when all of it fails."""
        return self._families[0].metric

    def render(self, subjects: Iterable[T]) -> tuple[list[bytes], int]:
        """Return the lines of all subjects, in pieces, and how many they are."""
        new: list[Row[T]] = []

        def row_of(subject: T) -> Row[T]:
            row = self._by_id.get(id(subject))
            if row is None:
                row = self._new_row(subject)
                new.append(row)
            return row

        rows = self._isolation.each(
            subjects, lambda _: self.metric, row_of, leave_out=False
        )
        if new:
            self._fill(new)
        unique = self._keep([row for row in rows if row is not None])
        return self._join(unique), sum(row.series for row in unique)

    def _new_row(self, subject: T) -> Row[T]:
        labels = tuple(map(clean, self._labels(subject)))
        before = self._by_labels.get(labels)
        prefixes = (
            [Prefixes(family.metric, labels) for family in self._families]
            if before is None
            else before.prefixes
        )
        return Row(subject, labels, prefixes, [None] * len(self._families))

    def _fill(self, rows: list[Row[T]]) -> None:
        """Write the lines of *rows*; a family that raises leaves them None."""
        self._isolation.each(
            enumerate(self._families),
            lambda column: column[1].metric,
            lambda column: self._fill_column(*column, rows),
        )

    def _fill_column(
        self, column: int, family: AnyFamily[T], rows: list[Row[T]]
    ) -> None:
        blocks = (
            self._single_blocks(column, family, rows)
            if isinstance(family, Single)
            else self._many_blocks(column, family, rows)
        )
        for row, (block, series) in zip(rows, blocks, strict=True):
            row.blocks[column] = block
            row.series += series

    def _single_blocks(
        self, column: int, family: Single[T], rows: list[Row[T]]
    ) -> list[Block]:
        values = [family.read(row.subject) for row in rows]
        texts = iter(self._texts(family.metric, [v for v in values if v is not None]))
        return [
            (f"{row.prefixes[column][()]}{text}\n".encode(), 1)
            if value is not None and (text := next(texts))
            else (b"", 0)
            for row, value in zip(rows, values, strict=True)
        ]

    def _many_blocks(
        self, column: int, family: Family[T], rows: list[Row[T]]
    ) -> list[Block]:
        samples = [family.samples(row.subject) for row in rows]
        values = [value for one in samples for value in one.values()]
        texts = iter(self._texts(family.metric, values))
        blocks: list[Block] = []
        for row, one in zip(rows, samples, strict=True):
            prefixes = row.prefixes[column]
            lines = [
                f"{prefixes[labels]}{text}\n"
                # `one` comes first: zip must not take a text that is another row's.
                for labels, text in zip(one, texts, strict=False)
                if text
            ]
            if prefixes.has_duplicates:
                lines = self._without_duplicates(family.metric, lines)
            blocks.append(("".join(lines).encode(), len(lines)))
        return blocks

    def _texts(self, metric: Metric, values: list[float]) -> list[str]:
        if not values:
            return []
        lowest = 0 if metric.kind is Kind.COUNTER else -LIMIT
        write = seconds_texts if metric.in_ns else plain_texts
        texts = write(values, lowest)
        if REFUSED in texts:
            self._isolation.refuse(metric.name, texts.count(REFUSED))
        return texts

    def _without_duplicates(self, metric: Metric, lines: list[str]) -> list[str]:
        first = {line.rpartition(" ")[0]: line for line in reversed(lines)}
        self._isolation.drop(metric.name, len(lines) - len(first))
        return list(reversed(first.values()))

    def _keep(self, rows: list[Row[T]]) -> list[Row[T]]:
        """Drop all but the first row of each label set; remember what is complete."""
        by_labels: dict[Labels, Row[T]] = {}
        for row in rows:
            if by_labels.setdefault(row.labels, row) is not row:
                self._drop(row)
        unique = list(by_labels.values())
        failed = self._isolation.failed_now
        any_failed = any(family.metric.name in failed for family in self._families)
        self._by_id = {} if any_failed else {id(row.subject): row for row in unique}
        self._by_labels = by_labels
        return unique

    def _drop(self, row: Row[T]) -> None:
        for family, block in zip(self._families, row.blocks, strict=True):
            if block:
                self._isolation.drop(family.metric.name, block.count(b"\n"))

    def _join(self, rows: list[Row[T]]) -> list[bytes]:
        parts: list[bytes] = []
        failed = self._isolation.failed_now
        columns = list(zip(*(row.blocks for row in rows), strict=True))
        for family, head, column in zip(
            self._families, self._headers, columns, strict=bool(rows)
        ):
            if family.metric.name not in failed and any(column):
                parts.append(head)
                parts.extend(column)
        return parts


def header(metric: Metric) -> bytes:
    """Return the two lines that come before a family's samples."""
    text = metric.help.replace("\\", r"\\").replace("\n", r"\n")
    kind = metric.exposed_type
    return f"# HELP {metric.name} {text}\n# TYPE {metric.name} {kind}\n".encode()
