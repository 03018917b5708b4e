"""What the API says of the past: any window, in the view that is asked for."""

from __future__ import annotations

import csv
import io

import pytest
from fastapi import FastAPI

from goodput_exporter.analysis.histories import History, View
from goodput_exporter.analysis.reliability import Reliability
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import ConfigError
from goodput_exporter.services.ledger_past import LedgerPast
from tests.fakes.apps import app_with
from tests.fakes.asking import get
from tests.fakes.office import Office
from tests.fakes.ranks import Rank
from tests.fakes.stories import START_S


@pytest.fixture(scope="module")
def office() -> Office:
    """Return an office that saw a run killed; it came back and redid two steps."""
    first = Rank(inc="a" * 16, pid=1).init(5).steps(0, 8, each=10).cut(5)
    second = Rank(inc="b" * 16, pid=2, begins_s=130).init(5).restore(2, 6)
    lives = first, second.steps(7, 12, each=10).bye()
    return Office().live(*lives, until_s=300)


def past_of(office: Office) -> LedgerPast:
    """Return the API's door to an office's ledger."""
    return LedgerPast(office.ledger)


@pytest.fixture
def app(office: Office) -> FastAPI:
    """Return the application over that office's ledger."""
    return app_with(past=past_of(office))


def states(app: FastAPI, query: str = "") -> dict[str, float]:
    """Return GPU seconds by state of the one run."""
    answered = get(app, f"/api/v1/accounts/story{query}").json()
    return {one["name"]: one["gpu_seconds"] for one in answered["books"]["states"]}


def test_the_settled_view_says_what_was_lost(app: FastAPI) -> None:
    """In hindsight two steps were lost; live, two were redone."""
    settled, live = states(app), states(app, "?view=live")

    assert (settled["lost"], settled.get("recomputing")) == (20, None)
    assert (live["recomputing"], live.get("lost")) == (20, None)
    assert sum(settled.values()) == sum(live.values()) == 197


def test_the_answer_says_which_view_it_is(app: FastAPI) -> None:
    """A figure that is handed on keeps its meaning."""
    for view in ("settled", "live"):
        answered = get(app, f"/api/v1/accounts/story?view={view}").json()
        assert answered["view"] == view


def test_windows_of_the_settled_view_add_up(app: FastAPI) -> None:
    """What was lost lies where it was executed."""
    cut = START_S + 91
    before, after = states(app, f"?to={cut}"), states(app, f"?from={cut}")
    both = {
        name: before.get(name, 0) + after.get(name, 0) for name in {*before, *after}
    }

    assert both == states(app)
    assert before["lost"] == 16


def test_an_incident_is_a_record(app: FastAPI, office: Office) -> None:
    """The same as the run's own view has, and its cost reconciles with the account."""
    answered = get(app, "/api/v1/incidents").json()
    (record,) = answered["incidents"]
    (shown,) = office.view().incidents

    assert answered["view"] == "settled"
    assert record["cause"] == shown.cause.value
    assert (record["restored_step"], record["lost_steps"]) == (6, 2)
    by_state = {k: float(v) for k, v in record["gpu_seconds_by_state"].items()}
    assert by_state == {
        "interrupted": 5,
        "down": 30,
        "initializing": 5,
        "restoring": 2,
        "lost": 20,
    }


def test_incidents_come_as_csv_too(app: FastAPI) -> None:
    """With a header, for a spreadsheet."""
    answered = get(app, "/api/v1/incidents?format=csv&run=story")
    (row,) = csv.DictReader(io.StringIO(answered.text))

    assert answered.headers["content-type"].startswith("text/csv")
    assert (row["run"], row["number"], row["lost_steps"]) == ("story", "1", "2")


def test_mean_times_say_that_one_event_is_few(app: FastAPI) -> None:
    """They come with limits, and with the mark."""
    answered = get(app, "/api/v1/reliability").json()

    assert answered["mtti"]["events"] == 1
    assert answered["mtti"]["too_few"]
    assert answered["mtti"]["low_seconds"] < answered["mtti"]["seconds"]
    assert answered["mttr"]["seconds"] > 0


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("accounts/stori", 404, "did you mean local/default/story"),
        ("accounts/story?from=7&to=3", 422, "not before"),
        ("accounts/story?from=yesterday", 422, "yesterday"),
        ("accounts/story?view=rosy", 422, '"detail":"query.view: Input should be'),
        ("incidents?format=xml", 422, "neither json nor csv"),
        ("incidents?run=nobody", 404, "nobody"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    app: FastAPI, path: str, status: int, words: str
) -> None:
    """With what was asked, and what to ask instead."""
    answered = get(app, f"/api/v1/{path}")

    assert answered.status_code == status
    assert words in answered.text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("from=2100-01-01T00:00:00Z", "not before to=the last entry"),
        ("to=1970-01-01T00:00:00Z", "from=the first entry is not before"),
    ],
)
def test_an_end_that_was_not_given_has_a_name(
    app: FastAPI, query: str, words: str
) -> None:
    """`None` would be a word of ours."""
    assert words in get(app, f"/api/v1/accounts/story?{query}").text


class WithoutSciPy(LedgerPast):
    """A door to the ledger where an extra was not installed."""

    def reliability(self, runs: list[History], window: Span, view: View) -> Reliability:
        """Refuse, as the statistics do."""
        del runs, window, view
        msg = "limits need SciPy; install goodput-exporter[analysis]"
        raise ConfigError(msg)


def test_mean_times_without_their_library_say_so(office: Office) -> None:
    """It is the operator's to install; the other answers are there."""
    app = app_with(past=WithoutSciPy(office.ledger))

    answered = get(app, "/api/v1/reliability")
    assert answered.status_code == 503
    assert "install goodput-exporter[analysis]" in answered.json()["detail"]
    assert states(app)


def test_an_empty_ledger_has_no_incidents() -> None:
    """That is an answer, not an error."""
    app = app_with(past=past_of(Office()))

    assert get(app, "/api/v1/incidents").json()["incidents"] == []
