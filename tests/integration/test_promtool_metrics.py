"""Prometheus' own tool reads our page and finds nothing to complain about."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from goodput_exporter.exposition.render import MetricsPage
from tests.fakes.poison import POISON, poisoned_page
from tests.fakes.snapshots import (
    bare_run_view,
    gpu_lost,
    gpu_sample,
    run_view,
    snapshot,
)

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def promtool() -> str:
    """Return the path of promtool; without it CI fails and others skip."""
    path = shutil.which("promtool")
    if path is None:
        reason = "promtool is not installed; it is in Debian's package prometheus"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def check(promtool: str, page: bytes) -> tuple[int, str]:
    """Return promtool's exit code and what it says."""
    done = subprocess.run(
        [promtool, "check", "metrics"], input=page, capture_output=True, check=False
    )
    return done.returncode, (done.stdout + done.stderr).decode()


def test_the_page_is_clean(promtool: str) -> None:
    """Names, units, types and help follow Prometheus' own rules."""
    now = snapshot(run_view(), bare_run_view(), gpus=[gpu_sample(), gpu_lost()])

    assert check(promtool, MetricsPage().render(now)) == (0, "")


def test_an_empty_node_is_clean_too(promtool: str) -> None:
    """A page without runs and GPUs is a page."""
    assert check(promtool, MetricsPage().render(snapshot())) == (0, "")


@pytest.mark.parametrize("name", sorted(POISON))
def test_a_poisoned_page_is_clean(promtool: str, name: str) -> None:
    """Whatever a job calls itself, the scrape goes through."""
    assert check(promtool, poisoned_page(name)) == (0, "")


@pytest.mark.parametrize(
    "line", [b"goodput_cut_off{run=", b"# TYPE goodput_total gauge\ngoodput_total 1\n"]
)
def test_a_broken_page_would_be_noticed(promtool: str, line: bytes) -> None:
    """The check can fail: on what does not parse, and on a name against the rules."""
    page = MetricsPage().render(snapshot(run_view()))

    code, said = check(promtool, page + line)

    assert code != 0
    assert said
