"""What an agent answers over HTTP, as a bare ASGI application: no framework."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from goodput_exporter.exposition.credentials import (
    OPEN,
    AuditRecord,
    Denied,
    MayRead,
    bearer_of,
    identify,
)
from goodput_exporter.exposition.render import CONTENT_TYPE

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An application of the Asynchronous Server Gateway Interface, version 3."""

PLAIN: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"
UNKNOWN: Final = 401


@dataclass(frozen=True, slots=True)
class Answer:
    """One response; *headers* beside its type and length."""

    status: int
    body: bytes
    content_type: str = PLAIN
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a question about health is answered with yes, and why not."""

    is_well: bool
    detail: str = "ok"


@dataclass(frozen=True, slots=True)
class Doors:
    """
    What the application opens.

    The last two may wait for a driver and are called in a thread of their own; the
    others in the server's, so they answer at once.

    Args:
        metrics, metrics_gzip: The latest page; empty before the first tick.
        alive: Whether the program moves. *ready*: whether it sees its GPUs.
        capabilities: How GPUs, senders and holders are known on this node.
        release: Lets go of NVML; tells whether every child of ours is gone.
        resume: Takes it up again.
    """

    metrics: Callable[[], bytes]
    metrics_gzip: Callable[[], bytes]
    alive: Callable[[], Verdict]
    ready: Callable[[], Verdict]
    capabilities: Callable[[], object]
    release: Callable[[], bool]
    resume: Callable[[], None]


def agent_app(
    doors: Doors,
    *,
    tokens: frozenset[str],
    audit: Callable[[AuditRecord], None],
    may_read: MayRead | None = None,
) -> App:
    """
    Return the application.

    Args:
        doors: What it opens.
        tokens: Who may let go of NVML; without any, nobody may.
        audit: Told of everyone who tries.
        may_read: Asked before anything but health is read; None lets everybody.
    """
    reads: Mapping[str, Callable[[Mapping[bytes, bytes]], Answer]] = {
        "/metrics": lambda headers: _metrics(doors, headers),
        "/healthz": lambda _: _verdict(doors.alive()),
        "/readyz": lambda _: _verdict(doors.ready()),
        "/debug/capabilities": lambda _: _json(200, doors.capabilities()),
    }
    writes: Mapping[str, Callable[[], Answer]] = {
        "/v1/release": lambda: _released(doors.release()),
        "/v1/resume": lambda: _resumed(doors.resume),
    }

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        path, method = scope["path"], scope["method"]
        if path in reads:
            is_read = method in {"GET", "HEAD"}
            answer = _not_allowed(b"GET, HEAD")
            if is_read:
                denied = await _refusal(may_read, path, headers)
                answer = denied or reads[path](headers)
        elif path not in writes:
            paths = ", ".join((*reads, *writes))
            answer = Answer(404, f"nothing is at {path}; there are {paths}\n".encode())
        elif method != "POST":
            answer = _not_allowed(b"POST")
        else:
            answer = await _write(writes[path], scope, headers)
        await _send(send, answer, has_body=method != "HEAD")

    async def _write(
        work: Callable[[], Answer], scope: Scope, headers: Mapping[bytes, bytes]
    ) -> Answer:
        who = identify(_authorization(headers), tokens)
        answer = _stranger(tokens)
        try:
            if who is not None:
                answer = Answer(500, b"it failed; see the log\n")
                answer = await asyncio.to_thread(work)
        finally:
            client = (scope.get("client") or ("unknown",))[0]
            who = who or "anonymous"
            audit(AuditRecord(who, client, "POST", scope["path"], answer.status))
        return answer

    return app


async def _refusal(
    may_read: MayRead | None, path: str, headers: Mapping[bytes, bytes]
) -> Answer | None:
    """Return what a reader who may not read a path is told; None if they may."""
    if may_read is None or path in OPEN:
        return None
    denied = await may_read(bearer_of(_authorization(headers)), path)
    return None if denied is None else _denied(denied)


def _authorization(headers: Mapping[bytes, bytes]) -> str:
    return headers.get(b"authorization", b"").decode("latin-1")


def _metrics(doors: Doors, headers: Mapping[bytes, bytes]) -> Answer:
    vary = (b"vary", b"accept-encoding")
    if b"gzip" in headers.get(b"accept-encoding", b""):
        packed = (b"content-encoding", b"gzip")
        return Answer(200, doors.metrics_gzip(), CONTENT_TYPE, (packed, vary))
    return Answer(200, doors.metrics(), CONTENT_TYPE, (vary,))


def _verdict(verdict: Verdict) -> Answer:
    return Answer(200 if verdict.is_well else 503, f"{verdict.detail}\n".encode())


def _json(status: int, value: object) -> Answer:
    return Answer(status, msgspec.json.encode(value, order="sorted"), JSON)


def _released(is_released: bool) -> Answer:  # noqa: FBT001 - the door's whole answer
    if is_released:
        return _json(200, {"released": True})
    detail = (
        "a process that reads GPUs is stuck in the driver and holds its devices; "
        "/metrics counts it in goodput_nvml_children_stuck"
    )
    return _json(504, {"released": False, "detail": detail})


def _resumed(resume: Callable[[], None]) -> Answer:
    resume()
    return _json(200, {"released": False})


def _stranger(tokens: frozenset[str]) -> Answer:
    if not tokens:
        return _denied(Denied(403, "writes are off: no token is configured"))
    detail = "this needs 'Authorization: Bearer TOKEN' with a known token"
    return _denied(Denied(401, detail))


def _denied(why: Denied) -> Answer:
    body = msgspec.json.encode({"detail": why.detail})
    is_unknown = why.status == UNKNOWN
    challenge = ((b"www-authenticate", b"Bearer"),) if is_unknown else ()
    return Answer(why.status, body, JSON, challenge)


def _not_allowed(allowed: bytes) -> Answer:
    body = b"this is asked with " + allowed + b"\n"
    return Answer(405, body, PLAIN, ((b"allow", allowed),))


async def _send(send: Send, answer: Answer, *, has_body: bool) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *answer.headers,
    ]
    start = {"type": "http.response.start", "status": answer.status, "headers": headers}
    await send(start)
    body = answer.body if has_body else b""
    await send({"type": "http.response.body", "body": body})
