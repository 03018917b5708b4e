"""
Recording rules: GPU time and its ratios, per run, group and cluster, per window.

A ratio is a ratio of sums, formed from the sealed counters, never a mean of
ratios. A counter's increase is taken before anything is added up, so that the
restart of one exporter is not the loss of all. Model and overall ratios need
peak FLOP/s, which no counter has; ``goodput_run_ratio`` has them.

Sources:
    The ratios: docs/explanation/accounting.md. Names of rules:
    https://prometheus.io/docs/practices/rules/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from dashboards.rules.rule import Group, Recording

WINDOWS: Final = ("5m", "1h", "6h", "1d", "30d")
INTERVALS: Final[Mapping[str, str]] = MappingProxyType(
    {"5m": "30s", "1h": "1m", "6h": "2m", "1d": "4m", "30d": "4m"}
)
"""Long windows read many samples; all stay below the look-back of 5 minutes."""

RUN: Final = ("cluster", "run_namespace", "run", "run_kind")


@dataclass(frozen=True, slots=True)
class Level:
    """
    What GPU time is added up over.

    Args:
        name: The first part of the rules' names.
        seconds: The selector of its counter by state.
        badput: The selector of its counter by cause.
        labels: What tells one from the other.
    """

    name: str
    seconds: str
    badput: str
    labels: tuple[str, ...]

    def increase(self, window: str) -> str:
        """Return the name of the rule with GPU time by state."""
        return f"{self.name}_state:goodput_gpu_seconds:increase{window}"

    def causes(self, window: str) -> str:
        """Return the name of the rule with badput by cause."""
        return f"{self.name}_cause:goodput_badput_gpu_seconds:increase{window}"

    def ratio(self, window: str) -> str:
        """Return the name of the rule with the ratios."""
        return f"{self.name}:goodput_ratio:increase{window}"


RUNS: Final = Level(
    "run", "goodput_run_gpu_seconds_total", "goodput_run_badput_gpu_seconds_total", RUN
)
GROUPS: Final = Level(
    "group",
    "goodput_group_gpu_seconds_total",
    "goodput_group_badput_gpu_seconds_total",
    ("cluster", "group_kind", "group"),
)
CLUSTERS: Final = Level(
    "cluster",
    'goodput_group_gpu_seconds_total{group_kind="cluster"}',
    'goodput_group_badput_gpu_seconds_total{group_kind="cluster"}',
    ("cluster",),
)
LEVELS: Final = (RUNS, GROUPS, CLUSTERS)

WALL: Final = 'layer=~"infrastructure|framework|model|good"'
AVAILABLE: Final = 'layer=~"framework|model|good"'
STEP: Final = 'layer=~"model|good"'
PRODUCTIVE: Final = 'state="productive"'

PARTS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "infrastructure": (AVAILABLE, WALL),
        "framework": (STEP, AVAILABLE),
        "pace": (PRODUCTIVE, STEP),
        "goodput": (PRODUCTIVE, WALL),
        "goodput_with_evaluation": ('state=~"productive|evaluating"', WALL),
        "ettr": (STEP, 'layer!="none"'),
        "coverage": ('layer!="none"', 'state!=""'),
    }
)
"""Each ratio's numerator and denominator, as matchers on GPU time by state."""


def ratio_of(name: str, part: tuple[str, str], by: tuple[str, ...]) -> str:
    """
    Return the ratio of two sums over one series of GPU time, as PromQL.

    Absent where the denominator is 0: nothing was observed, which is not 0.
    """
    labels = ", ".join(by)
    above, below = part
    return (
        f"sum by ({labels}) ({name}{{{above}}})\n"
        f"/ (sum by ({labels}) ({name}{{{below}}}) > 0)"
    )


def _group(window: str) -> Group:
    return Group(
        f"goodput-{window}",
        INTERVALS[window],
        tuple(rule for level in LEVELS for rule in _rules(level, window)),
    )


def _rules(level: Level, window: str) -> Iterator[Recording]:
    states, causes = ", ".join((*level.labels, "state", "layer")), level.labels
    yield Recording(
        level.increase(window),
        f"sum by ({states}) (increase({level.seconds}[{window}]))",
    )
    yield Recording(
        level.causes(window),
        f"sum by ({', '.join((*causes, 'cause'))}) "
        f"(increase({level.badput}[{window}]))",
    )
    for name, part in PARTS.items():
        expr = ratio_of(level.increase(window), part, level.labels)
        yield Recording(level.ratio(window), expr, MappingProxyType({"layer": name}))


RECORDING: Final = tuple(_group(window) for window in WINDOWS)
