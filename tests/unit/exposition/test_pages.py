"""The page as HTML: what it says without a browser, and what it never lets through."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from goodput_exporter.analysis.figures import LAYER_NAME
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.exposition.pages import WEB
from goodput_exporter.exposition.web.words import (
    CAUSE_NAME,
    CAUSE_PHRASE,
    HOW_PHRASE,
    STATE_CLASS,
    STATE_PHRASE,
)
from tests.fakes.apps import app_with
from tests.fakes.asking import get
from tests.fakes.snapshots import (
    bare_run_view,
    gpu_lost,
    gpu_sample,
    health,
    incident,
    run_view,
    segments,
    snapshot,
)

HOSTILE = "</script><script>alert('\"1')</script><img src=x onerror=alert(2)>"


class Tags(HTMLParser):
    """Every tag of a page with its attributes, and the text between."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.words.append(data)

    @property
    def text(self) -> str:
        """Return all text, with spaces as a reader sees them."""
        return re.sub(r"\s+", " ", "".join(self.words))


def page(path: str = "/runs/llama-7b", **options: object) -> Tags:
    """Return the page of the default run, or of a snapshot."""
    shown = options.get("shown")
    app = app_with(shown) if shown else app_with()  # type: ignore[arg-type]  # a snapshot, where given
    answer = get(app, path)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return Tags(answer.text)


def test_the_headline_answers_the_question() -> None:
    """Share kept, of how many GPUs, the largest loss, after what and when."""
    assert (
        "Since it began 69 % of 4 GPUs’ time became progress that was kept; "
        "the largest loss was 13 % down after a crash at 2025-10-09 08:55:21 UTC."
    ) in page().text


def test_an_upper_bound_is_called_one() -> None:
    """Where redone steps cannot be seen, the share is at most what is shown."""
    text = page(shown=snapshot(run_view(upper_bound=True))).text

    assert "Since it began at most 69 % of" in text
    assert "Redone steps cannot be seen" in text


def test_a_rank_without_a_gpu_is_not_called_one() -> None:
    """Devices are ranks then, the units say so, and so does a line of its own."""
    text = page(shown=snapshot(run_view(devices_are_gpus=False))).text

    assert "of 4 devices’ time" in text
    assert "A rank without a GPU counts as one device." in text
    assert "GPU-minutes" not in text


def test_time_that_nobody_saw_is_said() -> None:
    """Unobserved time is in the headline; it is neither good nor bad."""
    story = (
        (0, 60, RunState.PRODUCTIVE, Cause.NONE),
        (60, 80, RunState.UNOBSERVED, Cause.NONE),
    )
    view = run_view(timeline=segments(story))
    text = page("/runs/llama-7b?window=5m", shown=snapshot(view)).text

    assert (
        "100 % of 4 GPUs’ time became progress that was kept; nothing was lost." in text
    )
    assert "For 25 % of the time no source saw the run." in text


def test_the_sum_is_written_out() -> None:
    """Anyone can check the account with a pencil."""
    said = "The states add up to 303 s × 4 GPUs = exactly 1,212 GPU-seconds."

    assert said in page().text


def test_a_sum_that_fails_says_by_how_much() -> None:
    """A hole of eighty seconds on four GPUs is shown, not smoothed over."""
    whole = run_view()
    holed = run_view(timeline=whole.timeline[:1] + whole.timeline[2:])
    text = page("/runs/llama-7b?window=5m", shown=snapshot(holed)).text

    assert "320 off 300 s × 4 GPUs" in text


def test_losses_are_ranked_by_gpu_time() -> None:
    """The largest loss is the first line of the table."""
    text = page().text
    ranked = text[text.index("Where the rest went") :]
    order = [ranked.index(n) for n in ("down", "recomputing", "checkpointing", "slow")]

    assert order == sorted(order)


def test_an_incident_that_is_not_over_says_so() -> None:
    """No time to new progress is invented while there is none."""
    open_one = incident(recovered_ns=None, returned_ns=None, how=None, lost_steps=None)
    text = page(shown=snapshot(run_view(incidents=(open_one,)))).text

    assert "not yet recovered" in text
    assert "came back" not in text


def test_what_is_unknown_is_a_dash() -> None:
    """A run without a durable step has no exposure, not an exposure of zero."""
    text = page("/runs/just-appeared", shown=snapshot(bare_run_view())).text

    assert "Since it began nothing has been booked yet." in text
    assert "Exposure–" in text.replace(" ", "")


def test_the_list_is_for_a_first_look() -> None:
    """State, since when, goodput, cost and one sentence per run; GPUs below."""
    shown = snapshot(run_view(), gpus=[gpu_sample(power_watts=None), gpu_lost()])
    text = page("/", shown=shown).text

    assert "68.6 % goodput, lifetime" in text
    assert "6.33 GPU-minutes lost so far" in text
    assert "60.0 of 80 GiB–61 °C" in text
    assert "lost GPU is lost" in text


def test_an_empty_exporter_says_what_to_do() -> None:
    """The first thing a newcomer sees is the next step."""
    shown = snapshot(health=health(gpu_source_up=None))
    text = page("/", shown=shown).text

    assert "No run has reported yet." in text
    assert "no NVIDIA driver on this node" in text


