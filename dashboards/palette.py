"""One colour per state, layer, cause and category, on every dashboard and picture."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from goodput_exporter.domain.states import Layer, RunState

GREEN: Final = "#2f9e44"
GREY: Final = "#adb5bd"
RED: Final = "#e03131"
AMBER: Final = "#f08c00"

STATE_COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {
        RunState.PRODUCTIVE: GREEN,
        RunState.SLOW: "#f2cc0c",
        RunState.QUEUED: "#ced4da",
        RunState.SUSPENDED: "#a61e4d",
        RunState.DOWN: RED,
        RunState.SCHEDULING: "#f76707",
        RunState.PROVISIONING: "#ff922b",
        RunState.DEGRADED: "#ffa8a8",
        RunState.INITIALIZING: "#4dabf7",
        RunState.RESTORING: "#1971c2",
        RunState.RECOMPUTING: "#7048e8",
        RunState.INTERRUPTED: "#c2255c",
        RunState.CHECKPOINTING: "#15aabf",
        RunState.DATA_WAIT: "#0b7285",
        RunState.EVALUATING: "#94d82d",
        RunState.STALLED: "#862e9c",
        RunState.IDLE: "#868e96",
        RunState.OTHER: "#b197fc",
        RunState.UNOBSERVED: "#dee2e6",
    }
)

LAYER_COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {
        Layer.INFRASTRUCTURE: RED,
        Layer.FRAMEWORK: "#4263eb",
        Layer.MODEL: "#f2cc0c",
        Layer.GOOD: GREEN,
        Layer.NONE: "#dee2e6",
        Layer.OUTSIDE: "#ced4da",
    }
)

CATEGORY_COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "held": GREEN,
        "other_workload": "#4dabf7",
        "unallocated": GREY,
        "terminating": AMBER,
        "unavailable": RED,
        "unobserved": "#dee2e6",
    }
)
