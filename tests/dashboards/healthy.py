"""
A healthy system's series, every metric of the catalogue among them, as lines over time.

What a real exporter on a laptop cannot show (GPUs, a cluster, agents) comes from
here; promtool reads the lines as series, a Prometheus scrapes them as a page.
A metric without a word in ``TELLS`` gets one plain series, so that a new metric
is on the page from its first day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from dataclasses import fields as fields_of
from itertools import product
from types import MappingProxyType
from typing import Final

from dashboards.vocabulary import CLOSED, EXCEPT
from goodput_exporter.domain.ratios import LayerRatios
from goodput_exporter.domain.states import LAYER_OF, RunState
from goodput_exporter.exposition.catalogue import CATALOGUE
from goodput_exporter.exposition.metric import Kind, Metric
from goodput_exporter.exposition.run_families import LIVE_STATES

DAY_S: Final = 86_400
GPUS: Final = 8

USUAL: Final[Mapping[str, str]] = MappingProxyType(
    {
        "run": "llama",
        "run_namespace": "ml",
        "run_kind": "Job",
        "team": "blue",
        "queue": "research",
        "gpu_model": "NVIDIA H100 80GB HBM3",
        "node_pool": "pool-a",
        "gpu_node": "node-a",
        "gpu_uuid": "GPU-0",
        "gpu_index": "0",
        "kind": "pods",
        "holder_namespace": "ml",
        "holder_pod": "llama-0",
        "holder_container": "train",
        "sharing": "exclusive",
        "version": "0.1.0",
        "python_version": "3.11",
        "reason": "other",
        "source": "sdk",
        "verified": "true",
        "upper_bound": "false",
        "group_kind": "cluster",
        "group": "east",
        "cause": "none",
        "from_cause": "unknown",
        "to_cause": "gpu_lost",
        "from_state": "productive",
        "to_state": "lost",
        "state": "productive",
        "layer": "good",
        "how": "pod",
        "window": "1h",
        "xid": "31",
        "class": "app",
        "family": "goodput_run_step",
        "result": "attributed",
        "fate": "applied",
        "convention": "causal",
        "peak_dtype": "bf16",
        "action": "none",
        "measured": "true",
    }
)
"""The value of a label, where nothing else is said."""

SHARES: Final[Mapping[RunState, float]] = MappingProxyType(
    {
        RunState.PRODUCTIVE: 0.93,
        RunState.CHECKPOINTING: 0.03,
        RunState.DATA_WAIT: 0.02,
        RunState.SLOW: 0.02,
    }
)
GROUPS: Final = (
    ("cluster", "east"),
    ("team", "blue"),
    ("namespace", "ml"),
    ("queue", "research"),
)
SICK: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = MappingProxyType(
    {
        "goodput_run_state": {"state": ("stalled", "idle", "provisioning")},
        "goodput_run_outage_info": {"cause": ("gpu_lost", "node_lost")},
        "goodput_gpu_xid_total": {"class": ("hw_fatal", "hw_recoverable")},
        "goodput_gpu_xid_last_timestamp_seconds": {
            "class": ("hw_fatal", "hw_recoverable")
        },
    }
)
"""What a page with something of everything has besides, by metric and label."""

GROWING: Final[Mapping[str, float]] = MappingProxyType(
    {
        "goodput_run_interruptions_total": 0.02,
        "goodput_gpu_rows_remapped_total": 0.02,
        "goodput_gpu_xid_total": 0.02,
    }
)
"""What grows on such a page, and does not on a healthy day."""

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """
    One series that goes straight.

    Args:
        name: Of the metric.
        labels: Its own.
        start: Its value at the beginning; a timestamp counts from there.
        per_second: How fast it grows.
        is_timestamp: *start* is relative to when the page begins.
    """

    name: str
    labels: Labels
    start: float
    per_second: float = 0.0
    is_timestamp: bool = False

    def at(self, seconds: float, began: float) -> float:
        """Return its value some seconds after the beginning."""
        base = began if self.is_timestamp else 0.0
        return base + self.start + self.per_second * seconds

    def notation(self, minutes: int) -> str:
        """Return it as promtool writes series, a value a minute; began is 0."""
        return f"{self.start:g}+{self.per_second * 60:g}x{minutes}"

    def series(self) -> str:
        """Return its name and labels as PromQL writes them."""
        inner = ",".join(f'{name}="{value}"' for name, value in self.labels.items())
        return f"{self.name}{{{inner}}}"


def lines() -> list[Line]:
    """Return every series of the page."""
    return [line for metric in CATALOGUE for line in _lines(metric)]


def page(seconds: float, began: float) -> str:
    """
    Return a page with something of everything, some seconds after it began.

    What a healthy system has no series of is there, too, so that every query has
    something to find.
    """
    parts = []
    for metric in CATALOGUE:
        parts.append(f"# TYPE {metric.name} {metric.exposed_type}")
        per_second = GROWING.get(metric.name)
        found = [
            line if per_second is None else replace(line, per_second=per_second)
            for line in (*_lines(metric), *_sick(metric))
        ]
        parts += [f"{line.series()} {line.at(seconds, began)!r}" for line in found]
    return "\n".join(parts) + "\n"


def _sick(metric: Metric) -> Iterator[Line]:
    if TELLS.get(metric.name) is NOTHING:
        yield from _plain(metric)
    for label, values in SICK.get(metric.name, {}).items():
        for value in values:
            yield from _plain(metric, **{label: value})


def usual(metric: Metric, **labels: str) -> Labels:
    """Return a metric's labels with their usual values, some changed."""
    return {label: labels.get(label, _value(metric, label)) for label in metric.labels}


