"""
What dividing half a minute's energy of a fleet costs the tick that does it.

Prints CPU time (of this process, so that neighbours do not show) for what runs hold
and for what is in no book; asserts nothing. 2,000 nodes of 8 GPUs; nine of ten are
held by 800 runs, which wait for data once a step. Reading the ledger is not counted.
"""

from __future__ import annotations

import argparse
import random
import time
from statistics import median

from goodput_exporter.analysis.energy_shares import (
    lines_by_holder,
    not_booked,
    share_of,
)
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.energy import Drawn
from goodput_exporter.domain.energy_totals import NOBODY
from goodput_exporter.domain.gpu_bookings import GpuBooking, Kind
from goodput_exporter.domain.gpu_stands import Category, Hold
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import RunState
from tests.fakes.ranks import ns

NODES, PER_NODE, RUNS, IDLE_EVERY = 2_000, 8, 800, 10
BEGIN_S, LASTS_S, STEP_S, WAIT_S = 1_000, 30, 6, 0.1
MILLIWATTS = 600_000
WINDOW = Span(ns(BEGIN_S), ns(BEGIN_S + LASTS_S))
ROUNDS = 5


def key(number: int) -> RunKey:
    """Return the key of a run."""
    return RunKey("bench", "ml", f"run-{number}")


def lines(nodes: int) -> list[GpuBooking]:
    """Return the cluster book of the window: every node in one hold throughout."""
    found: list[GpuBooking] = []
    for number in range(nodes):
        gpus = tuple(f"GPU-{number:05d}-{index}" for index in range(PER_NODE))
        is_idle = number % IDLE_EVERY == 0
        run = None if is_idle else key(number * RUNS // NODES)
        hold = Hold(Category.UNALLOCATED if is_idle else Category.HELD, run=run)
        name = f"node-{number}"
        found.append(GpuBooking(Kind.LIVE, name, WINDOW, "H100", None, hold, gpus))
    return found


def drawn(dice: random.Random) -> list[Drawn]:
    """Return what one GPU drew, in some lines that reach beyond the window."""
    found: list[Drawn] = []
    at_s = BEGIN_S - dice.uniform(0, 10)
    while at_s < BEGIN_S + LASTS_S:
        lasts_s = dice.uniform(8, 20)
        span = Span(ns(at_s), ns(at_s + lasts_s))
        found.append(Drawn(span, round(lasts_s * MILLIWATTS), placed=True))
        at_s += lasts_s
    return found


def book(devices: int) -> list[Segment]:
    """Return a run's book of the window: a wait for data before each step."""
    found: list[Segment] = []
    for at_s in range(BEGIN_S, BEGIN_S + LASTS_S, STEP_S):
        wait = Span(ns(at_s), ns(at_s + WAIT_S))
        step = Span(wait.end_ns, ns(at_s + STEP_S))
        found.append(Segment(wait, RunState.DATA_WAIT, devices))
        found.append(Segment(step, RunState.PRODUCTIVE, devices))
    return found


def main() -> None:
    """Divide the same half minute again and again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=NODES)
    asked = parser.parse_args()
    dice = random.Random(1)  # noqa: S311 - a bench, and the same each time
    told = lines(asked.nodes)
    metered = {gpu: drawn(dice) for line in told for gpu in line.gpus}
    by_holder = lines_by_holder(told)
    books = {
        holder: [] if holder == NOBODY else book(sum(len(one.gpus) for one in its))
        for holder, its in by_holder.items()
    }
    held_s: list[float] = []
    rest_s: list[float] = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for holder, its in lines_by_holder(told).items():
            share_of(holder, its, books[holder], metered, WINDOW)
        divided = time.process_time()
        not_booked(told, metered, WINDOW)
        held_s.append(divided - began)
        rest_s.append(time.process_time() - divided)
    print(f"{len(metered):,} GPUs, {len(by_holder) - 1} runs, {LASTS_S} s")  # noqa: T201 - it prints
    for what, took_s in (("what runs hold", held_s), ("what is in no book", rest_s)):
        spread = f"({min(took_s):.2f} .. {max(took_s):.2f})"
        print(f"{what:20}{median(took_s):6.2f} s of CPU {spread}")  # noqa: T201 - it prints


if __name__ == "__main__":
    main()
