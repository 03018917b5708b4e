"""
A dashboard: its variables, links, annotations and rows of panels, as JSON.

One text works both ways: imported by hand and provisioned from a file. So the
datasource is a variable, there is no ``__inputs`` and no ``id``, and the uid
is fixed, for links to lead somewhere.

Source:
    grafana issue 10786: provisioning does not fill in ``__inputs``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from dashboards.panels import DATASOURCE, AnyPanel

TAG: Final = "goodput"
ALL: Final = ".*"
"""Also fits a label that is not there: a store of one cluster has no cluster."""


@dataclass(frozen=True, slots=True)
class Choice:
    """
    A variable whose values are those of a label.

    Args:
        name: As queries write it, without the dollar.
        label: As the reader sees it.
        query: ``label_values(series, label)``.
        all_value: What "All" stands for; None is every value in the list, so that a
            choice before it (the team) narrows it down.
        has_all: "All" can be chosen, and is at first; else the first of the list is.
    """

    name: str
    label: str
    query: str
    all_value: str | None = ALL
    has_all: bool = True


CLUSTER: Final = Choice(
    "cluster", "Cluster", "label_values(goodput_build_info, cluster)"
)
NAMESPACE: Final = Choice(
    "namespace",
    "Namespace",
    'label_values(goodput_run_owner_info{cluster=~"$cluster"}, run_namespace)',
)
TEAM: Final = Choice(
    "team",
    "Team",
    'label_values(goodput_run_owner_info{cluster=~"$cluster",'
    'run_namespace=~"$namespace"}, team)',
)
RUN: Final = Choice(
    "run",
    "Run",
    'label_values(goodput_run_owner_info{cluster=~"$cluster",'
    'run_namespace=~"$namespace",team=~"$team"}, run)',
    all_value=None,
)
NODE: Final = Choice(
    "node", "Node", 'label_values(goodput_node_gpus{cluster=~"$cluster"}, gpu_node)'
)
OF_RUNS: Final = (CLUSTER, NAMESPACE, TEAM, RUN)


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: Sequence[AnyPanel]


@dataclass(frozen=True, slots=True)
class Note:
    """
    What is marked on every panel's time axis.

    Args:
        name: Of the annotation.
        expr: A mark where it is above 0.
        title: Of a mark, from the series' labels.
    """

    name: str
    expr: str
    title: str


@dataclass(frozen=True, slots=True)
class Board:
    """
    One dashboard.

    Args:
        uid: Fixed; links and bookmarks rest on it.
        title, text: What it is called and what it answers.
        choices: Its variables, besides the datasource.
        rows: From the top.
        notes: Its annotations.
        inputs: Variables that a person types: name, label and default.
    """

    uid: str
    title: str
    text: str
    choices: Sequence[Choice]
    rows: Sequence[Row]
    notes: Sequence[Note] = ()
    inputs: Sequence[tuple[str, str, str]] = ()


def written(board: Board) -> str:
    """Return the dashboard's JSON, the same text for the same board."""
    built = json.loads(json.dumps(_built(board), cls=JSONEncoder))
    _number(built)
    _complete(built, board)
    return json.dumps(built, indent=1, sort_keys=True) + "\n"


def _built(board: Board) -> model.Dashboard:
    dashboard = (
        build.Dashboard(board.title)
        .uid(board.uid)
        .description(board.text)
        .tags([TAG])
        .readonly()
        .refresh("1m")
        .time("now-6h", "now")
        .timezone("browser")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .with_variable(
            build.DatasourceVariable("datasource")
            .label("Data source")
            .type("prometheus")
        )
        .link(
            build.DashboardLink("Goodput")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(as_dropdown=True)
            .include_vars(include_vars=True)
            .keep_time(keep_time=True)
        )
    )
    for choice in board.choices:
        dashboard = dashboard.with_variable(_variable(choice))
    for name, label, default in board.inputs:
        dashboard = dashboard.with_variable(
            build.TextBoxVariable(name).label(label).default_value(default)
        )
    for note in board.notes:
        dashboard = dashboard.annotation(_annotation(note))
    for row in board.rows:
        dashboard = dashboard.with_row(build.Row(row.title))
        for panel in row.panels:
            dashboard = dashboard.with_panel(panel)
    return dashboard.build()


def _variable(choice: Choice) -> build.QueryVariable:
    variable = (
        build.QueryVariable(choice.name)
        .label(choice.label)
        .datasource(DATASOURCE)
        .query({"query": choice.query, "refId": f"variable-{choice.name}"})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=choice.has_all)
    )
    if not choice.has_all:
        return variable
    variable = variable.current(
        model.VariableOption(selected=True, text=["All"], value=["$__all"])
    )
    if choice.all_value is None:
        return variable
    return variable.all_value(choice.all_value)


def _annotation(note: Note) -> build.AnnotationQuery:
    return (
        build.AnnotationQuery()
        .name(note.name)
        .datasource(DATASOURCE)
        .expr(note.expr)
        .enable(enable=True)
        .icon_color("#e03131")
    )


def _number(built: dict[str, Any]) -> None:
    """Give panels ids that are unique in the dashboard, as an import needs them."""
    for number, panel in enumerate(built["panels"], start=1):
        panel["id"] = number


def _complete(built: dict[str, Any], board: Board) -> None:
    """Add what the SDK has no builder for: titles of marks, and letters of queries."""
    titles: Mapping[str, str] = {note.name: note.title for note in board.notes}
    marks = built.setdefault("annotations", {}).setdefault("list", [])
    for mark in marks:
        mark["titleFormat"] = titles[mark["name"]]
        mark["useValueForTime"] = False
    for panel in built["panels"]:
        for letter, target in zip(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ", panel.get("targets", ()), strict=False
        ):
            target["refId"] = target.get("refId") or letter
