"""Which names, labels and label values a query may use: those of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import fields as fields_of
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from goodput_exporter.domain.energy_totals import LATE, UNBOOKED, UNPLACED
from goodput_exporter.domain.gpu_stands import Category, Reason
from goodput_exporter.domain.ratios import LayerRatios
from goodput_exporter.domain.rolling import WINDOWS
from goodput_exporter.domain.rollups import LIFETIME
from goodput_exporter.domain.states import Cause, How, Layer
from goodput_exporter.domain.xids import XidClass
from goodput_exporter.exposition.catalogue import CATALOGUE
from goodput_exporter.exposition.energy_families import COUNTER, POWER
from goodput_exporter.exposition.metric import Metric
from goodput_exporter.exposition.run_families import LIVE_STATES

CLUSTER: Final = "cluster"
"""Prometheus' external label; absent in a store of one cluster, so never required."""

TARGET_LABELS: Final = frozenset({CLUSTER, "job", "instance"})
"""What a scrape adds. Queries group by them; none may ask for a value of them."""

Values = frozenset[str]


def _words(*values: str) -> Values:
    return frozenset(values)


def _all(words: type[StrEnum]) -> Values:
    return frozenset(word.value for word in words)


_STATES: Final = frozenset(state.value for state in LIVE_STATES)
_CAUSES: Final = _all(Cause)
_CATEGORIES: Final = _all(Category)

CLOSED: Final[Mapping[str, Values]] = MappingProxyType(
    {
        "state": _STATES,
        "layer": _all(Layer),
        "cause": _CAUSES,
        "from_cause": _CAUSES,
        "to_cause": _CAUSES,
        "how": _all(How),
        "window": _words(*WINDOWS, LIFETIME),
        "execution": _words("first", "redone"),
        "class": _all(XidClass),
        "category": _CATEGORIES,
        "from_category": _CATEGORIES,
        "to_category": _CATEGORIES,
        "outcome": _words("running", "succeeded", "failed"),
        "devices": _words("gpus", "ranks"),
        "transport": _words("unix", "udp"),
        "group_kind": _words(
            "cluster", "namespace", "team", "queue", "gpu_model", "node_pool"
        ),
        "remap": _words("pending", "failed"),
        "agent": _words("present", "missing"),
        "gpu": _words("true", "false"),
        "basis": _words(COUNTER, POWER),
        "measured": _words("true", "false"),
        "result": _words(
            "attributed", "unallocated", "unmatched_id", "no_socket", "forbidden"
        ),
    }
)
"""The closed sets, by label."""

_RATIOS: Final = frozenset(field.name for field in fields_of(LayerRatios))
EXCEPT: Final[Mapping[tuple[str, str], Values | None]] = MappingProxyType(
    {
        ("goodput_run_ratio", "layer"): _RATIOS,
        ("goodput_group_ratio", "layer"): _RATIOS,
        ("goodput_cluster_gpu_seconds_total", "reason"): _all(Reason),
        ("goodput_cluster_gpus", "reason"): _all(Reason),
        ("goodput_cluster_energy_joules_total", "category"): (
            _CATEGORIES | _words(LATE, UNBOOKED, UNPLACED)
        ),
        ("goodput_gpu_nvlinks", "state"): _words("active", "inactive"),
        ("goodput_node_gpus_by_state", "state"): _words(
            "on_bus", "expected", "visible", "missing", "replaced"
        ),
    }
)
"""Where a label of one metric has another set; None is an open one."""


@dataclass(frozen=True, slots=True)
class Series:
    """
    What the series of one name look like.

    Args:
        labels: Their own labels and those of the target.
        closed: The values that a label can have, where these are a closed set.
    """

    labels: frozenset[str]
    closed: Mapping[str, Values]


Vocabulary = Mapping[str, Series]
"""By name; a name that is not in it is exported nowhere."""


def exported(metrics: Iterable[Metric] = CATALOGUE) -> dict[str, Series]:
    """Return what the programs export."""
    found = {metric.name: _series(metric) for metric in metrics}
    up = Series(TARGET_LABELS, MappingProxyType({}))
    return found | {"up": up}


def _series(metric: Metric) -> Series:
    closed = {
        label: values
        for label in metric.labels
        if (values := EXCEPT.get((metric.name, label), CLOSED.get(label))) is not None
    }
    return Series(frozenset(metric.labels) | TARGET_LABELS, MappingProxyType(closed))
