"""Who may push to the aggregator, and who may read it: the settings' answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from goodput_exporter.config import Settings
from goodput_exporter.errors import SourceUnavailableError
from goodput_exporter.exposition.credentials import Denied, MayRead
from goodput_exporter.ingest.projected import ProjectedTokens
from goodput_exporter.ingest.senders import TokenFile, Who, from_this_machine
from goodput_exporter.services.reader_tokens import either, known_readers
from goodput_exporter.sources.kubernetes.client import ApiServer
from goodput_exporter.sources.kubernetes.reviews import (
    User,
    may,
    node_of_pod,
    review_token,
)

KEPT_S: Final = 30.0
"""How long a reader's answer holds: a page asks for a dozen paths in a row."""
MOST_KEPT: Final = 4_096


def senders_of(settings: Settings, server: ApiServer, namespace: str) -> Who:
    """Return who may push: by a file, by Kubernetes, or from this machine only."""
    wanted = settings.ingest
    if wanted.tokens_file is not None:
        return TokenFile(wanted.tokens_file)
    audience = wanted.audience
    if audience is None:
        return from_this_machine
    accounts = frozenset(wanted.service_accounts) or {f"{namespace}/*"}
    return ProjectedTokens(
        lambda token: review_token(server, token, (audience,)),
        lambda where, pod, uid: node_of_pod(server, where, pod, uid),
        frozenset(accounts),
        monotonic=time.monotonic,
        wall=time.time,
    )


def readers_of(settings: Settings, server: ApiServer) -> MayRead | None:
    """Return who may read: by a file, by Kubernetes, or either; None is anyone."""
    known = known_readers(settings.http.readers_file)
    if settings.exposition.readers == "anyone":
        return known
    asked = Readers(
        lambda token: review_token(server, token),
        lambda user, path: may(server, user, "get", path),
        time.monotonic,
    )
    return asked if known is None else either(known, asked)


class Readers:
    """
    Lets those read whom RBAC lets ``get`` a path, as kube-rbac-proxy does.

    Args:
        review: Asks whose a token is.
        refusal: Asks why somebody may not get a path; None if they may.
        monotonic: A clock in seconds.
    """

    def __init__(
        self,
        review: Callable[[str], User],
        refusal: Callable[[User, str], str | None],
        monotonic: Callable[[], float],
    ) -> None:
        self._review = review
        self._refusal = refusal
        self._monotonic = monotonic
        self._known: dict[tuple[bytes, str], tuple[float, Denied | None]] = {}

    async def __call__(self, token: str, path: str) -> Denied | None:
        """Return why a request is denied, or None."""
        if not token:
            return Denied(401, "this needs 'Authorization: Bearer TOKEN'")
        now = self._monotonic()
        digest = sha256(token.encode("utf-8", "surrogateescape")).digest()
        known = self._known.get((digest, path))
        if known is not None and now - known[0] < KEPT_S:
            return known[1]
        try:
            denied = await asyncio.to_thread(self._ask, token, path)
        except SourceUnavailableError as exc:
            return Denied(503, f"the API server cannot be asked now: {exc}")
        if len(self._known) >= MOST_KEPT:
            self._known.clear()
        self._known[digest, path] = now, denied
        return denied

    def _ask(self, token: str, path: str) -> Denied | None:
        user = self._review(token)
        if not user.name:
            return Denied(401, f"this token is nobody's here: {user.error}")
        why = self._refusal(user, path)
        return None if why is None else Denied(403, why)
