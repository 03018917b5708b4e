"""An agent's pushes over real sockets to a real server, with hours in seconds."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from goodput_exporter.domain.observations import Delivered, RankReport
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.errors import ConfigError, SourceUnavailableError
from goodput_exporter.ingest.inbox import Inbox
from goodput_exporter.ingest.limits import Limits
from goodput_exporter.ingest.reading import frames_of, read
from goodput_exporter.ingest.refusals import Reason
from goodput_exporter.ingest.requests import Receive, Scope, Send
from goodput_exporter.ingest.senders import Sender
from goodput_exporter.ledger.ledger import Ledger
from goodput_exporter.ledger.opening import open_ledger
from goodput_exporter.ledger.spool.spool import Spool
from goodput_exporter.services.bookkeeper import Bookkeeper
from goodput_exporter.services.courier import HttpCourier, address_of
from goodput_exporter.services.push import Pusher
from goodput_exporter.wire.answers import PATH
from goodput_exporter.wire.frames import CONTENT_TYPE, encode_frame
from goodput_exporter.wire.kinds import Observation
from tests.fakes.aggregator import Desk, Hands, committing, serving
from tests.fakes.observations import EPOCH_NS, node

HOUR_SECONDS = 3_600
KIB = 1024
BATCH = encode_frame(
    [each for second in range(1, 61) for each in node(second, ranks=2)],
    agent="agent",
    node="node-1",
    epoch="e1",
    sequence=1,
    made_ns=EPOCH_NS,
)


def pusher_to(
    port: int, spool: Spool, clock: Hands, token_file: Path | None = None
) -> Pusher:
    """Return an agent's pusher to a server on loopback."""
    courier = HttpCourier(
        f"http://127.0.0.1:{port}", clock.now_ns, token_file=token_file
    )
    return Pusher(
        courier,
        spool,
        agent="agent",
        node="node-1",
        now_ns=clock.now_ns,
        chance=lambda: 0.5,
    )


def live(pusher: Pusher, clock: Hands, seconds: range, ranks: int = 16) -> None:
    """Let an agent tick once a second."""
    for second in seconds:
        clock.forward(1)
        pusher.take(node(second, ranks=ranks))
        while pusher.step() == 0:
            pass


def unused_port() -> int:
    """Return a port where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Serve raw bytes, one connection per answer; give the port and what came."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def run() -> None:
            for answer in answers:
                connection, _ = listening.accept()
                with connection:
                    heard.append(connection.recv(65_536))
                    connection.sendall(answer)

        thread = threading.Thread(target=run)
        thread.start()
        yield listening.getsockname()[1], heard
        thread.join()


def test_an_hour_without_the_aggregator_costs_nothing(tmp_path: Path) -> None:
    """
    16 ranks, 10 steps a second, 60 minutes alone: all of it arrives, once.

    The agent's memory does not grow meanwhile, and it has caught up within a
    minute of its clock.
    """
    clock, port = Hands(), unused_port()
    desk = Desk(clock=clock)
    with closing(Spool(tmp_path)) as spool:
        pusher = pusher_to(port, spool, clock)
        live(pusher, clock, range(1, 300))
        tracemalloc.start()
        live(pusher, clock, range(300, 360))
        before = tracemalloc.get_traced_memory()[0]
        live(pusher, clock, range(360, 600))
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        live(pusher, clock, range(600, HOUR_SECONDS))
        waiting, back_ns = spool.waiting(), clock.now_ns()
        last = HOUR_SECONDS
        with serving(desk.app, port), committing(desk.inbox, desk.books):
            while spool.waiting().records and last < HOUR_SECONDS + 60:
                live(pusher, clock, range(last, last + 1))
                last += 1
            pusher.finish(0)
        took_ns = clock.now_ns() - back_ns

    applied = desk.books.observations()
    assert waiting.records == HOUR_SECONDS // 5 - 1
    assert waiting.is_durable
    assert grown < 64 * KIB
    assert took_ns < 60 * NS_PER_SECOND
    assert len(applied) >= 16 * (HOUR_SECONDS - 1)
    assert applied == [o for s in range(1, len(applied) // 16 + 1) for o in node(s)]
    assert desk.inbox.duplicates == desk.inbox.missing == 0


def test_a_real_ledger_books_a_batch_once_over_a_crash(tmp_path: Path) -> None:
    """
    The aggregator dies after its commit and before its answer.

    The agent sends the same batch to the next life, which has its marks from the
    same commit as the books: they are what they are without the second delivery.
    """
    fates, twice = lives(tmp_path / "twice.db", [[BATCH], [BATCH]])
    _, once = lives(tmp_path / "once.db", [[BATCH], []])

    assert fates == ["not told", "duplicate"]
    assert once > 0
    assert twice == once


def test_a_connection_is_kept_from_push_to_push() -> None:
    """2,000 pushes a second must not be 2,000 handshakes."""
    desk = Desk()
    peers: set[object] = set()

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        peers.add(scope["client"])
        await desk.app(scope, receive, send)

    with serving(noting) as port:
        courier = HttpCourier(f"http://127.0.0.1:{port}", Hands().now_ns)
        statuses = [courier.post(b"", {}).status for _ in range(5)]
        courier.close()

    assert statuses == [200] * 5
    assert len(peers) == 1


def test_a_kept_connection_that_was_given_up_is_made_again() -> None:
    """The server's idle time is over just when the next push begins."""
    ok = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
    with answering(ok, ok) as (port, heard):
        courier = HttpCourier(f"http://127.0.0.1:{port}", Hands().now_ns)
        statuses = [courier.post(b"x", {}).status for _ in range(2)]
        courier.close()

    assert statuses == [200, 200]
    assert len(heard) == 2


