"""From a GPU that is lost in a cluster to the page about it, and what panels show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from dashboards.rules.written import ALERTS
from tests.cluster.control_plane import ControlPlane
from tests.cluster.paging import WITHIN_S, System, bad_minute, system
from tests.dashboards.cases import CASES
from tests.dashboards.pager import PAGE
from tests.dashboards.shown import every_query, panels_show, sealed_whole
from tests.fakes.station import until

pytestmark = pytest.mark.timeout(500)

RUNBOOK: Final = Path(__file__).parents[2] / "docs/runbook.md"
MOST_EMPTY: Final = 0.05
NEVER_HERE: Final = {
    "GoodputExporterAbsent": "absent() of what is there",
    "GoodputRunIdle": "a job that ends is idle for a moment only",
    "GoodputNvmlOutage": "the driver answers on every node",
    "GoodputExporterBlind looks up": "every run's time may have been observed",
    "GoodputSeriesDropped": "there are far fewer series than the budget",
    "GoodputFamilyNotRendered": "every family is rendered",
    "Left out": "the panel of the two alerts above",
    "annotation Restarts of many runs": "no three runs restart in a minute",
    "GPUs that are asked for and not admitted, by queue": "nobody queues: no Kueue",
    "Longest wait, by queue": "the same",
    "GoodputQueueWait": "the same",
    "Memory errors": "no GPU has any",
    "What failed": "nothing did",
    "Energy that no run's GPUs drew": "every GPU that draws is held by a run",
    "GoodputPushStuck": "batches wait for a moment only",
}
"""Queries that find nothing in this cluster, and why that is right."""
SEEN_HERE: Final = frozenset(
    {
        "GoodputDropped",
        "GoodputRunStalled",
        "GoodputRunDown",
        "GoodputGpuXidFatal",
        "GoodputGpuXidRecoverable",
        "GoodputGpuLost",
        "GoodputGpusMissing",
        "GoodputGpusWithheld",
        "GoodputWatchdog",
    }
)
"""Alerts that fire in this cluster; all of them fire in promtool."""


@pytest.fixture(scope="module")
def after(
    plane: ControlPlane, token: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """Give the cluster after a bad minute, in which alerts are on their way."""
    assert plane.dead() == []
    with system(plane, token, tmp_path_factory.mktemp("paging")) as one:
        bad_minute(one)
        yield one


def test_who_is_on_call_gets_the_run_its_cause_and_what_to_do(after: System) -> None:
    """XID 79 on one GPU ends as one message about the run that lost its goodput."""
    dropped = {"alertname": "GoodputDropped", "run": "llama", "cause": "gpu_lost"}
    told = until(
        lambda: after.pager.told("on-call", **dropped), "a page", within_s=WITHIN_S
    )

    labels, notes = told[0]["labels"], told[0]["annotations"]
    assert labels == dropped | {
        "cluster": "east",
        "run_namespace": after.namespace,
        "team": "blue",
        "severity": "critical",
    }
    assert re.fullmatch(
        rf"Run {after.namespace}/llama had [\d.]+% of its usual goodput in the last "
        r"hour; most of what it lost went to gpu_lost\. "
        r"The state with most of it: [a-z_]+, [\d.]+ GPU-hours\.",
        notes["summary"],
    )
    assert notes["first_thing_to_do"].startswith("Open the Run dashboard")
    assert notes["runbook_url"].endswith("/runbook.md#goodputdropped")
    assert "\n### GoodputDropped\n" in RUNBOOK.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("silent", "by"),
    [
        ({"alertname": "GoodputGpuLost"}, "GoodputGpuXidFatal"),
        ({"alertname": "GoodputDropped", "run": "falcon"}, "GoodputRunStalled"),
    ],
)
def test_what_says_less_wakes_nobody(
    after: System, silent: dict[str, str], by: str
) -> None:
    """A hang is why goodput drops, and an XID why a GPU is lost: one page each."""
    found = until(
        lambda: after.pager.silencers(**silent), f"{silent} to fire", within_s=WITHIN_S
    )

    assert found == {by}
    assert after.pager.told("on-call", alertname=by)
    assert after.pager.told("on-call", **silent) == []
    assert after.pager.told("tickets", **silent) == []


def test_every_query_returns_data(after: System) -> None:
    """No panel is empty and no alert is blind, but for a few with their reasons."""
    queries = every_query()
    empty = set(queries)

    def unexplained() -> set[str]:
        # What has been there was not empty: an incident leaves an annotation's window.
        empty.difference_update([one for one in empty if after.store.query(one[1])])
        return {
            f"{where}: {query}" for where, query in empty if where not in NEVER_HERE
        }

    with suppress(AssertionError):  # what is missing is said below
        until(lambda: not unexplained(), within_s=WITHIN_S)

    assert unexplained() == set()
    assert len(empty) <= MOST_EMPTY * len(queries)
    assert NEVER_HERE.keys() <= {where for where, _ in queries}


def test_panels_of_a_scripted_run_show_the_ledger(after: System) -> None:
    """What a person reads of the job that crashed once is what the ledger says."""
    after.books.ended("olmo")
    whole = partial(after.store.query, sealed_whole("olmo"))
    until(whole, "a scrape of the end", within_s=WITHIN_S)

    panels_show(after.account("olmo"), after.store, "olmo")


def test_every_alert_has_been_seen_to_fire(after: System) -> None:
    """Here or in promtool; the page of alerting lists those from here."""
    fired = 'count by (alertname) (last_over_time(ALERTS{alertstate="firing"}[15m]))'

    def missing() -> frozenset[str]:
        return SEEN_HERE - after.store.values(fired, "alertname").keys()

    until(lambda: not missing(), "every alert of this story", within_s=WITHIN_S)

    assert {case.alert for case in CASES} == {alert.name for alert in ALERTS}
    listed = set(re.findall(r"`(Goodput\w+)`", PAGE.read_text(encoding="utf-8")))
    assert listed >= SEEN_HERE
