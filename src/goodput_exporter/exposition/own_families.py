"""What the page says of the exporter's own health and of its process."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from goodput_exporter import __version__
from goodput_exporter.domain.snapshot import ExporterHealth, Snapshot
from goodput_exporter.exposition import own_metrics as names
from goodput_exporter.exposition.family import (
    AnyFamily,
    Family,
    Group,
    Labels,
    Samples,
    Single,
)
from goodput_exporter.exposition.metric import Metric
from goodput_exporter.exposition.process import Process


@dataclass(frozen=True, slots=True)
class PageFacts:
    """
    What can be said of a page once the rest of it is rendered.

    Args:
        series: How many series the rest of it has.
        dropped, errors: Since the program started, per family.
    """

    series: int
    dropped: Mapping[str, int]
    errors: Mapping[str, int]


def _health(
    metric: Metric, read: Callable[[ExporterHealth], float | None]
) -> Single[Snapshot]:
    return Single(metric, lambda snapshot: read(snapshot.health))


def _by_name(counts: Mapping[str, int]) -> Samples:
    return {(name,): count for name, count in counts.items()}


def _gpu_source_up(snapshot: Snapshot) -> Samples:
    up = snapshot.health.gpu_source_up
    return {} if up is None else {(snapshot.node,): int(up)}


def _no_labels(_: object) -> Labels:
    return ()


HEALTH: Final = Group(
    (
        Family(names.NODE_GPUS, lambda now: {(now.node,): len(now.gpus)}),
        Family(names.GPU_SOURCE_UP, _gpu_source_up),
        _health(names.TICK_LAG, lambda health: health.tick_lag_seconds),
        _health(names.TICK_DURATION, lambda health: health.tick_seconds),
        _health(names.TICKS, lambda health: health.ticks),
        Family(
            names.DATAGRAMS_ACCEPTED,
            lambda now: _by_name(now.health.datagrams_accepted),
        ),
        Family(
            names.DATAGRAMS_REJECTED,
            lambda now: _by_name(now.health.datagrams_rejected),
        ),
        _health(names.DATAGRAMS_LOST, lambda health: health.datagrams_lost),
        _health(names.CLOCK_SKEW, lambda health: health.clock_skew_seconds),
        Family(
            names.BUILD_INFO,
            lambda _: {(__version__, platform.python_version()): 1},
        ),
    ),
    lambda snapshot: (snapshot,),
    _no_labels,
)

BOOKS: Final = Group(
    (
        _health(names.RUNS_REFUSED, lambda health: health.runs_refused),
        _health(names.RUNS_SET_BACK, lambda health: health.run_setbacks),
        _health(names.LEDGER_UP, lambda health: int(health.ledger_up)),
        _health(names.LEDGER_ENTRIES, lambda health: health.ledger_entries),
        _health(names.LEDGER_COMMITS, lambda health: health.ledger_commits),
        _health(names.LEDGER_FAILURES, lambda health: health.ledger_failures),
        _health(names.RECORDING_FAILURES, lambda health: health.recording_failures),
        Family(
            names.EVIDENCE_FAILURES,
            lambda now: _by_name(now.health.evidence_failures),
        ),
    ),
    lambda snapshot: (snapshot,),
    _no_labels,
)
"""Of programs that keep books; an agent keeps none."""

PROCESS_FAMILIES: Final[tuple[AnyFamily[Process], ...]] = (
    Single(names.PROCESS_MEMORY, lambda this: this.resident_bytes()),
    Single(names.PROCESS_CPU, lambda this: this.cpu_seconds()),
    Single(names.PROCESS_START, lambda this: this.start_seconds()),
    Single(names.PROCESS_FDS, lambda this: this.open_fds()),
)

PROCESS: Final = Group(PROCESS_FAMILIES, lambda _: (Process(),), _no_labels)

PAGE: Final[tuple[AnyFamily[PageFacts], ...]] = (
    Single(names.SERIES, lambda page: page.series),
    Family(names.SERIES_DROPPED, lambda page: _by_name(page.dropped)),
    Family(names.COLLECTOR_ERRORS, lambda page: _by_name(page.errors)),
)
"""Rendered last, because they count what happened before them."""
