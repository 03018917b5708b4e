"""Failures per 1,000 node-days, from both books of a ledger to report and API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from goodput_exporter.domain.gpu_bookings import GpuBooking, Kind
from goodput_exporter.domain.gpu_stands import Category, Hold
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause
from goodput_exporter.ledger.gpu_lines import GpuBatch
from goodput_exporter.ledger.ledger import Archive, Batch
from goodput_exporter.ledger.store import open_ledger
from goodput_exporter.report.markdown import markdown
from goodput_exporter.services.asked_reports import Asked
from goodput_exporter.services.ledger_past import LedgerPast
from goodput_exporter.services.report_commands import report
from tests.fakes.apps import app_with
from tests.fakes.asking import get
from tests.fakes.bills import H100
from tests.fakes.epics import BEGINS_NS, DAY, HOUR, MINUTE, Epic

NODES = tuple(f"node-{number}" for number in range(10))


def unlucky() -> Epic:
    """Return a run of three days on ten nodes, one of which fails five times."""
    epic = Epic(devices=80)
    for _ in range(5):
        evidence = "xid 79 on gpu/node-7/0000:04:00"
        epic.train(600).crash(Cause.GPU_ERROR, 10 * MINUTE, evidence=evidence)
    return epic.train(BEGINS_NS // MINUTE + 3 * 24 * 60 - epic.at_ns // MINUTE)


def held_by(epic: Epic) -> list[GpuBooking]:
    """Return the cluster book of all that a run held, a line a node and day."""
    hold = Hold(Category.HELD, run=epic.key)
    return [
        GpuBooking(
            Kind.LIVE,
            node,
            Span(BEGINS_NS + day * DAY, min(BEGINS_NS + (day + 1) * DAY, epic.at_ns)),
            H100,
            None,
            hold,
            tuple(f"GPU-{node}-{number}" for number in range(8)),
        )
        for node in NODES
        for day in range(3)
    ]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Return a ledger with a run that has nodes, and one that has not."""
    path: Path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    epic = unlucky()
    other = Epic("elsewhere").train(60).crash(Cause.NODE_LOST, HOUR).train(100)
    told = [(one.key, each) for one in (epic, other) for each in one.bookings]
    with closing(open_ledger(path)) as ledger:
        gpus = GpuBatch(held_by(epic))
        ledger.append(Batch(epic.at_ns, told, gpus=gpus))
        yield ledger


def said(ledger: Archive, *names: str, **asked: str) -> str:
    """Return a report as Markdown."""
    made = report(ledger, Asked(names=names, **asked), BEGINS_NS + 3 * DAY)  # type: ignore[arg-type] # texts only
    return markdown(made)


def test_a_report_divides_failures_by_what_the_cluster_book_says(
    ledger: Archive,
) -> None:
    """Five failures in thirty node-days; the run without nodes is left out."""
    text = said(ledger)

    assert f"Failures per 1,000 node-days, {H100}: 166.7 " in text
    assert "5 in 30.0 node-days" in text
    assert "Failures per 1,000 node-days, caused by gpu_error: 166.7 " in text
    assert "Failures per 1,000 node-days, node node-7: 1666.7 " in text
    assert "Suspect node node-7: 5 failures where 0.0 are likely, in 1 run" in text
    assert "(chance below 0.1%)" in text
    assert "Left out of these figures: 1 interruption at a time" in text


def test_a_window_has_the_node_time_and_the_failures_that_lie_in_it(
    ledger: Archive,
) -> None:
    """The first twelve hours: five node-days, and one of the five failures."""
    text = said(
        ledger, "llama", begins="2026-03-01T00:00:00Z", ends="2026-03-01T12:00:00Z"
    )

    assert "1 in 5.0 node-days" in text
    assert f"Failures per 1,000 node-days, {H100}: 200.0 " in text
    assert "No node fails more often than chance explains" in text


def test_a_run_has_only_the_nodes_that_it_held(ledger: Archive) -> None:
    """Of the other one nobody knows any."""
    text = said(ledger, "elsewhere")

    assert "suspect nodes are not known" in text
    assert "node-days, " not in text.replace("Failures per 1,000 node-days and", "")


def test_the_api_says_the_same(ledger: Archive) -> None:
    """With limits, and nodes without a failure left out of the list."""
    app = app_with(past=LedgerPast(ledger))

    found = get(app, "/api/v1/reliability").json()["nodes"]

    (node,) = found["by_node"]
    assert (node["name"], node["events"], node["too_few"]) == ("node-7", 5, True)
    assert node["low"] < node["per_1000_node_days"] < node["high"]
    (model,) = found["by_gpu_model"]
    assert (model["name"], round(model["node_days"], 6)) == (H100, 30)
    assert [one["name"] for one in found["by_cause"]] == ["gpu_error"]
    assert [one["node"] for one in found["suspects"]] == ["node-7"]
    assert (found["outside"], found["unplaced"]) == (1, 0)
    assert found["node_days"] == pytest.approx(30)
