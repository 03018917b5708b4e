"""
The metrics page: text format 0.0.4, rendered once per tick.

Three things make it fast: what stands before a value never changes and is
kept per series; a subject that is the same object as last time keeps its
lines; and integer nanoseconds are printed by integer division, which is
exact besides.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final, Generic, TypeVar

from goodput_exporter.domain.snapshot import Snapshot
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.exposition.family import Family, Group, Labels, Samples
from goodput_exporter.exposition.isolation import Isolation
from goodput_exporter.exposition.labels import clean, prefix
from goodput_exporter.exposition.metric import Kind, Metric
from goodput_exporter.exposition.own_families import (
    GPUS,
    HEALTH,
    PAGE,
    PROCESS,
    PageFacts,
)
from goodput_exporter.exposition.run_families import RUNS

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
GZIP_LEVEL: Final = 1
"""Level 9 takes over ten times as long for a page a fifth smaller."""

LIMIT: Final = 10**300
"""What is not between minus and plus this is no finite double for a scraper."""

GROUPS: Final[tuple[Group[Any], ...]] = (RUNS, GPUS, HEALTH, PROCESS)

T = TypeVar("T")


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
        self.duplicates: set[Labels] = set()

    def __missing__(self, labels: Labels) -> str:
        """Write down a series that appears for the first time."""
        values = (*self._subject_labels, *labels)
        text = prefix(self._metric.name, self._metric.labels, values)
        if text in self.values():
            self.duplicates.add(labels)
        self[labels] = text
        return text


@dataclass(slots=True)
class Row(Generic[T]):
    """One subject's lines, a block per family; None where a family failed."""

    subject: T
    labels: Labels
    prefixes: list[Prefixes]
    blocks: list[bytes | None] = field(default_factory=list)
    series: int = 0


class Table(Generic[T]):
    """
    The lines of one group of families, kept from page to page.

    Args:
        families: The columns.
        labels: A subject's own label values.
        isolation: Where failures go.
    """

    def __init__(
        self,
        families: tuple[Family[T], ...],
        labels: Callable[[T], Labels],
        isolation: Isolation,
    ) -> None:
        self._families = families
        self._labels = labels
        self._isolation = isolation
        self._headers = [_header(family.metric) for family in families]
        self._by_id: dict[int, Row[T]] = {}
        self._by_labels: dict[Labels, Row[T]] = {}

    @property
    def metric(self) -> Metric:
        """Return the metric that names the table when all of it fails."""
        return self._families[0].metric

    def render(self, subjects: Iterable[T]) -> tuple[list[bytes], int]:
        """Return the lines of all subjects, in pieces, and how many they are."""
        by_labels: dict[Labels, Row[T]] = {}
        for subject in subjects:
            row = self._by_id.get(id(subject))
            if row is None:
                row = self._build(subject)
            if row.labels in by_labels:
                self._drop(row)
            else:
                by_labels[row.labels] = row
        rows = list(by_labels.values())
        whole = [row for row in rows if None not in row.blocks]
        self._by_labels = by_labels
        self._by_id = {id(row.subject): row for row in whole}
        return self._join(rows), sum(row.series for row in rows)

    def _build(self, subject: T) -> Row[T]:
        labels = tuple(map(clean, self._labels(subject)))
        known = self._by_labels.get(labels)
        prefixes = known.prefixes if known else self._new_prefixes(labels)
        row = Row(subject, labels, prefixes)
        row.blocks = self._isolation.each(
            zip(self._families, prefixes, strict=True),
            lambda column: column[0].metric,
            lambda column: self._block(*column, subject),
        )
        row.series = sum(block.count(b"\n") for block in row.blocks if block)
        return row

    def _new_prefixes(self, labels: Labels) -> list[Prefixes]:
        return [Prefixes(family.metric, labels) for family in self._families]

    def _block(self, family: Family[T], prefixes: Prefixes, subject: T) -> bytes:
        samples = family.samples(subject)
        if not samples:
            return b""
        metric = family.metric
        write = exact_lines if metric.in_ns else plain_lines
        lowest = 0 if metric.kind is Kind.COUNTER else -LIMIT
        lines = write(prefixes, samples, lowest)
        if prefixes.duplicates:
            lines = self._without_duplicates(metric, lines)
        if len(lines) < len(samples):
            refused = sum(not lowest <= value < LIMIT for value in samples.values())
            if refused:
                self._isolation.refuse(metric.name, refused)
        return "".join(lines).encode()

    def _without_duplicates(self, metric: Metric, lines: list[str]) -> list[str]:
        first = {line.rpartition(" ")[0]: line for line in reversed(lines)}
        self._isolation.drop(metric.name, len(lines) - len(first))
        return list(reversed(first.values()))

    def _drop(self, row: Row[T]) -> None:
        for family, block in zip(self._families, row.blocks, strict=True):
            if block:
                self._isolation.drop(family.metric.name, block.count(b"\n"))

    def _join(self, rows: list[Row[T]]) -> list[bytes]:
        parts: list[bytes] = []
        failed = self._isolation.failed_now
        columns = zip(*(row.blocks for row in rows), strict=True)
        for family, header, column in zip(
            self._families, self._headers, columns, strict=False
        ):
            if family.metric.name not in failed and any(column):
                parts.append(header)
                parts.extend(block for block in column if block)
        return parts


