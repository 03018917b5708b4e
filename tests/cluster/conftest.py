"""One control plane for all stories of clusters; each has a namespace of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.control_plane import ControlPlane, control_plane
from tests.cluster.scenes import Scene, scene, token_file

SLOW_S = 240


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts a control plane: it is real, and slower than a minute allows."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.real)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(SLOW_S))


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    """Give the control plane."""
    with control_plane() as started:
        yield started


@pytest.fixture(scope="session")
def token(plane: ControlPlane) -> Path:
    """Give the token of the account whose role is generated from the table."""
    return token_file(plane.api, plane.folder)


@pytest.fixture
def stage(plane: ControlPlane, token: Path) -> Iterator[Scene]:
    """Give a namespace, and books that are being kept of it."""
    assert plane.dead() == []
    with scene(plane, token) as made:
        yield made
