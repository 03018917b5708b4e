"""
Ten thousand agents that push every five seconds, into the real ingest and a ledger.

Each agent keeps its connection and pushes at its own time: 2,000 pushes a second over
HTTP on loopback. The server is a process of its own: uvicorn, the ingest, and once a
second a tick that applies what came, commits it with the agents' marks to SQLite and
then answers. Printed are the server's CPU time as a share of a core, how long agents
waited for their acknowledgement (the tick's second is most of it), how old a report
was when its run's view showed it, and what the ledger holds; nothing is asserted.

Shares of a core are CPU time, so neighbours on the machine hardly show in them.
Waiting is wall time, and they do: on two cores the agents themselves take one.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median, quantiles

from goodput_exporter.domain.observations import RankReport
from goodput_exporter.ingest.app import ingest_app
from goodput_exporter.ingest.inbox import Inbox
from goodput_exporter.ingest.senders import from_this_machine
from goodput_exporter.ledger.store import SqliteLedger, open_ledger
from goodput_exporter.services.bookkeeper import Bookkeeper
from goodput_exporter.services.web import collect_seldom, compiled
from tests.benchmarks.bench_push import NO_LIMITS
from tests.benchmarks.pushing_agents import EVERY_S, Measured, measure
from tests.fakes.aggregator import serving
from tests.fakes.office import books_on

AGENTS, SECONDS = 10_000, 20


@dataclass(slots=True)
class Served:
    """
    What the server has done since it was asked last.

    Args:
        cpu_seconds: Of the whole process. *tick_seconds*: of its ticks alone.
        ages: Seconds from a report to the view that shows it.
        size: Of the ledger, in bytes.
    """

    cpu_seconds: float
    tick_seconds: float
    pushes: int
    commits: int
    ages: list[float]
    size: int


class Aggregator:
    """The way of a push: taken, applied, committed, answered; and its run's view."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ledger: SqliteLedger = open_ledger(folder / "ledger.db")
        self.books: Bookkeeper = books_on(self.ledger, most_runs=10_000)
        self.inbox = Inbox({})
        self.ages: list[float] = []
        self._shown_step = 0
        self._tick_seconds = 0.0
        self._stop = threading.Event()

    def tick_on(self) -> None:
        """Tick once a second until told to stop."""
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due += 1.0
            self.tick()
            self._tick_seconds = time.thread_time()

    def tick(self) -> None:
        """Do what the aggregator does, without a cluster."""
        drained = self.inbox.drain()
        for each in drained.deliveries:
            told = [seen for seen in each.observations if isinstance(seen, RankReport)]
            if told:
                self.books.take(told, each.sender)
        self.inbox.settle(is_committed=self.books.tick(time.time_ns(), drained.meta))
        for view in self.books.views(time.time_ns(), {}):
            self._look(view.step)

    def _look(self, step: int | None) -> None:
        # The rank's steps are numbered by the milliseconds at which it said so.
        if step is not None and step > self._shown_step:
            self.ages.append(time.time() - step / 1e3)
            self._shown_step = step

    def stop(self) -> None:
        """Let the tick under way end."""
        self._stop.set()

    def served(self) -> Served:
        """Return what was done since the last time."""
        ages, self.ages = self.ages, []
        size = sum(path.stat().st_size for path in self._folder.iterdir())
        return Served(
            time.process_time(),
            self._tick_seconds,
            self.inbox.applied,
            self.books.commits,
            ages,
            size,
        )


def serve(folder: str, pipe: Connection) -> None:
    """Run the server; tell its port, and what it has done when asked."""
    collect_seldom()
    whole = Aggregator(Path(folder))
    app = ingest_app(
        take=whole.inbox.take,
        who=from_this_machine,
        now_ns=time.time_ns,
        limits=NO_LIMITS,
    )
    with closing(whole.ledger), serving(app, engine=compiled(app.at_once)) as port:
        ticker = threading.Thread(target=whole.tick_on)
        ticker.start()
        pipe.send(port)
        while pipe.recv() == "served":
            pipe.send(whole.served())
        whole.stop()
        ticker.join()


@contextmanager
def server() -> Iterator[tuple[int, Connection]]:
    """Start the server in a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        process = multiprocessing.Process(target=serve, args=(folder, theirs))
        process.start()
        try:
            yield ours.recv(), ours
        finally:
            ours.send("end")
            process.join()


def main() -> None:
    """Let everyone connect, then measure for a while."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=AGENTS)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    asked = parser.parse_args()
    with server() as (port, pipe):
        seen = asyncio.run(
            measure(port, asked.agents, asked.seconds, lambda: _ask(pipe))
        )
    show(asked.agents, seen)


def show(count: int, seen: Measured[Served]) -> None:
    """Print what one server did for so many agents."""
    before, after, took = seen.before, seen.after, seen.took_s
    pushes, cpu = after.pushes - before.pushes, after.cpu_seconds - before.cpu_seconds
    ticks = after.tick_seconds - before.tick_seconds
    each = cpu / pushes * 1e6
    cuts = quantiles(seen.seconds, n=100)
    ages = after.ages or [float("nan")]
    print(f"{count} agents, {pushes} pushes in {took:.0f} s: {pushes / took:.0f} a s")  # noqa: T201 - it prints
    print(f"server: {cpu / took:.0%} of a core, {each:.0f} us CPU a push")  # noqa: T201 - see above
    print(f"  of which its ticks {ticks / pushes * 1e6:.0f} us")  # noqa: T201 - see above
    print(f"at {AGENTS / EVERY_S:.0f} a second: {each * AGENTS / EVERY_S / 1e6:.0%}")  # noqa: T201 - see above
    print(f"agents: {seen.cpu_s / took:.0%} of a core, {seen.refused} refused")  # noqa: T201 - see above
    print(f"acknowledged after {cuts[49]:.2f} s (p50), {cuts[98]:.2f} s (p99)")  # noqa: T201 - see above
    print(  # noqa: T201 - see above
        f"a report's age when its view shows it: {median(ages):.2f} s "
        f"({min(ages):.2f} .. {max(ages):.2f})"
    )
    print(  # noqa: T201 - see above
        f"{after.commits - before.commits} commits; the ledger has "
        f"{after.size / 2**20:.1f} MiB"
    )


def _ask(pipe: Connection) -> Served:
    pipe.send("served")
    answer = pipe.recv()
    if not isinstance(answer, Served):
        raise TypeError(answer)
    return answer


if __name__ == "__main__":
    main()
