"""
Panels: a title, what it means, queries, and a look.

Thin functions over Grafana's own builders, so that every panel has a
description, a unit, and the datasource that the reader chose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from dashboards.palette import AMBER, CALLED, GREEN, GREY, RED

DATASOURCE: Final = model.DataSourceRef(type_val="prometheus", uid="${datasource}")

RATIO: Final = "percentunit"
COUNT: Final = "short"
EVENTS: Final = "none"
"""Whole things; what ``increase`` makes of them between two scrapes is rounded."""
NOTHING: Final = "nothing in this range"
"""What a panel says instead of "No data", which could be a fault."""
SECONDS: Final = "s"

AnyPanel = (
    timeseries.Panel | stat.Panel | bargauge.Panel | statetimeline.Panel | table.Panel
)
P = TypeVar(
    "P",
    timeseries.Panel,
    stat.Panel,
    bargauge.Panel,
    statetimeline.Panel,
    table.Panel,
)


@dataclass(frozen=True, slots=True)
class Query:
    """
    One query of a panel.

    Args:
        expr: PromQL with Grafana's variables.
        legend: What a series of it is called, such as ``{{state}}``.
    """

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Bound:
    """From which value on a colour holds; None from the smallest on."""

    value: float | None
    colour: str


HIGH_IS_GOOD: Final = (Bound(None, RED), Bound(0.7, AMBER), Bound(0.85, GREEN))
ZERO_IS_GOOD: Final = (Bound(None, GREEN), Bound(1, RED))
ONE_IS_GOOD: Final = (Bound(None, RED), Bound(1, GREEN))
PLAIN: Final = (Bound(None, GREY),)


def number(
    title: str,
    text: str,
    query: Query,
    *,
    unit: str,
    bounds: Sequence[Bound] = PLAIN,
    width: int = 4,
    height: int = 4,
    empty: str = "not measured",
) -> stat.Panel:
    """Return one large number, of now or of the whole range; *empty* where none is."""
    panel = (
        stat.Panel()
        .graph_mode(looks.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(thresholds(bounds))
        .color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .with_target(target(query, instant=True))
        .no_value(empty)
    )
    if unit == EVENTS:
        panel = panel.decimals(0)
    return finish(panel, title, text, unit, width, height)


def lines(
    title: str,
    text: str,
    *queries: Query,
    unit: str,
    width: int = 12,
    height: int = 8,
    most: float | None = None,
    empty: str = NOTHING,
    colours: Mapping[str, str] | None = None,
) -> timeseries.Panel:
    """Return values over time, a line each."""
    panel = _over_time(queries).fill_opacity(5).no_value(empty)
    for name, colour in (colours or {}).items():
        # A line's name may go on, with the run that it is of.
        panel = panel.override_by_regexp(f"/^{name}( |$)/", _look(name, colour))
    if most is not None:
        panel = panel.max(most)
    return finish(panel, title, text, unit, width, height)


def stack(
    title: str,
    text: str,
    *queries: Query,
    unit: str,
    colours: Mapping[str, str] | None = None,
    width: int = 12,
    height: int = 8,
    empty: str = NOTHING,
) -> timeseries.Panel:
    """Return parts of a whole over time, one on another."""
    panel = (
        _over_time(queries)
        .no_value(empty)
        .fill_opacity(80)
        .line_width(0)
        .stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL))
    )
    for name, colour in (colours or {}).items():
        panel = panel.override_by_name(name, _look(name, colour))
    return finish(panel, title, text, unit, width, height)


def bars(
    title: str,
    text: str,
    *queries: Query,
    unit: str,
    colours: Mapping[str, str] | None = None,
    width: int = 12,
    height: int = 8,
    empty: str = NOTHING,
) -> bargauge.Panel:
    """Return one bar per series, of the whole range, zero at the left."""
    panel = (
        bargauge.Panel()
        .orientation(looks.VizOrientation.HORIZONTAL)
        .display_mode(looks.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(thresholds(PLAIN))
        .min(0)
        .no_value(empty)
    )
    if unit == EVENTS:
        panel = panel.decimals(0)
    for query in queries:
        panel = panel.with_target(target(query, instant=True))
    for name, colour in (colours or {}).items():
        panel = panel.override_by_name(name, _look(name, colour))
    return finish(panel, title, text, unit, width, height)


def timeline(
    title: str,
    text: str,
    query: Query,
    mapping: Mapping[int, tuple[str, str]],
    *,
    width: int = 24,
    height: int = 5,
) -> statetimeline.Panel:
    """
    Return what something was at every instant.

    Its value is a code; *mapping* gives the word and the colour of each.
    """
    options = {
        str(code): model.ValueMappingResult(text=word, color=colour, index=code)
        for code, (word, colour) in mapping.items()
    }
    panel = (
        statetimeline.Panel()
        .mappings([model.ValueMap(options=options)])
        .color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .thresholds(thresholds(PLAIN))
        .merge_values(merge_values=True)
        .show_value(looks.VisibilityMode.AUTO)
        .legend(_legend())
        .with_target(target(query, instant=False))
    )
    return finish(panel, title, text, COUNT, width, height)


def _over_time(queries: Sequence[Query]) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .show_points(looks.VisibilityMode.NEVER)
        .legend(_legend())
        .tooltip(
            common.VizTooltipOptions()
            .mode(looks.TooltipDisplayMode.MULTI)
            .sort(looks.SortOrder.DESCENDING)
        )
        .min(0)
    )
    for query in queries:
        panel = panel.with_target(target(query, instant=False))
    return panel


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .display_mode(looks.LegendDisplayMode.LIST)
        .placement(looks.LegendPlacement.BOTTOM)
        .show_legend(show_legend=True)
    )


def target(query: Query, *, instant: bool) -> prometheus.Dataquery:
    """Return a query of the chosen datasource, of now or of the whole range."""
    asked = prometheus.Dataquery().expr(query.expr).datasource(DATASOURCE)
    if query.legend:
        asked = asked.legend_format(query.legend)
    return asked.instant() if instant else asked.range()


def thresholds(bounds: Sequence[Bound]) -> build.ThresholdsConfig:
    """Return the colours by value."""
    steps = [model.Threshold(value=bound.value, color=bound.colour) for bound in bounds]
    return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def _look(name: str, colour: str) -> list[DynamicConfigValue]:
    """Give what goes by a name its colour, and the words that a reader is shown."""
    look = [DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})]
    if name in CALLED:
        look.append(DynamicConfigValue("displayName", CALLED[name]))
    return look


def finish(panel: P, title: str, text: str, unit: str, width: int, height: int) -> P:
    """Give a panel what every panel has."""
    return (
        panel.title(title)
        .description(text)
        .datasource(DATASOURCE)
        .unit(unit)
        .span(width)
        .height(height)
    )
