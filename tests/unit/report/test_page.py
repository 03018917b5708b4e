"""The report's page: one file, no script, no request, and the figures of the sheet."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import goodput_exporter
from goodput_exporter.analysis.histories import View
from goodput_exporter.domain.accounting import tally
from goodput_exporter.domain.ratios import ratios
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.report import pictures
from goodput_exporter.report.comparing import compare, side
from goodput_exporter.report.drawing_up import sheet
from goodput_exporter.report.page import html
from goodput_exporter.report.sheet import Sheet
from tests.fakes.epics import BEGINS_NS, HOUR, Epic, three_days

CODE = Path(goodput_exporter.__file__).parent


def made(*epics: Epic, view: View = View.SETTLED) -> Sheet:
    """Report on epics, over all of their time."""
    window = Span(BEGINS_NS, max(epic.at_ns for epic in epics))
    runs = [(epic.told(), epic.account(window)) for epic in epics]
    run = runs[0][0]
    attempts = list(run.attempts().values())
    first, last = attempts[0], attempts[-1]
    both = compare(side("1", run, first, view), side("last", run, last, view))
    return sheet(runs, subject="fleet", window=window, view=view, comparison=both)


class Reader(HTMLParser):
    """Collects elements, and whatever a browser would fetch or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take down one element's start."""
        self.tags.append(tag)
        asked = {"src", "href", "action", "data", "srcset", "poster"}
        self.fetched += [name for name, _ in attrs if name in asked]
        self.fetched += [name for name, _ in attrs if name.startswith("on")]


def test_the_page_needs_nothing_else() -> None:
    """No script, no link, no font, and a policy that forbids them all."""
    text = html(made(three_days(), three_days("qwen")))
    page = Reader(text)

    assert page.fetched == []
    assert not {"script", "link", "iframe", "img"} & set(page.tags)
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


def test_the_page_shows_the_sheets_figures() -> None:
    """The foot, the view, every incident, and the ledger's own sum."""
    found = made(three_days())
    text = html(found)

    total = f"{found.whole.total.gpu_hours:,f}"
    assert f'<td class="number">{total}</td>' in text
    assert "settled view" in text
    assert f"counters show, is the same: {total} GPU-hours" in text
    assert text.count('class="first"') == found.incidents == 6


def test_a_sender_cannot_write_the_page() -> None:
    """Names and evidence are text, whatever they hold."""
    nasty = "<script>alert(1)</script>\u202e"
    epic = (
        Epic(nasty).train(5).fall(Cause.OTHER, evidence=nasty).book(RunState.DOWN, HOUR)
    )

    text = html(made(epic, Epic(f"{nasty}2").train(1)))

    assert "<script" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;" in text


def test_a_state_has_one_colour_here_and_on_the_live_page() -> None:
    """Whoever knows one page can read the other, in both schemes."""
    ours = (CODE / "report/templates/report.css").read_text(encoding="utf-8")
    live = (CODE / "exposition/web/static/page.css").read_text(encoding="utf-8")
    colours = re.compile(r"(--(?:state-[a-z-]+|paper|ink|soft|line)): (#[0-9a-f]{6})")

    assert colours.findall(ours) == colours.findall(live)
    for state in RunState:
        assert f".state-{state.value.replace('_', '-')} {{" in ours


def test_the_waterfall_falls_to_goodput() -> None:
    """Each loss begins where the one before it ended."""
    layers = ratios(tally(Epic().train(6).save().segments()))

    drawn = pictures.waterfall(layers)

    assert drawn is not None
    whole, infrastructure, framework, slow, rest = drawn.boxes
    assert infrastructure.width <= 2
    ends = framework.x + framework.width
    assert abs(ends - (whole.x + whole.width)) < 2
    assert abs(framework.x - (rest.x + rest.width)) < 2
    assert slow.width <= 2
    assert "goodput" in rest.kind


def test_the_timeline_is_as_long_as_the_time() -> None:
    """Every strip is filled from end to end, and the longest state is the widest."""
    epic = Epic().train(60).book(RunState.DOWN, 3 * HOUR)
    window = Span(BEGINS_NS, epic.at_ns)
    found = sheet(
        [(epic.told(), epic.account(window))],
        subject="x",
        window=window,
        view=View.LIVE,
    )

    drawn = pictures.timeline(found)

    assert drawn is not None
    assert [box.kind for box in drawn.boxes] == ["state-productive", "state-down"]
    assert [round(box.width) for box in drawn.boxes] == [240, 720]


def test_badput_is_stacked_by_cause() -> None:
    """The columns' heights are the periods' lost time."""
    found = made(three_days())

    drawn = pictures.badput_by_cause(found)

    assert drawn is not None
    heights: dict[float, float] = {}
    for box in drawn.boxes:
        heights[box.x] = heights.get(box.x, 0.0) + box.height
    highest = max(one.bad_gpu_ns for one in found.periods)
    lost = [one.bad_gpu_ns / highest for one in found.periods if one.bad_gpu_ns]
    shown = [height / (pictures.PLOT - 12) for height in heights.values()]
    assert all(abs(a - b) < 1e-9 for a, b in zip(shown, lost, strict=True))


def test_nothing_is_drawn_of_nothing() -> None:
    """A run that was queued throughout has no goodput to draw."""
    epic = Epic().book(RunState.UNOBSERVED, HOUR)
    found = made(epic)

    assert pictures.waterfall(found.whole.ratios) is None
    assert pictures.goodput_trend(found) is None
    assert pictures.badput_by_cause(found) is None
    assert "Nothing was lost." in html(found)
