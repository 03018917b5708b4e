"""Tables: a row per subject, a column per query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.panels import (
    COUNT,
    EVENTS,
    PLAIN,
    Bound,
    Query,
    finish,
    target,
    thresholds,
)


@dataclass(frozen=True, slots=True)
class Column:
    """
    One column of a table.

    Args:
        name: Its head.
        expr: Its values, by the labels that are the rows.
        unit: Of them.
        bounds: Colours of its cells; none leaves them plain.
    """

    name: str
    expr: str
    unit: str = COUNT
    bounds: Sequence[Bound] = ()


def rows(
    title: str,
    text: str,
    labels: Mapping[str, str],
    *columns: Column,
    links: Mapping[str, tuple[str, str]] | None = None,
    first: str = "",
    width: int = 24,
    height: int = 8,
) -> table.Panel:
    """
    Return a table: a row per subject, a column per query.

    *labels* are the subject's, in order, each with the head of its column;
    *links* give by head the text and the address that a cell leads to. The rows with
    most in the column *first* stand on top.
    """
    panel = table.Panel().thresholds(thresholds(PLAIN))
    for number_, column in enumerate(columns):
        asked = target(Query(column.expr), instant=True)
        panel = panel.with_target(
            asked.format(PromQueryFormat.TABLE).ref_id(_ref(number_))
        )
        panel = panel.override_by_name(column.name, _cells(column))
    heads = _heads(labels, columns)
    panel = panel.transformations(
        [
            DataTransformerConfig(id_val="merge", options={}),
            DataTransformerConfig(id_val="organize", options=heads),
        ]
    )
    for name, (link, url) in (links or {}).items():
        value = [{"title": link, "url": url}]
        panel = panel.override_by_name(name, [DynamicConfigValue("links", value)])
    if first:
        order = common.TableSortByFieldState().display_name(first).desc(desc=True)
        panel = panel.sort_by([order])
    return finish(panel, title, text, COUNT, width, height)


def _ref(number_: int) -> str:
    return chr(ord("A") + number_)


def _cells(column: Column) -> list[DynamicConfigValue]:
    values = [DynamicConfigValue("unit", column.unit)]
    if column.unit == EVENTS:
        values.append(DynamicConfigValue("decimals", 0))
    if column.bounds:
        steps = [{"value": b.value, "color": b.colour} for b in column.bounds]
        values += [
            DynamicConfigValue("thresholds", {"mode": "absolute", "steps": steps}),
            DynamicConfigValue("color", {"mode": "thresholds"}),
            DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
        ]
    return values


def _heads(labels: Mapping[str, str], columns: Sequence[Column]) -> dict[str, object]:
    """Name and order the columns; one query gives ``Value``, more ``Value #A``."""
    values = [
        "Value" if len(columns) == 1 else f"Value #{_ref(number_)}"
        for number_ in range(len(columns))
    ]
    names = dict(zip(values, (column.name for column in columns), strict=True))
    order = [*labels, *values]
    return {
        "excludeByName": {"Time": True},
        "indexByName": {name: index for index, name in enumerate(order)},
        "renameByName": dict(labels) | names,
    }
