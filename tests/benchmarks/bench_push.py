"""
What a node's push costs the aggregator, beside scraping the same as text.

Prints medians and ranges of interleaved rounds of CPU time; asserts nothing.

- parse text: prometheus_client's own parser on a node's page of 320 values, which
  is what an aggregator that scrapes its agents would do for each of them.
- read + take: what an agent pushes of these GPUs, read into the domain's
  observations, held against the sender's marks, committed and acknowledged. Of the
  320 values that is 112: the aggregator reads no others.
- read + take, 320 values: the same with all of them, as an older agent sends it.
- encode: what a batch costs the agent.
- aggregator and FastAPI: the whole server under uvicorn, 32 agents on kept connections,
  its CPU time per push; both on uvloop and httptools where these are installed. The
  FastAPI route reads the same values as JSON with pydantic, as an ordinary one would,
  and commits nothing.
- aggregator, training node: the same with 16 ranks' reports beside the 16 GPUs.
- aggregator, another shard: the ranks' reports alone, as shards but the first get them.
- catch-up: an hour of 16 ranks and 16 GPUs, one tick a second, spooled while the
  aggregator was away; wall time to send all of it over loopback, group commits of a
  real ledger's pace (one a second) left out and counted beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel, TypeAdapter

from goodput_exporter.ingest.inbox import Inbox
from goodput_exporter.ingest.limits import Limits
from goodput_exporter.ingest.reading import Letter, frames_of
from goodput_exporter.ingest.senders import Sender
from goodput_exporter.ledger.spool.spool import Spool
from goodput_exporter.services.courier import HttpCourier
from goodput_exporter.services.push import Pusher
from goodput_exporter.services.web import collect_seldom, compiled
from goodput_exporter.wire.answers import PATH
from goodput_exporter.wire.frames import CONTENT_TYPE, encode_frame
from tests.fakes.aggregator import Books, Desk, Hands, committing, serving
from tests.fakes.observations import gpu, node

US = 1e6
AGENTS = 32
NODES, EVERY_SECONDS = 10_000, 5
NO_LIMITS = Limits(
    requests_per_second=1e9, requests_burst=1e9, bytes_per_second=1e12, bytes_burst=1e12
)
VALUES = (
    "busy_ratio", "memory_used_bytes", "memory_total_bytes", "power_watts",
    "power_limit_watts", "energy_joules", "temperature_celsius", "sm_clock_hertz",
    "memory_clock_hertz", "memory_busy_ratio", "memory_temperature_celsius",
    "pcie_sent_rate", "pcie_received_rate", "sm_active_ratio", "tensor_active_ratio",
    "dram_active_ratio", "took_ns", "at_ns", "index", "clock_reasons",
)  # fmt: skip
GPUS = 16


def page() -> str:
    """Return a node's 320 values as a scrape would show them."""
    lines: list[str] = []
    for name in VALUES:
        lines += [f"# HELP goodput_gpu_{name} {name} of a GPU.",
                  f"# TYPE goodput_gpu_{name} gauge"]  # fmt: skip
        for index in range(GPUS):
            sample = gpu(index, 1)
            value = getattr(sample, name)
            number = 1.0 if isinstance(value, frozenset) else float(value)
            lines.append(
                f'goodput_gpu_{name}{{gpu="{index}",uuid="{sample.uuid}",'
                f'model="{sample.name}",node="node-0001"}} {number!r}'
            )
    return "\n".join(lines) + "\n"


def batch(
    number: int, *, ranks: int = 0, gpus: int = GPUS, is_needed_only: bool = True
) -> bytes:
    """Return one batch of a node's GPUs, and of its ranks, as an agent pushes it."""
    return encode_frame(
        node(number, ranks=ranks, gpus=gpus), agent="agent", node="node-0001",
        epoch="0123456789abcdef", sequence=number, made_ns=number,
        is_needed_only=is_needed_only,
    )  # fmt: skip


def parse_text(count: int) -> float:
    """Return microseconds to parse a node's page."""
    text = page()
    began = time.process_time()
    for _ in range(count):
        list(text_string_to_metric_families(text))
    return (time.process_time() - began) / count * US


