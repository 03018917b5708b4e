"""Ten thousand agents in one process: connections that push, each in its turn."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import msgspec

from goodput_exporter.domain.observations import RankReport
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.wire.answers import PATH
from goodput_exporter.wire.frames import (
    CONTENT_TYPE,
    MARK,
    PLAIN_VERSION,
    PREFIX,
    Header,
    encode_frame,
    split,
)
from goodput_exporter.wire.kinds import Observation
from tests.benchmarks.bench_push import batch
from tests.fakes.observations import node

EVERY_S: Final = 5.0
PATIENCE_S: Final = 90.0
"""For all to be answered once, and for the last answers after the measurement."""
TOLD_S: Final = 1.0
"""How often, about, the one rank reports whose way to its view is timed."""
GPUS_ONLY: Final = next(split(batch(1)))

Asked = TypeVar("Asked")


@dataclass(slots=True)
class Waits:
    """
    What all agents share.

    Args:
        seconds: From a push to its answer, for each.
        refused: Pushes that were not taken.
        yet: Agents that were not answered yet. *warm*: there is none.
        until: When to end, by the monotonic clock.
    """

    yet: int
    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    warm: asyncio.Event = field(default_factory=asyncio.Event)
    until: float = float("inf")

    def note(self, seconds: float, *, is_first: bool, is_taken: bool) -> None:
        """Count one answer."""
        self.seconds.append(seconds)
        self.refused += not is_taken
        self.yet -= is_first
        if self.yet == 0:
            self.warm.set()


@dataclass(frozen=True, slots=True)
class Measured(Generic[Asked]):
    """
    What was seen from the end of the warm-up to the end.

    Args:
        seconds: From a push to its answer, for each that was answered in between.
        refused: How many of those were not taken.
        before, after: What the server said at its two ends.
        took_s: Wall time. *cpu_s*: the agents' own CPU time.
    """

    seconds: list[float]
    refused: int
    before: Asked
    after: Asked
    took_s: float
    cpu_s: float


async def measure(
    port: int, count: int, seconds: float, ask: Callable[[], Asked]
) -> Measured[Asked]:
    """
    Let so many agents push, and look at the server when all are connected.

    Args:
        port: The server's, on loopback.
        count: Of agents; each keeps its connection from its first push on.
        seconds: To measure, from when each agent was answered once.
        ask: Asks the server what it has done so far.

    Raises:
        TimeoutError: Some agents were not answered within their patience.
    """
    waits = Waits(count)
    dice = random.Random(1)  # noqa: S311 - spreads agents over the period, no secret
    async with (
        asyncio.timeout(seconds + PATIENCE_S),
        asyncio.TaskGroup() as everyone,
    ):
        everyone.create_task(told(port, waits, dice))
        for number in range(count):
            begins_s = dice.uniform(0, EVERY_S)
            everyone.create_task(agent(port, number, begins_s, waits))
        await waits.warm.wait()
        before = await asyncio.to_thread(ask)
        waits.seconds, waits.refused = [], 0
        began, cpu_s = time.monotonic(), time.process_time()
        waits.until = began + seconds
        await asyncio.sleep(seconds)
        after = await asyncio.to_thread(ask)
        took_s, cpu_s = time.monotonic() - began, time.process_time() - cpu_s
        answered, refused = list(waits.seconds), waits.refused
    return Measured(answered, refused, before, after, took_s, cpu_s)


async def agent(port: int, number: int, begins_s: float, waits: Waits) -> None:
    """Push what a node's GPUs do, again and again, over one connection."""
    name, life = f"node-{number:05d}", life_now()
    due, sequence = time.monotonic() + begins_s, 0
    await asyncio.sleep(begins_s)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < waits.until:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        began, sequence = time.monotonic(), sequence + 1
        # Who is late has more to say, not more often.
        due = max(due + EVERY_S, began)
        body = framed(msgspec.structs.replace(
            GPUS_ONLY.header, agent=name, node=name, epoch=life, sequence=sequence
        ))  # fmt: skip
        is_taken = await post(reader, writer, body)
        took_s = time.monotonic() - began
        waits.note(took_s, is_first=sequence == 1, is_taken=is_taken)
    writer.close()


def framed(header: Header) -> bytes:
    """Return a frame of the same GPUs under another header, at little cost."""
    head, body = msgspec.msgpack.encode(header), GPUS_ONLY.body
    return PREFIX.pack(MARK, PLAIN_VERSION, len(head), len(body)) + head + body


def life_now() -> str:
    """Return a name for what begins now: an agent's epoch, a rank's incarnation."""
    return f"{time.time_ns():016x}"


async def told(port: int, waits: Waits, dice: random.Random) -> None:
    """Be the one rank whose way from its report to its view is timed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    life, began_ns, sequence = life_now(), time.time_ns(), 0
    while time.monotonic() < waits.until:
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
