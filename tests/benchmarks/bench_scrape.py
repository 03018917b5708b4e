"""
A scrape of 100,000 series end to end over loopback, beside prometheus_client's server.

Prints medians and ranges of interleaved rounds of wall time, from the connection to
the last byte, once plain and once compressed; asserts nothing. Before each round a
second of training passes: our page is rendered by the tick, which is shown in a row of
its own, and compressed by the first scrape that asks for that; prometheus_client's
server does all of it while the scrape waits.
"""

from __future__ import annotations

import argparse
import gc
import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

from prometheus_client import CollectorRegistry, start_http_server

from goodput_exporter.domain.snapshot import Snapshot
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.exposition.api import Freshness, create_app
from goodput_exporter.exposition.render import MetricsPage
from tests.benchmarks.bench_render import ticked
from tests.fakes.aggregator import serving
from tests.fakes.registry import SnapshotCollector
from tests.fakes.snapshots import run_view, snapshot

SERIES, ROUNDS = 100_000, 5
PLAIN, PACKED = "identity", "gzip"


class Fleet:
    """
    Runs that train, and the page of them.

    Args:
        series: How many the page has, about.
    """

    def __init__(self, series: int) -> None:
        self.page = MetricsPage()
        per_run = self.page.render(snapshot(run_view())).count(b'{run="')
        count = -(-series // per_run)
        self._runs = [run_view(f"run-{number:05d}") for number in range(count)]
        self._seconds = 0
        self.series = count * per_run
        self.latest: Snapshot = snapshot(*self._runs)
        self.page.render(self.latest)

    def tick(self) -> None:
        """Let a second of training pass for all of them; render the page."""
        self._seconds += 1
        self._runs = [ticked(run, self._seconds) for run in self._runs]
        self.latest = snapshot(*self._runs)
        gc.collect()
        began = time.perf_counter()
        self.page.render(self.latest)
        self.rendered_s = time.perf_counter() - began


@contextmanager
def ours(fleet: Fleet) -> Iterator[int]:
    """Serve the page as the exporter does."""
    app = create_app(
        latest=lambda: fleet.latest,
        metrics=fleet.page.latest,
        metrics_gzip=fleet.page.latest_gzip,
        freshness=Freshness(lambda: fleet.latest.at_ns + NS_PER_SECOND),
        audit=lambda _: None,
        tokens=frozenset(),
    )
    with serving(app) as port:
        yield port


@contextmanager
def theirs(fleet: Fleet) -> Iterator[int]:
    """Serve the same families as prometheus_client does."""
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(lambda: fleet.latest))
    server, thread = start_http_server(0, "127.0.0.1", registry)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def scrape(port: int, encoding: str) -> tuple[float, int]:
    """Return how long a scrape took, in milliseconds, and its bytes on the wire."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/metrics", headers={"Accept-Encoding": encoding})
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise ConnectionError(answer.status)
    return (time.perf_counter() - began) * 1e3, len(body)


def main() -> None:
    """Scrape both in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=SERIES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    fleet = Fleet(asked.series)
    spent: dict[str, list[float]] = {}
    sizes: dict[str, int] = {}
    with ours(fleet) as our_port, theirs(fleet) as their_port:
        rows: dict[str, Callable[[], tuple[float, int]]] = {
            "plain": lambda: scrape(our_port, PLAIN),
            "gzip": lambda: scrape(our_port, PACKED),
            "gzip, again": lambda: scrape(our_port, PACKED),
            "prometheus_client, plain": lambda: scrape(their_port, PLAIN),
            "prometheus_client, gzip": lambda: scrape(their_port, PACKED),
        }
        for _ in range(asked.rounds):
            fleet.tick()
            spent.setdefault("the tick's render", []).append(fleet.rendered_s * 1e3)
            for name, work in rows.items():
                took, sizes[name] = work()
                spent.setdefault(name, []).append(took)
    show(fleet.series, spent, sizes)


def show(series: int, spent: dict[str, list[float]], sizes: dict[str, int]) -> None:
    """Print a line per row, and how many times faster ours are."""
    print(f"{series} series")  # noqa: T201 - a benchmark prints
    for name, values in spent.items():
        size = f"{sizes[name] / 2**20:6.2f} MiB" if name in sizes else ""
        spread = f"({min(values):.1f} .. {max(values):.1f})"
        print(f"{name:28}{median(values):9.1f} ms {spread:22}{size}")  # noqa: T201 - see above
    for way in ("plain", "gzip"):
        both = median(spent[f"prometheus_client, {way}"]), median(spent[way])
        print(f"{way}: {both[0] / both[1]:.0f}x")  # noqa: T201 - see above


if __name__ == "__main__":
    main()
