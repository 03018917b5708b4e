"""The report in a real Chromium: it fetches nothing, fits, and shows its pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodput_exporter.analysis.histories import View
from goodput_exporter.domain.spans import Span
from goodput_exporter.report.drawing_up import sheet
from goodput_exporter.report.page import html
from tests.browser.chromium import Page
from tests.fakes.epics import BEGINS_NS, three_days

pytestmark = pytest.mark.real


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the report of two runs as a file."""
    epics = three_days("l" * 90), three_days("qwen")
    window = Span(BEGINS_NS, epics[0].at_ns)
    runs = [(epic.told(), epic.account(window)) for epic in epics]
    made = sheet(runs, subject="two runs", window=window, view=View.SETTLED)
    path = tmp_path / "report.html"
    path.write_text(html(made), encoding="utf-8")
    return path


def test_the_report_is_one_file(page: Page, file: Path) -> None:
    """Opening it asks for nothing but itself, and complains of nothing."""
    page.call("Network.enable")
    page.call("Log.enable")
    page.open(file.as_uri())

    asked = [
        event["params"]["request"]["url"]
        for event in page.events
        if event.get("method") == "Network.requestWillBeSent"
    ]
    said = [e for e in page.events if e.get("method") == "Log.entryAdded"]
    assert set(asked) == {file.as_uri()}
    assert said == []


def test_every_picture_is_drawn_and_coloured(page: Page, file: Path) -> None:
    """Bars have a size, and each legend's square has the colour of its bars."""
    page.open(file.as_uri())

    assert page.run("document.querySelectorAll('figure svg').length") == 4
    assert page.run(
        "[...document.querySelectorAll('figure svg')]"
        ".every(s => s.getBoundingClientRect().height > 40)"
    )
    colours = page.run(
        "['.swatch.state-down', 'rect.state-down'].map(s => {"
        "const c = getComputedStyle(document.querySelector(s));"
        "return s.startsWith('rect') ? c.fill : c.backgroundColor})"
    )
    assert colours[0] == colours[1] != "rgb(0, 0, 0)"


@pytest.mark.parametrize("width", [390, 1280])
def test_the_report_fits_the_window(page: Page, file: Path, width: int) -> None:
    """Wide tables scroll within themselves; the page does not."""
    page.resize(width)
    page.open(file.as_uri())

    assert page.run("document.documentElement.scrollWidth") <= width