def encode(count: int) -> float:
    """Return microseconds to write a batch down."""
    seen = node(1, ranks=0, gpus=GPUS)
    began = time.process_time()
    for number in range(count):
        encode_frame(
            seen, agent="agent", node="n", epoch="e", sequence=number + 1, made_ns=1
        )
    return (time.process_time() - began) / count * US


def read_and_take(count: int, *, is_needed_only: bool = True) -> float:
    """Return microseconds to read, apply and acknowledge a batch."""
    bodies = [
        batch(number, is_needed_only=is_needed_only) for number in range(1, count + 1)
    ]
    inbox, sender = Inbox({}), Sender("bench")
    latest: dict[str, Any] = {}
    began = time.process_time()
    for start in range(0, count, 100):
        for body in bodies[start : start + 100]:
            for frame in frames_of(body, sender):
                inbox.take(Letter(frame, 0))
        for each in inbox.drain().deliveries:
            latest[each.node] = each.observations
        inbox.settle(is_committed=True)
    return (time.process_time() - began) / count * US


class Sample(BaseModel):
    """A GPU's values as a FastAPI route would declare them."""

    index: int
    uuid: str
    name: str
    at_ns: int
    busy_ratio: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    power_watts: float | None = None
    power_limit_watts: float | None = None
    energy_joules: float | None = None
    temperature_celsius: int | None = None
    sm_clock_hertz: int | None = None
    memory_clock_hertz: int | None = None
    memory_busy_ratio: float | None = None
    memory_temperature_celsius: int | None = None
    pcie_sent_rate: int | None = None
    pcie_received_rate: int | None = None
    sm_active_ratio: float | None = None
    tensor_active_ratio: float | None = None
    dram_active_ratio: float | None = None
    took_ns: int = 0


class Push(BaseModel):
    """What a node pushes, as a FastAPI route would declare it."""

    agent: str
    node: str
    epoch: str
    sequence: int
    gpus: list[Sample]


def fastapi_app() -> FastAPI:
    """Return the ordinary route."""
    app = FastAPI()
    latest: dict[str, Push] = {}

    @app.post(PATH)
    async def take(push: Push) -> dict[str, int]:
        latest[push.node] = push
        return {"acknowledged": push.sequence}

    return app


def as_json(number: int) -> bytes:
    """Return a node's push as JSON."""
    raw = TypeAdapter(list[Sample]).validate_python(
        [gpu(index, number) for index in range(GPUS)], from_attributes=True
    )
    push = Push(agent="a", node="n", epoch="e", sequence=number, gpus=raw)
    return push.model_dump_json().encode()


def serve(kind: str, pipe: Connection) -> None:
    """Run one of the servers; tell its port, and its CPU time when asked."""
    if kind == "ours":
        collect_seldom()
    desk = Desk(limits=NO_LIMITS)
    is_ours = kind == "ours"
    app = desk.app if is_ours else fastapi_app()
    engine = compiled(desk.ingest.at_once if is_ours else None)
    with serving(app, engine=engine) as port, committing_often(desk.inbox):
        pipe.send(port)
        while pipe.recv() == "cpu":
            pipe.send(time.process_time())


@contextmanager
def committing_often(inbox: Inbox) -> Iterator[None]:
    """Commit what arrives without keeping it."""
    with committing(inbox, Forgetful()):
        yield


class Forgetful(Books):
    """Books that apply and do not remember."""

    def commit(self, inbox: Inbox) -> None:
        """Do what a tick does, in groups as a ledger would."""
        time.sleep(0.005)
        self.applied.clear()
        super().commit(inbox)


@contextmanager
def server(kind: str) -> Iterator[tuple[int, Callable[[], float]]]:
    """Start a server in a process of its own; give its port and its clock."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(kind, theirs))
    process.start()
    try:
        port = ours.recv()

        def cpu() -> float:
            ours.send("cpu")
            return float(ours.recv())

        yield port, cpu
    finally:
        ours.send("end")
        process.join()


def served(kind: str, body_of: Callable[[int], bytes], count: int) -> float:
    """Return a server's CPU microseconds per push, from many agents at once."""
    kinds = {"ours": CONTENT_TYPE, "fastapi": "application/json"}
    bodies = [body_of(number + 1) for number in range(count)]
    with server(kind) as (port, cpu):
        asyncio.run(flood(port, kinds[kind], bodies[:AGENTS]))
        before = cpu()
        asyncio.run(flood(port, kinds[kind], bodies[AGENTS:]))
        return (cpu() - before) / (count - AGENTS) * US


