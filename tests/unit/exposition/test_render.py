"""The metrics page: exact, complete, cached, and never blanked by bad input."""

from __future__ import annotations

import gzip
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.snapshot import RunView, Snapshot
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.exposition.families import GROUPS
from goodput_exporter.exposition.family import Family, Samples
from goodput_exporter.exposition.render import MetricsPage
from goodput_exporter.exposition.run_families import RUNS
from tests.fakes.poison import POISON, poisoned_page
from tests.fakes.snapshots import (
    bare_run_view,
    gpu_lost,
    gpu_sample,
    health,
    model_view,
    run_view,
    snapshot,
)

SPENT = "goodput_run_gpu_seconds_total"


def values(page: bytes, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """Return one metric's values by some of its labels."""
    return {
        tuple(sample.labels[label] for label in labels): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
        if sample.name == name
    }


def text_of(page: bytes, *parts: str) -> str:
    """Return the value, as printed, of the only line that has all *parts*."""
    (line,) = (
        line
        for line in page.decode().splitlines()
        if all(part in line for part in parts) and not line.startswith("#")
    )
    return line.rpartition(" ")[2]


def test_a_new_run_has_every_live_state_at_zero() -> None:
    """A counter that appears with its first second would hide it from ``rate``."""
    page = MetricsPage().render(snapshot(bare_run_view()))

    spent = values(page, SPENT, "state")
    live = set(RunState) - {RunState.LOST}
    assert spent == {(state.value,): 0.0 for state in live}


def test_a_cause_appears_when_it_is_first_seen() -> None:
    """Nineteen causes at zero for every run would be series for nothing."""
    new = MetricsPage().render(snapshot(bare_run_view()))
    crashed = MetricsPage().render(snapshot(run_view()))

    name = "goodput_run_badput_gpu_seconds_total"
    assert values(new, name, "cause") == {}
    assert values(crashed, name, "cause") == {
        ("none",): 92.0,
        ("application_error",): 288.0,
    }


def test_what_was_not_measured_is_absent() -> None:
    """None is not zero: no step, no reference, no MFU, no ratio is no series."""
    page = MetricsPage().render(snapshot(bare_run_view(), gpus=[gpu_lost()])).decode()

    for name in ("run_step{", "reference_step", "run_mfu", "run_ratio", "gpu_power"):
        assert f"goodput_{name}" not in page
    assert "goodput_run_peak_unknown" in page


def test_no_driver_is_zero_gpus() -> None:
    """A node without a driver says so, and its NVML is neither up nor down."""
    here = snapshot(health=health(gpu_source_up=None))

    page = MetricsPage().render(here)

    assert values(page, "goodput_node_gpus", "gpu_node") == {("node-a",): 0.0}
    assert values(page, "goodput_gpu_source_up") == {}


def test_a_gpu_that_is_lost_stays_the_same_series() -> None:
    """``up`` goes from 1 to 0, or nobody could alert on it."""
    page = MetricsPage()
    labels = ("gpu_node", "gpu_uuid", "gpu_index")

    before = values(
        page.render(snapshot(gpus=[gpu_sample(3)])), "goodput_gpu_up", *labels
    )
    after_text = page.render(snapshot(gpus=[gpu_lost(3)]))
    after = values(after_text, "goodput_gpu_up", *labels)

    assert set(before.values()) == {1.0}
    assert after == dict.fromkeys(before, 0.0)
    assert values(after_text, "goodput_gpu_error", "code", "reason") == {
        ("15", "lost"): 1.0
    }


@given(st.integers(0, 16_384 * 10 * 366 * 86_400 * 10**9))
def test_gpu_time_is_printed_to_the_nanosecond(gpu_ns: int) -> None:
    """Ten years of 16,384 GPUs do not fit a float; the text has every digit."""
    run = run_view(sealed=Account({RunState.PRODUCTIVE: gpu_ns}, {}))

    page = MetricsPage((RUNS,)).render(snapshot(run))

    whole, _, rest = text_of(page, SPENT, 'state="productive"').partition(".")
    assert int(whole) * 10**9 + int(rest or 0) == gpu_ns


def test_a_run_that_changed_is_rendered_anew() -> None:
    """Lines are kept for unchanged runs only."""
    page, run, other = MetricsPage(), run_view("a"), run_view("b")
    page.render(snapshot(run, other))

    later = page.render(snapshot(replace(run, step=21), other))

    steps = values(later, "goodput_run_step", "run")
    assert steps == {("a",): 21.0, ("b",): 20.0}


def test_a_page_does_not_depend_on_the_pages_before_it() -> None:
    """Runs come, change, swap places and go; only the latest snapshot counts."""
    first, second, third = run_view("a"), run_view("b"), bare_run_view("c")
    page = MetricsPage((RUNS,))
    story = (
        snapshot(first, second),
        snapshot(second, replace(first, step=3), third),
        snapshot(third),
        snapshot(),
        snapshot(first, third),
    )

    for now in story:
        assert page.render(now) == MetricsPage((RUNS,)).render(now)


def test_what_a_value_may_not_be_is_left_out_and_counted() -> None:
    """NaN breaks every function over time, and a counter cannot be negative."""
    run = run_view(model=model_view(mfu=math.nan, first_time_flops=math.inf, tokens=-1))

    page = MetricsPage().render(snapshot(run))

    names = {
        f"goodput_run_{n}" for n in ("mfu_ratio", "model_flops_total", "tokens_total")
    }
    assert not any(values(page, name) for name in names)
    assert values(page, "goodput_collector_errors_total", "family") == {
        (name,): 1.0 for name in names
    }


def test_a_number_too_big_for_a_scraper_is_left_out() -> None:
    """A 400-digit step would make Prometheus refuse the whole page."""
    page = MetricsPage().render(snapshot(run_view(step=10**400)))

    assert values(page, "goodput_run_step") == {}
    assert len(values(page, SPENT, "state")) == 19


def test_a_failing_family_costs_only_itself() -> None:
    """One bug does not blind the operator to everything else."""

    def bug(run: RunView) -> Samples:
        raise ZeroDivisionError(run.key.run)

    families = tuple(
        Family(f.metric, bug) if f.metric.name == SPENT else f for f in RUNS.families
    )
    page = MetricsPage((replace(RUNS, families=families), *GROUPS[1:]))

    page.render(snapshot(run_view("a"), run_view("b")))
    text = page.render(snapshot(run_view("a"), run_view("b")))

    assert values(text, SPENT) == {}
    assert len(values(text, "goodput_run_step", "run")) == 2
    errors = values(text, "goodput_collector_errors_total", "family")
    assert errors == {(SPENT,): 2.0}


def test_a_family_that_recovers_comes_back_whole() -> None:
    """After the bad run is gone, the runs that never changed show again."""
    page, good = MetricsPage((RUNS,)), run_view("good")
    bad: Any = None
    page.render(snapshot(good))

    broken = page.render(snapshot(good, run_view("bad", sealed=bad)))
    healed = page.render(snapshot(good))

    assert values(broken, SPENT) == {}
    assert len(values(healed, SPENT, "run", "state")) == 19


def test_two_runs_of_one_name_are_one_series_and_a_count() -> None:
    """The same labels twice would make a scraper reject or mix the samples."""
    twin = replace(run_view(), key=RunKey("other-cluster", "default", "llama-7b"))

    page = MetricsPage().render(snapshot(run_view(), twin))

    dropped = values(page, "goodput_series_dropped_total", "family")
    assert dropped[(SPENT,)] == 19.0
    assert values(page, "goodput_run_step", "run") == {("llama-7b",): 20.0}


@pytest.mark.parametrize("name", sorted(POISON))
def test_no_poison_blanks_the_page(name: str) -> None:
    """Whatever one run brings, the page parses and the other run is on it."""
    page = poisoned_page(name)

    assert values(page, "goodput_run_step", "run")[("healthy",)] == 20.0
    assert values(page, "goodput_series")


def test_the_series_gauge_counts_the_lines() -> None:
    """The budget is held against what is really on the page."""
    page = MetricsPage().render(snapshot(run_view(), gpus=[gpu_sample()]))

    samples = [s for s in page.decode().splitlines() if not s.startswith("#")]
    assert values(page, "goodput_series") == {(): len(samples) - 1.0}


def test_no_created_series() -> None:
    """They double the counters and say nothing that a restart does not."""
    assert b"_created" not in MetricsPage().render(snapshot(run_view()))


def test_the_latest_page_is_served_as_it_is_or_packed() -> None:
    """Between two ticks every reader gets the same bytes."""
    page = MetricsPage()
    assert (page.latest(), gzip.decompress(page.latest_gzip())) == (b"", b"")

    rendered = page.render(snapshot(run_view()))

    assert page.latest() is rendered
    assert gzip.decompress(page.latest_gzip()) == rendered
    assert page.latest_gzip() is page.latest_gzip()


@given(
    st.dictionaries(
        st.sampled_from(RunState), st.integers(0, 10**20), max_size=len(RunState)
    )
)
def test_the_states_on_the_page_sum_to_the_account(gpu_ns: dict[RunState, int]) -> None:
    """Nothing is lost between the account and what Prometheus reads."""
    gpu_ns.pop(RunState.LOST, None)
    run = run_view(sealed=Account(gpu_ns, {Cause.NONE: 0}))

    spent = values(MetricsPage((RUNS,)).render(snapshot(run)), SPENT, "state")

    assert sum(spent.values()) == pytest.approx(sum(gpu_ns.values()) / 1e9, rel=1e-9)


def test_an_empty_snapshot_is_a_page() -> None:
    """A node on which nothing runs still tells that the exporter is well."""
    empty: Snapshot = snapshot()

    page = MetricsPage().render(empty)

    assert values(page, "goodput_ledger_up") == {(): 1.0}
    assert b"goodput_run_" not in page
