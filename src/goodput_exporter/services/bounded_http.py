"""uvicorn's compiled parser of HTTP, with bounds on a head's length, and its time."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from goodput_exporter.services.web import MOST_HEAD_BYTES


class BoundedHead(HttpToolsProtocol):
    """
    Refuses a request of which too much comes that is no body, or too slowly.

    httptools keeps whatever comes until a head ends, and the fields behind the last
    chunk of a body, the trailers, just so: without this, whoever reaches the port
    could fill our memory with one header. What frames chunks is counted with them;
    who sends a body byte by byte in chunks of their own may send some 10,000.

    uvicorn waits for ever for a first request, and for one of which a byte has come:
    without this, whoever reaches the port could take all connections there are.
    """

    head_seconds: ClassVar[float] = 30.0

    _other_bytes = 0
    _body_bytes = 0
    _has_begun = False
    _was_asked = False
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to wait for a first request."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and give up on a head without end."""
        self._body_bytes, self._has_begun = 0, False
        super().data_received(data)
        if not self._was_asked or self.cycle.response_complete:
            self._wait_for_head()
        if self._has_begun:
            # Most of these bytes may be an earlier request's.
            return
        self._other_bytes += len(data) - self._body_bytes
        if self._other_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("Request head too long.")

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._other_bytes, self._has_begun = 0, True

    def on_headers_complete(self) -> None:
        """Wait no more: for a body there is a limit of its own."""
        self.asked()
        super().on_headers_complete()

    def asked(self) -> None:
        """Note that the head of a request is there."""
        self._stop_waiting()
        self._was_asked = True

    def on_body(self, body: bytes) -> None:
        """Leave a body out: it has a bound of its own."""
        self.count_body(body)
        super().on_body(body)

    def count_body(self, body: bytes) -> None:
        """Count a part of a body, which belongs to no head."""
        self._body_bytes += len(body)

    def _wait_for_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(
                self.head_seconds, self.transport.close
            )

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