def exact_lines(prefixes: Prefixes, samples: Samples, lowest: float) -> list[str]:
    """Return the lines of integer nanoseconds as seconds, without rounding."""
    return [
        f"{prefixes[labels]}{ns // NS_PER_SECOND}.{ns % NS_PER_SECOND:09d}\n"
        if ns % NS_PER_SECOND
        else f"{prefixes[labels]}{ns // NS_PER_SECOND}\n"
        for labels, ns in samples.items()
        if max(lowest, 0) <= ns < LIMIT
    ]


def plain_lines(prefixes: Prefixes, samples: Samples, lowest: float) -> list[str]:
    """Return the lines of values as they are; NaN fails the comparison too."""
    return [
        f"{prefixes[labels]}{value}\n"
        for labels, value in samples.items()
        if lowest <= value < LIMIT
    ]


class MetricsPage:
    """
    The page that is served between two ticks.

    One thread renders; any thread may ask for the latest page meanwhile.

    Args:
        groups: What the page is made of.
        isolation: Where failures go; tests bring their own clock in it.
    """

    def __init__(
        self,
        groups: tuple[Group[Any], ...] = GROUPS,
        isolation: Isolation | None = None,
    ) -> None:
        self.isolation = isolation or Isolation()
        self._groups = [
            (group, Table(group.families, group.labels, self.isolation))
            for group in groups
        ]
        self._own = Table[PageFacts](PAGE, lambda _: (), self.isolation)
        self._latest = b""
        self._packed: tuple[bytes, bytes] = (b"", gzip.compress(b"", mtime=0))
        self._packing = Lock()

    def render(self, snapshot: Snapshot) -> bytes:
        """Render the page of one tick, keep it as the latest, and return it."""
        self.isolation.begin_page()
        tables = self.isolation.each(
            self._groups,
            lambda pair: pair[1].metric,
            lambda pair: pair[1].render(pair[0].subjects(snapshot)),
        )
        done = [table for table in tables if table is not None]
        parts = [part for pieces, _ in done for part in pieces]
        facts = PageFacts(
            series=sum(series for _, series in done),
            dropped=dict(self.isolation.dropped),
            errors=dict(self.isolation.errors),
        )
        parts.extend(self._own.render((facts,))[0])
        self._latest = b"".join(parts)
        return self._latest

    def latest(self) -> bytes:
        """Return the latest page; empty before the first tick."""
        return self._latest

    def latest_gzip(self) -> bytes:
        """Return the latest page compressed; packed once, when first asked for."""
        with self._packing:
            page = self._latest
            if self._packed[0] is not page:
                packed = gzip.compress(page, compresslevel=GZIP_LEVEL, mtime=0)
                self._packed = (page, packed)
            return self._packed[1]


def _header(metric: Metric) -> bytes:
    text = metric.help.replace("\\", r"\\").replace("\n", r"\n")
    kind = metric.exposed_type
    return f"# HELP {metric.name} {text}\n# TYPE {metric.name} {kind}\n".encode()
