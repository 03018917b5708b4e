"""Every rule and every panel, on Prometheus and on VictoriaMetrics behind it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from dashboards.boards import BOARDS
from dashboards.rules.written import RECORDINGS
from goodput_exporter.domain.ratios import ratios
from goodput_exporter.domain.runs import RunKey
from tests.dashboards.look import Look
from tests.dashboards.pictures import draw
from tests.dashboards.shown import (
    Booked,
    board,
    booked,
    every_query,
    panels_show,
    sealed_whole,
)
from tests.dashboards.stores import (
    CLUSTER,
    Duties,
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
EMPTY_ON_PURPOSE: Final = {
    "GoodputExporterAbsent": "absent() of what is there",
    "GoodputRestartStorm": "counts the runs of the last minutes that were interrupted "
    "more than once a minute; one was, once",
    "GoodputExporterBlind looks up": "every run's time was observed",
    "annotation Restarts of many runs": "one run restarted, once",
}
"""Queries that find nothing here, and why that is right."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Both stores, and the ledger's account of the scripted run."""

    stores: dict[str, Store]
    account: Booked


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
        with prometheus(folder, targets, Duties(victoria)) as server:
            stores = {store.name: store for store in (server, victoria)}
            until(lambda: server.query("goodput_build_info"), "a first scrape")
            job.start()
            job.seen(200)
            job.kill()
            job.start(last=job.step() + 250)
            assert job.ended() == [0]
            exporter.ended(RUN)
            for store in stores.values():
                until(partial(store.query, sealed_whole(RUN)), "a scrape of the end")
                until(partial(store.query, RECORDINGS[-1].name), "the last rule")
            account = booked(exporter.ledger, folder, RunKey("local", "default", RUN))
            yield Scene(stores, account)


@pytest.mark.parametrize("name", ["Prometheus", "VictoriaMetrics"])
def test_every_query_returns_data(scene: Scene, name: str) -> None:
    """No panel is empty and no alert is blind, but for a few with their reasons."""
    store = scene.stores[name]
    queries = every_query()
    empty = set(queries)

    def unexplained() -> set[str]:
        # A scrape that comes too late on a busy machine leaves a hole of a moment.
        empty.difference_update([one for one in empty if store.query(one[1])])
        return {f"{w}: {query}" for w, query in empty if w not in EMPTY_ON_PURPOSE}

    with suppress(AssertionError):  # what is missing is said below
        until(lambda: not unexplained())

    assert unexplained() == set()
    assert len(empty) <= MOST_EMPTY * len(queries)


@pytest.mark.parametrize("name", ["Prometheus", "VictoriaMetrics"])
def test_panels_of_a_scripted_run_show_the_ledger(scene: Scene, name: str) -> None:
    """What a person reads on the Run dashboard is what the ledger says."""
    panels_show(scene.account, scene.stores[name], RUN)


@pytest.mark.parametrize("name", ["Prometheus", "VictoriaMetrics"])
def test_recorded_ratios_are_those_of_the_ledger(scene: Scene, name: str) -> None:
    """What alerts rest on is what the ledger says, layer by layer."""
    layers = ratios(scene.account.live)
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

    draw(board(uid), Look(scene.stores["VictoriaMetrics"]), picture)

    assert picture.stat().st_size > 10_000


def test_clusters_are_told_apart_by_the_external_label(scene: Scene) -> None:
    """The label comes with remote write; the store of one cluster needs none."""
    query = 'count by (cluster) (goodput_run_step{cluster=~".*"})'

    assert scene.stores["VictoriaMetrics"].values(query, "cluster").keys() == {CLUSTER}
    assert scene.stores["Prometheus"].values(query, "cluster").keys() == {""}
