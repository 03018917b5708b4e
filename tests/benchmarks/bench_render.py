"""
What the metrics page costs, beside prometheus_client's own renderer.

Prints medians and ranges of interleaved rounds; asserts nothing, because a
shared machine is no place to fail a build over a millisecond. Time is CPU time:
rendering neither sleeps nor waits, and what else runs here is not its cost.

``all`` is the worst there is: every value of every run that can move has moved.
``tick`` is one second of training: every run has other counters, ratios and
steps, and the same restarts, checkpoints and model. ``1 %`` is ``all`` for every
hundredth run, spread over the page.
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
from goodput_exporter.domain.ratios import LayerRatios
from goodput_exporter.domain.snapshot import RunView
from goodput_exporter.domain.states import RunState
from goodput_exporter.exposition.render import MetricsPage
from goodput_exporter.exposition.run_families import LIVE_STATES
from tests.fakes.registry import SnapshotCollector
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
        "series  prometheus_client       all                        tick"
        "                       1 %                       unchanged   gzip  size"
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
    spent: dict[str, list[float]] = {}
    for number in range(1, rounds + 1):
        _time(spent, "client", lambda: generate_latest(registry))
        # The other's garbage has just been given back to the kernel; a program
        # that renders every second has its memory.
        page.render(latest[0])
        for name, move, every in (
            ("all", _moved, 1),
            ("tick", ticked, 1),
            ("few", _moved, 100),
        ):
            runs[::every] = [move(run, number) for run in runs[::every]]
            latest[0] = snapshot(*runs)
            _time(spent, name, lambda: page.render(latest[0]))
        _time(spent, "same", lambda: page.render(latest[0]))
        _time(spent, "gzip", page.latest_gzip)
    return _report(len(runs) * per_run, len(page.latest()), spent)


def _moved(run: RunView, number: int) -> RunView:
    """Return the run after much has happened: every value that can move has."""
    names = LayerRatios.__dataclass_fields__
    model = run.model
    tokens, mfu = (model.tokens or 0) + 10**6, 1 / (11 + number)
    return replace(
        ticked(run, number),
        sealed=Account(
            {state: run.sealed.of(state) + ODD_NS for state in LIVE_STATES},
            {cause: ns + ODD_NS for cause, ns in run.sealed.bad_gpu_ns.items()},
        ),
        ratios={
            window: LayerRatios(
                *(1 / (place + at + number) for at in range(len(names)))
            )
            for place, window in enumerate(run.ratios, start=2)
        },
        restated={way: ns + ODD_NS for way, ns in run.restated.items()},
        saved_step=(run.saved_step or 0) + 1,
        durable_step=(run.durable_step or 0) + 1,
        steps_redone=run.steps_redone + 1,
        restarts={way: count + 1 for way, count in run.restarts.items()},
        interruptions=run.interruptions + 1,
        reference_step_ns=(run.reference_step_ns or 0) + number,
        model=replace(model, tokens=tokens, first_time_flops=tokens * 1.1e9, mfu=mfu),
    )


def ticked(run: RunView, number: int) -> RunView:
    """Return the run a second later: it trains."""
    gpu_ns = dict(run.sealed.gpu_ns)
    gpu_ns[RunState.PRODUCTIVE] += ODD_NS
    bad = {cause: ns + ODD_NS for cause, ns in run.sealed.bad_gpu_ns.items()}
    layers = {
        window: replace(ratios, goodput=1 / (3 + number), ettr=1 / (7 + number))
        for window, ratios in run.ratios.items()
    }
    return replace(
        run,
        sealed=Account(gpu_ns, bad),
        ratios=layers,
        sealed_through_ns=run.sealed_through_ns + ODD_NS,
        tail_ns=run.tail_ns + number,
        step=(run.step or 0) + 1,
        high_water_step=(run.high_water_step or 0) + 1,
        steps_first_time=run.steps_first_time + 1,
        exposure_gpu_ns=(run.exposure_gpu_ns or 0) + ODD_NS,
    )


def _time(spent: dict[str, list[float]], name: str, work: Callable[[], object]) -> None:
    gc.collect()
    began = time.process_time()
    work()
    spent.setdefault(name, []).append((time.process_time() - began) * 1e3)


def _report(series: int, size: int, spent: dict[str, list[float]]) -> str:
    client = median(spent["client"])

    def against(name: str) -> str:
        mine = median(spent[name])
        low, high = min(spent[name]), max(spent[name])
        return f"{mine:7.2f} ms ({low:.2f}-{high:.2f}) {client / mine:4.0f}x"

    return (
        f"{series:6d} {client:8.1f} ms ({min(spent['client']):.0f}-"
        f"{max(spent['client']):.0f})  {against('all')}  {against('tick')}  "
        f"{against('few')}  "
        f"{median(spent['same']):6.2f} ms {median(spent['gzip']):6.1f} ms "
        f"{size / 2**20:5.1f} MiB"
    )


if __name__ == "__main__":
    main()
