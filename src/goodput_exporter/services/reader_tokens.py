"""Who may read by a token of a file, where the API server is not asked."""

from __future__ import annotations

from pathlib import Path

from goodput_exporter.config import Settings
from goodput_exporter.errors import ConfigError
from goodput_exporter.exposition.credentials import Denied, MayRead
from goodput_exporter.ingest.senders import Caller, Sender, TokenFile


def known_readers(path: Path | None) -> MayRead | None:
    """
    Let those read who show a token of a file; None is anyone.

    A file that cannot be read lets nobody in, and is read again when it changes.
    """
    if path is None:
        return None
    known = TokenFile(path)

    async def may_read(token: str, _path: str) -> Denied | None:
        said = await known(Caller(None, f"Bearer {token}"))
        return None if isinstance(said, Sender) else Denied(said.status, said.detail)

    return may_read


def either(first: MayRead, second: MayRead) -> MayRead:
    """Let those read whom one of two lets; the second says why the others may not."""

    async def may_read(token: str, path: str) -> Denied | None:
        if await first(token, path) is None:
            return None
        return await second(token, path)

    return may_read


def agent_readers(settings: Settings) -> MayRead | None:
    """
    Return who may read an agent; None is anyone.

    Ten thousand agents that ask the API server whose a token is would be a load, and
    a right, that reading needs not: they know tokens by a file only.

    Raises:
        ConfigError: The settings want the API server asked, and name no file. To
            let anyone read where somebody meant to allow few would be worse.
    """
    if settings.exposition.readers == "kubernetes" and (
        settings.http.readers_file is None
    ):
        msg = (
            "exposition.readers is kubernetes, which agents do not ask; set "
            "http.readers_file for them, or exposition.readers for the aggregator only"
        )
        raise ConfigError(msg)
    return known_readers(settings.http.readers_file)
