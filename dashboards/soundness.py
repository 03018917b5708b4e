"""Every query of the rules and of a dashboard's JSON, and what is wrong with any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from dashboards.checking import complaints, labels_of, names_in
from dashboards.rules.rule import Alert, Group, Recording
from dashboards.rules.written import ALERTS, GROUPS, RECORDINGS
from dashboards.vocabulary import CLOSED, EXCEPT, Series, Vocabulary, exported


def vocabulary() -> dict[str, Series]:
    """Return what is exported, and what the recording rules add, in their order."""
    known = exported()
    for rule in RECORDINGS:
        known[rule.name] = _recorded(rule, known)
    return known


def _recorded(rule: Recording, known: Vocabulary) -> Series:
    labels = labels_of(rule.expr, known) | frozenset(rule.labels)
    closed = {label: CLOSED[label] for label in labels & CLOSED.keys()}
    if ":goodput_ratio:" in rule.name:
        ratios = EXCEPT["goodput_run_ratio", "layer"]
        closed["layer"] = ratios or frozenset()
    return Series(labels, closed)


def rule_queries() -> Iterator[tuple[str, str]]:
    """Yield every rule's name and expression, and what its parts ask by themselves."""
    for group in GROUPS:
        for rule in group.rules:
            yield rule.name, rule.expr
    for alert in ALERTS:
        for condition in alert.conditions:
            yield alert.name, condition.signal
        for look_up in alert.look_ups:
            yield f"{alert.name} looks up", look_up.signal


def needed_by(alert: Alert) -> tuple[list[Group], set[str]]:
    """Return the rules that an alert needs, itself last, and what these read."""
    names = names_in(alert.expr).union(
        *(names_in(one.signal) for one in alert.look_ups)
    )
    kept: list[Group] = []
    for group in reversed(GROUPS):
        rules: list[Recording | Alert] = []
        for rule in reversed(group.rules):
            if rule == alert:
                rules.append(rule)
            elif isinstance(rule, Recording) and rule.name in names:
                names |= names_in(rule.expr)
                rules.append(rule)
        if rules:
            kept.append(replace(group, rules=tuple(reversed(rules))))
    return kept[::-1], names


def panel_queries(board: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every panel's title and query, and those of variables and annotations."""
    for panel in panels(board):
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for note in board["annotations"]["list"]:
        if "expr" in note:
            yield f"annotation {note['name']}", note["expr"]


def panels(board: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every panel, those in rows too, but no row."""
    for panel in board["panels"]:
        yield from panel.get("panels", ())
        if panel["type"] != "row":
            yield panel


def faults(queries: Iterator[tuple[str, str]]) -> list[str]:
    """Return what is wrong with any of some queries, with where it stands."""
    known = vocabulary()
    return [
        f"{where}: {wrong}: {query}"
        for where, query in queries
        for wrong in complaints(query, known)
    ]
