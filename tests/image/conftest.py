"""One image for the whole suite: building it is what takes long."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.image.containers import Image, built


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    """Give the image, built from this tree."""
    with built() as found:
        yield found


@pytest.fixture
def port() -> int:
    """Give a TCP port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free: int = probe.getsockname()[1]
        return free
