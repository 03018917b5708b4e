"""The runbook has a part for every alert, and none for an alert that is gone."""

from __future__ import annotations

import re
from pathlib import Path

from dashboards.rules.inhibitions import INHIBITIONS
from dashboards.rules.rule import Severity
from dashboards.rules.written import ALERTS, inhibitions

RUNBOOK = Path(__file__).parents[2] / "docs/runbook.md"


def sections() -> dict[str, str]:
    """Return the runbook's text by alert."""
    parts = re.split(r"^### ", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {part.partition("\n")[0]: part for part in parts[1:]}


def test_every_alert_has_its_part() -> None:
    """The address in an alert leads somewhere, in the order of the reference."""
    assert list(sections()) == [alert.name for alert in ALERTS]


def test_a_part_says_what_how_and_what_to_do() -> None:
    """Three questions, each with an answer of at least a sentence."""
    for name, text in sections().items():
        for question in ("What it means", "How to confirm", "What to do"):
            said = re.search(rf"\*\*{question}\.\*\* (.{{20,}})", text)
            assert said is not None, f"{name}: {question}"


def test_who_is_paged_is_told_what_of() -> None:
    """A page names a run, a node, a kind or a program, or has a number."""
    for alert in ALERTS:
        if alert.severity is Severity.PAGE and alert.name != "GoodputExporterAbsent":
            assert "{{ $" in alert.summary, alert.name


def test_inhibitions_name_alerts_that_exist() -> None:
    """A misspelt name would silence nothing, or everything; none silences itself."""
    known = {alert.name for alert in ALERTS}

    for one in INHIBITIONS:
        assert {one.source, *one.targets} <= known
        assert one.source not in one.targets
        assert one.equal
    assert inhibitions().count("source_matchers") == len(INHIBITIONS)


def test_no_two_alerts_silence_each_other() -> None:
    """What silences is not silenced by what it silences."""
    pairs = {(one.source, target) for one in INHIBITIONS for target in one.targets}

    assert not {(target, source) for source, target in pairs} & pairs
