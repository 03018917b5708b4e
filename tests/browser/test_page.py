"""The page in a real Chromium: what a person sees, points at, and reaches by key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from goodput_exporter.analysis.figures import shown
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.exposition.addresses import address
from tests.browser.chromium import Page
from tests.browser.conftest import Stage
from tests.browser.scenes import HOSTILE, hostile, scene, trainer
from tests.fakes.snapshots import bare_run_view, snapshot

pytestmark = pytest.mark.real

RUN = "/runs/local/default/llama-70b-pretrain"
CHARTS_ARE_DRAWN = "Object.keys(Chart.instances).length === 2"


def test_the_list_names_who_needs_attention_first(page: Page, stage: Stage) -> None:
    """A hung run stands above a failed one, and both above those that are well."""
    page.open(f"{stage.url}/")

    names = page.run("[...document.querySelectorAll('.run-name a')].map(a => a.text)")
    assert names == [
        "mixtral-8x22b",
        "ablation-lr3",
        "llama-70b-pretrain",
        "tiny-finetune",
    ]


def test_a_run_answers_the_question_in_one_sentence(page: Page, stage: Stage) -> None:
    """Share kept, devices, largest loss, its cause and when, in the reader's zone."""
    page.call("Emulation.setTimezoneOverride", timezoneId="Asia/Tokyo")
    page.call("Emulation.setLocaleOverride", locale="en-GB")
    page.open(f"{stage.url}{RUN}")

    sentence = page.text(".lead").replace("\xa0", " ")
    assert sentence.startswith("In the last hour 58 % of 8 GPUs’ time became progress")
    assert (
        "the largest loss was 21 % down after a GPU error at 9 Oct, 18:58" in sentence
    )
    assert page.run("document.querySelector('.lead time').title") == (
        "2025-10-09 09:58:28 UTC"
    )


def test_a_scripted_run_shows_its_states(page: Page, stage: Stage) -> None:
    """Every state of the story is named in the legend and drawn as a bar."""
    page.open(f"{stage.url}{RUN}?window=lifetime")
    page.wait(CHARTS_ARE_DRAWN)

    legend = set(page.text("#legend").split("\n"))
    bars = page.run("Chart.getChart('bar').data.datasets[0].data.length")
    assert {"productive", "down", "recomputing", "unobserved", "data wait"} <= legend
    assert bars == 22
    assert page.text("#bar + *, #trust .sum").endswith("exactly 57,696 GPU-seconds.")


def test_pointing_at_the_bar_says_what_it_is(page: Page, stage: Stage) -> None:
    """State, cause, span, length, GPU time and evidence stand below the bar."""
    page.open(f"{stage.url}{RUN}?window=lifetime")
    page.wait(CHARTS_ARE_DRAWN)
    box = page.run("(({x, y, width}) => ({x, y, width}))(bar.getBoundingClientRect())")

    page.point(box["x"] + box["width"] * 4_300 / 7_212, box["y"] + 30)

    page.wait("readout.innerText.includes('down')")
    said = page.text("#readout")
    assert said.startswith("down (GPU error) · ")
    assert "12 min 22 s · 1.65 GPU-hours · XID 79 on GPU 3" in said


def test_the_keyboard_reaches_every_segment(page: Page, stage: Stage) -> None:
    """Tab leads to the bar, arrows along it, and what is chosen is said aloud."""
    page.open(f"{stage.url}{RUN}?window=lifetime")
    page.wait(CHARTS_ARE_DRAWN)

    for _ in range(12):
        page.press("Tab")
        if page.run("document.activeElement.id") == "bar":
            break
    page.press("Home")
    said = [page.run("bar.getAttribute('aria-valuetext')").split(",")[0]]
    for _ in range(3):
        page.press("ArrowRight")
        said.append(page.run("bar.getAttribute('aria-valuetext')").split(",")[0])

    assert said == ["initializing", "productive", "checkpointing", "productive"]
    assert page.run("getComputedStyle(bar).outlineStyle") == "solid"


