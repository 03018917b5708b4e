"""
The lines of one group of families, kept from page to page.

Three things make it fast: what stands before a value never changes and is
kept per series; a subject that is the same object as last time keeps its
lines; and the values of many subjects are printed in one call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from goodput_exporter.exposition.chunks import Chunk, regroup
from goodput_exporter.exposition.family import AnyFamily, Labels
from goodput_exporter.exposition.isolation import Isolation
from goodput_exporter.exposition.labels import clean
from goodput_exporter.exposition.lines import Lines
from goodput_exporter.exposition.metric import Kind, Metric
from goodput_exporter.exposition.numbers import REFUSED, plain_texts, seconds_texts

T = TypeVar("T")


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
        self._known: dict[int, tuple[T, Labels]] = {}
        self._roster: list[Labels] = []
        self._chunks: list[Chunk[T]] = []
        self._stale: set[int] = set()

    @property
    def metric(self) -> Metric:
        """Return the metric that stands for the table when all of it fails."""
        return self._families[0].metric

    def render(self, subjects: Iterable[T]) -> tuple[list[bytes], int]:
        """
        Return the lines of all subjects, in pieces, and how many they are.

        Every line begins with its line break, and the last one does not end in
        one.
        """
        rows = self._labelled(subjects)
        unique = self._unique(rows)
        roster = list(unique)
        if roster != self._roster:
            self._chunks = regroup(roster, self._chunks, len(self._families))
            self._roster = roster
        self._fill(list(unique.values()))
        return self._join()

    def _labelled(self, subjects: Iterable[T]) -> list[tuple[T, Labels]]:
        """Return subjects with their labels; one whose labels fail is left out."""
        before = self._known

        def labelled(subject: T) -> tuple[T, Labels]:
            known = before.get(id(subject))
            return known or (subject, tuple(map(clean, self._labels(subject))))

        each = self._isolation.each(
            subjects, lambda _: self.metric, labelled, leave_out=False
        )
        rows = [row for row in each if row is not None]
        self._known = {id(row[0]): row for row in rows}
        return rows

    def _unique(self, rows: list[tuple[T, Labels]]) -> dict[Labels, T]:
        """Return the first subject of each label set; count the lines of others."""
        unique: dict[Labels, T] = {}
        twins = [
            subject
            for subject, labels in rows
            if unique.setdefault(labels, subject) is not subject
        ]
        if twins:
            self._isolation.each(
                self._families,
                lambda family: family.metric,
                lambda family: self._drop(family, twins),
            )
        return unique

    def _drop(self, family: AnyFamily[T], twins: list[T]) -> None:
        _, values = family.read_all(twins)
        if values:
            self._isolation.drop(family.metric.name, len(values))

    def _fill(self, subjects: list[T]) -> None:
        """
        Write the lines of the rows that changed.

        Chunk by chunk, so that a subject is in the processor's cache for all
        of its families. A family that raised has stopped somewhere; next time
        all of its lines are written anew.
        """
        stale, end = self._stale, 0
        sound = [c for c in range(len(self._families)) if c not in stale]
        for chunk in self._chunks:
            begin, end = end, end + len(chunk.labels)
            changed = chunk.take(subjects[begin:end])
            if changed:
                self._fill_columns(chunk, changed, sound)
            if stale:
                chunk.forget(stale)
                self._fill_columns(chunk, range(end - begin), stale)
        self._stale = self._failed()

    def _fill_columns(
        self, chunk: Chunk[T], rows: Sequence[int], columns: Iterable[int]
    ) -> None:
        left_out = self._failed()
        subjects = [chunk.subjects[row] for row in rows]
        self._isolation.each(
            [column for column in columns if column not in left_out],
            lambda column: self._families[column].metric,
            lambda column: self._fill_column(chunk, column, rows, subjects),
        )

    def _fill_column(
        self, chunk: Chunk[T], column: int, rows: Sequence[int], subjects: list[T]
    ) -> None:
        family, lines = self._families[column], chunk.lines[column]
        keys, values = family.read_all(subjects)
        read = (rows, keys, values)
        if lines is None:
            lines = chunk.lines[column] = Lines(family.metric, chunk.labels)
        elif read == chunk.read[column]:
            return
        lines.put(rows, keys, self._texts(family.metric, values))
        chunk.read[column] = read
        block, series, repeats = lines.block()
        chunk.blocks[column], chunk.series[column] = block, series
        if repeats:
            self._isolation.drop(family.metric.name, repeats)

    def _failed(self) -> set[int]:
        """Return the columns that are left out of the page being rendered."""
        failed = self._isolation.failed_now
        if not failed:
            return set()
        return {
            column
            for column, family in enumerate(self._families)
            if family.metric.name in failed
        }

    def _texts(self, metric: Metric, values: Sequence[float]) -> list[bytes]:
        texts = (
            seconds_texts(values)
            if metric.in_ns
            else plain_texts(values, negative=metric.kind is not Kind.COUNTER)
        )
        if REFUSED in texts:
            self._isolation.refuse(metric.name, texts.count(REFUSED))
        return texts

    def _join(self) -> tuple[list[bytes], int]:
        parts: list[bytes] = []
        series = 0
        columns = zip(
            zip(*(chunk.blocks for chunk in self._chunks), strict=True),
            zip(*(chunk.series for chunk in self._chunks), strict=True),
            strict=True,
        )
        for column, (blocks, counts) in enumerate(columns):
            if column not in self._stale and any(counts):
                parts.append(self._headers[column])
                parts.extend(blocks)
                series += sum(counts)
        return parts, series


def header(metric: Metric) -> bytes:
    """Return the two lines that come before a family's samples."""
    text = metric.help.replace("\\", r"\\").replace("\n", r"\n")
    kind = metric.exposed_type
    return f"\n# HELP {metric.name} {text}\n# TYPE {metric.name} {kind}".encode()
