"""One request as a server hands it over: its headers, and its body within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from goodput_exporter.ingest.limits import Limits
from goodput_exporter.ingest.refusals import Reason, RefusedError
from goodput_exporter.ingest.senders import Caller
from goodput_exporter.wire import answers, frames

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An application of the Asynchronous Server Gateway Interface, version 3."""

Headers = dict[bytes, bytes]
Pairs = tuple[tuple[bytes, bytes], ...]
"""Headers of an answer, names in lower case."""


def headers_of(scope: Scope) -> Headers:
    """Return a request's headers, names in lower case; of several, the last."""
    return dict(scope["headers"])


def caller_of(scope: Scope, headers: Headers) -> Caller:
    """Return what a request says of its sender."""
    client = scope.get("client")
    return Caller(
        address=client[0] if client else None,
        authorization=headers.get(b"authorization", b"").decode("latin-1"),
        extensions=scope.get("extensions") or {},
    )


def checked_length(scope: Scope, headers: Headers, limits: Limits) -> int:
    """
    Return how long the body is said to be.

    Raises:
        RefusedError: It is not for us, or longer than what is read.
    """
    if scope["path"] != answers.PATH:
        raise RefusedError(Reason.PATH, f"agents push to {answers.PATH}")
    if scope["method"] != "POST":
        allow = ((b"allow", b"POST"),)
        raise RefusedError(Reason.METHOD, "observations come by POST", allow)
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip()
    if kind != frames.CONTENT_TYPE.encode():
        detail = f"expected the content type {frames.CONTENT_TYPE}, got {kind[:80]!r}"
        raise RefusedError(Reason.CONTENT_TYPE, detail)
    said = headers.get(b"content-length", b"")
    if not said.isdigit() or len(said) > 18:  # noqa: PLR2004 - digits of 64 bits
        raise RefusedError(Reason.LENGTH, "a Content-Length is needed")
    if int(said) > limits.body_bytes:
        detail = f"{int(said)} bytes announced, {limits.body_bytes} are taken at once"
        raise RefusedError(Reason.TOO_BIG, detail)
    return int(said)


async def read_body(receive: Receive, length: int, limits: Limits) -> bytes:
    """
    Read a body of *length* bytes.

    Raises:
        RefusedError: It took too long, was cut off, or is of another length.
    """
    chunks: list[bytes] = []
    read = 0
    try:
        async with asyncio.timeout(limits.body_seconds):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    detail = f"gone after {read} of {length} bytes"
                    raise RefusedError(Reason.CUT, detail)
                chunk = message.get("body", b"")
                read += len(chunk)
                if read > length:
                    detail = f"more than the {length} bytes announced"
                    raise RefusedError(Reason.CUT, detail)
                chunks.append(chunk)
                more = message.get("more_body", False)
    except TimeoutError:
        detail = f"{read} of {length} bytes in {limits.body_seconds} s"
        raise RefusedError(Reason.SLOW, detail) from None
    if read < length:
        raise RefusedError(Reason.CUT, f"{read} of {length} bytes announced")
    return b"".join(chunks)


async def respond(send: Send, status: int, body: bytes, headers: Pairs = ()) -> None:
    """Answer with JSON."""
    start = {
        "type": "http.response.start",
        "status": status,
        "headers": [*headers_for(body), *headers],
    }
    await send(start)
    await send({"type": "http.response.body", "body": body})


def headers_for(body: bytes) -> Pairs:
    """Return the headers of an answer in JSON."""
    return (
        (b"content-type", answers.CONTENT_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    )
