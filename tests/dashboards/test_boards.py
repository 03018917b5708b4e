"""
The dashboards' JSON: imports and provisions alike, and reads like a Grafana of 2024.

The rules of grafana/dashboard-linter are here in our words, for it could not be
installed where this was written; ``dashboards/generated/.lint`` has the exclusions
that it needs, each with its reason.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pytest

from dashboards.artefacts import GENERATED
from dashboards.boards import BOARDS
from dashboards.checking import bare_counters
from dashboards.soundness import panels

MOST_BYTES: Final = 200_000
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
CORE_PANELS: Final = {"timeseries", "stat", "bargauge", "table", "state-timeline"}
UNITS: Final = {
    "bytes", "celsius", "cps", "currencyUSD", "h", "hertz", "kwatth", "none",
    "percentunit", "s", "short", "watt",
}  # fmt: skip
COUNTERS_AS_THEY_ARE: Final = {
    "Restarts", "XIDs", "Suspect nodes", "Left out", "Corrected afterwards",
}  # fmt: skip
"""Panels that show a counter's value since the beginning, and say so."""

ONE_AT_FIRST: Final = ("goodput-run", "run")
"""A choice without "All": hundreds of runs on the Run dashboard say nothing."""

Dashboard = dict[str, Any]


def dashboards() -> list[Dashboard]:
    """Return every dashboard as it is committed."""
    texts = (GENERATED / f"{board.uid}.json" for board in BOARDS)
    return [json.loads(path.read_text(encoding="utf-8")) for path in texts]


@pytest.fixture(params=dashboards(), ids=lambda one: one["uid"])
def board(request: pytest.FixtureRequest) -> Dashboard:
    """Give each dashboard."""
    found: Dashboard = request.param
    return found


def variables(board: Dashboard) -> dict[str, Dashboard]:
    """Return a dashboard's variables by name."""
    return {one["name"]: one for one in board["templating"]["list"]}


def test_it_imports_and_provisions(board: Dashboard) -> None:
    """Nothing has to be filled in, and nothing belongs to another Grafana."""
    assert "__inputs" not in board
    assert "__requires" not in board
    assert "id" not in board
    assert board["uid"].startswith("goodput-")
    assert not board["editable"]
    assert variables(board)["datasource"]["type"] == "datasource"
    assert variables(board)["datasource"]["query"] == "prometheus"


def test_it_fits_a_config_map(board: Dashboard) -> None:
    """An annotation may hold 262,144 bytes, and client-side apply makes one."""
    path = GENERATED / f"{board['uid']}.json"

    assert path.stat().st_size < MOST_BYTES


def test_everything_asks_the_chosen_datasource(board: Dashboard) -> None:
    """Panels, targets, variables and annotations; none has one of its own."""
    asking = [*panels(board), *board["annotations"]["list"]]
    asking += [target for panel in panels(board) for target in panel["targets"]]
    asking += [one for one in variables(board).values() if one["type"] == "query"]

    assert [one["datasource"] for one in asking] == [DATASOURCE] * len(asking)


def test_panels_explain_themselves(board: Dashboard) -> None:
    """Title, description, a known unit, a query with a letter; no Angular panel."""
    for panel in panels(board):
        assert panel["type"] in CORE_PANELS
        assert panel["title"]
        assert panel["description"].endswith((".", "%."))
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        letters = [target["refId"] for target in panel["targets"]]
        assert letters
        assert len(set(letters)) == len(letters)


def test_panels_have_a_place_of_their_own(board: Dashboard) -> None:
    """Nothing lies on something else, and every panel has its number."""
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)


def test_variables_follow_the_time_and_allow_all(board: Dashboard) -> None:
    """What ended yesterday is in the list of yesterday; a store may lack a cluster."""
    for name, one in variables(board).items():
        if one["type"] == "query":
            assert one["refresh"] == 2, name
            assert one["includeAll"] or (board["uid"], name) == ONE_AT_FIRST, name
            assert one["multi"], name
    assert variables(board)["cluster"]["allValue"] == ".*"


def test_no_query_knows_who_scrapes(board: Dashboard) -> None:
    """No job and no instance is asked for; every choice is one that exists."""
    known = set(variables(board)) | {"__range", "__range_s", "__rate_interval"}
    for panel in panels(board):
        for target in panel["targets"]:
            expr = target["expr"]
            assert not re.search(r"\b(job|instance|pod|namespace)\s*[=!]~?\s*\"", expr)
            assert set(re.findall(r"\$\{?(\w+)", expr)) <= known, panel["title"]


def test_rates_fit_the_scrape(board: Dashboard) -> None:
    """Over time it is $__rate_interval; over the whole range it is $__range."""
    for panel in panels(board):
        for target in panel["targets"]:
            expr = target["expr"]
            for window in re.findall(r"\b(?:rate|irate)\([^\[]*\[([^\]]+)\]", expr):
                assert window == "$__rate_interval", panel["title"]
            for window in re.findall(r"\bincrease\([^\[]*\[([^\]]+)\]", expr):
                assert window in {"$__range", "$__rate_interval"}, panel["title"]


def test_counters_are_shown_as_growth(board: Dashboard) -> None:
    """A counter's value says when somebody began to count; few panels want that."""
    bare = {
        panel["title"]
        for panel in panels(board)
        for target in panel["targets"]
        if bare_counters(target["expr"]) and " offset " not in target["expr"]
    }

    assert bare <= COUNTERS_AS_THEY_ARE


def test_every_dashboard_leads_to_the_others() -> None:
    """One link each, by tag, that keeps the time and the choices."""
    for board in dashboards():
        [link] = board["links"]
        assert board["tags"] == link["tags"] == ["goodput"]
        assert link["keepTime"]
        assert link["includeVars"]


def test_runs_and_nodes_in_tables_lead_to_their_dashboards() -> None:
    """The address has the row's run or node, the time, and a uid that exists."""
    uids = {board["uid"] for board in dashboards()}
    text = "".join((GENERATED / f"{uid}.json").read_text() for uid in uids)

    led_to = set(re.findall(r'"url": "/d/([\w-]+)\?', text))
    assert led_to == {"goodput-run", "goodput-nodes"}
    assert text.count('"url": "/d/') == text.count("&${__url_time_range}")
    assert led_to <= uids
    assert "var-run=${__data.fields.Run}" in text


def test_incidents_are_marked_where_runs_are_shown() -> None:
    """A step in a curve has its reason above it."""
    for board in dashboards():
        marks = [one["name"] for one in board["annotations"]["list"]]
        assert ("Incidents" in marks) == (
            board["uid"] in {"goodput-run", "goodput-reliability"}
        )
