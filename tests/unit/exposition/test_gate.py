"""Who may read is asked before every page but health."""

from __future__ import annotations

import asyncio

from goodput_exporter.errors import SourceUnavailableError
from goodput_exporter.exposition.credentials import Denied, MayRead
from goodput_exporter.exposition.gate import Gate
from goodput_exporter.services.admission import KEPT_S, Readers
from goodput_exporter.sources.kubernetes.reviews import User
from tests.fakes.apps import app_with
from tests.fakes.asking import ask, get

HEADERS = {"Authorization": "Bearer jane"}


class Office:
    """An API server that knows Jane, who may get metrics."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_away = False
        self.now_s = 1000.0

    def review(self, token: str) -> User:
        """Say whose a token is."""
        self.asked += 1
        if self.is_away:
            msg = "no answer"
            raise SourceUnavailableError(msg)
        return User("jane" if token == "jane" else "", error="nobody's")  # noqa: S105 - a test's own

    def readers(self) -> MayRead:
        """Return the check that rests on it."""
        return Readers(
            self.review,
            lambda user, path: None if path == "/metrics" else f"{user.name}: no role",
            lambda: self.now_s,
        )


def test_whoever_reads_shows_a_token_that_may() -> None:
    """401 for nobody, 403 for somebody else's page, and health for the kubelet."""
    app = Gate(app_with(), Office().readers())

    assert get(app, "/metrics", headers=HEADERS).status_code == 200
    assert get(app, "/metrics").status_code == 401
    assert get(app, "/metrics").headers["www-authenticate"] == "Bearer"
    assert get(app, "/api/v1/runs", headers=HEADERS).status_code == 403
    assert get(app, "/healthz").status_code == 200


def test_writes_have_a_guard_of_their_own() -> None:
    """It knows tokens that the API server does not."""
    app = Gate(app_with(), Office().readers())

    assert ask(app, "POST", "/api/v1/x").status_code == 401


def test_without_a_check_everybody_reads() -> None:
    """As on a machine of one's own."""
    assert get(Gate(app_with(), None), "/metrics").status_code == 200


def test_an_answer_is_kept_for_some_seconds() -> None:
    """Prometheus scrapes every 15 s, and a page asks for a dozen paths."""
    office = Office()
    may_read = office.readers()

    async def again() -> list[Denied | None]:
        return [await may_read("jane", "/metrics") for _ in range(5)]

    assert asyncio.run(again()) == [None] * 5
    assert office.asked == 1
    office.now_s += KEPT_S
    office.is_away = True
    [denied, *_] = asyncio.run(again())
    assert denied is not None
    assert denied.status == 503
