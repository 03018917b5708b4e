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
SECONDS: Final[Mapping[str, int]] = MappingProxyType(
    {"5m": 300, "1h": 3600, "6h": 21_600, "1d": 86_400, "30d": 2_592_000}
)
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


def grown(counter: str, by: tuple[str, ...], window: str) -> str:
    """
    Return how much counters grew that appear with their first event.

    ``increase`` does not see the rise to the first sample of a series. What was
    nowhere before the window counts whole, which is right for what an exporter
    counts since it started.
    """
    now, before, rise = _now_before_and_rise(counter, by, window)
    return f"({now} unless {before}) or {rise}"


def grown_of_runs(
    counter: str, by: tuple[str, ...], window: str, seconds: str | int
) -> str:
    """
    Return how much counters of runs grew that appear with their first event.

    A run's first hang is booked in one piece, and no ``increase`` sees it. It counts
    whole only if the run was known before the window or began in it: a Prometheus
    that is newer than the run must not take the run's past for the present.
    """
    now, before, rise = _now_before_and_rise(counter, by, window)
    started = "goodput_run_started_timestamp_seconds"
    run = "cluster, run_namespace, run"
    known = f"max by ({run}) ({started} offset {window})"
    young = f"max by ({run}) ({started}) > time() - {seconds}"
    return f"(({now} unless {before}) and on ({run}) ({known} or {young})) or {rise}"


def _now_before_and_rise(
    counter: str, by: tuple[str, ...], window: str
) -> tuple[str, str, str]:
    """Group first, so that a new pod of the exporter is not a new series."""
    labels = ", ".join(by)
    return (
        f"sum by ({labels}) ({counter})",
        f"sum by ({labels}) ({counter} offset {window})",
        f"sum by ({labels}) (increase({counter}[{window}]))",
    )


def _group(window: str) -> Group:
    return Group(
        f"goodput-{window}",
        INTERVALS[window],
        tuple(rule for level in LEVELS for rule in _rules(level, window)),
    )


def _rules(level: Level, window: str) -> Iterator[Recording]:
    states = ", ".join((*level.labels, "state", "layer"))
    yield Recording(
        level.increase(window),
        f"sum by ({states}) (increase({level.seconds}[{window}]))",
    )
    by = (*level.labels, "cause")
    if level is RUNS:
        badput = grown_of_runs(level.badput, by, window, SECONDS[window])
    else:
        badput = f"sum by ({', '.join(by)}) (increase({level.badput}[{window}]))"
    yield Recording(level.causes(window), badput)
    for name, part in PARTS.items():
        expr = ratio_of(level.increase(window), part, level.labels)
        yield Recording(level.ratio(window), expr, MappingProxyType({"layer": name}))


RECORDING: Final = tuple(_group(window) for window in WINDOWS)
