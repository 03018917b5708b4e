"""uvicorn's compiled parser of HTTP, with bounds on how much of a head it keeps."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from goodput_exporter.services.web import MOST_HEAD_BYTES


class BoundedHead(HttpToolsProtocol):
    """
    Refuses a request of which too much comes that is no body.

    httptools keeps whatever comes until a head ends, and the fields behind the last
    chunk of a body, the trailers, just so: without this, whoever reaches the port
    could fill our memory with one header. What frames chunks is counted with them;
    who sends a body byte by byte in chunks of their own may send some 10,000.
    """

    _other_bytes = 0
    _body_bytes = 0
    _has_begun = False

    def data_received(self, data: bytes) -> None:
        """Parse what came, and give up on a request that is all head."""
        self._body_bytes, self._has_begun = 0, False
        super().data_received(data)
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

    def on_body(self, body: bytes) -> None:
        """Leave a body out: it has a bound of its own."""
        self._body_bytes += len(body)
        super().on_body(body)
