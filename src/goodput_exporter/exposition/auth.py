"""What stands before every request: host, size, bearer token, audit, headers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from goodput_exporter.exposition.credentials import AuditRecord, identify

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing; every other one needs a token and is audited."""

LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})

SECURITY_HEADERS: Final = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; "
            "img-src 'self'; connect-src 'self'; font-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
)


class SecurityHeaders:
    """Puts ``SECURITY_HEADERS`` on every response, refusals included."""

    def __init__(
        self, app: ASGIApp, headers: Mapping[str, str] = SECURITY_HEADERS
    ) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class HostCheck:
    """
    Refuses requests whose Host header names another host than ours.

    A page on the internet can make a browser resolve its own name to
    127.0.0.1 and then read a loopback service as if it were same-origin
    (DNS rebinding); only the Host header gives it away.

    Args:
        app: What to protect.
        allowed: Host names and addresses without ports, IPv6 with brackets or
            without, in any case; None allows all.
    """

    def __init__(self, app: ASGIApp, allowed: frozenset[str] | None) -> None:
        self._app = app
        self._allowed = (
            None
            if allowed is None
            else frozenset(name.strip("[]").rstrip(".").lower() for name in allowed)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it with 421."""
        if scope["type"] == "http" and self._allowed is not None:
            host = host_name(Headers(scope=scope).get("host", ""))
            if host not in self._allowed:
                detail = (
                    f"Host {host[:100]!r} is not one of "
                    f"{', '.join(sorted(self._allowed))}; "
                    "allow it in the settings if it is this exporter's own name"
                )
                await _refuse(421, detail)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class BodyLimit:
    """
    Refuses request bodies over *max_bytes*, announced or not.

    Args:
        app: What to protect.
        max_bytes: The largest body that is read.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it with 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        detail = f"the body is over {self._max_bytes} bytes; send less at once"
        if _announced(scope) > self._max_bytes:
            await _refuse(413, detail)(scope, receive, send)
            return
        read = 0

        async def receive_bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._max_bytes:
                # Raised in the handler that reads; FastAPI would turn any
                # other type into "400, error parsing the body".
                raise HTTPException(413, detail)
            return message

        await self._app(scope, receive_bounded, send)


class WriteGuard:
    """
    Lets requests that may change something through with a known token only.

    Args:
        app: What to protect.
        tokens: Accepted bearer tokens; without any, every write is refused.
        audit: Told of every write, refused ones included, once it is answered.
    """

    def __init__(
        self,
        app: ASGIApp,
        tokens: frozenset[str],
        audit: Callable[[AuditRecord], None],
    ) -> None:
        self._app = app
        self._tokens = tokens
        self._audit = audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it with 401 or 403."""
        if scope["type"] != "http" or scope["method"] in READING:
            await self._app(scope, receive, send)
            return
        who = identify(Headers(scope=scope).get("authorization", ""), self._tokens)
        scope.setdefault("state", {})["who"] = who
        app = self._app if who is not None else _unauthorized(self._tokens)
        status = 500

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await app(scope, receive, send_noting_status)
        finally:
            self._audit(
                AuditRecord(
                    who=who or "anonymous",
                    client=(scope.get("client") or ("unknown",))[0],
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                )
            )


def host_name(host: str) -> str:
    """Return the host of a Host header, in lower case, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


def _announced(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() else 0


def _unauthorized(tokens: frozenset[str]) -> ASGIApp:
    if not tokens:
        return _refuse(403, "writes are off: no token is configured")
    return _refuse(401, "this needs 'Authorization: Bearer TOKEN' with a known token")


def _refuse(status: int, detail: str) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None  # noqa: PLR2004 - HTTP's own number
    return JSONResponse({"detail": detail}, status_code=status, headers=headers)
