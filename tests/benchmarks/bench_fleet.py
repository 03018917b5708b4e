"""
What a fleet costs the aggregator's tick: folds, commit and views, per run and in all.

Prints CPU time per tick (of this process, so that neighbours do not show), its parts,
and what that makes of one core at one tick a second; asserts nothing.

Each run has 8 to 64 ranks on nodes of 8, which report every two seconds; a step takes
six, the first 120 ms of it wait for data, and every hundredth second saves. Agents push
every five seconds, so a fifth of the nodes delivers at each tick; they leave out what
repeats its neighbours, as the real ones do. ``--as-said`` lets them push every report.

The collector of garbage is held as the aggregator holds it. What an agent does is not
counted, nor what a push costs before its observations are named (``bench_ingest``).
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from goodput_exporter.domain.observations import Delivered, RankReport
from goodput_exporter.domain.repetition import Retelling
from goodput_exporter.domain.states import Phase
from goodput_exporter.ledger.store import open_ledger
from goodput_exporter.services.bookkeeper import AT_ONCE, Bookkeeper
from goodput_exporter.services.garbage import Sweeping
from goodput_exporter.services.web import collect_seldom
from tests.fakes.office import books_on
from tests.fakes.ranks import ns

RUNS, TARGET_RUNS = 500, 5_000
TARGET_CORES, TARGET_AGE_S = 1.0, 10
SIZES = (8, 8, 8, 16, 16, 32, 64, 8)
"""Ranks of every eighth run; 20 on average, so 5,000 runs hold 100,000."""
PER_NODE, PUSH_S, REPORT_S, STEP_S, SAVE_EVERY_S = 8, 5, 2, 6, 100
WAIT_NS, SAVE_NS = ns(0.12), ns(1)
WARM_S, MEASURED_S = 60, 20
START_NS = ns(1_700_000_000)


@dataclass(slots=True)
class Node:
    """Some ranks of one run, and what they have said since the last push."""

    name: str
    run: str
    ranks: range
    world: int
    offset_s: int
    retelling: Retelling | None = None
    said: list[RankReport | Delivered] = field(default_factory=list)

    def live(self, second: int) -> list[RankReport | Delivered]:
        """Return what its agent pushes at this second, if it is its turn."""
        if second % REPORT_S == self.offset_s % REPORT_S:
            self.said += [report(self, rank, second) for rank in self.ranks]
        if second % PUSH_S != self.offset_s:
            return []
        pushed, self.said = self.said, []
        told = pushed if self.retelling is None else self.retelling.thinned(pushed)
        return [*told, Delivered(self.name, at(second))]


def at(second: int) -> int:
    """Return an instant of the bench on the ledger's clock."""
    return START_NS + ns(second)


def report(node: Node, rank: int, second: int) -> RankReport:
    """Return what a rank that trains says at one second of its life."""
    up_ns, saves, done = ns(second + 1), second // SAVE_EVERY_S, second // STEP_S
    into_ns = ns(second % STEP_S)
    waits = into_ns < WAIT_NS
    waited_ns = done * WAIT_NS + min(into_ns, WAIT_NS)
    since_save_ns = ns(second % SAVE_EVERY_S)
    return RankReport(
        incarnation=f"{node.run}-{rank:06d}",
        seq=second,
        at_ns=at(second),
        up_ns=up_ns,
        phase=Phase.DATA_LOADING if waits else Phase.TRAIN_STEP,
        phase_age_ns=into_ns if waits else min(into_ns - WAIT_NS, since_save_ns),
        cum_ns={
            Phase.INIT: ns(1),
            Phase.DATA_LOADING: waited_ns,
            Phase.CHECKPOINT_SAVE: saves * SAVE_NS,
            Phase.TRAIN_STEP: up_ns - ns(1) - waited_ns - saves * SAVE_NS,
        },
        run_id=node.run,
        rank=rank,
        world_size=node.world,
        step=done - 1 if done else None,
        steps_done=done,
        step_age_ns=into_ns,
        saved_step=saves * SAVE_EVERY_S // STEP_S if saves else None,
        durable_step=saves * SAVE_EVERY_S // STEP_S if saves else None,
        tokens=done * 4_000_000,
    )


