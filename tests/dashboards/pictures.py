"""
Pictures of panels from real query results, for a person to look at; no Grafana.

``draw`` asks a store what each panel asks and draws it with Matplotlib: curves,
stacks, bars, numbers and tables, in the dashboard's order and colours. It shows
whether a panel says something, not what it looks like in Grafana.

    python -m tests.dashboards.pictures http://127.0.0.1:9090 --last-s 21600

draws every dashboard from a running store; ``make pictures`` starts one.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from dashboards.boards import BOARDS
from dashboards.palette import CALLED
from dashboards.soundness import panels
from tests.dashboards.look import (
    Look,
    Panel,
    amount,
    empty,
    legend,
    units,
    written,
)
from tests.dashboards.shown import board
from tests.dashboards.stores import Store

COLUMNS: Final = 24
UNIT: Final = 0.62
"""Inches per unit of Grafana's grid."""


def draw(dashboard: Mapping[str, Any], look: Look, to: Path) -> None:
    """
    Draw a dashboard's panels into one picture.

    Args:
        dashboard: Its JSON.
        look: Whom to ask, and of when.
        to: The picture's file.
    """
    shown = list(panels(dict(dashboard)))
    height = max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in shown)
    figure = plt.figure(figsize=(COLUMNS * UNIT, height * UNIT))
    for one in dashboard["panels"]:
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
        _panel(figure.add_axes(box), one, look)
    figure.savefig(to, dpi=70)
    plt.close(figure)


def _panel(axes: Axes, panel: Panel, look: Look) -> None:
    axes.set_title(panel["title"], fontsize=10, loc="left")
    axes.tick_params(labelsize=8)
    DRAWN[panel["type"]](axes, panel, look)


def _curves(axes: Axes, panel: Panel, look: Look) -> None:
    custom = panel["fieldConfig"]["defaults"].get("custom", {})
    is_stack = custom.get("stacking", {}).get("mode") == "normal"
    colours = _colours(panel)
    found: list[tuple[str, dict[float, float]]] = []
    for target in panel["targets"]:
        for series in look.over_time(target):
            values = {look.since(at): float(value) for at, value in series["values"]}
            found.append((legend(target, series), values))
    if not found:
        _nothing(axes, panel)
    elif is_stack:
        times = sorted({at for _, values in found for at in values})
        rows = [[values.get(at, 0.0) for at in times] for _, values in found]
        names = [name for name, _ in found]
        shades = [colours.get(name) for name in names]
        known = [shade or f"C{i}" for i, shade in enumerate(shades)]
        names = [CALLED.get(name, name) for name in names]
        axes.stackplot(times, rows, labels=names, colors=known)
    else:
        for name, values in found:
            colour = next(
                (hue for like, hue in colours.items() if re.match(like[1:-1], name)),
                None,
            )
            axes.plot(
                list(values), list(values.values()), label=name, lw=1, color=colour
            )
    if found:
        axes.legend(
            fontsize=7,
            loc="upper left",
            bbox_to_anchor=(0, -0.12),
            ncols=4,
            frameon=False,
        )
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda value, _: amount(panel, value))


def _spans(axes: Axes, panel: Panel, look: Look) -> None:
    """Draw a timeline: a row per series, a colour per value."""
    [mapping] = panel["fieldConfig"]["defaults"]["mappings"]
    [target] = panel["targets"]
    found = look.over_time(target)
    width = max(1, look.range_s // 300) / 60
    for row, series in enumerate(found):
        for at, value in series["values"]:
            shown = mapping["options"][value]
            axes.barh(row, width, left=look.since(at), color=shown["color"])
    axes.set_yticks(range(len(found)), [legend(target, one) for one in found])


def _bars(axes: Axes, panel: Panel, look: Look) -> None:
    colours = _colours(panel)
    found = [
        (legend(target, sample), float(sample["value"][1]))
        for target in panel["targets"]
        for sample in look.now(target)
    ][::-1]
    values = [value for _, value in found]
    shades = [colours.get(name, "#868e96") for name, _ in found]
    found = [(CALLED.get(name, name), value) for name, value in found]
    drawn = axes.barh(range(len(found)), values, color=shades)
    axes.set_yticks([])
    axes.set_xlim(0, max([*values, 1e-9]) * 1.8)
    said = [f" {name}  {amount(panel, value)}" for name, value in found]
    axes.bar_label(drawn, said, fontsize=8)
    axes.set_xticks([])
    if not found:
        _nothing(axes, panel)


def _number(axes: Axes, panel: Panel, look: Look) -> None:
    axes.axis("off")
    samples = [(one, sample) for one in panel["targets"] for sample in look.now(one)]
    found = [
        f"{legend(one, sample) if len(samples) > 1 else ''} "
        f"{amount(panel, float(sample['value'][1]))}".strip()
        for one, sample in samples
    ]
    size = 16 if len(found) == 1 else 9
    axes.text(0, 0.95, "\n".join(found) or empty(panel), fontsize=size, va="top")


def _table(axes: Axes, panel: Panel, look: Look) -> None:
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
        for sample in look.now(target):
            key = tuple(sample["metric"].get(name, "") for name in labels)
            cells.setdefault(key, {})[column] = sample["value"][1]
    values = [name for name in heads if name.startswith("Value")]
    text = [[*key, *(row.get(v, "") for v in values)] for key, row in cells.items()]
    for order in panel.get("options", {}).get("sortBy", ()):
        place = [heads[name] for name in (*labels, *values)].index(order["displayName"])
        text.sort(key=lambda row: -float(row[place] or 0))
    unit_of = units(panel)
    text = [
        [
            written(cell, unit_of.get(heads[name], "")) if name in values else cell
            for name, cell in zip((*labels, *values), row, strict=True)
        ]
        for row in text
    ]
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


def _nothing(axes: Axes, panel: Panel) -> None:
    axes.text(0.5, 0.5, empty(panel), ha="center", transform=axes.transAxes)


def _colours(panel: Panel) -> dict[str, str]:
    return {
        override["matcher"]["options"]: one["value"]["fixedColor"]
        for override in panel["fieldConfig"].get("overrides", ())
        for one in override["properties"]
        if one["id"] == "color" and "fixedColor" in one["value"]
    }


DRAWN: Final[Mapping[str, Callable[[Axes, Panel, Look], None]]] = {
    "timeseries": _curves,
    "state-timeline": _spans,
    "bargauge": _bars,
    "stat": _number,
    "table": _table,
}


def main() -> None:
    """Draw every dashboard from a running store."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("store", help="the address of a Prometheus or a like store")
    parser.add_argument("--last-s", type=int, default=6 * 3600, help="seconds")
    parser.add_argument("--run", default=".*", help="a pattern of runs")
    parser.add_argument("--out", type=Path, default=Path("build/panels"))
    said = parser.parse_args()
    said.out.mkdir(parents=True, exist_ok=True)
    look = Look(Store("store", said.store), said.last_s, said.run)
    for one in BOARDS:
        draw(board(one.uid), look, said.out / f"{one.uid}.png")


if __name__ == "__main__":
    main()
