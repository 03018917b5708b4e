"""An aggregator's receiving end on loopback, and what an agent needs to reach it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.errors import SourceUnavailableError
from goodput_exporter.ingest.app import ingest_app
from goodput_exporter.ingest.inbox import Delivery, Inbox
from goodput_exporter.ingest.limits import Limits
from goodput_exporter.ingest.refusals import Counts
from goodput_exporter.ingest.requests import App
from goodput_exporter.ingest.senders import Who, from_this_machine
from goodput_exporter.services.courier import Reply
from goodput_exporter.services.pushed import KEEP_ALIVE_SECONDS
from goodput_exporter.services.web import Engine, compiled
from goodput_exporter.wire import answers, frames
from goodput_exporter.wire.kinds import Observation
from tests.fakes.observations import EPOCH_NS


class Hands:
    """A clock that is moved by hand, shared by threads."""

    def __init__(self, now_ns: int = EPOCH_NS) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        """Return the instant it shows."""
        return self._now_ns

    def forward(self, seconds: float) -> None:
        """Move on."""
        self._now_ns += round(seconds * NS_PER_SECOND)


@dataclass(slots=True)
class Books:
    """
    What a ledger would hold: observations and marks, committed in one piece.

    Args:
        meta: As of the last commit.
        applied: Every committed delivery, in its order.
    """

    meta: dict[str, str] = field(default_factory=dict)
    applied: list[Delivery] = field(default_factory=list)

    def commit(self, inbox: Inbox) -> None:
        """Do what a tick does."""
        drained = inbox.drain()
        self.applied += drained.deliveries
        self.meta |= drained.meta
        inbox.settle(is_committed=True)

    def observations(self) -> list[Observation]:
        """Return everything that was ever applied."""
        return [each for delivery in self.applied for each in delivery.observations]


@dataclass
class Desk:
    """
    The ingest application called in-process, its inbox committed by hand.

    Args:
        books: What is committed; a new desk on the same books is a restart.
    """

    books: Books = field(default_factory=Books)
    who: Who = from_this_machine
    limits: Limits = field(default_factory=Limits)
    leader: str | None = None
    clock: Hands = field(default_factory=Hands)
    commits: bool = True

    def __post_init__(self) -> None:
        """Begin as after a restart."""
        self.inbox = Inbox(self.books.meta)
        self.counts = Counts()
        self.ingest = ingest_app(
            take=self.inbox.take,
            who=self.who,
            now_ns=self.clock.now_ns,
            limits=self.limits,
            leader=lambda: self.leader,
            counts=self.counts,
        )
        self.app: App = self.ingest

    def push(self, body: bytes, **changes: Any) -> Reply:  # noqa: ANN401 - of the scope
        """Send one push as an agent would."""
        return asyncio.run(self.pushed(body, **changes))

    async def pushed(  # noqa: PLR0913 - each thing of a request that may be wrong
        self,
        body: bytes,
        *,
        path: str = answers.PATH,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        client: tuple[str, int] | None = ("127.0.0.1", 40_000),
        chunks: list[bytes] | None = None,
        ends: bool = True,
    ) -> Reply:
        """
        Send one push and, if this desk commits, commit while it waits.

        Args:
            body: What is announced; sent whole unless *chunks* says otherwise.
            path: Of the request.
            method: Of the request.
            headers: In place of the usual ones; an empty one is left out.
            client: The peer; None on a Unix socket.
            chunks: What is really sent.
            ends: False leaves the sender silent after the last chunk.
        """
        named = {"content-type": frames.CONTENT_TYPE, "content-length": str(len(body))}
        named |= headers or {}
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "client": client,
            "headers": [(k.encode(), v.encode()) for k, v in named.items() if v],
        }
        left = [body] if chunks is None else list(chunks)

        async def receive() -> dict[str, Any]:
            if not left and not ends:
                await asyncio.Event().wait()
            chunk = left.pop(0) if left else b""
            more = bool(left) or not ends
            return {"type": "http.request", "body": chunk, "more_body": more}

        sent: list[dict[str, Any]] = []

        async def send(message: Any) -> None:  # noqa: ANN401 - as ASGI has it
            sent.append(message)

        request = asyncio.ensure_future(self.app(scope, receive, send))
        while not request.done():
            await asyncio.sleep(0)
            if self.commits and self.inbox.waiting:
                self.books.commit(self.inbox)
        await request
        start, end = sent
        said = {k.decode(): v.decode() for k, v in start["headers"]}
        now_ns = self.clock.now_ns()
        return Reply(start["status"], said, end["body"], now_ns, now_ns)


def detail_of(reply: Reply) -> str:
    """Return why a push was refused."""
    return str(json.loads(reply.body)["detail"])


@dataclass
class DirectCourier:
    """
    A courier without a network: it hands pushes to a desk, or to nobody.

    Args:
        desk: Who takes them; None is an aggregator that is away.
        loses_answers: The push arrives and its answer does not.
        skew_ns: How far the agent's clock is behind the desk's.
    """

    desk: Desk | None = None
    loses_answers: bool = False
    skew_ns: int = 0
    pushes: int = 0
    bodies: list[bytes] = field(default_factory=list)

    def post(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send a push and return the answer."""
        if self.desk is None:
            msg = "nobody is there"
            raise SourceUnavailableError(msg)
        self.pushes += 1
        self.bodies.append(body)
        reply = self.desk.push(body, headers=headers)
        if self.loses_answers:
            msg = "the answer was lost"
            raise SourceUnavailableError(msg)
        at_ns = self.desk.clock.now_ns() - self.skew_ns
        return Reply(reply.status, reply.headers, reply.body, at_ns, at_ns)

    def hurry(self, seconds: float) -> None:
        """Be as quick as ever."""

    def close(self) -> None:
        """Let go of nothing."""


@contextmanager
def serving(
    app: App,
    port: int = 0,
    engine: Engine | None = None,
    keep_alive_seconds: int = KEEP_ALIVE_SECONDS,
) -> Iterator[int]:
    """Serve an application on loopback, as the aggregator does; give its port."""
    engine = engine or compiled()
    ready = threading.Event()
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        loop=engine.loop,
        http=engine.http,
        ws="none",
        timeout_keep_alive=keep_alive_seconds,
    )
    server = _Server(config, ready.set)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        if not ready.wait(10):
            msg = "uvicorn does not answer"
            raise TimeoutError(msg)
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@contextmanager
def committing(inbox: Inbox, books: Books) -> Iterator[None]:
    """Commit whatever arrives, on a thread of its own."""
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            if inbox.wait(0.05):
                books.commit(inbox)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class _Server(uvicorn.Server):
    """A server that says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the test runner's handlers alone."""
        yield