async def flood(port: int, content_type: str, bodies: list[bytes]) -> None:
    """Send bodies over kept connections, one at a time on each."""
    left = list(bodies)

    async def agent() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while left:
            body = left.pop()
            writer.write(
                f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\n"
                f"content-length: {len(body)}\r\n\r\n".encode()
                + body
            )
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head:
                raise RuntimeError(head)
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
        writer.close()

    await asyncio.gather(*(agent() for _ in range(AGENTS)))


def catch_up() -> tuple[float, int, int, float]:
    """Return seconds, batches, bytes and requests to send an hour that waited."""
    clock, desk = Hands(), Desk(limits=NO_LIMITS)
    desk.clock = clock
    with tempfile.TemporaryDirectory() as folder, closing(Spool(Path(folder))) as spool:
        courier = HttpCourier("http://127.0.0.1:9", clock.now_ns)
        options = {"agent": "a", "node": "n", "now_ns": clock.now_ns}
        pusher = Pusher(courier, spool, chance=lambda: 0.0, **options)  # type: ignore[arg-type]  # named values
        for second in range(1, 3_601):
            clock.forward(1)
            pusher.take(node(second, gpus=GPUS))
            if second % EVERY_SECONDS == 0:
                pusher.seal()
        waiting = spool.waiting()
        with serving(desk.app) as port, committing(desk.inbox, Forgetful()):
            courier = HttpCourier(f"http://127.0.0.1:{port}", clock.now_ns)
            late = Pusher(courier, spool, chance=lambda: 0.0, **options)  # type: ignore[arg-type]  # see above
            began = time.monotonic()
            while spool.waiting().records:
                late.step()
            took = time.monotonic() - began
            late.abandon()
        return took, waiting.records, waiting.bytes, late.counts.requests


ROWS: dict[str, Callable[[int], float]] = {
    "parse text": parse_text,
    "read + take": read_and_take,
    "read + take, 320 values": partial(read_and_take, is_needed_only=False),
    "encode": encode,
    "aggregator": partial(served, "ours", batch),
    "aggregator, training node": partial(served, "ours", partial(batch, ranks=16)),
    "aggregator, another shard": partial(
        served, "ours", partial(batch, ranks=16, gpus=0)
    ),
    "FastAPI on uvicorn": partial(served, "fastapi", as_json),
}


def main() -> None:
    """Print one line per path, then the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pushes", type=int, default=2_000)
    options = parser.parse_args()
    spent: dict[str, list[float]] = {name: [] for name in ROWS}
    for _ in range(options.rounds):
        for name, cost in ROWS.items():
            few = options.pushes // (20 if name == "parse text" else 1)
            spent[name].append(cost(max(few, 2 * AGENTS)))
    for name, us in spent.items():
        middle = median(us)
        say(
            f"{name:26}{middle:9.1f} us per push ({min(us):.1f} to {max(us):.1f})"
            f"{US / middle:12,.0f} a second and core"
        )
    middles = {name: median(us) for name, us in spent.items()}
    a_second = NODES / EVERY_SECONDS
    whole = batch(1, is_needed_only=False)
    say(f"320 values: a page {len(page())} bytes, a batch {len(whole)}")
    say(f"what an aggregator reads of them: a batch {len(batch(1))} bytes")
    for name in ("read + take", "read + take, 320 values"):
        say(f"parse text / {name}: {middles['parse text'] / middles[name]:.0f}x")
    ratio = middles["FastAPI on uvicorn"] / middles["aggregator"]
    say(f"FastAPI on uvicorn / aggregator: {ratio:.1f}x")
    for name in ("aggregator", "aggregator, training node"):
        share = middles[name] * a_second / US
        say(f"{NODES:,} nodes every {EVERY_SECONDS} s, {name}: {share:.0%} of a core")
    took, batches, size, requests = catch_up()
    say(
        f"an hour to catch up: {batches} batches, {size / 2**20:.1f} MiB in "
        f"{requests} requests, {took:.2f} s; with a commit a second "
        f"{took + requests:.0f} s"
    )


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
