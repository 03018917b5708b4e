"""The page says what prometheus_client says of the same families."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.snapshot import Snapshot
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.exposition.render import MetricsPage
from tests.fakes.registry import OURS, SnapshotCollector
from tests.fakes.snapshots import (
    bare_run_view,
    gpu_lost,
    gpu_sample,
    run_view,
    snapshot,
)

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def _registry(now: Snapshot) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(lambda: now))
    return registry


def _meaning(page: bytes) -> tuple[dict[str, tuple[str, str]], Samples]:
    """Read a page back as (type and help by name, value by series)."""
    types: dict[str, tuple[str, str]] = {}
    samples: Samples = {}
    for family in text_string_to_metric_families(page.decode()):
        types[family.name] = (family.type, family.documentation)
        for sample in family.samples:
            series = (sample.name, frozenset(sample.labels.items()))
            assert series not in samples, f"{series} is there twice"
            samples[series] = sample.value
    return types, samples


def _odd_run() -> Snapshot:
    odd = run_view('tag"s\\and\nlines', key=RunKey("local", "räksmörgås", 'a"\\\nb'))
    odd.sealed.add(RunState.STALLED, 7_600_000_000_000_000_001, Cause.HANG)
    odd.sealed.add(RunState.IDLE, 1, Cause.NONE)
    return snapshot(odd, run_view(), bare_run_view(), gpus=[gpu_sample(), gpu_lost()])


def test_both_renderers_say_the_same() -> None:
    """Our text is fast; prometheus_client's is the one everybody reads."""
    now = _odd_run()

    ours = _meaning(MetricsPage(groups=OURS).render(now))
    theirs = _meaning(generate_latest(_registry(now)))

    own = {"goodput_series", "goodput_series_dropped", "goodput_collector_errors"}
    assert {n: t for n, t in ours[0].items() if n not in own} == theirs[0]
    values = {s: v for s, v in ours[1].items() if s[0] != "goodput_series"}
    assert values == pytest.approx(theirs[1], rel=1e-12)


def test_samples_have_exact_values() -> None:
    """GPU seconds are device-seconds: 4 devices, 200 s of productive steps."""
    registry = _registry(snapshot(run_view()))
    run = {"run": "llama-7b", "run_namespace": "default", "run_kind": "process"}

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, run | labels)

    spent = "goodput_run_gpu_seconds_total"
    assert value(spent, state="productive", layer="good") == 800.0
    assert value(spent, state="down", layer="infrastructure") == 160.0
    assert value(spent, state="queued", layer="outside") == 0.0
    assert value("goodput_run_badput_gpu_seconds_total", cause="none") == 92.0
    assert value("goodput_run_state", state="productive") == 1.0
    assert value("goodput_run_ended_timestamp_seconds") is None