def _value(metric: Metric, label: str) -> str:
    values = EXCEPT.get((metric.name, label), CLOSED.get(label))
    value = USUAL.get(label, "")
    if values is None or value in values:
        return value
    return min(values)


def _lines(metric: Metric) -> Iterator[Line]:
    tell = TELLS.get(metric.name, _plain)
    yield from tell(metric)


def _plain(metric: Metric, **labels: str) -> Iterator[Line]:
    own = usual(metric, **labels)
    if metric.name.endswith("_timestamp_seconds"):
        yield Line(metric.name, own, -DAY_S, is_timestamp=True)
    elif metric.kind is Kind.COUNTER:
        yield Line(metric.name, own, 10)
    else:
        yield Line(metric.name, own, 1)


def _states(metric: Metric) -> Iterator[Line]:
    groups = GROUPS if "group" in metric.labels else (("", ""),)
    for state, (kind, name) in product(LIVE_STATES, groups):
        labels = usual(
            metric,
            state=state.value,
            layer=LAYER_OF[state].value,
            group_kind=kind,
            group=name,
        )
        rate = GPUS * SHARES.get(state, 0.0)
        yield Line(metric.name, labels, rate * DAY_S, rate)


def _badput(metric: Metric) -> Iterator[Line]:
    groups = GROUPS if "group" in metric.labels else (("", ""),)
    rate = GPUS * (1 - SHARES[RunState.PRODUCTIVE])
    for kind, name in groups:
        for cause, part in (("none", 0.9), ("node_lost", 0.1)):
            labels = usual(metric, cause=cause, group_kind=kind, group=name)
            yield Line(metric.name, labels, rate * part * DAY_S, rate * part)


def _ratios(metric: Metric) -> Iterator[Line]:
    for layer, window in product(
        (field.name for field in fields_of(LayerRatios)), sorted(CLOSED["window"])
    ):
        labels = usual(metric, layer=layer, window=window)
        yield Line(metric.name, labels, 1.0 if layer == "coverage" else 0.93)


class Each:
    """
    Tells of a metric by some values of one label.

    Args:
        label: Which; the others have their usual values.
        values: Value at the beginning and growth per second, by that label.
    """

    def __init__(self, label: str, **values: tuple[float, float]) -> None:
        self._label, self._values = label, values

    def __call__(self, metric: Metric) -> Iterator[Line]:
        """Yield a line per value."""
        for value, (start, per_second) in self._values.items():
            labels = usual(metric, **{self._label: value.strip("_")})
            yield Line(metric.name, labels, start, per_second)


class One:
    """
    Tells of a metric with one series.

    Args:
        start, per_second: As in ``Line``.
        is_timestamp: As in ``Line``.
    """

    def __init__(
        self, start: float, per_second: float = 0.0, *, is_timestamp: bool = False
    ) -> None:
        self._line = (start, per_second, is_timestamp)

    def __call__(self, metric: Metric) -> Iterator[Line]:
        """Yield the line."""
        yield Line(metric.name, usual(metric), *self._line)


def _nodes(metric: Metric) -> Iterator[Line]:
    for gpu, agent in product(("true", "false"), ("present", "missing")):
        labels = usual(metric, gpu=gpu, agent=agent)
        yield Line(metric.name, labels, 1 if (gpu, agent) == ("true", "present") else 0)


NOTHING: Final = Each("")
"""A healthy system has no such series."""

