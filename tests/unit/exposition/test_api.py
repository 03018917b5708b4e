"""The API: runs by name, windows, health, and the sum that proves each answer."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.domain.states import RunState
from goodput_exporter.exposition.api import accepts_gzip
from tests.fakes.apps import app_with
from tests.fakes.asking import get
from tests.fakes.snapshots import (
    EPOCH_NS,
    bare_run_view,
    cluster_view,
    health,
    run_view,
    segments,
    snapshot,
)

RUNS = "/api/v1/runs"


def gpu_seconds(answer: dict[str, Any]) -> dict[str, float]:
    """Return the live account of an answer, by state."""
    return {line["name"]: line["gpu_seconds"] for line in answer["live"]["states"]}


def test_a_run_is_found_by_its_key_and_by_its_id() -> None:
    """Both names lead to the same answer."""
    app = app_with()

    by_key = get(app, f"{RUNS}/local/default/llama-7b")
    by_id = get(app, f"{RUNS}/llama-7b")

    assert by_key.status_code == by_id.status_code == 200
    assert by_key.json() == by_id.json()
    assert by_key.json()["url"] == f"{RUNS}/local/default/llama-7b"


def test_an_id_that_two_runs_have_names_both() -> None:
    """An ambiguous id is refused with the full names, never answered by a guess."""
    both = [
        run_view(key=RunKey("local", namespace, "llama")) for namespace in ("a", "b")
    ]
    answer = get(app_with(snapshot(*both)), f"{RUNS}/llama")

    assert answer.status_code == 409
    assert answer.json()["candidates"] == ["local/a/llama", "local/b/llama"]


def test_an_unknown_id_names_the_nearest() -> None:
    """A typing error is answered with the name that was probably meant."""
    answer = get(app_with(), f"{RUNS}/lama-7b")

    assert answer.status_code == 404
    assert answer.json()["nearest"] == "local/default/llama-7b"
    assert get(app_with(), f"{RUNS}/zzz").json()["nearest"] is None


def test_a_run_of_another_process_is_answered_with_where_to_ask() -> None:
    """In the API and on the page; whoever mistyped a name learns it, too."""
    app = app_with(elsewhere=lambda name: f"Ask the other for {name}")

    answer = get(app, f"{RUNS}/local/default/moe")

    assert answer.status_code == 404
    assert answer.json()["detail"].endswith(". Ask the other for local/default/moe")
    assert "Ask the other for moe" in get(app, "/runs/moe").text


def test_the_account_adds_up_to_the_nanosecond() -> None:
    """States sum to devices x wall time in exact integers, written as strings."""
    answer = get(app_with(), f"{RUNS}/llama-7b").json()

    total = sum(int(line["gpu_ns"]) for line in answer["live"]["states"])
    assert answer["adds_up"] == {
        "exact": True,
        "sum_gpu_ns": str(total),
        "devices_x_wall_gpu_ns": str(303 * 4 * NS_PER_SECOND),
        "terms": [{"wall_ns": str(303 * NS_PER_SECOND), "devices": 4}],
    }


def test_a_run_says_what_its_gpus_drew() -> None:
    """By state and cause; what was not measured is not zero, and unknown is null."""
    app = app_with(snapshot(run_view(), cluster=cluster_view()))

    energy = get(app, f"{RUNS}/llama-7b").json()["energy"]

    assert energy["joules"] == 250_001.501
    assert {one["state"]: one["joules"] for one in energy["shares"]} == {
        "productive": 250_000.001,
        "stalled": 1.5,
        "down": None,
    }
    assert energy["shares"][0]["integrated_joules"] == 90_000.0
    assert get(app_with(), f"{RUNS}/llama-7b").json()["energy"] is None


def test_a_hole_is_not_hidden() -> None:
    """Where an instant is booked nowhere, the answer says that it does not add up."""
    whole = run_view()
    holed = run_view(timeline=whole.timeline[:3] + whole.timeline[4:])
    answer = get(app_with(snapshot(holed)), f"{RUNS}/llama-7b?window=5m").json()

    assert answer["adds_up"]["exact"] is False


def test_a_window_holds_only_its_own_time() -> None:
    """From 100 s to 200 s of the story: the crash, and nothing of the checkpoint."""
    window = f"from={EPOCH_NS // NS_PER_SECOND + 100}&to=2025-10-09T08:56:40Z"
    answer = get(app_with(), f"{RUNS}/llama-7b?{window}").json()

    assert gpu_seconds(answer) == {
        "down": 160,
        "initializing": 20,
        "restoring": 12,
        "recomputing": 80,
        "interrupted": 16,
        "productive": 112,
    }
    assert answer["window"]["name"] == "custom"
    assert answer["adds_up"]["devices_x_wall_gpu_ns"] == str(400 * NS_PER_SECOND)


def test_windows_add_up_to_their_union() -> None:
    """Two neighbours hold exactly what both together hold."""
    start = EPOCH_NS // NS_PER_SECOND
    app = app_with()
    edges = [(0, 131.5), (131.5, 303), (0, 303)]
    one, two, both = (
        get(app, f"{RUNS}/llama-7b?from={start + a}&to={start + b}").json()
        for a, b in edges
    )

    states = set(gpu_seconds(both))
    for state in states:
        parts = gpu_seconds(one).get(state, 0) + gpu_seconds(two).get(state, 0)
        assert parts == gpu_seconds(both)[state]


def test_what_the_snapshot_no_longer_holds_comes_from_the_ledger() -> None:
    """Only the older part is asked of the ledger; the rest is in the snapshot."""
    asked: list[Span] = []

    def history(_: RunKey, span: Span) -> list[Segment]:
        asked.append(span)
        return list(segments())

    recent = run_view(timeline=run_view().timeline[-2:])
    app = app_with(snapshot(recent), history=history)
    answer = get(app, f"{RUNS}/llama-7b?window=5m").json()

    assert asked == [Span(EPOCH_NS + 3 * NS_PER_SECOND, EPOCH_NS + 289 * NS_PER_SECOND)]
    assert answer["window"]["complete"] is True
    assert answer["adds_up"]["sum_gpu_ns"] == str(300 * 4 * NS_PER_SECOND)


def test_the_ledger_is_left_alone_where_the_snapshot_suffices() -> None:
    """A page that refreshes every few seconds costs no reads of the disk."""

    def history(_: RunKey, span: Span) -> list[Segment]:
        raise AssertionError(span)

    app = app_with(history=history)

    assert get(app, f"{RUNS}/llama-7b?window=1h").status_code == 200


def test_a_resized_run_is_summed_by_size() -> None:
    """The proof names each number of devices with its own wall time."""
    small = segments(((0, 100, RunState.PRODUCTIVE, run_view().cause),), devices=2)
    large = segments(((100, 150, RunState.DOWN, run_view().cause),), devices=4)
    view = run_view(timeline=(*small, *large))
    answer = get(app_with(snapshot(view)), f"{RUNS}/llama-7b?from=1").json()

    assert answer["adds_up"]["exact"] is True
    assert answer["adds_up"]["terms"] == [
        {"wall_ns": str(100 * NS_PER_SECOND), "devices": 2},
        {"wall_ns": str(50 * NS_PER_SECOND), "devices": 4},
    ]


@pytest.mark.parametrize(
    "query",
    [
        "window=2h",
        "from=yesterday",
        "to=2025-13-01T00:00:00Z",
        "from=NaN",
        "from=99999999999999",
        "from=200&to=100",
        "from=2025-10-09T08:53:20",
    ],
)
def test_a_window_that_cannot_be_read_is_refused(query: str) -> None:
    """The answer says what was sent and what is accepted."""
    answer = get(app_with(), f"{RUNS}/llama-7b?{query}")

    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], str)


def test_what_was_not_measured_is_null() -> None:
    """A run of which nothing is known has nulls and empty lists, no zeros."""
    answer = get(app_with(snapshot(bare_run_view())), f"{RUNS}/just-appeared").json()

    assert answer["progress"]["durable_step"] is None
    assert answer["progress"]["exposure_gpu_ns"] is None
    assert answer["model"]["mfu"] is None
    assert answer["layers"]["goodput"] is None
    assert answer["live"]["states"] == []


def test_an_incident_brings_its_evidence() -> None:
    """Cause, rule, observations and cost by state stand together."""
    [incident] = get(app_with(), f"{RUNS}/llama-7b").json()["incidents"]

    assert incident["cause"] == "application_error"
    assert incident["rule"] == "exit_code"
    assert incident["evidence"][0] == "pid 4711: SIGSEGV"
    assert incident["gpu_ns"]["down"] == str(160 * NS_PER_SECOND)


def test_the_list_puts_who_needs_attention_first() -> None:
    """Losing time now, then failed lately, then well and larger, then over."""
    ended_ns = EPOCH_NS + 300 * NS_PER_SECOND
    shown = snapshot(
        run_view("over", outcome="succeeded", ended_ns=ended_ns),
        run_view("well"),
        run_view("well-and-larger", asked_devices=64),
        run_view("failed", outcome="failed", ended_ns=ended_ns),
        run_view("hung", state=RunState.STALLED),
        run_view("failed-long-ago", outcome="failed", ended_ns=0),
    )
    answer = get(app_with(shown), RUNS).json()

    assert [line["key"]["run"] for line in answer["runs"]] == [
        "hung",
        "failed",
        "well-and-larger",
        "well",
        "failed-long-ago",
        "over",
    ]


@pytest.mark.parametrize("path", [RUNS, f"{RUNS}/llama-7b", "/", "/runs/llama-7b"])
def test_before_the_first_tick_there_is_nothing_to_say(path: str) -> None:
    """Every answer that needs a snapshot is 503 until there is one."""
    answer = get(app_with(empty=True), path)

    assert answer.status_code == 503
    assert "no tick has been completed yet" in answer.text


def test_alive_is_not_ready() -> None:
    """The process answers before its first tick; readiness waits for it."""
    app = app_with(empty=True)

    assert get(app, "/healthz").status_code == 200
    assert get(app, "/readyz").status_code == 503
    assert "no tick" in get(app, "/readyz").text
    assert get(app_with(), "/readyz").status_code == 200


def test_readiness_names_what_is_wrong() -> None:
    """A ledger that refuses writes, and a tick that is overdue, are said as such."""
    broken = snapshot(run_view(), health=health(ledger_up=False))

    assert "ledger" in get(app_with(broken), "/readyz").text
    late = get(app_with(age_seconds=31), "/readyz")
    assert late.status_code == 503
    assert late.text == "not ready: the last tick is 31 s old, the limit is 30 s\n"


def test_metrics_are_served_as_they_were_rendered() -> None:
    """The bytes of the last tick, compressed ones for who accepts them."""
    app = app_with(metrics_gzip=lambda: b"")
    plain = get(app, "/metrics", headers={"Accept-Encoding": "identity"})

    assert plain.content == b"# plain\n"
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == "Accept-Encoding"


def test_compressed_metrics_are_not_compressed_again() -> None:
    """Prometheus accepts gzip and gets the bytes that were compressed at the tick."""
    app = app_with(metrics_gzip=lambda: gzip.compress(b"# compressed"))
    answer = get(app, "/metrics", headers={"Accept-Encoding": "gzip"})

    assert answer.headers["content-encoding"] == "gzip"
    assert answer.content == b"# compressed"


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("GZIP ; q=1", True),
        ("gzip;q=0", False),
        ("gzip; q=0.00", False),
        ("identity", False),
        ("", False),
        ("x-gzip", False),
    ],
)
def test_gzip_is_used_where_it_is_accepted(header: str, accepted: bool) -> None:  # noqa: FBT001 - a parameter of the story
    """A weight of zero is a refusal, every other one an acceptance."""
    assert accepts_gzip(header) is accepted


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        "../../etc",
        ".",
        "..",
        "a/b",
        "'\"&?#%",
        "bidi-\u202egnp.exe",
        "surrogate-\udc80",
        "nul-\x00",
        "x" * 128,
    ],
)
def test_any_name_is_listed_and_found_again(name: str) -> None:
    """The link in the list leads to the run itself, whatever it is called."""
    app = app_with(snapshot(run_view(name, why=name), run_view("other")))
    listed = get(app, RUNS)
    [line] = [r for r in listed.json()["runs"] if r["key"]["run"] != "other"]

    found = get(app, line["url"])

    assert found.status_code == 200
    assert found.json()["key"] == line["key"]
    assert json.dumps(line["key"]["run"]).isascii()
    assert "\u202e" not in found.text
