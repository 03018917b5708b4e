"""How long a compiled server waits for the head of a request."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPResponse

import pytest

from goodput_exporter.ingest.limits import Limits
from goodput_exporter.services.bounded_http import BoundedHead
from goodput_exporter.services.web import Engine
from goodput_exporter.wire.answers import PATH
from goodput_exporter.wire.frames import CONTENT_TYPE
from tests.fakes.aggregator import Desk, serving

PATIENCE_S = 20.0
PUSHED = (
    f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: {CONTENT_TYPE}\r\n"
    "content-length: 0\r\n\r\n"
).encode()


class Hasty(BoundedHead):
    """One that does not wait for long."""

    head_seconds = 0.05


@contextmanager
def calling(protocol: type[BoundedHead]) -> Iterator[socket.socket]:
    """Serve a desk, and connect to it."""
    desk = Desk(limits=Limits())
    with (
        serving(desk.app, engine=Engine(http=protocol)) as port,
        socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection,
    ):
        yield connection


def push(connection: socket.socket) -> int:
    """Push nothing; return the status."""
    connection.sendall(PUSHED)
    answer = HTTPResponse(connection)
    answer.begin()
    answer.read()
    return answer.status


def is_cut_off(connection: socket.socket) -> bool:
    """Wait until the other side ends the connection; false if it says something."""
    try:
        return connection.recv(1_000) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("opening", [b"", b"\r\n", b"P", PUSHED[:-1]])
def test_who_does_not_ask_is_not_waited_for(opening: bytes) -> None:
    """Nothing, an empty line, a letter, all but one byte: the connection ends."""
    with calling(Hasty) as connection:
        with suppress(ConnectionError):
            connection.sendall(opening)

        assert is_cut_off(connection)


def test_a_second_request_that_does_not_come_is_not_waited_for_either() -> None:
    """Its first byte ends the time in which a connection may be idle."""

    class First(BoundedHead):
        pass

    with calling(First) as connection:
        status = push(connection)
        First.head_seconds = Hasty.head_seconds
        connection.sendall(PUSHED[:5])

        assert status == 200
        assert is_cut_off(connection)


def test_a_connection_between_two_requests_may_be_idle_for_longer() -> None:
    """That has a limit of its own, which is longer than the time between pushes."""

    class First(BoundedHead):
        pass

    with calling(First) as connection:
        status = push(connection)
        First.head_seconds = Hasty.head_seconds
        connection.settimeout(6 * Hasty.head_seconds)
        with pytest.raises(TimeoutError):
            connection.recv(1_000)
        connection.settimeout(PATIENCE_S)

        assert [status, push(connection)] == [200, 200]
