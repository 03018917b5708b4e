"""
Whether a query can mean anything: its names, labels and values, against the catalogue.

A query over a name that nobody exports is valid PromQL and returns nothing,
for ever. So every query of every panel and rule is read here, by a parser of
Prometheus' own grammar, and each label is followed from the selector to where
it is used. This is the one door to that parser.
"""

from __future__ import annotations

import re
from typing import Any, Final

import promql_parser as promql

from dashboards.vocabulary import CLUSTER, TARGET_LABELS, Series, Vocabulary

STAND_INS: Final = (
    (r"\$__rate_interval", "5m"),
    (r"\$__interval", "1m"),
    (r"\$__range_s", "3600"),
    (r"\$__range", "1h"),
    (r"\$gpu_hour_price", "2"),
)
"""What the parser reads in place of what Grafana fills in outside of strings."""

_VARIABLE: Final = re.compile(r"\$\w+|\$\{\w+\}")
Labels = frozenset[str]
NO_LABELS: Final[Labels] = frozenset()


def filled_in(query: str) -> str:
    """Return a query with Grafana's durations and numbers filled in."""
    for pattern, value in STAND_INS:
        query = re.sub(pattern, value, query)
    return query


def complaints(query: str, vocabulary: Vocabulary) -> list[str]:
    """Return what is wrong with a query, in words; nothing if it is sound."""
    return Reading(query, vocabulary).wrong


def labels_of(query: str, vocabulary: Vocabulary) -> Labels:
    """Return the labels that the result of a query can have."""
    return Reading(query, vocabulary).labels


def names_in(query: str) -> set[str]:
    """Return the names that a query reads."""
    found: set[str] = set()

    def visit(expr: promql.Expr) -> None:
        if isinstance(expr, promql.VectorSelector) and expr.name:
            found.add(expr.name)

    promql.walk(promql.parse(filled_in(query)), pre_visit=visit)
    return found


def bare_counters(query: str) -> set[str]:
    """Return the counters that a query reads as they are, and not how they grow."""
    found: list[str] = []
    grown: list[str] = []

    def visit(expr: promql.Expr) -> None:
        if isinstance(expr, promql.MatrixSelector):
            grown.append(expr.vector_selector.prettify())
        if isinstance(expr, promql.VectorSelector):
            found.append(expr.prettify())

    promql.walk(promql.parse(filled_in(query)), pre_visit=visit)
    # A range selector's own selector is visited, too.
    for selector in grown:
        found.remove(selector)
    names = {re.split(r"[{ ]", selector)[0] for selector in found}
    return {name for name in names if name.endswith("_total")}


class Reading:
    """
    One query, read.

    Args:
        query: PromQL, with Grafana's variables.
        vocabulary: What is exported or recorded.
    """

    def __init__(self, query: str, vocabulary: Vocabulary) -> None:
        self.wrong: list[str] = []
        self._vocabulary = vocabulary
        try:
            tree = promql.parse(filled_in(query))
        except ValueError as exc:
            self.wrong.append(f"does not parse: {exc}")
            self.labels = NO_LABELS
            return
        self.labels = self._follow(tree)

    def _follow(self, expr: Any) -> Labels:  # noqa: ANN401 - the parser's nodes have no common shape
        match expr:
            case promql.VectorSelector():
                found = self._selector(expr)
            case promql.MatrixSelector():
                found = self._selector(expr.vector_selector)
            case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
                found = self._follow(expr.expr)
            case promql.AggregateExpr():
                found = self._aggregate(expr)
            case promql.BinaryExpr():
                found = self._binary(expr)
            case promql.Call():
                found = self._call(expr)
            case _:
                found = NO_LABELS
        return found

    def _selector(self, selector: promql.VectorSelector) -> Labels:
        name = selector.name or ""
        series = self._vocabulary.get(name)
        if series is None:
            self.wrong.append(f"nobody exports or records {name or selector}")
            return NO_LABELS
        for matcher in selector.matchers.matchers:
            self._matcher(name, series, matcher)
        return series.labels

    def _matcher(self, name: str, series: Series, matcher: promql.Matcher) -> None:
        if matcher.name not in series.labels:
            self.wrong.append(f"{name} has no label {matcher.name}")
        values = _VARIABLE.sub("", matcher.value)
        if matcher.name in TARGET_LABELS and values:
            self.wrong.append(
                f"{name} is asked for {matcher.name}={matcher.value}, which is set by "
                "whoever scrapes"
            )
        closed = series.closed.get(matcher.name)
        if closed is None or not values:
            return
        for value in values.split("|"):
            if value not in closed and not _matches_some(value, closed):
                self.wrong.append(f"{name} has no {matcher.name}={value}")

    def _aggregate(self, expr: promql.AggregateExpr) -> Labels:
        inner = self._follow(expr.expr)
        if expr.modifier is None:
            return inner if str(expr.op) in {"topk", "bottomk"} else NO_LABELS
        named = frozenset(expr.modifier.labels)
        self._known(named, inner, "groups by")
        if str(expr.op) in {"topk", "bottomk"}:
            return inner
        if expr.modifier.type == promql.AggModifierType.By:
            return named
        return inner - named

    def _binary(self, expr: promql.BinaryExpr) -> Labels:
        left, right = self._follow(expr.lhs), self._follow(expr.rhs)
        modifier = expr.modifier
        if str(expr.op) == "or":
            return left | right
        if modifier is None or modifier.matching is None:
            return left or right
        named = frozenset(modifier.matching.labels)
        if modifier.matching.type == promql.LabelModifierType.Include:
            self._known(named, left, "joins the left side on")
            self._known(named, right, "joins the right side on")
        carried = frozenset(modifier.group_labels or ())
        if modifier.card == promql.VectorMatchCardinality.ManyToOne:
            self._known(carried, right, "takes over")
            return left | carried
        return left

    def _call(self, expr: promql.Call) -> Labels:
        found = NO_LABELS
        for arg in expr.args:
            found |= self._follow(arg)
        if expr.func.name == "label_replace":
            found |= {expr.args[1].val}
        return found

    def _known(self, named: Labels, there: Labels, does: str) -> None:
        missing = sorted(named - there - {CLUSTER})
        if missing:
            self.wrong.append(f"{does} {', '.join(missing)}, which is not there")


def _matches_some(pattern: str, values: frozenset[str]) -> bool:
    """Tell whether a pattern with a wildcard fits a value of a closed set."""
    return "*" in pattern and any(re.fullmatch(pattern, value) for value in values)
