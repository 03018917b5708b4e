"""A push on the short way is answered like any other, and by nobody else."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from email.parser import BytesHeaderParser
from pathlib import Path

import pytest

from goodput_exporter.ingest.app import beside
from goodput_exporter.ingest.limits import Limits
from goodput_exporter.ingest.refusals import Reason
from goodput_exporter.ingest.requests import App, Receive, Scope, Send, respond
from goodput_exporter.ingest.senders import TokenFile
from goodput_exporter.services.courier import HttpCourier
from goodput_exporter.services.web import PLAIN, compiled
from goodput_exporter.wire.answers import PATH, decode_answer
from goodput_exporter.wire.frames import CONTENT_TYPE, encode_frame
from tests.fakes.aggregator import Desk, committing, serving
from tests.fakes.observations import node
from tests.fakes.station import until

PATIENCE_S = 20.0
ELSEWHERE = 418
"""What an application answers that is not to be asked."""


def batch(sequence: int = 1, name: str = "node-1") -> bytes:
    """Return what an agent sends."""
    return encode_frame(
        node(1), agent="agent", node=name, epoch="e", sequence=sequence, made_ns=1
    )


def asked(body: bytes, *lines: str, method: str = "POST", path: str = PATH) -> bytes:
    """Return a request."""
    said = [f"{method} {path} HTTP/1.1", "host: x", f"content-type: {CONTENT_TYPE}"]
    said += [f"content-length: {len(body)}", *lines, "", ""]
    return "\r\n".join(said).encode() + body


async def nobody(scope: Scope, receive: Receive, send: Send) -> None:
    """Be the application of which nothing is wanted."""
    del scope, receive
    await respond(send, ELSEWHERE, b"{}")


class Connection:
    """One connection, on which requests and answers follow each other."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)

    def say(self, data: bytes) -> None:
        """Send some bytes."""
        self._socket.sendall(data)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Read one answer: status, headers, body."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._socket.recv(1)
        line, _, rest = head.partition(b"\r\n")
        said = {k.lower(): v for k, v in BytesHeaderParser().parsebytes(rest).items()}
        body = b""
        while len(body) < int(said["content-length"]):
            body += self._socket.recv(int(said["content-length"]) - len(body))
        return int(line.split()[1]), said, body

    def has_news(self) -> bool:
        """Tell whether something came, or the end."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def is_over(self) -> bool:
        """Wait for the other side to end it; false if it says something."""
        return self._socket.recv(1) == b""

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


@contextmanager
def calling(desk: Desk, app: App | None = None) -> Iterator[Connection]:
    """Serve a desk on the short way, before an application, and connect to it."""
    engine = compiled(desk.ingest.at_once)
    with (
        serving(app or desk.app, engine=engine) as port,
        closing(Connection(port)) as connection,
    ):
        yield connection


def test_no_application_is_asked_for_a_push_in_one_piece() -> None:
    """It is answered by the ingest itself, once its commit is there."""
    desk = Desk()
    with calling(desk, nobody) as connection, committing(desk.inbox, desk.books):
        connection.say(asked(batch()))
        status, said, body = connection.answer()

    (outcome,) = decode_answer(body).outcomes
    assert (status, said["content-type"]) == (200, "application/json")
    assert (outcome.sequence, outcome.fate) == (1, "applied")
    assert desk.books.observations() == node(1)
    assert (desk.counts.requests, desk.counts.bytes) == (1, len(batch()))


def test_an_agent_sends_a_push_in_one_piece() -> None:
    """Head and body by one write; else each push would go the long way."""
    desk = Desk()
    with (
        serving(nobody, engine=compiled(desk.ingest.at_once)) as port,
        committing(desk.inbox, desk.books),
    ):
        courier = HttpCourier(f"http://127.0.0.1:{port}", time.time_ns)
        replies = [courier.post(batch(number), {}) for number in (1, 2, 3)]
        courier.close()

    assert [each.status for each in replies] == [200, 200, 200]
    assert desk.inbox.applied == 3


@pytest.mark.parametrize(
    "push",
    [asked(batch(1) + batch(2)), asked(b""), asked(batch(), method="PUT"),
     asked(batch(), path="/metrics"), asked(batch(), "x-forwarded-for: 10.0.0.1"),
     asked(batch(), "expect: 100-continue"), asked(b"junk"),
     asked(batch()).replace(b"HTTP/1.1", b"HTTP/1.0"),
     asked(b"0\r\n\r\n", "transfer-encoding: chunked")
     .replace(b"content-length: 5\r\n", b"")],
)  # fmt: skip
def test_whatever_is_not_plain_goes_the_long_way(push: bytes) -> None:
    """Several batches, none, a proxy's word, another route: the application has it."""
    desk = Desk()
    with calling(desk, nobody) as connection:
        connection.say(push)
        status, _, _ = connection.answer()

    assert status == ELSEWHERE
    assert (desk.inbox.waiting, desk.counts.requests) == (0, 0)


