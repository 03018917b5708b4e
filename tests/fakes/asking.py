"""A client that asks an ASGI application in this process, without a socket."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from starlette.types import ASGIApp


def ask(app: ASGIApp, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - whatever httpx takes
    """Send one request and return the response; the host is 127.0.0.1."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        base = "http://127.0.0.1:9466"
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return await client.request(method, path, **options)

    return asyncio.run(send())


def get(app: ASGIApp, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - whatever httpx takes
    """Send one GET."""
    return ask(app, "GET", path, **options)
