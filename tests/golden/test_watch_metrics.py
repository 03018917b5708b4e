"""What an aggregator says of its watch, spelled out: a change here is everybody's."""

from __future__ import annotations

from pathlib import Path

from goodput_exporter.exposition.render import MetricsPage
from goodput_exporter.exposition.watch_families import KINDS, WAITS, WATCH
from tests.fakes.snapshots import cluster_watch, snapshot

GOLDEN = Path(__file__).with_name("watch_metrics.txt")
REGENERATE = "if this is meant, write the new text to tests/golden/watch_metrics.txt"


def golden_page() -> str:
    """Return the page of a leader that follows two kinds, one of them forbidden."""
    page = MetricsPage((WATCH, KINDS, WAITS)).render(snapshot(watched=cluster_watch()))
    return page.decode()


def test_the_page_is_as_it_was() -> None:
    """Names, labels, help, order and every digit are what was agreed."""
    assert golden_page() == GOLDEN.read_text(encoding="utf-8"), REGENERATE
