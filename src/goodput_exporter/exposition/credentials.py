"""Who asks to change something, and the note that is made of it; no framework."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass


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


def identify(authorization: str, tokens: frozenset[str]) -> str | None:
    """
    Return who sends an Authorization header, or None for nobody we know.

    Every token is compared, in constant time, whether or not one has matched.
    """
    scheme, _, presented = authorization.partition(" ")
    offered = presented.strip().encode()
    matches = [hmac.compare_digest(token.encode(), offered) for token in tokens]
    if scheme.lower() != "bearer" or not offered or not any(matches):
        return None
    return f"token:{hashlib.sha256(offered).hexdigest()[:8]}"
