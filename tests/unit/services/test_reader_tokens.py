"""Who may read by a token of a file, and what an agent makes of the settings."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from goodput_exporter.config.places import load
from goodput_exporter.errors import ConfigError
from goodput_exporter.exposition.credentials import Denied, MayRead
from goodput_exporter.services.reader_tokens import (
    agent_readers,
    either,
    known_readers,
)

VARIABLE = "GOODPUT_EXPORTER_EXPOSITION_READERS"


def tokens(folder: Path, *lines: str) -> Path:
    """Write a file of tokens, so that its change can be told from the one before."""
    path = folder / "readers"
    fresh = folder / "fresh"
    fresh.write_text("\n".join(lines), encoding="utf-8")
    fresh.replace(path)
    return path


def answered(may_read: MayRead, token: str) -> Denied | None:
    """Return what a reader with a token is denied; None if he may read."""

    async def asked() -> Denied | None:
        return await may_read(token, "/metrics")

    return asyncio.run(asked())


def status(path: Path, token: str) -> int:
    """Return what a reader with a token would be answered."""
    may_read = known_readers(path)
    assert may_read is not None
    denied = answered(may_read, token)
    return 200 if denied is None else denied.status


def test_a_token_of_the_file_reads_and_no_other(tmp_path: Path) -> None:
    """Blank lines and comments are no tokens."""
    path = tokens(tmp_path, "# Prometheus", "scraper", "")

    assert status(path, "scraper") == 200
    assert [status(path, token) for token in ("", "#", "else", "scrape")] == [401] * 4


def test_a_file_that_cannot_be_read_lets_nobody_in(tmp_path: Path) -> None:
    """A Secret that is not mounted must not open what it was to close."""
    assert status(tmp_path / "none", "scraper") == 401


def test_a_changed_secret_is_taken_up(tmp_path: Path) -> None:
    """Two tokens hold while readers change over, and the old one ends with its line."""
    may_read = known_readers(tokens(tmp_path, "old"))
    assert may_read is not None

    def let_in() -> set[str]:
        return {token for token in ("old", "new") if answered(may_read, token) is None}

    seen = [let_in()]
    for lines in (("old", "new"), ("new",)):
        tokens(tmp_path, *lines)
        seen.append(let_in())

    assert seen == [{"old"}, {"old", "new"}, {"new"}]


def test_where_two_ask_one_yes_is_enough(tmp_path: Path) -> None:
    """A scraper outside the cluster has a file's token, people have the cluster's."""

    async def cluster(token: str, _path: str) -> Denied | None:
        return None if token == "jane" else Denied(403, "no role")  # noqa: S105 - a test's own

    known = known_readers(tokens(tmp_path, "scraper"))
    assert known is not None
    both = either(known, cluster)

    said = [answered(both, token) for token in ("scraper", "jane", "x")]
    assert said == [None, None, Denied(403, "no role")]


def test_an_agent_that_cannot_do_as_it_is_told_does_not_start(tmp_path: Path) -> None:
    """To let anyone read where somebody meant to allow few would be worse."""
    path = tokens(tmp_path, "scraper")
    asking = {VARIABLE: "kubernetes"}
    with_file = {"GOODPUT_EXPORTER_HTTP_READERS_FILE": os.fspath(path)}

    assert agent_readers(load(environ={})) is None
    assert agent_readers(load(environ={**asking, **with_file})) is not None
    with pytest.raises(ConfigError, match=r"http\.readers_file"):
        agent_readers(load(environ=asking))
