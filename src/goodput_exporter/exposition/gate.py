"""Who may read: asked before every request but those for health."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

OPEN: Final = frozenset({"/healthz", "/readyz"})
"""The kubelet asks for these, and has no token."""
READING: Final = frozenset({"GET", "HEAD"})
UNKNOWN: Final = 401


@dataclass(frozen=True, slots=True)
class Denied:
    """Why a request is not answered: HTTP's status, and words."""

    status: int
    detail: str


MayRead = Callable[[str, str], Awaitable[Denied | None]]
"""Answers whether a bearer token may read a path; None if it may."""


class Gate:
    """
    Lets readers through whom *may_read* knows.

    Writes pass: they have a guard of their own, with tokens of its own.

    Args:
        app: What to protect.
        may_read: Whom to ask; None lets everybody through.
    """

    def __init__(self, app: ASGIApp, may_read: MayRead | None) -> None:
        self._app = app
        self._may_read = may_read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        is_asked = (
            self._may_read is not None
            and scope["type"] == "http"
            and scope["method"] in READING
            and scope["path"] not in OPEN
        )
        if self._may_read is not None and is_asked:
            said = Headers(scope=scope).get("authorization", "")
            scheme, _, token = said.partition(" ")
            token = token.strip() if scheme.lower() == "bearer" else ""
            denied = await self._may_read(token, scope["path"])
            if denied is not None:
                challenge = {"WWW-Authenticate": "Bearer"}
                headers = challenge if denied.status == UNKNOWN else None
                body = {"detail": denied.detail}
                answer = JSONResponse(body, status_code=denied.status, headers=headers)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)
