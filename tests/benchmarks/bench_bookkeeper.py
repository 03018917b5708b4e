"""What a run costs the tick: folding, committing, and the view of the open tail."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from goodput_exporter.domain.observations import RankReport, RunObservation
from goodput_exporter.ledger.store import open_ledger
from goodput_exporter.services.bookkeeper import Bookkeeper
from tests.fakes.office import books_on
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import START_S, observations

RUNS = 200
HISTORY_S = 600
"""Ten minutes of steps, checkpoints that never become durable, and waiting."""
MEASURED_S = 30
TARGET_MS = 1.0


def main() -> None:
    """Let runs train for ten minutes, then time every part of thirty ticks."""
    said = heartbeats()
    with TemporaryDirectory() as directory:
        ledger = open_ledger(Path(directory) / "ledger.db")
        with closing(ledger):
            books = books_on(ledger, most_runs=RUNS)
            live(books, said, 0, HISTORY_S, every_s=10)
            ticks, views = measure(books, said)
    show("tick: fold, encode, commit; per run", ticks)
    show("views: decode, foresee, describe; per run", views)
    whole = [tick + view for tick, view in zip(ticks, views, strict=True)]
    show(f"both; target {TARGET_MS} ms", whole)


def heartbeats() -> list[list[RunObservation]]:
    """Return what all runs say, second by second; every run the same, of its own id."""
    script = Rank(pid=1).init(20)
    for step in range(0, (HISTORY_S + MEASURED_S) // 2, 10):
        script.steps(step, step + 9, each=1.8, data=0.1)
        script.save(1.0, step + 9, durable=False)
    seconds: list[list[RunObservation]] = [[] for _ in range(HISTORY_S + MEASURED_S)]
    for one in observations([script], known_exit=False):
        second = (one.at_ns - ns(START_S)) // ns(1)
        if second < len(seconds):
            seconds[second] += [mine(one, number) for number in range(RUNS)]
    return seconds


def mine(one: RunObservation, number: int) -> RunObservation:
    """Return the same word, said by another run's rank."""
    name = f"{number:016x}"
    if isinstance(one, RankReport):
        return replace(one, incarnation=name, run_id=f"run-{number}", pid=number + 1)
    return replace(one, incarnation=name)


def live(
    books: Bookkeeper,
    said: list[list[RunObservation]],
    from_s: int,
    to_s: int,
    *,
    every_s: int,
) -> None:
    """Take what is said and tick, without looking."""
    for second in range(from_s, to_s):
        books.take(said[second])
        if second % every_s == every_s - 1:
            books.tick(ns(START_S + second + 1))


def measure(
    books: Bookkeeper, said: list[list[RunObservation]]
) -> tuple[list[float], list[float]]:
    """Return milliseconds per run of every tick, and of every round of views."""
    ticks, views = [], []
    for second in range(HISTORY_S, HISTORY_S + MEASURED_S):
        books.take(said[second])
        now_ns = ns(START_S + second + 1)
        began = perf_counter()
        books.tick(now_ns)
        ticked = perf_counter()
        books.views(now_ns, {})
        ticks.append((ticked - began) * 1e3 / RUNS)
        views.append((perf_counter() - ticked) * 1e3 / RUNS)
    return ticks, views


def show(name: str, values: list[float]) -> None:
    """Print a median and its range, in milliseconds."""
    spread = f"({min(values):.3f} .. {max(values):.3f})"
    print(f"{name:48}{median(values):8.3f} ms {spread}")  # noqa: T201 - it prints


if __name__ == "__main__":
    main()
