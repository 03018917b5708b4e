"""Every rule and every panel, on Prometheus and on VictoriaMetrics behind it."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from dashboards.artefacts import GENERATED
from dashboards.boards import BOARDS
from dashboards.checking import filled_in
from dashboards.rules.written import ALERTS, RECORDINGS
from dashboards.soundness import panel_queries, panels
from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.ratios import ratios
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.ledger.store import open_ledger
from tests.dashboards.pictures import draw
from tests.dashboards.stores import (
    CLUSTER,
    Store,
    made_page,
    prometheus,
    victoria_metrics,
)
from tests.fakes.station import station, until
from tests.integration.jobs import jobs

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

RUN: Final = "scripted"
MOST_EMPTY: Final = 0.05
SEALED_WHOLE: Final = (
    f'goodput_run_sealed_timestamp_seconds{{run="{RUN}"}}'
    f' >= goodput_run_ended_timestamp_seconds{{run="{RUN}"}}'
)

EMPTY_ON_PURPOSE: Final = {
    "GoodputExporterAbsent": "absent() of what is there",
    "GoodputRestartStorm": "counts the runs of the last minutes that were interrupted "
    "more than once a minute; one was, once",
    "annotation Restarts of many runs": "one run restarted, once",
}
"""Queries that find nothing here, and why that is right."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Both stores, and the ledger's account of the scripted run."""

    stores: dict[str, Store]
    account: Account


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Let a real run live twice, beside a page with something of everything."""
    folder = tmp_path_factory.mktemp("stores")
    with (
        victoria_metrics(folder) as victoria,
        station(folder) as exporter,
        jobs(folder, exporter, RUN) as (job,),
        made_page() as made,
    ):
        exporter.start()
        targets = [urlsplit(exporter.url).netloc, made]
        with prometheus(folder, targets, victoria) as server:
            stores = {store.name: store for store in (server, victoria)}
            until(lambda: server.query("goodput_build_info"), "a first scrape")
            job.start()
            job.seen(200)
            job.kill()
            job.start(last=job.step() + 250)
            assert job.ended() == [0]
            exporter.ended(RUN)
            for store in stores.values():
                until(partial(store.query, SEALED_WHOLE), "a scrape of the end")
                until(partial(store.query, RECORDINGS[-1].name), "the last rule")
            yield Scene(stores, booked(exporter.ledger, folder / "copy.sqlite"))


def booked(ledger: Path, copy: Path) -> Account:
    """Return the run's account from a copy of the ledger; the writer goes on."""
    with (
        closing(sqlite3.connect(ledger)) as there,
        closing(sqlite3.connect(copy)) as to,
    ):
        there.backup(to)
    with closing(open_ledger(copy)) as opened:
        return opened.account(RunKey("local", "default", RUN))


def asked(query: str, run: str = ".*") -> str:
    """Return a panel's query as Grafana would send it."""
    for name, value in (
        ("${datasource}", ""),
        ("$__rate_interval", "1m"),
        ("$__range_s", "600"),
        ("$__range", "10m"),
        ("$cluster", ".*"),
        ("$namespace", ".*"),
        ("$team", ".*"),
        ("$node", ".*"),
        ("$run", run),
    ):
        query = query.replace(name, value)
    return filled_in(query)


def board(uid: str) -> dict[str, object]:
    """Return a dashboard as it is committed."""
    found: dict[str, object] = json.loads((GENERATED / f"{uid}.json").read_text())
    return found


def every_query() -> list[tuple[str, str]]:
    """Return what every rule and panel asks; of alerts each condition's signal."""
    rules = [(rule.name, rule.expr) for rule in RECORDINGS]
    signals = [
        (alert.name, condition.signal)
        for alert in ALERTS
        for condition in alert.conditions
    ]
    shown = [
        (title, asked(query))
        for one in BOARDS
        for title, query in panel_queries(board(one.uid))
    ]
    return rules + signals + shown


def panel(uid: str, title: str, run: str = RUN) -> str:
    """Return the first query of a panel, for one run."""
    found = next(one for one in panels(board(uid)) if one["title"] == title)
    return asked(found["targets"][0]["expr"], run)


@pytest.mark.parametrize("name", ["Prometheus", "VictoriaMetrics"])
def test_every_query_returns_data(scene: Scene, name: str) -> None:
    """No panel is empty and no alert is blind, but for a few with their reasons."""
    store = scene.stores[name]
    queries = every_query()

    empty = {f"{where}: {query}" for where, query in queries if not store.query(query)}

    unexplained = {e for e in empty if e.split(": ")[0] not in EMPTY_ON_PURPOSE}
    assert unexplained == set()
    assert len(empty) <= MOST_EMPTY * len(queries)


@pytest.mark.parametrize("name", ["Prometheus", "VictoriaMetrics"])
def test_panels_of_a_scripted_run_show_the_ledger(scene: Scene, name: str) -> None:
    """What a person reads on the Run dashboard is what the ledger says."""
    store, account = scene.stores[name], scene.account
    layers = ratios(account)

    [life] = store.values(
        panel("goodput-run", "Goodput, the run's life"), "run"
    ).values()
    [ranged] = store.values(panel("goodput-run", "Goodput, this range"), "run").values()
    hours = store.values(panel("goodput-run", "GPU-hours by state"), "state")
    [restarts] = store.values(panel("goodput-run", "Restarts"), "run").values()

    assert life == pytest.approx(layers.goodput, abs=1e-6)
    assert ranged == pytest.approx(layers.goodput, rel=0.03)
    booked = {
        state.value: ns / NS_PER_SECOND / 3600
        for state, ns in account.gpu_ns.items()
        if ns
    }
    assert hours.keys() >= booked.keys()
    total = sum(booked.values())
    for state, value in booked.items():
        assert hours[state] == pytest.approx(value, abs=0.03 * total), state
    assert restarts == 1


@pytest.mark.parametrize("name", ["Prometheus", "VictoriaMetrics"])
def test_recorded_ratios_are_those_of_the_ledger(scene: Scene, name: str) -> None:
    """What alerts rest on is what the ledger says, layer by layer."""
    layers = ratios(scene.account)
    found = scene.stores[name].values(
        f'run:goodput_ratio:increase1h{{run="{RUN}"}}', "layer"
    )

    for layer in ("infrastructure", "framework", "pace", "goodput", "ettr", "coverage"):
        assert found[layer] == pytest.approx(getattr(layers, layer), rel=0.03), layer
    product = found["infrastructure"] * found["framework"] * found["pace"]
    assert product == pytest.approx(found["goodput"], rel=1e-9)


@pytest.mark.parametrize("uid", [one.uid for one in BOARDS])
def test_panels_can_be_looked_at(scene: Scene, uid: str, tmp_path: Path) -> None:
    """Every panel is drawn from what the store answers, for a person to look at."""
    folder = Path(os.environ.get("GOODPUT_ARTIFACTS", tmp_path)) / "panels"
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / f"{uid}.png"

    draw(board(uid), scene.stores["VictoriaMetrics"], asked, picture)

    assert picture.stat().st_size > 10_000


def test_clusters_are_told_apart_by_the_external_label(scene: Scene) -> None:
    """The label comes with remote write; the store of one cluster needs none."""
    query = 'count by (cluster) (goodput_run_step{cluster=~".*"})'

    assert scene.stores["VictoriaMetrics"].values(query, "cluster").keys() == {CLUSTER}
    assert scene.stores["Prometheus"].values(query, "cluster").keys() == {""}
