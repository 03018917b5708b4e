"""The catalogue is the only source of names, labels and values, in rules and panels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dashboards.artefacts import artefacts, stale, write
from dashboards.board import written
from dashboards.boards import BOARDS
from dashboards.checking import complaints
from dashboards.rules.recording import RECORDING
from dashboards.rules.written import RECORDINGS
from dashboards.soundness import faults, panel_queries, rule_queries, vocabulary

WRONG = {
    "sum(goodput_run_gpu_secs_total)": "nobody exports or records",
    "goodput_run_state{sate='idle'}": "has no label sate",
    'goodput_run_state{state="sleeping"}': "has no state=sleeping",
    'goodput_run_ratio{window="2h"}': "has no window=2h",
    'goodput_run_badput_gpu_seconds_total{cause=~"hang|bang"}': "has no cause=bang",
    'sum by (team) (goodput_run_step{run="a"})': "groups by team, which is not there",
    "sum(rate(goodput_run_steps_total[5m])": "does not parse",
    'up{job="goodput"}': "set by whoever scrapes",
    "goodput_run_step * on (run) group_left (pod) goodput_run_owner_info": "takes over",
    "goodput_run_step * on (gpu_uuid) goodput_gpu_up": "joins the left side on",
    'run:goodput_ratio:increase1h{layer="good"}': "has no layer=good",
    "run:goodput_ratio:increase2h": "nobody exports or records",
    "absent(goodput_run_stepp)": "nobody exports or records",
    'avg_over_time(goodput_cluster_gpus{category="lost"}[1d:1h])': "category=lost",
}
RIGHT = (
    'sum by (state) (rate(goodput_run_gpu_seconds_total{run=~"$run"}[$__range]))',
    "topk by (run) (1, sum by (run, cause) (goodput_run_badput_gpu_seconds_total))",
    "goodput_run_step * on (run) group_left (team) goodput_run_owner_info",
    'goodput_gpu_xid_total{class=~"hw_.*"}',
    "sum by (short) (label_replace(goodput_run_step, 'short', '$1', 'run', '(.)'))",
)


@pytest.mark.parametrize(("query", "why"), WRONG.items())
def test_a_query_that_can_find_nothing_is_refused(query: str, why: str) -> None:
    """Each way to be wrong is told by its name, as no store would tell it."""
    assert any(why in wrong for wrong in complaints(query, vocabulary()))


@pytest.mark.parametrize("query", RIGHT)
def test_a_query_that_can_find_something_is_not(query: str) -> None:
    """Variables, joins and made labels are understood."""
    assert complaints(query, vocabulary()) == []


def test_every_rule_and_panel_is_sound() -> None:
    """Nothing that is shipped names what nobody exports."""
    assert faults(rule_queries()) == []
    for board in BOARDS:
        assert faults(panel_queries(json.loads(written(board)))) == []


def test_a_renamed_metric_is_missed_where_it_is_shown() -> None:
    """Whoever renames a metric is told which panels showed it."""
    known = vocabulary()
    del known["goodput_run_step"]

    wrong = [
        where
        for board in BOARDS
        for where, query in panel_queries(json.loads(written(board)))
        if complaints(query, known)
    ]

    assert "Step" in wrong


def test_what_is_committed_is_what_is_generated(tmp_path: Path) -> None:
    """Nobody edits the JSON; a folder that differs by a letter is stale."""
    assert stale() == []

    write(tmp_path)
    (tmp_path / "rules.yaml").write_text("groups: []\n")
    (tmp_path / "old.json").write_text("{}")

    assert stale(tmp_path) == ["old.json", "rules.yaml"]


def test_another_runbook_is_one_argument_away() -> None:
    """An address of your own stands in every alert."""
    text = artefacts("https://runbooks.example/goodput")["rules.yaml"]

    assert "runbook_url: https://runbooks.example/goodput#goodputdropped" in text
    assert "docs/runbook.md" not in text


def test_each_ratio_is_recorded_per_level_and_window() -> None:
    """Runs, groups and clusters over 5m, 1h, 6h, 1d and 30d."""
    names = {rule.name for rule in RECORDINGS}

    for level in ("run", "group", "cluster"):
        for window in ("5m", "1h", "6h", "1d", "30d"):
            assert f"{level}:goodput_ratio:increase{window}" in names


def test_nothing_is_recorded_with_holes() -> None:
    """Prometheus looks back five minutes; a slower rule would vanish in between."""
    minutes = {"30s": 0.5, "1m": 1, "2m": 2, "4m": 4}

    assert all(minutes[group.interval] < 5 for group in RECORDING)