@pytest.mark.parametrize(
    ("push", "status"),
    [(asked(batch()), 200), (asked(batch(), "connection: close"), 200),
     (asked(batch()[:-1] + b"\x00"), 200), (asked(batch(1) + batch(2)), 200),
     (asked(b""), 200), (asked(b"junk"), 400), (asked(batch(), method="PUT"), 405),
     (asked(batch(name="node-2")), 403), (asked(batch(), "authorization: x"), 401)],
)  # fmt: skip
def test_both_ways_answer_the_same(tmp_path: Path, push: bytes, status: int) -> None:
    """Status, headers, what became of each batch, and what is counted."""
    tokens = tmp_path / "tokens"
    tokens.write_text("secret node-1\n")
    if b"authorization" not in push:
        push = push.replace(b"host: x", b"host: x\r\nauthorization: Bearer secret")

    short, long = (_told(tokens, push, is_short=is_short) for is_short in (True, False))

    assert short == long
    assert short[0][0] == status


def _told(tokens: Path, push: bytes, *, is_short: bool) -> list[tuple[object, ...]]:
    """Push twice; return what is answered, and what is counted."""
    desk = Desk(who=TokenFile(tokens))
    engine = compiled(desk.ingest.at_once) if is_short else PLAIN
    found: list[tuple[object, ...]] = []
    with (
        serving(desk.app, engine=engine) as port,
        committing(desk.inbox, desk.books),
        closing(Connection(port)) as connection,
    ):
        for _ in range(2):
            connection.say(push)
            status, said, body = connection.answer()
            found.append((status, *_without_time(status, said, body)))
            if said.get("connection") == "close":
                assert connection.is_over()
                break
    return [*found, (desk.counts, desk.inbox.applied, desk.inbox.duplicates)]


def _without_time(status: int, said: dict[str, str], body: bytes) -> tuple[object, ...]:
    said.pop("date", None)
    said.pop("server", None)
    if status != 200:
        return said, body
    answer = decode_answer(body)
    # How long it is says how many digits an instant has.
    said.pop("content-length")
    return said, answer.outcomes, answer.detail


def test_what_is_sent_meanwhile_is_answered_in_its_turn() -> None:
    """A page that is asked for behind a push waits until the push is committed."""
    desk = Desk()
    with calling(desk, beside(desk.app, nobody)) as connection:
        connection.say(asked(batch()) + asked(b"", method="GET", path="/metrics"))
        until(lambda: desk.inbox.waiting == 1)
        desk.books.commit(desk.inbox)

        assert [connection.answer()[0] for _ in range(2)] == [200, ELSEWHERE]


def test_a_push_that_is_not_committed_in_time_is_to_be_sent_again() -> None:
    """It is refused, its room is free again, and its commit may still come."""
    desk = Desk(limits=Limits(commit_seconds=0.05, held_bytes=len(batch())))
    with calling(desk) as connection:
        connection.say(asked(batch()))
        status, said, _ = connection.answer()

        assert (status, said["retry-after"], said["connection"]) == (503, "1", "close")
        assert connection.is_over()
        assert desk.counts.refused[Reason.UNCOMMITTED] == 1

    desk.books.commit(desk.inbox)
    with calling(desk) as connection:
        connection.say(asked(batch()))
        (outcome,) = decode_answer(connection.answer()[2]).outcomes

    assert outcome.fate == "duplicate"


def test_a_sender_that_hangs_up_does_not_keep_others_from_their_answer() -> None:
    """Its batch is committed all the same."""
    desk = Desk()
    engine = compiled(desk.ingest.at_once)
    with serving(desk.app, engine=engine) as port:
        gone, there = Connection(port), Connection(port)
        gone.say(asked(batch(1)))
        until(lambda: desk.inbox.waiting == 1)
        gone.close()
        there.say(asked(batch(2)))
        until(lambda: desk.inbox.waiting == 2)
        desk.books.commit(desk.inbox)

        assert there.answer()[0] == 200
        there.close()

    assert desk.inbox.applied == 2


def test_a_connection_without_pushes_ends_and_one_with_pushes_does_not() -> None:
    """One timer looks after each, and does not begin anew with every push."""
    desk = Desk()
    engine = compiled(desk.ingest.at_once)
    with (
        serving(desk.app, engine=engine, keep_alive_seconds=1) as port,
        committing(desk.inbox, desk.books),
        closing(Connection(port)) as busy,
        closing(Connection(port)) as idle,
    ):
        statuses: list[int] = []

        def push() -> bool:
            busy.say(asked(batch(len(statuses) + 1)))
            statuses.append(busy.answer()[0])
            return idle.has_news()

        idle.say(asked(batch()))
        assert idle.answer()[0] == 200
        until(push)

        assert idle.is_over()
        push()
    assert set(statuses) == {200}
    assert len(statuses) > 1


def test_a_server_that_ends_answers_what_it_has_taken() -> None:
    """A roll-out must not make agents push again what is about to be committed."""
    desk = Desk()
    with ExitStack() as server:
        port = server.enter_context(
            serving(desk.app, engine=compiled(desk.ingest.at_once))
        )
        connection = Connection(port)
        connection.say(asked(batch()))
        until(lambda: desk.inbox.waiting == 1)
        ending = threading.Thread(target=server.pop_all().close)
        ending.start()
        until(lambda: not is_listening(port))
        desk.books.commit(desk.inbox)

        status, said, _ = connection.answer()
        assert (status, said["connection"], connection.is_over()) == (
            200,
            "close",
            True,
        )
        connection.close()
        ending.join(PATIENCE_S)
        assert not ending.is_alive()


def is_listening(port: int) -> bool:
    """Tell whether somebody takes connections."""
    try:
        Connection(port).close()
    except ConnectionRefusedError:
        return False
    return True
