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
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median, quantiles

import msgspec

from goodput_exporter.domain.observations import RankReport
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.ingest.app import ingest_app
from goodput_exporter.ingest.inbox import Inbox
from goodput_exporter.ingest.senders import from_this_machine
from goodput_exporter.ledger.store import SqliteLedger, open_ledger
from goodput_exporter.services.bookkeeper import Bookkeeper
from goodput_exporter.wire.answers import PATH
from goodput_exporter.wire.frames import (
    CONTENT_TYPE,
    MARK,
    PREFIX,
    VERSION,
    Header,
    encode_frame,
    split,
)
from goodput_exporter.wire.kinds import Observation
from tests.benchmarks.bench_push import NO_LIMITS, batch
from tests.fakes.aggregator import serving
from tests.fakes.observations import node
from tests.fakes.office import books_on

AGENTS, EVERY_S, SECONDS = 10_000, 5.0, 20
TOLD_S = 1.0
"""How often, about, the one rank reports whose way to its view is timed."""
GPUS_ONLY = next(split(batch(1)))


@dataclass(slots=True)
class Waits:
    """Seconds from a push to its answer, and pushes that were refused."""

    seconds: list[float] = field(default_factory=list)
    refused: int = 0


@dataclass(slots=True)
class Served:
    """
    What the server has done since it was asked last.

    Args:
        cpu_seconds: Of the whole process.
        ages: Seconds from a report to the view that shows it.
        size: Of the ledger, in bytes.
    """

    cpu_seconds: float
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
        self._stop = threading.Event()

    def tick_on(self) -> None:
        """Tick once a second until told to stop."""
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due += 1.0
            self.tick()

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
            time.process_time(), self.inbox.applied, self.books.commits, ages, size
        )


def serve(folder: str, pipe: Connection) -> None:
    """Run the server; tell its port, and what it has done when asked."""
    whole = Aggregator(Path(folder))
    app = ingest_app(
        take=whole.inbox.take,
        who=from_this_machine,
        now_ns=time.time_ns,
        limits=NO_LIMITS,
    )
    with closing(whole.ledger), serving(app) as port:
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


async def agents(port: int, count: int, seconds: float) -> Waits:
    """Let so many agents push for a while, each in its turn."""
    waits, until = Waits(), time.monotonic() + seconds
    dice = random.Random(1)  # noqa: S311 - spreads agents over the period, no secret
    everyone = [
        agent(port, number, dice.uniform(0, EVERY_S), until, waits)
        for number in range(count)
    ]
    await asyncio.gather(told(port, until, dice), *everyone)
    return waits


async def agent(
    port: int, number: int, begins_s: float, until: float, waits: Waits
) -> None:
    """Push what a node's GPUs do, again and again, over one connection."""
    name, life = f"node-{number:05d}", life_now()
    due, sequence = time.monotonic() + begins_s, 0
    await asyncio.sleep(begins_s)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < until:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        due, sequence = due + EVERY_S, sequence + 1
        began = time.monotonic()
        body = framed(msgspec.structs.replace(
            GPUS_ONLY.header, agent=name, node=name, epoch=life, sequence=sequence
        ))  # fmt: skip
        waits.refused += not await post(reader, writer, body)
        waits.seconds.append(time.monotonic() - began)
    writer.close()


def framed(header: Header) -> bytes:
    """Return a frame of the same GPUs under another header, at little cost."""
    head, body = msgspec.msgpack.encode(header), GPUS_ONLY.body
    return PREFIX.pack(MARK, VERSION, len(head), len(body)) + head + body


def life_now() -> str:
    """Return a name for what begins now: an agent's epoch, a rank's incarnation."""
    return f"{time.time_ns():016x}"


async def told(port: int, until: float, dice: random.Random) -> None:
    """Be the one rank whose way from its report to its view is timed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    life, began_ns, sequence = life_now(), time.time_ns(), 0
    while time.monotonic() < until:
        sequence += 1
        seen = node(1, ranks=1, gpus=0)
        now_ns = time.time_ns()
        reports = [as_of(each, life, now_ns, began_ns, sequence) for each in seen]
        body = encode_frame(
            reports, agent="told", node="told", epoch=life, sequence=sequence, made_ns=1
        )
        await post(reader, writer, body)
        # Not in step with the ticks, which answer once a second.
        await asyncio.sleep(dice.uniform(0, 2 * TOLD_S))
    writer.close()


def as_of(
    seen: Observation, life: str, now_ns: int, began_ns: int, sequence: int
) -> Observation:
    """Date a report, and number its step by the millisecond."""
    if not isinstance(seen, RankReport):
        return seen
    up_ns = now_ns - began_ns + NS_PER_SECOND
    seen.at_ns, seen.up_ns, seen.seq = now_ns, up_ns, sequence
    seen.incarnation = life
    seen.run_id, seen.role, seen.rank, seen.world_size = "told", "trainer", 0, 1
    seen.step, seen.steps_done = now_ns // 1_000_000, sequence
    seen.step_age_ns, seen.phase_age_ns = 0, 0
    seen.cum_ns = {seen.phase: up_ns}
    return seen


async def post(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes
) -> bool:
    """Send one push and wait for its answer."""
    writer.write(
        f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: {CONTENT_TYPE}\r\n"
        f"content-length: {len(body)}\r\n\r\n".encode()
        + body
    )
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    await reader.readexactly(length)
    return b" 200 " in head


def main() -> None:
    """Let everyone connect, then measure for a while."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=AGENTS)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    asked = parser.parse_args()
    with server() as (port, pipe):
        # One period to connect and to be heard of; what follows is the steady state.
        asyncio.run(agents(port, asked.agents, EVERY_S))
        before = _ask(pipe)
        began, mine = time.monotonic(), time.process_time()
        waits = asyncio.run(agents(port, asked.agents, asked.seconds))
        took, mine = time.monotonic() - began, time.process_time() - mine
        after = _ask(pipe)
    show(asked.agents, waits, before, after, took, mine)


def show(  # noqa: PLR0913, PLR0917 - what was measured
    count: int, waits: Waits, before: Served, after: Served, took: float, mine: float
) -> None:
    """Print what one server did for so many agents."""
    pushes, cpu = after.pushes - before.pushes, after.cpu_seconds - before.cpu_seconds
    rate = pushes / took
    each = cpu / pushes * 1e6
    cuts = quantiles(waits.seconds, n=100)
    ages = after.ages or [float("nan")]
    print(f"{count} agents, {pushes} pushes in {took:.0f} s: {rate:.0f} a second")  # noqa: T201 - it prints
    print(f"server: {cpu / took:.0%} of a core, {each:.0f} us CPU a push")  # noqa: T201 - see above
    print(f"at {AGENTS / EVERY_S:.0f} a second: {each * AGENTS / EVERY_S / 1e6:.0%}")  # noqa: T201 - see above
    print(f"agents: {mine / took:.0%} of a core, {waits.refused} refused")  # noqa: T201 - see above
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
