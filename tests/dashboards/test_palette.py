"""Colours: one per state on every dashboard, the page and the report, for every eye."""

from __future__ import annotations

import re
from itertools import combinations, pairwise
from pathlib import Path
from typing import Final

import pytest

from dashboards.palette import (
    CATEGORY_COLOURS,
    CAUSE_COLOURS,
    ON_BOTH_GROUNDS,
    STATE_COLOURS,
)
from dashboards.vocabulary import CLOSED
from goodput_exporter import report
from goodput_exporter.domain.gpu_stands import Category
from goodput_exporter.domain.states import RunState
from goodput_exporter.report.pictures import CAUSES, THE_REST, cause_kind
from tests.unit.exposition.test_pages_colours import (
    CLEARLY_APART,
    SIGHTS,
    colours,
    distance,
)

REPORT: Final = Path(report.__file__).parent / "templates" / "report.css"
GROUNDS: Final = {"dark": "#181b1f", "light": "#ffffff"}
"""Of Grafana's panels."""


def test_a_state_has_the_colour_of_the_page() -> None:
    """Who comes from the dashboard to the page looks for the same colour."""
    page = {name.replace("-", "_"): hue for name, hue in colours("dark").items()}

    differ = {name for name, hue in STATE_COLOURS.items() if page[name] != hue}

    assert page.keys() == STATE_COLOURS.keys()
    assert differ == set(ON_BOTH_GROUNDS)


def test_a_cause_has_one_colour_in_every_report_and_dashboard() -> None:
    """Who compares two weeks need not read the legends; few are in one picture."""
    css = REPORT.read_text(encoding="utf-8")
    found = dict(re.findall(r"\.(cause-[a-z-]+) \{ --c: (#[0-9a-f]{6}); \}", css))

    assert found.keys() == {cause_kind(c, 0) for c in CAUSE_COLOURS} | {THE_REST}
    assert {c: found[cause_kind(c, 0)] for c in CAUSE_COLOURS} == dict(CAUSE_COLOURS)
    assert cause_kind("hang", CAUSES) == THE_REST


def test_everything_closed_has_a_colour() -> None:
    """No state, cause or category is left to whatever colour comes next."""
    assert STATE_COLOURS.keys() >= CLOSED["state"]
    assert CAUSE_COLOURS.keys() == CLOSED["cause"]
    assert CATEGORY_COLOURS.keys() == {category.value for category in Category}


@pytest.mark.parametrize("sight", SIGHTS)
def test_progress_is_told_from_every_loss_on_dashboards(sight: str) -> None:
    """Nobody takes lost time for progress, whatever colours they see."""
    progress = STATE_COLOURS[RunState.PRODUCTIVE]

    near = {
        state
        for state, hue in STATE_COLOURS.items()
        if distance(progress, hue, sight) < CLEARLY_APART
    }

    assert near == {RunState.PRODUCTIVE}


@pytest.mark.parametrize("sight", SIGHTS)
def test_a_crash_and_the_cluster_book_can_be_read(sight: str) -> None:
    """Neighbours of a crash differ, and so does each category from each other."""
    crash = (
        RunState.INTERRUPTED,
        RunState.DOWN,
        RunState.INITIALIZING,
        RunState.RESTORING,
        RunState.RECOMPUTING,
    )
    pairs = [(STATE_COLOURS[a], STATE_COLOURS[b]) for a, b in pairwise(crash)]
    pairs += list(combinations(CATEGORY_COLOURS.values(), 2))

    assert [p for p in pairs if distance(*p, sight) < CLEARLY_APART] == []


@pytest.mark.parametrize("ground", GROUNDS.values(), ids=GROUNDS)
def test_nothing_fades_into_the_ground(ground: str) -> None:
    """One colour has to do on Grafana's light and on its dark theme."""
    every = {**STATE_COLOURS, **CAUSE_COLOURS, **CATEGORY_COLOURS}

    faded = {
        name
        for name, hue in every.items()
        if distance(hue, ground, "full") < CLEARLY_APART
    }

    assert faded == set()
