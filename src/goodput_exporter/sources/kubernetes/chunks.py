"""What an open response brings, as soon as it is there, many chunks at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BufferedReader
from typing import Final

from httptools import HttpParserError, HttpResponseParser
from urllib3.exceptions import ProtocolError
from urllib3.response import BaseHTTPResponse

PIECE_BYTES: Final = 131_072
SHOWN: Final = 80
"""Bytes of what cannot be read that a message repeats."""
HEAD: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
"""Of the response whose true head was read before; it tells the parser what follows."""


def pieces(
    response: BaseHTTPResponse, before_wait: Callable[[], None] = lambda: None
) -> Iterator[bytes]:
    """
    Yield what a response brings.

    An event of a watch is a chunk of its own. urllib3 reads chunks one by one, two
    calls to the system for each; here as many are read at once as have come.

    Args:
        response: Whose head was read, and nothing behind it.
        before_wait: Called before each read, which may take long.

    Raises:
        HTTPError, OSError: As urllib3 and the connection have it.
    """
    buffered = _buffered(response)
    if buffered is not None:
        yield from _chunks(buffered, before_wait)
    elif response.chunked:
        for piece in response.stream(PIECE_BYTES, decode_content=True):
            yield piece
            before_wait()
    else:  # through a proxy of HTTP/1.0; stream() would wait for a full piece
        while piece := response.read1(PIECE_BYTES, decode_content=True):
            yield piece
            before_wait()


def _buffered(response: BaseHTTPResponse) -> BufferedReader | None:
    """
    Return what a chunked response is read from; None where urllib3 has to read it.

    There is no public way to it. Where a later urllib3 names it otherwise, and where
    something between has compressed the body, urllib3 goes on reading.
    """
    if not response.chunked or "Content-Encoding" in response.headers:
        return None
    found = getattr(getattr(response, "_fp", None), "fp", None)
    return found if isinstance(found, BufferedReader) else None


class _Bodies:
    """What a parser found: the bodies of chunks, and whether the last one came."""

    def __init__(self) -> None:
        self.found: list[bytes] = []
        self.is_complete = False

    def on_body(self, body: bytes) -> None:
        """Note a chunk's body, or as much of it as has come."""
        self.found.append(body)

    def on_message_complete(self) -> None:
        """Note the end."""
        self.is_complete = True


def _chunks(
    buffered: BufferedReader, before_wait: Callable[[], None]
) -> Iterator[bytes]:
    bodies = _Bodies()
    parser = HttpResponseParser(bodies)
    parser.feed_data(HEAD)
    room = memoryview(bytearray(PIECE_BYTES))
    while not bodies.is_complete:
        before_wait()
        count = buffered.readinto1(room)
        if not count:
            msg = "the connection was closed before the last chunk"
            raise ProtocolError(msg)
        try:
            parser.feed_data(room[:count])
        except HttpParserError as error:
            msg = f"no chunk can be read: {error}: {bytes(room[:count][:SHOWN])!r}"
            raise ProtocolError(msg) from error
        found, bodies.found = bodies.found, []
        yield from found
