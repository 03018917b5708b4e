"""A watch's stream of chunks: the same bytes, however the network cuts them."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from threading import Thread

import pytest
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.response import BaseHTTPResponse

from goodput_exporter.sources.kubernetes.chunks import PIECE_BYTES, pieces
from goodput_exporter.sources.kubernetes.client import readable
from goodput_exporter.sources.kubernetes.troubles import ApiError, Trouble

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
END = b"0\r\n\r\n"


def chunk(body: bytes) -> bytes:
    """Return a chunk of HTTP."""
    return b"%x\r\n%s\r\n" % (len(body), body)


@contextmanager
def answered(parts: Sequence[bytes]) -> Iterator[BaseHTTPResponse]:
    """Give the open response of a server that sends *parts*, and then hangs up."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(PIECE_BYTES)
            for part in parts:
                connection.sendall(part)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Thread(target=serve)
        server.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        with urllib3.PoolManager() as pool:
            response = pool.request("GET", url, preload_content=False, timeout=20)
            try:
                yield response
            finally:
                response.close()
                server.join()


@settings(max_examples=40)
@given(st.lists(st.binary(min_size=1, max_size=9), max_size=6), st.data())
def test_chunks_bring_the_same_bytes_however_the_network_cuts_them(
    bodies: list[bytes], data: st.DataObject
) -> None:
    """Reads may end within a chunk, within its length, or within the head."""
    sent = CHUNKED + b"\r\n" + b"".join(map(chunk, bodies)) + END
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=5)))
    parts = [sent[a:b] for a, b in pairwise([0, *cuts, len(sent)])]

    with answered(parts) as response:
        assert b"".join(pieces(response)) == b"".join(bodies)


def test_many_chunks_are_read_at_once() -> None:
    """Each as a piece of its own; nobody is called between two that have come."""
    bodies = [b"%d\n" % number * 500 for number in range(1000)]
    waits: list[None] = []

    with answered([CHUNKED + b"\r\n" + b"".join(map(chunk, bodies)) + END]) as response:
        read = list(pieces(response, lambda: waits.append(None)))

    assert b"".join(read) == b"".join(bodies)
    assert 0 < len(waits) < len(bodies)


@pytest.mark.parametrize(
    "rest", [b"", b"3\r\nab", b"no length\r\nabc\r\n", b"2\r\nabc\r\n", b"-1\r\n"]
)
def test_a_stream_that_breaks_off_is_a_broken_one(rest: bytes) -> None:
    """It must not look like a watch that the server has ended."""
    read: list[bytes] = []

    with answered([CHUNKED + b"\r\n", chunk(b"whole\n"), rest]) as response:  # noqa: SIM117 - the server hangs up after the complaint
        with pytest.raises(ApiError) as broken, readable("watch"):
            read.extend(pieces(response))

    assert broken.value.trouble is Trouble.BROKEN


def test_a_stream_of_silence_is_silent() -> None:
    """As a dead connection is, which nobody has closed."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"

        def serve() -> socket.socket:
            connection, _ = listening.accept()
            connection.recv(PIECE_BYTES)
            connection.sendall(CHUNKED + b"\r\n" + chunk(b"one\n"))
            return connection

        held: list[socket.socket] = []
        server = Thread(target=lambda: held.append(serve()))
        server.start()
        with urllib3.PoolManager() as pool:
            response = pool.request("GET", url, preload_content=False, timeout=20)
            server.join()
            # From here on; the head of the answer may take its time.
            response.connection.sock.settimeout(0.1)  # type: ignore[union-attr]
            with pytest.raises(ApiError) as silent, readable("watch"):
                list(pieces(response))
            response.close()
        held[0].close()

    assert silent.value.trouble is Trouble.SILENT


def test_what_a_proxy_compressed_or_did_not_cut_is_read_all_the_same() -> None:
    """Kubernetes sends neither; something between may."""
    text = b'{"type":"BOOKMARK"}\n' * 100
    packed = CHUNKED + b"Content-Encoding: gzip\r\n\r\n" + chunk(gzip.compress(text))
    whole = b"HTTP/1.0 200 OK\r\n\r\n" + text

    for answer in (packed + END, whole):
        with answered([answer]) as response:
            assert b"".join(pieces(response)) == text
