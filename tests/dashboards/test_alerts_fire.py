"""Promtool's word: each alert fires when it should, and a healthy day is silent."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from dashboards.artefacts import GENERATED
from dashboards.rules.written import ALERTS, GROUPS, RUNBOOK, rules_file
from dashboards.soundness import needed_by
from goodput_exporter.exposition.catalogue import CATALOGUE
from tests.dashboards.cases import CASES, DOWN, PRODUCTIVE, WHOLE, grows
from tests.dashboards.cases import GROUP_BADPUT as BADPUT
from tests.dashboards.cases import GROUP_SECONDS as SECONDS
from tests.dashboards.healthy import GPUS, Line
from tests.dashboards.promtool import (
    ALERT_BY_NAME,
    Case,
    Change,
    check,
    series,
    verdict,
)
from tests.parts import require

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

DAY_MINUTES: Final = 24 * 60
NAMES: Final = [metric.name for metric in CATALOGUE]
ORDINARY: Final = (
    # One crash at noon, from which the run comes back; programs' own faults all day.
    Change("goodput_run_interruptions_total", "1x720 2x720"),
    Change("goodput_gpu_xid_total", "10+5x1440", {"xid": "31", "class": "app"}),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_an_alert_fires_and_says_what_it_saw(case: Case, tmp_path: Path) -> None:
    """What a person is told has the run or the node, and the numbers."""
    assert verdict(tmp_path, case) == ""


def test_the_first_run_of_a_new_cluster_wakes_nobody(tmp_path: Path) -> None:
    """Twenty minutes of pulling images are all that an empty budget has seen."""
    pulling = f"_x30 {grows(GPUS, 20)} {20 * GPUS * 60}x280"
    fast = ALERT_BY_NAME["GoodputBudgetBurnsFast"]
    share_alone = replace(fast, also=fast.also[:1]).expr
    first_run = {
        "interval": "1m",
        "input_series": [
            _of_the_cluster(SECONDS, DOWN, pulling),
            _of_the_cluster(SECONDS, PRODUCTIVE, f"_x30 0x20 {grows(GPUS, 280)}"),
            _of_the_cluster(BADPUT, {"cause": "image_pull"}, pulling),
        ],
        "promql_expr_test": [
            *(_fires(minute, {}) for minute in range(30, 330, 5)),
            # The share alone would have woken somebody.
            {
                "expr": f"count({share_alone})",
                "eval_time": "50m",
                "exp_samples": [{"labels": "{}", "value": 1}],
            },
        ],
    }

    assert check(tmp_path, [first_run], _rules_of_burns()) == ""


def test_a_cluster_of_a_day_that_starts_to_burn_wakes_somebody(tmp_path: Path) -> None:
    """A good day, then nine tenths of the time are lost: within the hour."""
    steady, burning = 24 * 60, 70
    good = f"{grows(GPUS, steady)} {grows(GPUS / 10, burning, steady * GPUS * 60)}"
    bad = f"0x{steady} {grows(GPUS * 9 / 10, burning)}"
    burn = {
        "interval": "1m",
        "input_series": [
            _of_the_cluster(SECONDS, PRODUCTIVE, good),
            _of_the_cluster(SECONDS, DOWN, bad),
            _of_the_cluster(BADPUT, {"cause": "node_lost"}, bad),
        ],
        "promql_expr_test": [
            _fires(steady, {}),
            _fires(steady + 60, {"cause": "node_lost", "severity": "critical"}),
        ],
    }

    assert check(tmp_path, [burn], _rules_of_burns(), every="3m") == ""


def _rules_of_burns() -> str:
    """Return the alerts about the budget and what they need; a day of all is slow."""
    needed = {
        rule.name
        for name, alert in ALERT_BY_NAME.items()
        if name.startswith("GoodputBudgetBurns")
        for group in needed_by(alert)[0]
        for rule in group.rules
    }
    kept = (
        replace(one, rules=tuple(rule for rule in one.rules if rule.name in needed))
        for one in GROUPS
    )
    return rules_file(groups=[one for one in kept if one.rules])


def _of_the_cluster(name: str, part: Mapping[str, str], values: str) -> dict[str, str]:
    labels = {**WHOLE, **part}
    return {"series": Line(name, labels, 0).series(), "values": values}


def _fires(minute: int, labels: Mapping[str, str]) -> dict[str, Any]:
    """Expect the fast burn with some labels, or, without any, no burn at all."""
    name = "GoodputBudgetBurnsFast" if labels else "GoodputBudgetBurns.*"
    burns = f'ALERTS{{alertname=~"{name}",alertstate="firing"}}'
    found = {
        "__name__": "ALERTS",
        "alertname": "GoodputBudgetBurnsFast",
        "alertstate": "firing",
        "window": "1h",
        **labels,
    }
    return {
        "expr": burns,
        "eval_time": f"{minute}m",
        "exp_samples": [{"labels": Line("", found, 0).series(), "value": 1}]
        if labels
        else [],
    }


def test_every_alert_has_a_case() -> None:
    """No alert is shipped that nobody has seen fire."""
    assert {case.alert for case in CASES} == ALERT_BY_NAME.keys()


def test_a_healthy_day_is_silent(tmp_path: Path) -> None:
    """A day with a crash that heals and a flood of application XIDs pages nobody."""
    watchdog = ALERT_BY_NAME["GoodputWatchdog"]
    day = {
        "interval": "1m",
        "input_series": series(ORDINARY, DAY_MINUTES, NAMES),
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{hour}h",
                "exp_samples": [
                    {"labels": f'{{alertname="{watchdog.name}"}}', "value": 1}
                ],
            }
            for hour in range(1, 25)
        ],
    }

    assert check(tmp_path, [day], rules_file(), every="3m") == ""


def test_vmalert_takes_the_rules() -> None:
    """VictoriaMetrics' own program reads the file as it is committed."""
    program = require("vmalert", package="victoria-metrics")
    done = subprocess.run(
        [program, "-dryRun", f"-rule={GENERATED / 'rules.yaml'}"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_a_silent_alert_would_be_noticed(tmp_path: Path) -> None:
    """The check can fail: on an alert that does not fire, and on another text."""
    stalled = next(case for case in CASES if case.alert == "GoodputRunStalled")

    assert "FAILED" in verdict(tmp_path, replace(stalled, changes=()))
    assert "FAILED" in verdict(tmp_path, replace(stalled, says="something else"))


def test_every_alert_leads_to_its_runbook() -> None:
    """Severity, numbers or names, a first thing to do, and an address."""
    text = rules_file()

    for alert in ALERTS:
        assert f"{RUNBOOK}#{alert.name.lower()}\n" in text
        assert alert.first.endswith((".", "?", "switch."))
