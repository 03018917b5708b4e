"""What the tests of the real process share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.station import Station, station


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[Station]:
    """Give an exporter in compressed time that is running."""
    with station(tmp_path) as one:
        one.start()
        yield one
