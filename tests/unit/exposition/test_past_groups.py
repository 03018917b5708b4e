"""Groups of runs in the API: any window, right inside outages; they add up."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI

from goodput_exporter.domain.fold import Observation
from goodput_exporter.domain.placement import Owner
from goodput_exporter.domain.rollups import GroupKind
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.services.ledger_past import LedgerPast
from tests.fakes.apps import app_with
from tests.fakes.asking import get
from tests.fakes.office import Office
from tests.fakes.pods import Pods
from tests.fakes.ranks import Rank
from tests.fakes.stories import START_S, observations

BLUE = Owner(kind="Job", name="story", team="blue", queue="main", gpu_model="H100")
SMALL = Owner(kind="Job", name="small")
QWEN = RunKey("local", "web", "qwen")


@pytest.fixture(scope="module")
def app() -> FastAPI:
    """
    Return the API over a story of two runs.

    The blue one asks for 8 GPUs, and is down from second 115 to 170. The other,
    of 2 GPUs and no team, is queued for a minute and never starts up.
    """
    seen: list[Observation] = []
    pods = Pods(owner=BLUE).at(0, "running").at(115, "down").at(170, "running")
    seen += pods.said
    seen += Pods(asked=2, owner=SMALL, key=QWEN).at(0, "queued").said
    first = Rank(inc="a" * 16, pid=1, world=8).init(5).steps(0, 9, each=10).cut(8)
    second = Rank(inc="b" * 16, pid=2, world=8, begins_s=176).init(5).restore(4, 9)
    seen += observations([first, second.steps(10, 14, each=10).bye()])
    office = Office().watch(seen, 400)
    return app_with(past=LedgerPast(office.ledger))


def ask(app: FastAPI, query: str) -> dict[str, Any]:
    """Return the answer to a question about groups."""
    answered = get(app, f"/api/v1/groups?{query}")
    assert answered.status_code == 200
    found: dict[str, Any] = answered.json()
    return found


def seconds(books: dict[str, Any]) -> dict[str, float]:
    """Return GPU seconds by state."""
    return {one["name"]: one["gpu_seconds"] for one in books["states"]}


def between(begins_s: int, ends_s: int) -> str:
    """Return a window in the story's seconds, as a query."""
    return f"from={START_S + begins_s}&to={START_S + ends_s}"


def test_a_window_wholly_inside_an_outage_has_its_state(app: FastAPI) -> None:
    """Twenty seconds of eight GPUs are down, and that was seen."""
    found = ask(app, f"by=team&{between(120, 140)}")

    blue, nobodys = found["groups"]
    assert (blue["name"], nobodys["name"]) == ("blue", None)
    assert seconds(blue["books"]) == {"down": 160}
    assert (blue["layers"]["goodput"], blue["layers"]["coverage"]) == (0, 1)
    assert seconds(nobodys["books"]) == {"queued": 40}
    assert found["layers"]["ettr"] == 0


@pytest.mark.parametrize("by", GroupKind)
@pytest.mark.parametrize("view", ["live", "settled"])
def test_groups_add_up_to_the_accounts_of_the_runs(
    app: FastAPI, by: GroupKind, view: str
) -> None:
    """By whatever they are grouped, in either view, across the outage's edges."""
    window = f"view={view}&{between(100, 200)}"
    runs: dict[str, int] = {}
    for name in ("default/story", "web/qwen"):
        answered = get(app, f"/api/v1/accounts/local/{name}?{window}").json()
        for one in answered["books"]["states"]:
            runs[one["name"]] = runs.get(one["name"], 0) + int(one["gpu_ns"])

    found = ask(app, f"by={by.value}&{window}")

    groups: dict[str, int] = {}
    for group in found["groups"]:
        for one in group["books"]["states"]:
            groups[one["name"]] = groups.get(one["name"], 0) + int(one["gpu_ns"])
    assert groups == runs
    total = {one["name"]: int(one["gpu_ns"]) for one in found["total"]["states"]}
    assert total == runs


def test_windows_of_a_group_add_up(app: FastAPI) -> None:
    """Cut inside the outage, inside a step and inside the wait in the queue."""
    parts: dict[str, float] = {}
    for window in (between(0, 37), between(37, 131), between(131, 200)):
        for name, spent in seconds(ask(app, f"by=cluster&{window}")["total"]).items():
            parts[name] = parts.get(name, 0) + spent

    whole = seconds(ask(app, f"by=cluster&{between(0, 200)}")["total"])

    assert parts == pytest.approx(whole)


def test_a_window_without_any_time_has_no_groups(app: FastAPI) -> None:
    """Nothing was booked; that is not zero goodput."""
    found = ask(app, "by=queue&from=100&to=200")

    assert found["groups"] == []
    assert found["layers"]["goodput"] is None


def test_a_kind_of_group_that_there_is_not_is_refused(app: FastAPI) -> None:
    """With what could be asked."""
    answered = get(app, "/api/v1/groups?by=colour")

    assert answered.status_code == 422
    assert "'namespace'" in answered.json()["detail"]
