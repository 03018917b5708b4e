"""A page has as many series as it may; the largest runs stay."""

from __future__ import annotations

import re

from goodput_exporter.exposition.budget import Budget
from goodput_exporter.exposition.isolation import Isolation
from goodput_exporter.exposition.render import MetricsPage
from goodput_exporter.exposition.run_families import FAMILIES
from tests.fakes.snapshots import group_view, run_view, snapshot


def names(page: bytes) -> set[str]:
    """Return the runs on a page."""
    found = re.findall(r'goodput_run_info\{run="([^"]+)"', page.decode())
    return set(found)


def test_the_largest_runs_stay_and_the_rest_is_counted() -> None:
    """By the devices that they hold; what is left out is said per family."""
    runs = [run_view(f"r{size}", asked_devices=size) for size in (8, 64, 1, 512)]
    whole = MetricsPage().render(snapshot(*runs))
    per_run = whole.count(b'run="r8"')
    page = MetricsPage(series_budget=2 * per_run)

    shown = page.render(snapshot(*runs))

    assert names(shown) == {"r64", "r512"}
    dropped = dict(page.isolation.dropped)
    assert sum(dropped.values()) >= 2 * per_run
    assert dropped["goodput_run_info"] >= 2
    assert b'goodput_series_dropped_total{family="goodput_run_info"}' in shown


def test_groups_hold_what_the_page_leaves_out() -> None:
    """Sums over runs are no series of runs."""
    runs = [run_view(f"r{number}") for number in range(10)]
    page = MetricsPage(series_budget=1)

    shown = page.render(snapshot(*runs, groups=(group_view(),)))

    assert len(names(shown)) == 1
    assert b"goodput_group_gpu_seconds_total{" in shown


def test_a_page_within_its_budget_is_the_page() -> None:
    """Nothing is left out where nothing has to be."""
    now = snapshot(run_view(), run_view("other"))

    assert names(MetricsPage(series_budget=10_000).render(now)) == {"llama-7b", "other"}


def test_the_order_of_a_page_does_not_change_with_sizes() -> None:
    """Prometheus does not care, and diffs of pages do."""
    budget = Budget(200, FAMILIES, Isolation())
    runs = [run_view("a", asked_devices=1), run_view("b", asked_devices=9)]

    assert [run.key.run for run in budget.chosen(runs)] == ["a", "b"]