def test_trouble_of_the_exporter_itself_is_on_every_page() -> None:
    """A ledger that refuses writes and an NVML that is silent are not hidden."""
    ill = health(ledger_up=False, gpu_source_up=False)
    for path in ("/", "/runs/llama-7b"):
        text = page(path, shown=snapshot(run_view(), health=ill)).text
        assert "the ledger refuses writes" in text
        assert "NVML does not answer" in text


@pytest.mark.parametrize("path", ["/", "/runs/", "/runs/nowhere"])
def test_a_hostile_name_adds_no_tag(path: str) -> None:
    """Names, sentences, evidence and notes are text wherever they stand."""
    harmless, harmful = (
        snapshot(
            run_view(
                key=RunKey(text, text, text),
                why=text,
                notes=(text,),
                kind=text,
                incidents=(incident(evidence=(text,), rule=text),),
            ),
            node=text,
        )
        for text in ("harmless", HOSTILE)
    )
    url = get(app_with(harmful), "/api/v1/runs").json()["runs"][0]["url"]
    paths = {
        "/": ("/", "/"),
        "/runs/": ("/runs/harmless", url.replace("/api/v1", "")),
        "/runs/nowhere": ("/runs/nowhere", f"/runs/{HOSTILE[:3]}x"),
    }
    one, other = paths[path]

    expected, found = page(one, shown=harmless), page(other, shown=harmful)

    scripts = [t for t, _ in found.tags if t in {"script", "img"}]
    assert scripts == [t for t, _ in expected.tags if t == "script"]
    assert not [a for _, attrs in found.tags for a in attrs if a.startswith("on")]


def test_the_data_block_is_json_that_cannot_close_itself() -> None:
    """What the charts read holds no angle bracket at all."""
    view = run_view(incidents=(incident(evidence=(HOSTILE,)),))
    html = get(app_with(snapshot(view)), "/runs/llama-7b").text
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html)

    assert found is not None
    assert "<" not in found[1]
    assert HOSTILE in json.loads(found[1])["segments"][4]["evidence"]


def test_nothing_is_inline_and_nothing_is_from_elsewhere() -> None:
    """The strict policy blocks no part of our own page, because none needs it."""
    for path in ("/", "/runs/llama-7b", "/runs/nowhere"):
        for tag, attributes in page(path).tags:
            assert tag != "style"
            assert "style" not in attributes
            for name in ("src", "href"):
                assert not (attributes.get(name) or "").startswith(("http", "//"))


def test_an_ambiguous_name_offers_its_runs() -> None:
    """The reader chooses; the page does not guess."""
    both = [run_view(key=RunKey("c", space, "llama")) for space in ("a", "b")]
    answer = get(app_with(snapshot(*both)), "/runs/llama")

    assert answer.status_code == 409
    assert 'href="/runs/c/a/llama"' in answer.text
    assert 'href="/runs/c/b/llama"' in answer.text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_state_has_a_colour_of_its_own(scheme: str) -> None:
    """No two states look the same, in either scheme."""
    css = (WEB / "static" / "page.css").read_text()
    dark = css.index("prefers-color-scheme: dark")
    part = css[:dark] if scheme == "light" else css[dark:]
    colours = dict(re.findall(r"--(state-[a-z-]+): (#[0-9a-f]{6})", part))

    assert set(colours) == set(STATE_CLASS.values())
    assert len(set(colours.values())) == len(colours)


def test_every_word_of_the_domain_is_said_somehow() -> None:
    """A new state, cause or layer cannot be forgotten on the page."""
    assert set(STATE_PHRASE) == set(RunState)
    assert set(CAUSE_PHRASE) == set(CAUSE_NAME) == set(Cause)
    assert len(LAYER_NAME) == 6
    assert len(HOW_PHRASE) == 6


def test_what_is_vendored_brings_its_licence() -> None:
    """Each third-party file is named, with version and licence beside it."""
    static = WEB / "static"
    read_me = (static / "README.md").read_text()
    for path in (*static.glob("*.min.js"), *static.glob("*.woff2")):
        assert path.name in read_me
    for licence in ("chart-LICENSE.md", "inter-LICENSE.txt"):
        assert Path(static / licence).stat().st_size > 500


def test_a_long_list_ends_and_says_so() -> None:
    """Ten thousand run names cost a reader no more than two hundred."""
    runs = [run_view(f"run-{number}") for number in range(250)]
    listed = page("/", shown=snapshot(*runs))

    links = [attrs.get("href") or "" for tag, attrs in listed.tags if tag == "a"]
    assert len([href for href in links if href.startswith("/runs/")]) == 200
    assert "50 more are in the API." in listed.text


def test_the_list_follows_each_tick() -> None:
    """A list that is kept for the next reader is not kept past the next tick."""
    ticks = [snapshot(run_view("one")), snapshot(run_view("two"))]
    app = app_with(latest=lambda: ticks[0])

    before = [get(app, "/").text for _ in range(2)]
    ticks.pop(0)

    assert before[0] == before[1]
    assert "two" in get(app, "/").text
