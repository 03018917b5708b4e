"""
The same families in prometheus_client's registry, to hold our page against.

Slower than the page and equal to it in meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as ClientFamily
from prometheus_client.registry import Collector

from goodput_exporter.domain.snapshot import Snapshot
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.exposition.families import GROUPS
from goodput_exporter.exposition.family import AnyFamily, Group
from goodput_exporter.exposition.isolation import Isolation
from goodput_exporter.exposition.labels import clean
from goodput_exporter.exposition.metric import Kind, Metric
from goodput_exporter.exposition.own_families import PROCESS

OURS: Final = tuple(group for group in GROUPS if group is not PROCESS)
"""Without process metrics, which differ from one look to the next."""

T = TypeVar("T")


class SnapshotCollector(Collector):
    """
    What ``prometheus_client`` asks for; a scrape only reads the snapshot.

    Args:
        snapshot: Returns the latest one, or None before the first tick.
        groups: What to collect.
        isolation: Where failures go.
    """

    def __init__(
        self,
        snapshot: Callable[[], Snapshot | None],
        groups: tuple[Group[Any], ...] = OURS,
        isolation: Isolation | None = None,
    ) -> None:
        self._snapshot = snapshot
        self._groups = groups
        self._isolation = isolation or Isolation()

    def describe(self) -> Iterator[ClientFamily]:
        """Name what ``collect`` emits, so the registry refuses duplicates."""
        for group in self._groups:
            for family in group.families:
                yield empty(family.metric)

    def collect(self) -> Iterator[ClientFamily]:
        """Give every family of the latest snapshot that has a sample."""
        snapshot = self._snapshot()
        if snapshot is None:
            return
        self._isolation.begin_page()
        for group in self._groups:
            yield from self._collect(group, list(group.subjects(snapshot)))

    def _collect(self, group: Group[T], subjects: list[T]) -> Iterator[ClientFamily]:
        filled = self._isolation.each(
            group.families,
            lambda family: family.metric,
            lambda family: fill(family, group, subjects),
        )
        yield from (family for family in filled if family and family.samples)


def empty(metric: Metric) -> CounterMetricFamily | GaugeMetricFamily:
    """Return prometheus_client's form of a metric, without samples."""
    shape = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    return shape(metric.name, metric.help, labels=metric.labels)


def fill(family: AnyFamily[T], group: Group[T], subjects: list[T]) -> ClientFamily:
    """Return a family with the samples of all subjects; floats, so not exact."""
    client_family = empty(family.metric)
    scale = NS_PER_SECOND if family.metric.in_ns else 1
    for subject in subjects:
        own = group.labels(subject)
        for labels, value in family.samples(subject).items():
            client_family.add_metric(
                [clean(label) for label in (*own, *labels)], value / scale
            )
    return client_family
