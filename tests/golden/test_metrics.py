"""One whole page, spelled out: what changes here changes for every user."""

from __future__ import annotations

import re
from pathlib import Path

from goodput_exporter.domain.states import Cause
from goodput_exporter.exposition.catalogue import CATALOGUE
from goodput_exporter.exposition.cluster_families import CLUSTER
from goodput_exporter.exposition.energy_families import RUN_ENERGY
from goodput_exporter.exposition.gpu_families import GPU_HEALTH, GPUS, HOLDERS
from goodput_exporter.exposition.group_families import NODE_FAILURES, RUN_GROUPS
from goodput_exporter.exposition.own_families import BOOKS, HEALTH
from goodput_exporter.exposition.pipe_families import PIPES
from goodput_exporter.exposition.render import MetricsPage
from goodput_exporter.exposition.run_families import RUNS
from tests.fakes.node_views import gpu_full, node_view
from tests.fakes.snapshots import (
    bare_run_view,
    cluster_view,
    cluster_watch,
    gpu_lost,
    gpu_sample,
    group_view,
    incident,
    run_view,
    snapshot,
)

GOLDEN = Path(__file__).with_name("metrics.txt")
REGENERATE = "if this is meant, write the new text to tests/golden/metrics.txt"


def golden_page() -> str:
    """Return the page of a run with a history, a new run, and two GPUs."""
    ended = run_view("ended", ended_ns=1_760_000_400_500_000_000, outcome="succeeded")
    lost = incident(
        cause=Cause.NODE_LOST,
        evidence=("node/node-a: Ready=Unknown",),
        nodes=("node-a", "node-b"),
        returned_ns=None,
    )
    now = snapshot(
        run_view(),
        ended,
        bare_run_view(incidents=(lost,)),
        gpus=[gpu_full(0), gpu_sample(1), gpu_lost(3)],
        groups=(group_view(),),
        cluster=cluster_view(),
        node_view=node_view(),
        node_failures={("node-a", Cause.GPU_LOST): 2, ("node-b", Cause.UNKNOWN): 1},
    )
    runs = (RUNS, RUN_GROUPS, NODE_FAILURES, RUN_ENERGY, CLUSTER)
    gpus = (GPUS, GPU_HEALTH, HOLDERS)
    text = MetricsPage((*runs, *gpus, PIPES, HEALTH, BOOKS)).render(now).decode()
    return re.sub(r'python_version="[^"]+"', 'python_version="3"', text)


def test_the_page_is_as_it_was() -> None:
    """Names, labels, help, order and every digit are what was agreed."""
    assert golden_page() == GOLDEN.read_text(encoding="utf-8"), REGENERATE


def test_every_metric_of_the_catalogue_is_exported() -> None:
    """What the docs promise is on a page, and what is on a page is in the docs."""
    here = snapshot(
        run_view(ended_ns=1_760_000_400_000_000_000),
        run_view(),  # a second run of the same name: its series are dropped
        run_view("wrong", steps_redone=-1),
        run_view("down", incidents=(incident(returned_ns=None),)),
        gpus=[gpu_full(0), gpu_lost(3)],
        groups=(group_view(),),
        cluster=cluster_view(),
        node_view=node_view(),
        watched=cluster_watch(),
        node_failures={("node-a", Cause.GPU_LOST): 2},
    )

    page = MetricsPage().render(here).decode()

    exported = set(re.findall(r"^# TYPE (\S+) ", page, re.MULTILINE))
    assert exported == {metric.name for metric in CATALOGUE}
