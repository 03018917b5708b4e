"""A real Chromium and a real server for the page's tests."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from websockets.sync.client import ClientConnection

from goodput_exporter.domain.snapshot import Snapshot
from goodput_exporter.exposition.api import Freshness, create_app
from goodput_exporter.exposition.auth import LOOPBACK_HOSTS
from tests.browser.chromium import Page, browser, tab
from tests.browser.scenes import NOW_SECONDS, OPENED_NS, scene
from tests.parts import require


class Stage:
    """
    What the server shows, until a test shows something else.

    Args:
        url: Where the page is.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.shown: Snapshot | None = scene()

    def latest(self) -> Snapshot | None:
        """Return what is shown now."""
        return self.shown


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClientConnection]:
    """Start one Chromium for all tests; each gets a tab of its own."""
    program = require("chromium")
    with browser(program, tmp_path_factory.mktemp("profile")) as connection:
        yield connection


@pytest.fixture
def page(chromium: ClientConnection) -> Iterator[Page]:
    """Return a fresh tab of 1280 by 900 pixels in the light scheme."""
    with tab(chromium) as opened:
        opened.resize(1280)
        opened.prefer("light")
        yield opened


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Serve the page on a free port of the loopback interface."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    shown = Stage(f"http://127.0.0.1:{listening.getsockname()[1]}")
    app = create_app(
        latest=shown.latest,
        metrics=lambda: b"",
        freshness=Freshness(lambda: OPENED_NS + NOW_SECONDS * 10**9),
        audit=print,
        allowed_hosts=LOOPBACK_HOSTS,
    )
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    yield shown
    server.should_exit = True
    thread.join(timeout=10)
    listening.close()


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """Return the folder of pictures for a person to look at; git ignores it."""
    return Path(__file__).parents[2] / "artifacts"
