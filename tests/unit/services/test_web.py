"""A compiled server refuses what the plain one refuses, and takes what it takes."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import BinaryIO

import pytest

from goodput_exporter.ingest.app import Ingest
from goodput_exporter.ingest.limits import Limits
from goodput_exporter.ingest.refusals import Reason
from goodput_exporter.services.web import (
    MOST_HEAD_BYTES,
    PLAIN,
    Engine,
    compiled,
)
from goodput_exporter.wire.answers import PATH
from goodput_exporter.wire.frames import CONTENT_TYPE, encode_frame
from tests.fakes.aggregator import Desk, committing, serving
from tests.fakes.observations import node

PATIENCE_S = 20.0
BATCH = encode_frame(
    node(1), agent="agent", node="node-1", epoch="e", sequence=1, made_ns=1
)
"""What an agent sends."""
MOST_SENT_BYTES = 1_000 * MOST_HEAD_BYTES
"""Far beyond what the sockets of both ends hold."""

Choice = Callable[[Ingest], Engine]
"""Returns what is to move the server of an application."""

pytestmark = pytest.mark.parametrize(
    "engine",
    [lambda _: PLAIN, lambda _: compiled(), lambda app: compiled(app.at_once)],
    ids=["plain", "compiled", "at once"],
)


@contextmanager
def calling(engine: Choice, limits: Limits | None = None) -> Iterator[Caller]:
    """Serve a desk on an engine, and call it."""
    desk = Desk(limits=limits or Limits())
    with (
        serving(desk.app, engine=engine(desk.ingest)) as port,
        committing(desk.inbox, desk.books),
        socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection,
        closing(connection.makefile("rb")) as stream,
    ):
        yield Caller(desk, connection, stream)


class Caller:
    """
    One connection to a desk.

    Args:
        desk: Who answers.
        connection: Where to send. *stream*: where answers come.
    """

    def __init__(self, desk: Desk, connection: socket.socket, stream: BinaryIO) -> None:
        self.desk = desk
        self._connection = connection
        self._stream = stream

    def say(self, data: bytes) -> None:
        """Send some bytes."""
        self._connection.sendall(data)

    def status(self) -> int:
        """Read one answer; return its status."""
        status = int(self._stream.readline().split()[1])
        length = 0
        while (line := self._stream.readline().lower().strip()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        self._stream.read(length)
        return status

    def is_cut_off(self) -> bool:
        """Tell whether the other side ends the connection, whatever it says before."""
        try:
            self._stream.read()
        except TimeoutError:
            return False
        except ConnectionResetError:
            pass
        return True


def head(length: int, *lines: str) -> bytes:
    """Return the head of a push."""
    said = [f"POST {PATH} HTTP/1.1", "host: x", f"content-type: {CONTENT_TYPE}"]
    return "\r\n".join([*said, f"content-length: {length}", *lines, "", ""]).encode()


def test_pushes_follow_each_other_on_one_connection(engine: Choice) -> None:
    """A head that comes in pieces, a body byte by byte, then two requests at once."""
    push = head(len(BATCH)) + BATCH
    with calling(engine) as caller:
        caller.say(push[:30])
        caller.say(push[30:-40])
        for byte in push[-40:]:
            caller.say(bytes([byte]))
        first = caller.status()
        caller.say(push + push)

        assert [first, caller.status(), caller.status()] == [200, 200, 200]
        assert caller.desk.books.observations() == node(1)
        assert caller.desk.inbox.duplicates == 2


def test_a_large_body_does_not_count_as_a_head(engine: Choice) -> None:
    """What follows ten heads' length of body is a request like any other."""
    length = 10 * MOST_HEAD_BYTES
    with calling(engine) as caller:
        caller.say(head(0) + head(length, "connection: keep-alive"))
        caller.say(bytes(length))

        assert [caller.status(), caller.status()] == [200, 400]
        assert caller.desk.counts.refused[Reason.MALFORMED] == 1


@pytest.mark.parametrize("opening", [b"GET /", b"GET / HTTP/1.1\r\nx: ", b""])
def test_a_head_without_end_is_cut_off(engine: Choice, opening: bytes) -> None:
    """One address, one header, or many of them: memory is not what it costs."""
    endless = b"a: b\r\n" * 1_000 if not opening else b"a" * 6_000
    with calling(engine) as caller:
        caller.say(opening or b"GET / HTTP/1.1\r\n")

        assert until_cut_off(caller, endless) < MOST_SENT_BYTES
        assert caller.desk.counts.requests == 0


def test_fields_behind_a_body_without_end_are_cut_off(engine: Choice) -> None:
    """More headers may follow the chunks of a body, when it was answered long ago."""
    with calling(engine) as caller:
        caller.say(b"GET / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        caller.say(b"1\r\nx\r\n0\r\n")

        assert until_cut_off(caller, b"a: b\r\n" * 1_000) < MOST_SENT_BYTES
        assert caller.desk.counts.requests == 0


def until_cut_off(caller: Caller, data: bytes) -> int:
    """Send the same again and again until nobody takes it; return the bytes."""
    sent = 0
    with suppress(ConnectionError):
        while sent < MOST_SENT_BYTES:
            caller.say(data)
            sent += len(data)
    return sent


def test_a_gigabyte_is_refused_by_its_announcement(engine: Choice) -> None:
    """Nothing of it is read, and the connection ends."""
    with calling(engine) as caller:
        caller.say(head(10**9))

        assert caller.status() == 413
        assert caller.is_cut_off()
        assert caller.desk.counts.refused[Reason.TOO_BIG] == 1


def test_a_body_that_does_not_come_is_not_waited_for(engine: Choice) -> None:
    """A sender that dribbles holds its room for so long and no longer."""
    with calling(engine, Limits(body_seconds=0.2)) as caller:
        caller.say(head(len(BATCH)) + BATCH[:10])

        assert caller.status() == 408
        assert caller.is_cut_off()
        assert caller.desk.counts.refused[Reason.SLOW] == 1


@pytest.mark.parametrize(
    "junk",
    [b"\x16\x03\x01\x02\x00\x01\x00", b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
     head(3, "content-length: 4") + b"abcd"],
)  # fmt: skip
def test_what_is_no_http_is_answered_with_400(engine: Choice, junk: bytes) -> None:
    """TLS to a plain port, a length that is none, two lengths that differ."""
    with calling(engine) as caller:
        caller.say(junk + b"\r\n")

        assert caller.status() == 400
        assert caller.is_cut_off()
        assert caller.desk.counts.requests == 0
