"""
What the metrics page costs, beside prometheus_client's own renderer.

Prints medians and ranges of interleaved rounds; asserts nothing, because a
shared machine is no place to fail a build over a millisecond.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

from prometheus_client import CollectorRegistry, generate_latest

from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.snapshot import RunView
from goodput_exporter.exposition.collector import SnapshotCollector
from goodput_exporter.exposition.render import MetricsPage
from tests.fakes.snapshots import run_view, snapshot

ODD_NS = 1_234_567_891
"""Added to every booked state per round, so that every value has nine decimals."""


def main() -> None:
    """Print one line per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--series", type=int, nargs="+", default=[1_000, 10_000, 50_000]
    )
    options = parser.parse_args()
    print(  # noqa: T201 - a benchmark prints
        "series   prometheus_client        page, all changed       1 % of runs changed"
        "      unchanged    gzip   size"
    )
    for series in options.series:
        print(_line(series, options.rounds))  # noqa: T201 - see above


def _line(target_series: int, rounds: int) -> str:
    page = MetricsPage()
    per_run = page.render(snapshot(run_view())).count(b'{run="')
    runs = [run_view(f"run-{i:05d}") for i in range(-(-target_series // per_run))]
    latest = [snapshot(*runs)]
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(lambda: latest[0]))
    page.render(latest[0])
    few = max(1, len(runs) // 100)
    spent: dict[str, list[float]] = {}
    for number in range(1, rounds + 1):
        runs = [_moved(run, number) for run in runs]
        latest[0] = snapshot(*runs)
        _time(spent, "client", lambda: generate_latest(registry))
        _time(spent, "all", lambda: page.render(latest[0]))
        runs[:few] = [_moved(run, number) for run in runs[:few]]
        latest[0] = snapshot(*runs)
        _time(spent, "few", lambda: page.render(latest[0]))
        _time(spent, "same", lambda: page.render(latest[0]))
        _time(spent, "gzip", page.latest_gzip)
    return _report(len(runs) * per_run, len(page.latest()), spent)


def _moved(run: RunView, number: int) -> RunView:
    """Return the run a little later: every counter and ratio is another."""
    gpu_ns = {state: ns + ODD_NS for state, ns in run.sealed.gpu_ns.items()}
    bad = {cause: ns + ODD_NS for cause, ns in run.sealed.bad_gpu_ns.items()}
    layers = replace(run.ratios["1h"], goodput=1 / (3 + number), ettr=1 / (7 + number))
    return replace(
        run,
        sealed=Account(gpu_ns, bad),
        ratios=dict.fromkeys(run.ratios, layers),
        tail_ns=run.tail_ns + number,
        step=(run.step or 0) + 1,
    )


def _time(spent: dict[str, list[float]], name: str, work: Callable[[], object]) -> None:
    gc.collect()
    began = time.perf_counter()
    work()
    spent.setdefault(name, []).append((time.perf_counter() - began) * 1e3)


def _report(series: int, size: int, spent: dict[str, list[float]]) -> str:
    client = median(spent["client"])

    def against(name: str) -> str:
        mine = median(spent[name])
        low, high = min(spent[name]), max(spent[name])
        return f"{mine:7.2f} ms ({low:.2f}-{high:.2f}) {client / mine:4.0f}x"

    return (
        f"{series:6d} {client:8.1f} ms ({min(spent['client']):.0f}-"
        f"{max(spent['client']):.0f})  {against('all')}  {against('few')}  "
        f"{median(spent['same']):6.2f} ms {median(spent['gzip']):6.1f} ms "
        f"{size / 2**20:5.1f} MiB"
    )


if __name__ == "__main__":
    main()
