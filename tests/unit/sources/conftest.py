"""A fake driver for the stories of the NVML source, compiled once a session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from goodput_exporter.sources.nvml.source import NvmlSource
from tests.fakes.nvml.driver import FakeDriver, compile_library, install
from tests.fakes.nvml.story import source_on


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the fake driver once for all stories."""
    return compile_library(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def driver(tmp_path: Path, library: Path) -> FakeDriver:
    """Eight healthy GPUs."""
    return install(tmp_path, library)


@pytest.fixture
def source(driver: FakeDriver) -> Iterator[NvmlSource]:
    """Return the source on that driver, closed afterwards."""
    with closing(source_on(driver)) as opened:
        yield opened
