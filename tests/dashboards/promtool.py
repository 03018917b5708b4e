"""Promtool's unit tests, written from cases and run."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dashboards.rules.rule import Alert
from dashboards.rules.written import ALERTS, RUNBOOK, rules_file
from dashboards.soundness import needed_by
from goodput_exporter.exposition.catalogue import CATALOGUE
from tests.dashboards.healthy import Line, lines, usual
from tests.parts import require

ALERT_BY_NAME = {alert.name: alert for alert in ALERTS}
METRIC_BY_NAME = {metric.name: metric for metric in CATALOGUE}


@dataclass(frozen=True, slots=True)
class Change:
    """
    What is not healthy: a series with other values, or one more.

    Args:
        name: Of the metric.
        values: In promtool's notation, one a minute; empty takes it away.
        labels: What tells the series from others of the metric.
    """

    name: str
    values: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """
    One way in which an alert comes about.

    Args:
        alert: Its name.
        changes: From the healthy system.
        minutes: When it fires.
        labels: Of the alert, without name and severity.
        says: Its summary.
    """

    alert: str
    changes: Sequence[Change]
    minutes: int
    labels: Mapping[str, str]
    says: str


def verdict(folder: Path, case: Case) -> str:
    """Return what promtool has against a case, with the rules that it needs."""
    groups, names = needed_by(ALERT_BY_NAME[case.alert])
    return check(folder, [_test_of(case, names)], rules_file(groups=groups))


def check(
    folder: Path, tests: Sequence[dict[str, Any]], text: str, every: str = "1m"
) -> str:
    """Run promtool on some tests; return what it says of those that fail."""
    rules = folder / "rules.yaml"
    rules.write_text(text)
    asked = folder / "tests.yaml"
    document = {
        "rule_files": [str(rules)],
        "evaluation_interval": every,
        # Without it promtool takes the groups in any order.
        "group_eval_order": [group["name"] for group in yaml.safe_load(text)["groups"]],
        "tests": list(tests),
    }
    asked.write_text(yaml.safe_dump(document, sort_keys=False))
    done = subprocess.run(
        [require("promtool", package="prometheus"), "test", "rules", str(asked)],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _test_of(case: Case, names: Collection[str]) -> dict[str, Any]:
    alert = ALERT_BY_NAME[case.alert]
    return {
        "name": case.alert,
        "interval": "1m",
        "input_series": series(case.changes, case.minutes + 1, names),
        "alert_rule_test": [
            {
                "eval_time": f"{case.minutes}m",
                "alertname": case.alert,
                "exp_alerts": [_expected(alert, case)],
            }
        ],
    }


def _expected(alert: Alert, case: Case) -> dict[str, Any]:
    return {
        "exp_labels": {
            "severity": alert.severity.value,
            **alert.labels,
            **case.labels,
        },
        "exp_annotations": {
            "summary": case.says,
            "first_thing_to_do": alert.first,
            "runbook_url": f"{RUNBOOK}#{alert.name.lower()}",
        },
    }


def series(
    changes: Sequence[Change], minutes: int, names: Collection[str]
) -> list[dict[str, str]]:
    """Return the healthy system's series of some names, with some changes."""
    kept = [
        _entry(line.name, dict(line.labels), line.notation(minutes))
        for line in lines()
        if line.name in names and not any(_is_of(change, line) for change in changes)
    ]
    added = [
        _entry(change.name, _labels(change), change.values)
        for change in changes
        if change.values
    ]
    return kept + added


def _entry(name: str, labels: dict[str, str], values: str) -> dict[str, str]:
    own = labels | {"job": "goodput", "instance": "one:9909"}
    return {"series": Line(name, own, 0).series(), "values": values}


def _labels(change: Change) -> dict[str, str]:
    return dict(usual(METRIC_BY_NAME[change.name], **change.labels))


def _is_of(change: Change, line: Line) -> bool:
    if change.name != line.name:
        return False
    if not change.values:
        return change.labels.items() <= line.labels.items()
    return _labels(change) == dict(line.labels)
