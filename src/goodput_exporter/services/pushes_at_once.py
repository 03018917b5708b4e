"""The compiled server's short way for pushes: a call from the parser to the ingest."""

from __future__ import annotations

import asyncio
from typing import ClassVar, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from goodput_exporter.ingest.at_once import AtOnce
from goodput_exporter.ingest.intake import Reply
from goodput_exporter.ingest.requests import headers_for
from goodput_exporter.services.bounded_http import BoundedHead
from goodput_exporter.wire.answers import PATH

URL: Final = PATH.encode()
CLOSE: Final = (b"connection", b"close")
JSON_HEAD: Final = b"".join(
    b"%s: %s\r\n" % (name, b"%d" if name == b"content-length" else value)
    for name, value in headers_for(b"")
)
"""The headers of an answer, but for its length."""

_UNHEARD: Final = asyncio.Event()
"""uvicorn sets it when there is news; of these requests nobody waits for any."""


class Unanswered(RequestResponseCycle):
    """
    A push that waits for its commit, where uvicorn looks for the request under way.

    It queues what is sent meanwhile on the same connection, and lets go of the
    connection when the server ends, once the answer is out.

    Args:
        protocol: Of the connection.
        keep_alive: More requests may come on it.
    """

    def __init__(self, protocol: PushesAtOnce, *, keep_alive: bool) -> None:
        # Not uvicorn's own: that is for an application, of which there is none here.
        self._protocol = protocol
        self.message_event = _UNHEARD
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = keep_alive

    def answer(self, reply: Reply) -> None:
        """Send the answer, unless its sender is gone."""
        self.response_complete = True
        if not self.disconnected:
            self._protocol.answer(reply, keep_alive=self.keep_alive)


class PushesAtOnce(BoundedHead):
    """
    Takes a push whose head and body came in one piece without an application's task.

    What cannot be taken so goes uvicorn's own way, as if nothing had been tried.
    """

    pushes: ClassVar[AtOnce]

    _body: bytearray | None = None
    _idle_since_s: float | None = None
    _idle_timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Parse what came; what is not whole now may take its time."""
        self._idle_since_s = None
        super().data_received(data)
        if self._body is not None and not self.transport.is_closing():
            self._go_the_long_way()

    def on_headers_complete(self) -> None:
        """Collect the body of a push, if nothing else is under way."""
        if self._is_idle() and self.url == URL and self.parser.get_method() == b"POST":
            self._body = bytearray()
        else:
            super().on_headers_complete()

    def _is_idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first
        return cycle is None or cycle.response_complete

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        if self._body is None:
            super().on_body(body)
        else:
            self.count_body(body)
            self._body += body

    def on_message_complete(self) -> None:
        """Hand a push on; if that fails, let the application have it."""
        if self._body is not None:
            if self._is_taken(bytes(self._body)):
                self._body = None
                return
            self._go_the_long_way()
        super().on_message_complete()

    def _is_taken(self, body: bytes) -> bool:
        parser = self.parser
        if (
            self.expect_100_continue
            or self.flow.write_paused
            or parser.should_upgrade()
            or parser.get_http_version() != "1.1"
        ):
            return False
        scope = {**self.scope, "method": "POST", "path": PATH}
        cycle = Unanswered(self, keep_alive=parser.should_keep_alive())
        if not self.pushes.take(scope, body, self.loop, cycle.answer):
            return False
        self.asked()
        self.cycle = cycle
        return True

    def _go_the_long_way(self) -> None:
        body, self._body = self._body, None
        super().on_headers_complete()
        if body:
            # It was counted when it came.
            super(BoundedHead, self).on_body(bytes(body))

    def on_response_complete(self) -> None:
        """Go on to what is queued, or be idle for as long as may be."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_since_s = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(
                self.timeout_keep_alive, self._end_if_idle
            )

    def _end_if_idle(self) -> None:
        """
        Close a connection that was idle for too long, or look again when it may be.

        uvicorn sets a timer for each answer and takes it back with the next request:
        of 10,000 connections that is 2,000 a second, and this is 130.
        """
        self._idle_timer = None
        if self._idle_since_s is None:
            return
        left_s = self._idle_since_s + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._idle_timer = self.loop.call_later(left_s, self._end_if_idle)
        else:
            self.timeout_keep_alive_handler()

    def connection_lost(self, exc: Exception | None) -> None:
        """Look at it no more."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        super().connection_lost(exc)

    def answer(self, reply: Reply, *, keep_alive: bool) -> None:
        """Send an answer as uvicorn does."""
        is_said = CLOSE in reply.headers
        lines = [STATUS_LINE[reply.status], JSON_HEAD % len(reply.body)]
        for name, value in (*self.server_state.default_headers, *reply.headers):
            lines += (name, b": ", value, b"\r\n")
        if not keep_alive and not is_said:
            lines.append(b"connection: close\r\n")
        self.transport.write(b"".join((*lines, b"\r\n", reply.body)))
        if is_said or not keep_alive:
            self.transport.close()
        self.on_response_complete()


def taking(pushes: AtOnce) -> type[PushesAtOnce]:
    """Return the protocol of a server that gives pushes to *pushes*."""

    class Taking(PushesAtOnce):
        pass

    Taking.pushes = pushes
    return Taking
