"""What stands between a rule and a message: durations, routes and inhibitions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from dashboards.rules.rule import Alert
from dashboards.rules.written import GROUPS, rules_file
from tests.dashboards.hurried import hurried
from tests.dashboards.pager import complaints, documented
from tests.dashboards.promtool import check

FACTOR: Final = 120
NUMBER: Final = re.compile(r"\d+(?:\.\d+)?(?:ms|[smhd])?")


def alert(name: str, factor: int) -> Alert:
    """Return an alert with its durations divided."""
    rules = [rule for group in hurried(factor) for rule in group.rules]
    return next(rule for rule in rules if isinstance(rule, Alert) and rule.name == name)


def test_hurried_rules_are_the_same_rules() -> None:
    """Whoever hurries changes numbers only, and of those none in a name or a label."""
    slow, fast = rules_file(groups=GROUPS), rules_file(groups=hurried(FACTOR))

    # Words, because lines break where numbers are longer.
    assert NUMBER.sub("#", fast).split() == NUMBER.sub("#", slow).split()
    for name in ("run:goodput_ratio:increase1h", 'window="24h"', "humanizeDuration"):
        assert fast.count(name) == slow.count(name)


def test_an_hour_of_a_run_is_half_a_minute() -> None:
    """Its age, its windows and what must last; but not how soon a thing is old news."""
    dropped, xid = alert("GoodputDropped", FACTOR), alert("GoodputGpuXidFatal", FACTOR)
    stale = alert("GoodputWatchStale", FACTOR)

    assert dropped.lasting == "5000ms"
    assert [one.bound for one in dropped.conditions] == ["< 0.8", "> 60", ""]
    assert xid.main.bound == "< 900"
    assert stale.main.bound == "> 600"


@pytest.mark.real
def test_prometheus_takes_the_hurried_rules(tmp_path: Path) -> None:
    """Every divided duration is one that it reads."""
    assert check(tmp_path, [], rules_file(groups=hurried(FACTOR))) == ""


@pytest.mark.real
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("", ""), ""),
        (("receiver: on-call", "receiver: nobody"), "nobody"),
        (("equal:", "equally:"), "equally"),
    ],
)
def test_alertmanager_takes_what_the_page_says(
    tmp_path: Path, change: tuple[str, str], says: str
) -> None:
    """Its own tool reads the routes with the inhibitions, and would see a mistake."""
    config = tmp_path / "alertmanager.yml"
    text = documented("https://pager.example", factor=1)
    config.write_text(text.replace(*change) if change[0] else text)

    found = complaints(config)

    assert bool(found) == bool(says)
    assert says in found
