"""Promtool's word: each alert fires when it should, and a healthy day is silent."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from dashboards.artefacts import GENERATED
from dashboards.rules.written import ALERTS, RUNBOOK, rules_file
from goodput_exporter.exposition.catalogue import CATALOGUE
from tests.dashboards.cases import CASES
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
