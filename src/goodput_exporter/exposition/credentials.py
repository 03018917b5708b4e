"""Who asks to read or to change something, and what is noted of it; no framework."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

OPEN: Final = frozenset({"/healthz", "/readyz"})
"""What anybody may read: the kubelet asks for these, and has no token."""


@dataclass(frozen=True, slots=True)
class Denied:
    """Why a request is not answered: HTTP's status, and words."""

    status: int
    detail: str


MayRead = Callable[[str, str], Awaitable[Denied | None]]
"""Answers whether a bearer token may read a path; None if it may."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """
    One attempt to change something.

    Args:
        who: ``token:`` and the start of the token's SHA-256, or ``anonymous``;
            never the token itself.
        client: The peer's address, or ``unknown``.
        method, path: What was asked.
        status: What it came to; 500 where the handler failed.
    """

    who: str
    client: str
    method: str
    path: str
    status: int


def bearer_of(authorization: str) -> str:
    """Return the bearer token of an Authorization header; empty if it has none."""
    scheme, _, presented = authorization.partition(" ")
    return presented.strip() if scheme.lower() == "bearer" else ""


def identify(authorization: str, tokens: frozenset[str]) -> str | None:
    """
    Return who sends an Authorization header, or None for nobody we know.

    Every token is compared, in constant time, whether or not one has matched.
    """
    offered = bearer_of(authorization).encode()
    matches = [hmac.compare_digest(token.encode(), offered) for token in tokens]
    if not offered or not any(matches):
        return None
    return f"token:{hashlib.sha256(offered).hexdigest()[:8]}"
