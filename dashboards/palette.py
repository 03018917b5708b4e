"""
One colour per state, layer, cause and category, on every dashboard and picture.

States have the colours of the exporter's page and of the report on a dark ground,
which people tell apart whatever colours they see. Grafana's grounds are light or
dark and a panel's colour is one: two states that fade into either have their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from goodput_exporter.domain.gpu_stands import Category
from goodput_exporter.domain.states import Cause, Layer, RunState

GREEN: Final = "#2f9e44"
GREY: Final = "#adb5bd"
RED: Final = "#e03131"
AMBER: Final = "#f08c00"
"""Of thresholds: good, no judgement, bad, and in between."""

STATE_COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {
        RunState.PRODUCTIVE: "#4f93f7",
        RunState.SLOW: "#a9ccff",
        RunState.QUEUED: "#5c6773",
        RunState.SUSPENDED: "#8f2440",
        RunState.DOWN: "#d8384a",
        RunState.SCHEDULING: "#ea7b81",
        RunState.PROVISIONING: "#f5b3b2",
        RunState.DEGRADED: "#e46ba2",
        RunState.INITIALIZING: "#f0c264",
        RunState.RESTORING: "#c98f2a",
        RunState.RECOMPUTING: "#96611b",
        RunState.INTERRUPTED: "#3d4a5c",
        RunState.CHECKPOINTING: "#7a3fb8",
        RunState.DATA_WAIT: "#cdb9f2",
        RunState.EVALUATING: "#3c9a76",
        RunState.STALLED: "#ff8240",
        RunState.IDLE: "#b3ad9f",
        RunState.OTHER: "#7f796b",
        RunState.LOST: "#75675c",
        RunState.UNOBSERVED: "#79808a",
    }
)
ON_BOTH_GROUNDS: Final = (RunState.INTERRUPTED, RunState.UNOBSERVED)
"""Nearly white and nearly black on the page; neither would do on both grounds."""

LAYER_COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {
        Layer.INFRASTRUCTURE: STATE_COLOURS[RunState.DOWN],
        Layer.FRAMEWORK: STATE_COLOURS[RunState.INITIALIZING],
        Layer.MODEL: STATE_COLOURS[RunState.SLOW],
        Layer.GOOD: STATE_COLOURS[RunState.PRODUCTIVE],
        Layer.NONE: STATE_COLOURS[RunState.UNOBSERVED],
        Layer.OUTSIDE: STATE_COLOURS[RunState.QUEUED],
    }
)
"""As the report's waterfall has them."""

RATIO_COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "infrastructure": LAYER_COLOURS[Layer.INFRASTRUCTURE],
        "framework": LAYER_COLOURS[Layer.FRAMEWORK],
        "pace": LAYER_COLOURS[Layer.MODEL],
        "goodput": LAYER_COLOURS[Layer.GOOD],
    }
)
"""A ratio has the colour of the layer that lowers it."""

CATEGORY_COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {
        Category.HELD: STATE_COLOURS[RunState.PRODUCTIVE],
        Category.OTHER_WORKLOAD: STATE_COLOURS[RunState.CHECKPOINTING],
        Category.UNALLOCATED: STATE_COLOURS[RunState.IDLE],
        Category.TERMINATING: STATE_COLOURS[RunState.INITIALIZING],
        Category.UNAVAILABLE: STATE_COLOURS[RunState.DOWN],
        Category.UNOBSERVED: STATE_COLOURS[RunState.UNOBSERVED],
    }
)


def _shades(causes: Iterable[Cause], *colours: str) -> dict[str, str]:
    return dict(zip(causes, colours, strict=True))


CALLED: Final[Mapping[str, str]] = MappingProxyType({"none": "no interruption"})
"""What a reader is shown for a word that says little by itself."""

CAUSE_COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    # The hardware's are red, the scheduler's violet, the platform's green, the
    # program's yellow to brown, people's pink; what nobody knows is grey.
    _shades(
        (Cause.NODE_LOST, Cause.GPU_LOST, Cause.GPU_ERROR),
        *("#d8384a", "#ea7b81", "#f5b3b2"),
    )
    | _shades(
        (Cause.PREEMPTED, Cause.QUEUE_PREEMPTED, Cause.SPOT_RECLAIM, Cause.SCALE_IN),
        *("#5f2f8a", "#7a3fb8", "#a06fd6", "#cdb9f2"),
    )
    | _shades(
        (
            Cause.EVICTED,
            Cause.DEVICE_ADMISSION,
            Cause.IMAGE_PULL,
            Cause.NODE_MAINTENANCE,
        ),
        *("#1f6f54", "#3c9a76", "#63bd9b", "#9bdcc3"),
    )
    | _shades(
        (Cause.HANG, Cause.OOM_KILLED, Cause.APPLICATION_ERROR),
        *("#ff8240", "#f0c264", "#96611b"),
    )
    | _shades((Cause.USER, Cause.PLANNED), "#e46ba2", "#f7c6dc")
    | _shades(
        (Cause.NONE, Cause.OTHER, Cause.UNKNOWN), *("#b3ad9f", "#7f796b", "#5c6773")
    )
)
