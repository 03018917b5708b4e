"""
The lines of one group of families, kept from page to page.

Three things make it fast: what stands before a value never changes and is
kept per series; a subject that is the same object as last time keeps its
lines; and the values of a whole column are printed in one call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from goodput_exporter.exposition.family import AnyFamily, Family, Labels, Single
from goodput_exporter.exposition.isolation import Isolation
from goodput_exporter.exposition.labels import clean
from goodput_exporter.exposition.lines import Lines
from goodput_exporter.exposition.metric import Kind, Metric
from goodput_exporter.exposition.numbers import REFUSED, plain_texts, seconds_texts

T = TypeVar("T")
Block = tuple[bytes, int]
"""Lines, and how many they are."""
_ONLY: Final[tuple[Labels, ...]] = ((),)


@dataclass(slots=True)
class Row(Generic[T]):
    """
    One subject's lines.

    Args:
        subject: Who; kept, so that its ``id`` stays its own.
        labels: Its label values, clean.
        lines: Per family, as far as it had samples.
        blocks: Lines per family; None where the family failed.
        series: How many lines there are.
    """

    subject: T
    labels: Labels
    lines: list[Lines | None]
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
        width = len(self._families)
        lines: list[Lines | None] = [None] * width if before is None else before.lines
        return Row(subject, labels, lines, [None] * width)

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
            (self._lines(row, column, _ONLY).fill_one(text), 1)
            if value is not None and (text := next(texts))
            else (b"", 0)
            for row, value in zip(rows, values, strict=True)
        ]

    def _many_blocks(
        self, column: int, family: Family[T], rows: list[Row[T]]
    ) -> list[Block]:
        samples = [family.samples(row.subject) for row in rows]
        values = [value for one in samples for value in one.values()]
        texts = self._texts(family.metric, values)
        all_stand = REFUSED not in texts
        blocks: list[Block] = []
        end = 0
        for row, one in zip(rows, samples, strict=True):
            start, end = end, end + len(one)
            if not one:
                blocks.append((b"", 0))
                continue
            lines = self._lines(row, column, tuple(one))
            if all_stand and not lines.has_repeats:
                blocks.append((lines.fill(texts[start:end]), len(one)))
            else:
                blocks.append(self._some(family.metric, lines, texts[start:end]))
        return blocks

    def _some(self, metric: Metric, lines: Lines, texts: list[bytes]) -> Block:
        standing = lines.fill_some(texts)
        repeats = len(texts) - texts.count(REFUSED) - len(standing)
        if repeats:
            self._isolation.drop(metric.name, repeats)
        return b"".join(standing), len(standing)

    def _lines(self, row: Row[T], column: int, keys: tuple[Labels, ...]) -> Lines:
        lines = row.lines[column]
        if lines is None or lines.keys != keys:
            metric = self._families[column].metric
            lines = row.lines[column] = Lines(metric, row.labels, keys)
        return lines

    def _texts(self, metric: Metric, values: list[float]) -> list[bytes]:
        texts = (
            seconds_texts(values)
            if metric.in_ns
            else plain_texts(values, negative=metric.kind is not Kind.COUNTER)
        )
        if REFUSED in texts:
            self._isolation.refuse(metric.name, texts.count(REFUSED))
        return texts

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
