"""Who may read: asked before every request but those for health."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from goodput_exporter.exposition.credentials import OPEN, MayRead, bearer_of

READING: Final = frozenset({"GET", "HEAD"})
UNKNOWN: Final = 401


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
            token = bearer_of(Headers(scope=scope).get("authorization", ""))
            denied = await self._may_read(token, scope["path"])
            if denied is not None:
                challenge = {"WWW-Authenticate": "Bearer"}
                headers = challenge if denied.status == UNKNOWN else None
                body = {"detail": denied.detail}
                answer = JSONResponse(body, status_code=denied.status, headers=headers)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)
