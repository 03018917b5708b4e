"""uvicorn's compiled parser of HTTP, with a bound on how much of a head it keeps."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from goodput_exporter.services.web import MOST_HEAD_BYTES


class BoundedHead(HttpToolsProtocol):
    """
    Refuses a request whose head does not end within its bound.

    httptools keeps whatever comes until a head ends: without this, whoever reaches
    the port could fill our memory with one header.
    """

    _head_bytes = 0
    _is_in_head = True

    def data_received(self, data: bytes) -> None:
        """Parse what came, and give up on a head without end."""
        # Where a body ends and the next head begins, most of the bytes are the body's.
        was_in_head = self._is_in_head
        super().data_received(data)
        if not (was_in_head and self._is_in_head):
            return
        self._head_bytes += len(data)
        if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("Request head too long.")

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._is_in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Count no more: a body has a bound of its own."""
        self._is_in_head = False
        super().on_headers_complete()
