"""What pictures of panels show: whom they ask, how figures and series are called."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from goodput_exporter.analysis.figures import duration
from tests.dashboards.shown import asked
from tests.dashboards.stores import Sample, Store

Panel = dict[str, Any]
RECENT_S: Final = 45
THOUSAND: Final = 1000
UNITS: Final = {
    "none": "",
    "short": "",
    "kwatth": "kWh",
    "currencyUSD": "$",
    "watt": "W",
    "celsius": "°C",
    "hertz": "Hz",
    "cps": "/s",
}


@dataclass(frozen=True, slots=True)
class Look:
    """
    What is looked at.

    Args:
        store: Whom to ask.
        range_s: How far back panels go.
        run: A pattern of the runs that are chosen.
        ends: When the range ends, in Unix time; one for all, so that stacks align.
    """

    store: Store
    range_s: int = RECENT_S
    run: str = ".*"
    ends: float = field(default_factory=time.time)

    def since(self, at: float) -> float:
        """Return how long an instant is after the beginning, in minutes."""
        return (at - self.ends + self.range_s) / 60

    def now(self, target: Panel) -> list[Sample]:
        """Return what a query finds now, its range ten minutes at least."""
        range_s = max(self.range_s, 600)
        return self.store.query(asked(target["expr"], self.run, range_s))

    def over_time(self, target: Panel) -> list[Sample]:
        """Return what a query found all the while."""
        query = asked(target["expr"], self.run, self.range_s)
        return self.store.query_range(query, self.range_s, self.ends)


def units(panel: Panel) -> dict[str, str]:
    """Return the unit of each column of a table, by its head."""
    return {
        override["matcher"]["options"]: one["value"]
        for override in panel["fieldConfig"].get("overrides", ())
        for one in override["properties"]
        if one["id"] == "unit"
    }


def written(cell: str, unit: str) -> str:
    """Return a table's cell as a person reads it."""
    if not cell:
        return ""
    return f"{float(cell):.1%}" if unit == "percentunit" else f"{float(cell):.4g}"


def amount(panel: Panel, value: float) -> str:
    """Return a value in its panel's unit."""
    unit = panel["fieldConfig"]["defaults"].get("unit", "")
    if not math.isfinite(value):
        return str(value)
    if unit == "percentunit":
        return f"{value:.1%}"
    if panel["fieldConfig"]["defaults"].get("decimals") == 0:
        return f"{value:.0f}"
    if unit == "s":
        return duration(value)
    figures = f"{value:,.0f}" if value >= THOUSAND else f"{value:.3g}"
    return f"{figures} {UNITS.get(unit, unit)}".strip()


def empty(panel: Panel) -> str:
    """Return what a panel says where it has no data."""
    text: str = panel["fieldConfig"]["defaults"].get("noValue", "No data")
    return text


def _words(sample: Sample) -> str:
    metric = sample["metric"]
    return " ".join(value for name, value in metric.items() if name != "cluster")


def legend(target: Mapping[str, Any], series: Sample) -> str:
    """Return what a series is called."""
    text: str = target.get("legendFormat", "")
    for name, value in series["metric"].items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text or _words(series)