def test_the_page_stays_fresh_and_keeps_its_place(page: Page, stage: Stage) -> None:
    """New figures arrive by themselves; focus and scroll stay where they were."""
    page.resize(1280, 500)
    page.open(f"{stage.url}{RUN}")
    page.wait(CHARTS_ARE_DRAWN)
    page.run("document.querySelector('#window-1h').focus(); scrollTo(0, 300)")
    before = page.run("scrollY")

    stage.shown = snapshot(replace(trainer(), why="a new sentence", durable_step=2_841))

    page.wait("summary.innerText.includes('a new sentence')")
    assert "2,841" in page.text("#facts")
    assert page.run("document.activeElement.id") == "window-1h"
    assert page.run("scrollY") == before


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_is_inert(page: Page, stage: Stage, name: str) -> None:
    """A name is shown as it is, links to its own page, and never runs or escapes."""
    stage.shown = hostile()
    key = next(view.key for view in stage.shown.runs if view.key.run == name)
    page.open(f"{stage.url}/")

    links = page.run("[...document.querySelectorAll('.run-name a')].map(a => a.href)")
    page.open(f"{stage.url}/runs/{address(key)}")
    page.wait(CHARTS_ARE_DRAWN)

    assert f"{stage.url}/runs/{address(key)}" in links
    assert page.text("h1") == shown(name)
    assert page.run("window.harmed") is None
    assert page.complaints() == []


@pytest.mark.parametrize("path", ["/", RUN, f"{RUN}?window=5m", "/runs/lama"])
def test_a_page_is_silent_and_self_contained(
    page: Page, stage: Stage, path: str
) -> None:
    """No page writes an error to the console or asks another host for anything."""
    page.open(f"{stage.url}{path}")
    page.wait("document.querySelector('main').innerText.length > 0")

    missing = "Failed to load resource: the server responded with a status of 404"
    complaints = [c for c in page.complaints() if not c.startswith(missing)]
    assert complaints == []
    assert {url for url in page.requested() if not url.startswith(stage.url)} == set()


def test_a_run_that_does_not_exist_names_the_nearest(page: Page, stage: Stage) -> None:
    """A wrong name leads to the run that was probably meant."""
    page.open(f"{stage.url}/runs/llama-70-pretrain")

    assert "did you mean local/default/llama-70b-pretrain" in page.text("main")
    assert page.run("document.querySelector('main li a').pathname") == RUN


def test_a_run_without_anything_says_so(page: Page, stage: Stage) -> None:
    """What is not known is a dash or a sentence, not a zero and not an error."""
    stage.shown = snapshot(bare_run_view())
    page.open(f"{stage.url}/runs/just-appeared")

    assert "nothing has been booked yet" in page.text(".lead")
    assert "–" in page.text("#facts")
    assert page.complaints() == []


def test_without_scripts_the_tables_say_the_same(page: Page, stage: Stage) -> None:
    """The layers' table takes the chart's place, and times are in UTC."""
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.open(f"{stage.url}{RUN}")

    assert "Infrastructure" in page.text("#layers-table")
    assert page.run("document.querySelector('#layers-table').offsetHeight > 100")
    assert page.run("document.querySelector('canvas').offsetHeight") == 0
    assert "UTC" in page.text(".lead")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_a_page_fits_its_window(
    page: Page, stage: Stage, artifacts: Path, width: int, scheme: str
) -> None:
    """Nothing is wider than the window; pictures are kept for a person to look at."""
    page.resize(width)
    page.prefer(scheme)
    for name, path in (("runs", "/"), ("run", f"{RUN}?window=lifetime")):
        page.open(f"{stage.url}{path}")
        page.wait("document.querySelector('.strip') || " + CHARTS_ARE_DRAWN)
        if name == "run":
            page.run("bar.focus({focusVisible: false}); undefined")
            page.press("Home")
            for _ in range(9):
                page.press("ArrowRight")
        page.picture(artifacts / f"{name}-{width}-{scheme}.png")

        assert page.run("document.documentElement.scrollWidth") <= width


def test_a_fine_timeline_is_drawn_coarser_and_counted_exactly(
    page: Page, stage: Stage
) -> None:
    """Thousands of short segments become bins in the bar; the sum stays exact."""
    view = trainer()
    pieces = tuple(
        replace(part, span=replace(part.span, start_ns=start, end_ns=start + 10**9))
        for start, part in (
            (view.opened_ns + n * NS_PER_SECOND, view.timeline[n % 3])
            for n in range(7_212)
        )
    )
    stage.shown = replace(scene(), runs=(replace(view, timeline=pieces),))
    page.open(f"{stage.url}{RUN}?window=5m")
    page.wait(CHARTS_ARE_DRAWN)

    page.open(f"{stage.url}{RUN}?window=1h")
    page.wait(CHARTS_ARE_DRAWN)

    assert page.run("Chart.getChart('bar').data.datasets[0].data.length") <= 600
    assert "3,600 s × 8 GPUs = exactly 28,800" in page.text("#trust .sum")