Tell = Callable[[Metric], Iterator[Line]]
TELLS: Final[Mapping[str, Tell]] = {
    "goodput_run_gpu_seconds_total": _states,
    "goodput_group_gpu_seconds_total": _states,
    "goodput_run_badput_gpu_seconds_total": _badput,
    "goodput_group_badput_gpu_seconds_total": _badput,
    "goodput_run_ratio": _ratios,
    "goodput_group_ratio": _ratios,
    "goodput_run_started_timestamp_seconds": One(-DAY_S, is_timestamp=True),
    "goodput_run_ended_timestamp_seconds": NOTHING,
    "goodput_run_outage_info": NOTHING,
    "goodput_run_sealed_timestamp_seconds": One(-60, 1, is_timestamp=True),
    "goodput_run_asked_devices": One(GPUS),
    "goodput_run_step": One(1000, 0.1),
    "goodput_run_high_water_step": One(1000, 0.1),
    "goodput_run_saved_step": One(990, 0.1),
    "goodput_run_durable_step": One(980, 0.1),
    "goodput_run_exposure_gpu_seconds": One(600 * GPUS),
    "goodput_run_reference_step_seconds": One(9.5),
    "goodput_run_steps_total": Each("execution", first=(1000, 0.1), redone=(5, 0)),
    "goodput_run_tokens_total": One(1e9, 40_000),
    "goodput_run_model_flops_total": One(1e18, 3e15),
    "goodput_run_mfu_ratio": One(0.42),
    "goodput_run_interruptions_total": One(1),
    "goodput_run_restarts_total": Each("cause", node_lost=(1, 0), user=(1, 0)),
    "goodput_run_waited_seconds_total": Each("reason", suspended=(60, 0.01)),
    "goodput_cluster_gpu_seconds_total": Each(
        "category",
        held=(GPUS * DAY_S, GPUS),
        unallocated=(DAY_S, 1),
        unavailable=(600, 0.01),
    ),
    "goodput_cluster_gpus": Each(
        "category", held=(8, 0), unallocated=(1, 0), unavailable=(1, 0)
    ),
    "goodput_run_energy_joules_total": Each(
        "state",
        productive=(GPUS * 700 * DAY_S, GPUS * 700),
        checkpointing=(GPUS * 20 * DAY_S, GPUS * 20),
    ),
    "goodput_run_energy_gpu_seconds_total": Each(
        "measured", true=(GPUS * DAY_S, GPUS), false=(60, 0)
    ),
    "goodput_cluster_energy_joules_total": Each(
        "category", unallocated=(90 * DAY_S, 90), unplaced=(10, 0)
    ),
    "goodput_queue_longest_wait_seconds": One(300),
    "goodput_nodes": _nodes,
    "goodput_nodes_capacity_gpus": One(8),
    "goodput_nodes_allocatable_gpus": One(8),
    "goodput_node_withheld_gpus": NOTHING,
    "goodput_node_gpus": One(8),
    "goodput_node_gpus_by_state": Each(
        "state", expected=(8, 0), visible=(8, 0), missing=(0, 0)
    ),
    "goodput_gpu_error": NOTHING,
    "goodput_nvml_outage": NOTHING,
    "goodput_gpu_busy_ratio": One(0.97),
    "goodput_inferred_hang_suspicion_ratio": One(0),
    "goodput_gpu_power_watts": One(640),
    "goodput_gpu_power_limit_watts": One(700),
    "goodput_gpu_xid_total": One(10, 0.01),
    "goodput_gpu_xid_last_timestamp_seconds": One(0, 1, is_timestamp=True),
    "goodput_gpu_ecc_errors_total": Each(
        "kind", corrected=(4, 0.001), uncorrected=(0, 0)
    ),
    "goodput_gpu_row_remap": Each("remap", pending=(0, 0), failed=(0, 0)),
    "goodput_gpu_nvlinks": Each("state", active=(18, 0), inactive=(0, 0)),
    "goodput_watch_last_event_timestamp_seconds": One(-5, 1, is_timestamp=True),
    "goodput_source_forbidden": One(0),
    "goodput_spool_oldest_timestamp_seconds": NOTHING,
    "goodput_spool_batches": One(0),
    "goodput_gpu_attribution_degraded": One(0),
    "goodput_tick_lag_seconds": One(0.01),
    "goodput_tick_duration_seconds": One(0.05),
    "goodput_ticks_total": One(100, 1),
    "goodput_datagrams_accepted_total": Each(
        "transport", unix=(5000, 5), udp=(50, 0.05)
    ),
    "goodput_datagrams_rejected_total": Each("reason", not_json=(1, 0)),
    "goodput_ledger_entries_total": One(10, 1),
    "goodput_ledger_commits_total": One(10, 1),
    "goodput_leader": One(1),
    "goodput_clock_skew_seconds": One(0.001),
    "process_start_time_seconds": One(-DAY_S, is_timestamp=True),
    "process_resident_memory_bytes": One(80e6),
    "process_cpu_seconds_total": One(100, 0.02),
}
"""What is said of a metric, by its name; the others get one plain series."""
