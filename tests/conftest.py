"""What every suite shares: Hypothesis profiles, order, and the minutes per suite."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.fakes.postgresql import Cluster, cluster
from tests.parts import IN_CI

HERE = Path(__file__).parent

# A slow shared machine is not a slow example: no deadline, no complaint about speed.
settings.register_profile(
    "laptop", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "ci",
    parent=settings.get_profile("laptop"),
    derandomize=True,  # red on one commit must be red again on the same commit
    database=None,
    print_blob=True,
)
settings.load_profile("ci" if IN_CI else "laptop")

_seconds: defaultdict[str, float] = defaultdict(float)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """Give a PostgreSQL server that every test shares, each in a book of its own."""
    with cluster() as started:
        yield started


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests that start real parts last: they are slow and say less."""
    items.sort(key=lambda item: item.get_closest_marker("real") is not None)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add a test's time, set-up and tear-down included, to its suite's."""
    _seconds[report.nodeid.split("/")[1] if "/" in report.nodeid else "."] += (
        report.duration
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """In CI, print the minutes per suite just above pytest's own last line."""
    if not IN_CI:
        return
    terminalreporter.section("minutes per suite")
    before = os.environ.get("GOODPUT_CI_MINUTES")
    if before:
        terminalreporter.write_line(before)
    for suite, seconds in sorted(_seconds.items()):
        terminalreporter.write_line(f"{suite:14}{seconds / 60:6.2f}")