def fleet(runs: int, *, as_said: bool = False) -> list[Node]:
    """Return the nodes of so many runs, spread over the push period."""
    nodes: list[Node] = []
    for number in range(runs):
        world = SIZES[number % len(SIZES)]
        for first in range(0, world, PER_NODE):
            name, ranks = f"node-{len(nodes)}", range(first, first + PER_NODE)
            retelling = None if as_said else Retelling()
            offset_s = len(nodes) % PUSH_S
            nodes.append(Node(name, f"run-{number}", ranks, world, offset_s, retelling))
    return nodes


@dataclass(slots=True)
class Costs:
    """CPU milliseconds of every measured second, and reports heard in all."""

    ticks: list[float] = field(default_factory=list)
    views: list[float] = field(default_factory=list)
    reports: int = 0
    groups: list[float] = field(default_factory=list)
    garbage: list[float] = field(default_factory=list)


def drive(books: Bookkeeper, nodes: list[Node], seconds: range) -> Costs:
    """Let seconds pass; hearing is part of the tick, saying is not."""
    costs, sweeping = Costs(), Sweeping()
    for second in seconds:
        said = [(node.name, node.live(second)) for node in nodes]
        began = time.process_time()
        for agent, pushed in said:
            if pushed:
                books.take(pushed, agent)
        books.tick(at(second))
        ticked = time.process_time()
        books.views(at(second), {})
        viewed = time.process_time()
        books.groups(at(second))
        grouped = time.process_time()
        sweeping.settle()
        costs.ticks.append((ticked - began) * 1e3)
        costs.views.append((viewed - ticked) * 1e3)
        costs.groups.append((grouped - viewed) * 1e3)
        costs.garbage.append((time.process_time() - grouped) * 1e3)
        costs.reports += sum(max(0, len(pushed) - 1) for _, pushed in said)
    return costs


def show(name: str, values: list[float], runs: int) -> None:
    """Print a median and its range, and what a run's share of it is."""
    spread = f"({min(values):.0f} .. {max(values):.0f})"
    each = median(values) / runs
    print(f"{name:34}{median(values):9.1f} ms {spread:18}{each:8.3f} ms per run")  # noqa: T201 - it prints


def main() -> None:
    """Warm a fleet up, then time every part of some ticks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--warm", type=int, default=WARM_S)
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    parser.add_argument("--seconds", type=int, default=MEASURED_S)
    parser.add_argument("--as-said", action="store_true")
    asked = parser.parse_args()
    nodes = fleet(asked.runs, as_said=asked.as_said)
    collect_seldom()
    with tempfile.TemporaryDirectory() as folder:
        ledger = open_ledger(Path(folder) / "ledger.db")
        with closing(ledger):
            books = books_on(ledger, most_runs=asked.runs, at_once=asked.at_once)
            drive(books, nodes, range(asked.warm))
            measured = range(asked.warm, asked.warm + asked.seconds)
            costs = drive(books, nodes, measured)
    ranks = sum(len(node.ranks) for node in nodes)
    heard = costs.reports / asked.seconds
    size = f"{asked.runs} runs, {ranks} ranks, {len(nodes)} nodes"
    print(f"{size}; {heard:.0f} reports a second")  # noqa: T201 - it prints
    show("tick: hear, fold, commit", costs.ticks, asked.runs)
    show("views", costs.views, asked.runs)
    show("groups", costs.groups, asked.runs)
    show("garbage", costs.garbage, asked.runs)
    parts = zip(costs.ticks, costs.views, costs.groups, costs.garbage, strict=True)
    whole = [sum(each) for each in parts]
    show("all", whole, asked.runs)
    share = sum(whole) / len(whole) / 1e3 * TARGET_RUNS / asked.runs
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{TARGET_RUNS} runs at 1 Hz: {share:.2f} of a core; peak {peak:.0f} MiB")  # noqa: T201 - it prints
    print(f"target {TARGET_CORES:.1f} of a core, figures at most {TARGET_AGE_S} s old")  # noqa: T201 - it prints


if __name__ == "__main__":
    main()