@pytest.mark.parametrize(
    "answer", [b"", b"junk\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"]
)
def test_an_answer_that_is_none_is_an_error_that_names_the_address(
    answer: bytes,
) -> None:
    """Whatever listens there, the agent goes on and says where it looked."""
    with answering(answer) as (port, _):
        courier = HttpCourier(f"http://127.0.0.1:{port}", Hands().now_ns)
        with pytest.raises(SourceUnavailableError, match=rf"127.0.0.1:{port} does not"):
            courier.post(b"x", {})


def test_a_token_is_read_for_every_push(tmp_path: Path) -> None:
    """Projected tokens change within the hour, and nobody restarts the agent."""
    token_file = tmp_path / "token"
    ok = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"
    with answering(ok, ok) as (port, heard):
        courier = HttpCourier(
            f"http://127.0.0.1:{port}", Hands().now_ns, token_file=token_file
        )
        with pytest.raises(SourceUnavailableError, match="check that it is mounted"):
            courier.post(b"", {})
        for token in ("first", "second\n"):
            token_file.write_text(token)
            courier.post(b"", {})
        courier.close()

    assert b"authorization: Bearer first\r\n" in heard[0]
    assert b"authorization: Bearer second\r\n" in heard[1]


@pytest.mark.parametrize("url", ["aggregator:9909", "ftp://x", "http://", "http://x:y"])
def test_an_address_that_is_none_is_said_so_at_once(url: str) -> None:
    """A typing error in a chart should not look like an outage."""
    with pytest.raises(ConfigError, match="aggregator's address"):
        address_of(url)


def test_a_slow_sender_and_a_huge_one_are_cut_off_by_the_server() -> None:
    """Over real sockets: a body that never ends, and one of 1 GB."""
    desk = Desk(limits=Limits(body_seconds=0.2))
    head = (
        f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: {CONTENT_TYPE}\r\n"
        "content-length: {length}\r\n\r\n"
    )
    answers: list[bytes] = []
    with serving(desk.app) as port:
        for length in (1_000, 10**9):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
                sock.sendall(head.replace("{length}", str(length)).encode() + b"x")
                answers.append(read_all(sock))

    assert answers[0].startswith(b"HTTP/1.1 408 ")
    assert answers[1].startswith(b"HTTP/1.1 413 ")
    assert desk.counts.refused[Reason.SLOW] == desk.counts.refused[Reason.TOO_BIG] == 1


def test_an_aggregator_that_takes_less_at_once_gets_it_in_pieces(
    tmp_path: Path,
) -> None:
    """Its bound is lower than ours, and it closes while we still send."""
    clock = Hands()
    desk = Desk(clock=clock, limits=Limits(body_bytes=70_000))
    many: list[Observation] = [
        Delivered("agent", int.from_bytes(sha256(b"%d" % n).digest()[:7]))
        for n in range(100_000)
    ]
    with closing(Spool(tmp_path)) as spool:
        with serving(desk.app) as port, committing(desk.inbox, desk.books):
            pusher = pusher_to(port, spool, clock)
            for start in range(0, len(many), 5_000):
                pusher.take(many[start : start + 5_000])
                pusher.seal()
            waited = spool.waiting().bytes
            for _ in range(200):
                clock.forward(5)
                pusher.step()
            pusher.finish(0)
        left = spool.waiting().records

    assert waited > 500_000
    assert left == 0
    assert desk.books.observations() == many
    assert pusher.counts.refused == 0


def test_the_way_to_the_aggregator_loads_no_framework_and_no_database() -> None:
    """The agent runs on every node: its memory is somebody's training batch."""
    code = (
        "import sys; import goodput_exporter.services.push; "
        "import goodput_exporter.services.courier; import goodput_exporter.ingest.app; "
        "print({'fastapi', 'starlette', 'pydantic', 'sqlite3', 'kubernetes', "
        "'urllib3', 'numpy'} & set(sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "set()"


def read_all(sock: socket.socket) -> bytes:
    """Read until the other side closes, within the socket's timeout."""
    found = b""
    while chunk := sock.recv(65_536):
        found += chunk
    return found


def lives(path: Path, pushed: list[list[bytes]]) -> tuple[list[str], int]:
    """
    Let an aggregator live several times on one ledger, and die before it answers.

    Args:
        path: The ledger's file.
        pushed: The bodies that each life gets.

    Returns:
        What each life told at once, and the GPU time booked in the end.
    """
    clock = Hands(EPOCH_NS + 60 * NS_PER_SECOND)
    fates: list[str] = []
    booked = 0
    for bodies in pushed:
        with closing(open_ledger(path)) as ledger:
            books = bookkeeper(ledger)
            books.resume(clock.now_ns())
            inbox = Inbox(ledger.resume().meta)
            for body in bodies:
                (frame,) = frames_of(body, Sender("test"))
                delivery = read(frame, 0).delivery
                assert delivery is not None
                future = inbox.take(delivery)
                fates.append(future.result(0) if future.done() else "not told")
            drained = inbox.drain()
            for each in drained.deliveries:
                books.take([o for o in each.observations if isinstance(o, RankReport)])
            clock.forward(60)
            assert books.tick(clock.now_ns(), drained.meta)
            (run,) = ledger.runs()
            booked = ledger.account(run.key).total_gpu_ns
            assert ledger.verify() == []
    return fates, booked


def bookkeeper(ledger: Ledger) -> Bookkeeper:
    """Return the books of an aggregator that has just begun."""
    return Bookkeeper(
        ledger,
        Rules(grace_ns=0, settle_ns=0),
        cluster="",
        namespace="ml",
        silence_ns=NS_PER_SECOND,
        retention_ns=HOUR_SECONDS * NS_PER_SECOND,
    )
