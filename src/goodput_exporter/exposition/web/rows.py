"""What the list says: one line per run, and one per GPU of this node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from goodput_exporter.analysis.figures import ABSENT, STATE_NAME, percent, shown
from goodput_exporter.domain.observations import GpuLost, GpuSample
from goodput_exporter.domain.snapshot import RunView, Snapshot
from goodput_exporter.exposition.addresses import address
from goodput_exporter.exposition.answers import (
    bad_gpu_ns,
    by_attention,
    loses_time_now,
)
from goodput_exporter.exposition.web import words
from goodput_exporter.exposition.web.charts import strip
from goodput_exporter.exposition.web.summary import first_thing
from goodput_exporter.exposition.windows import (
    LIFETIME,
    default_window,
    lifetime,
    read_window,
)

MOST_RUNS = 200
"""Runs in the list, which puts first who needs attention; the API has all."""


def run_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return one line per run, those that need attention first."""
    return [_row(view) for view in by_attention(snapshot)[:MOST_RUNS]]


def legend(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the states that the bars of some rows show, in the order of the book."""
    shown_here = {bar["class"] for row in rows for bar in row["strip"]}
    return [
        {"name": STATE_NAME[state], "css": css}
        for state, css in words.STATE_CLASS.items()
        if css in shown_here
    ]


def gpu_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return one line per GPU of this node, in NVML's order."""
    return [_gpu(gpu) for gpu in snapshot.gpus]


def state_mark(view: RunView) -> dict[str, str]:
    """Return what a run does now, or how it ended, with its colour."""
    if view.ended_ns is not None:
        return {"name": view.outcome, "css": f"outcome-{view.outcome}"}
    name = STATE_NAME[view.state]
    return {"name": name, "css": words.STATE_CLASS[view.state]}


def _row(view: RunView) -> dict[str, Any]:
    reading = read_window(view, default_window(view))
    cost_ns = bad_gpu_ns(lifetime(view))
    return {
        "name": shown(view.key.run),
        "place": f"{shown(view.key.cluster)} / {shown(view.key.namespace)}",
        "url": address(view.key),
        "state": state_mark(view),
        "since_ns": view.state_since_ns,
        "why": shown(view.why),
        "outcome": view.outcome,
        "first": first_thing(view),
        "attention": loses_time_now(view) or view.outcome == "failed",
        "devices": words.devices(view.asked_devices, gpus=view.devices_are_gpus),
        "goodput": percent(reading.layers.goodput),
        "bound": "≤ " if view.upper_bound else "",
        "window": "lifetime" if reading.window == LIFETIME else "last hour",
        "cost": words.split_unit(words.gpu_time(cost_ns, gpus=view.devices_are_gpus)),
        "strip": strip(reading.segments, reading.span),
    }


def _gpu(gpu: GpuSample | GpuLost) -> dict[str, Any]:
    if isinstance(gpu, GpuLost):
        detail = shown(gpu.detail or gpu.reason)
        return {"index": gpu.index, "name": gpu.uuid or "unknown", "lost": detail}
    return {
        "index": gpu.index,
        "name": shown(gpu.name),
        "lost": "",
        "busy": percent(gpu.busy_ratio, 0),
        "memory": _memory(gpu),
        "power": _with_unit(gpu.power_watts, "W"),
        "temperature": _with_unit(gpu.temperature_celsius, "°C"),
    }


def _memory(gpu: GpuSample) -> str:
    if gpu.memory_used_bytes is None or gpu.memory_total_bytes is None:
        return ABSENT
    used, total = gpu.memory_used_bytes / 2**30, gpu.memory_total_bytes / 2**30
    return f"{used:.1f} of {total:.0f} GiB"


def _with_unit(value: float | None, unit: str) -> str:
    return ABSENT if value is None else f"{value:.0f} {unit}"
