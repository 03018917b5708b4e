"""
Pictures of panels from real query results, for a person to look at; no Grafana.

``draw`` asks a store what each panel asks and draws it with Matplotlib: curves,
stacks, bars, numbers and tables, in the dashboard's order and colours. It shows
whether a panel says something, not what it looks like in Grafana.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from dashboards.soundness import panels
from tests.dashboards.stores import Sample, Store

Fill = Callable[[str], str]
Panel = dict[str, Any]
COLUMNS: Final = 24
UNIT: Final = 0.62
"""Inches per unit of Grafana's grid."""


def draw(board: Mapping[str, Any], store: Store, fill: Fill, to: Path) -> None:
    """
    Draw a dashboard's panels into one picture.

    Args:
        board: The dashboard's JSON.
        store: Whom to ask.
        fill: Puts values for Grafana's variables into a query.
        to: The picture's file.
    """
    shown = list(panels(dict(board)))
    height = max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in shown)
    figure = plt.figure(figsize=(COLUMNS * UNIT, height * UNIT))
    for one in board["panels"]:
        at = one["gridPos"]
        if one["type"] == "row":
            y = 1 - (at["y"] + 0.7) / height
            figure.text(0.005, y, one["title"], fontsize=12, weight="bold")
            continue
        box = (
            (at["x"] + 1.2) / COLUMNS,
            1 - (at["y"] + at["h"] - 1.0) / height,
            max(at["w"] - 1.9, 1) / COLUMNS,
            max(at["h"] - 2.0, 0.6) / height,
        )
        _panel(figure.add_axes(box), one, store, fill)
    figure.savefig(to, dpi=70)
    plt.close(figure)


def _panel(axes: Axes, panel: Panel, store: Store, fill: Fill) -> None:
    axes.set_title(panel["title"], fontsize=10, loc="left")
    axes.tick_params(labelsize=8)
    DRAWN[panel["type"]](axes, panel, store, fill)


def _curves(axes: Axes, panel: Panel, store: Store, fill: Fill) -> None:
    custom = panel["fieldConfig"]["defaults"].get("custom", {})
    is_stack = custom.get("stacking", {}).get("mode") == "normal"
    colours = _colours(panel)
    found: list[tuple[str, dict[float, float]]] = []
    for target in panel["targets"]:
        for series in store.query_range(fill(target["expr"]), 45):
            values = {
                at - series["values"][0][0]: float(v) for at, v in series["values"]
            }
            found.append((_legend(target, series), values))
    if not found:
        axes.text(0.5, 0.5, "no data", ha="center", color="red")
    elif is_stack:
        times = sorted({at for _, values in found for at in values})
        rows = [[values.get(at, 0.0) for at in times] for _, values in found]
        names = [name for name, _ in found]
        shades = [colours.get(name) for name in names]
        known = [shade or f"C{i}" for i, shade in enumerate(shades)]
        axes.stackplot(times, rows, labels=names, colors=known)
    else:
        for name, values in found:
            axes.plot(list(values), list(values.values()), label=name, lw=1)
    if found:
        axes.legend(fontsize=7, loc="upper left", ncols=2)
        axes.set_ylim(bottom=0)


def _spans(axes: Axes, panel: Panel, store: Store, fill: Fill) -> None:
    """Draw a timeline: a row per series, a colour per value."""
    [mapping] = panel["fieldConfig"]["defaults"]["mappings"]
    [target] = panel["targets"]
    found = store.query_range(fill(target["expr"]), 45)
    for row, series in enumerate(found):
        began = series["values"][0][0]
        for at, value in series["values"]:
            shown = mapping["options"][value]
            axes.barh(row, 1, left=at - began, color=shown["color"])
    axes.set_yticks(range(len(found)), [_legend(target, one) for one in found])


def _bars(axes: Axes, panel: Panel, store: Store, fill: Fill) -> None:
    colours = _colours(panel)
    found = [
        (_legend(target, sample), float(sample["value"][1]))
        for target in panel["targets"]
        for sample in store.query(fill(target["expr"]))
    ][::-1]
    values = [value for _, value in found]
    shades = [colours.get(name, "#868e96") for name, _ in found]
    drawn = axes.barh(range(len(found)), values, color=shades)
    axes.set_yticks([])
    axes.set_xlim(0, max([*values, 1e-9]) * 1.8)
    axes.bar_label(
        drawn, [f" {name}  {value:.3g}" for name, value in found], fontsize=8
    )


def _number(axes: Axes, panel: Panel, store: Store, fill: Fill) -> None:
    axes.axis("off")
    found = [
        f"{_legend(target, sample)} {_amount(panel, float(sample['value'][1]))}".strip()
        for target in panel["targets"]
        for sample in store.query(fill(target["expr"]))
    ]
    size = 16 if len(found) == 1 else 9
    axes.text(0, 0.95, "\n".join(found) or "no data", fontsize=size, va="top")


def _table(axes: Axes, panel: Panel, store: Store, fill: Fill) -> None:
    """Draw a table as Grafana merges it: a row per set of labels."""
    axes.axis("off")
    [_, organize] = panel["transformations"]
    heads: Mapping[str, str] = organize["options"]["renameByName"]
    heads = {name: heads[name] for name in sorted(heads, key=_order(organize))}
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    labels = [name for name in heads if not name.startswith("Value")]
    for target in panel["targets"]:
        many = len(panel["targets"]) > 1
        column = f"Value #{target['refId']}" if many else "Value"
        for sample in store.query(fill(target["expr"])):
            key = tuple(sample["metric"].get(name, "") for name in labels)
            cells.setdefault(key, {})[column] = f"{float(sample['value'][1]):.4g}"
    values = [name for name in heads if name.startswith("Value")]
    text = [[*key, *(row.get(v, "") for v in values)] for key, row in cells.items()]
    drawn = axes.table(
        cellText=text[:8] or [[""] * len(heads)],
        colLabels=[heads[name] for name in (*labels, *values)],
        loc="upper left",
        cellLoc="left",
    )
    drawn.auto_set_font_size(value=False)
    drawn.set_fontsize(8)


def _order(organize: Panel) -> Callable[[str], int]:
    places: dict[str, int] = organize["options"]["indexByName"]
    return lambda name: places[name]


def _amount(panel: Panel, value: float) -> str:
    unit = panel["fieldConfig"]["defaults"].get("unit", "")
    if not math.isfinite(value):
        return str(value)
    return f"{value:.1%}" if unit == "percentunit" else f"{value:.4g} {unit}"


def _words(sample: Sample) -> str:
    metric = sample["metric"]
    return " ".join(value for name, value in metric.items() if name != "cluster")


def _legend(target: Mapping[str, Any], series: Sample) -> str:
    text: str = target.get("legendFormat", "")
    for name, value in series["metric"].items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text or _words(series)


def _colours(panel: Panel) -> dict[str, str]:
    return {
        override["matcher"]["options"]: one["value"]["fixedColor"]
        for override in panel["fieldConfig"].get("overrides", ())
        for one in override["properties"]
        if one["id"] == "color" and "fixedColor" in one["value"]
    }


DRAWN: Final[Mapping[str, Callable[[Axes, Panel, Store, Fill], None]]] = {
    "timeseries": _curves,
    "state-timeline": _spans,
    "bargauge": _bars,
    "stat": _number,
    "table": _table,
}
