"""What a recording rule, an alert and an inhibition are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

NO_LABELS: Final[Mapping[str, str]] = MappingProxyType({})


class Severity(StrEnum):
    """Who is told, and how soon."""

    PAGE = "critical"
    """Somebody has to act now: GPU time is being lost, or nobody can tell."""
    TICKET = "warning"
    """Somebody has to act this week."""
    NONE = "none"
    """Nobody: the Watchdog, which proves that alerts arrive."""


@dataclass(frozen=True, slots=True)
class Recording:
    """
    A series that Prometheus computes ahead of time.

    Args:
        name: ``level:metric:operation``.
        expr: PromQL.
        labels: That every series of it gets.
    """

    name: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=lambda: NO_LABELS)


@dataclass(frozen=True, slots=True)
class Condition:
    """
    One side of an alert: a signal that healthy days have too, and its bound.

    Kept apart so that a test can ask for the signal, which must exist, where the
    alert as a whole is silent.

    Args:
        signal: PromQL; its value is the number that people are told.
        bound: A comparison, such as ``"> 3"``; empty where any sample is bad.
        rare: Why a healthy system has no series of this signal; empty if it has.
    """

    signal: str
    bound: str = ""
    rare: str = ""

    @property
    def expr(self) -> str:
        """Return the condition as PromQL."""
        return f"({self.signal}) {self.bound}" if self.bound else self.signal


@dataclass(frozen=True, slots=True)
class LookUp:
    """
    What else a person is told: the first answer to a query of its own.

    Asked when the alert is sent. As labels, the answers would make a new alert of
    it whenever another run, cause or state is the largest; as text they do not.
    Where nothing is found, nothing is said.

    Args:
        query: PromQL, with ``{=}`` behind the name of each label of *on* in selectors.
        on: Labels of the alert that selectors ask for.
        says: The sentence, in Prometheus' template language; the dot is the answer.
    """

    query: str
    on: tuple[str, ...]
    says: str

    @property
    def signal(self) -> str:
        """Return the query for any alert, as PromQL with a variable for "any"."""
        return self._with('=~"$any"')

    @property
    def template(self) -> str:
        """Return the sentence as a part of a summary."""
        values = " ".join(f"$labels.{label}" for label in self.on)
        asked = f"printf `{self._with('=%q')}` {values} | query"
        said = f"{{{{ with first . }}}} {self.says}{{{{ end }}}}"
        return f"{{{{ with {asked} }}}}{said}{{{{ end }}}}"

    def _with(self, matcher: str) -> str:
        return self.query.replace("{=}", matcher)


@dataclass(frozen=True, slots=True)
class Alert:
    """
    Something that a person is told, and what to do.

    Args:
        name: Also the anchor in the runbook, in small letters.
        severity: Who is told.
        main: The condition whose value and labels the alert has.
        also: Other conditions that must hold, on the labels *on*.
        unless: Conditions that must not hold, on the labels *on*.
        on: What the conditions share.
        lasting: For how long before it fires; ``"0m"`` at once.
        summary: One sentence with numbers, in Prometheus' template language.
        first: The first thing to do.
        look_ups: What the summary says besides, such as the run that lost most.
    """

    name: str
    severity: Severity
    main: Condition
    summary: str
    first: str
    also: tuple[Condition, ...] = ()
    unless: tuple[Condition, ...] = ()
    on: tuple[str, ...] = ()
    lasting: str = "0m"
    labels: Mapping[str, str] = field(default_factory=lambda: NO_LABELS)
    look_ups: tuple[LookUp, ...] = ()

    @property
    def expr(self) -> str:
        """Return the whole condition as PromQL."""
        shared = f"on ({', '.join(self.on)})"
        lines = [self.main.expr]
        lines += [f"and {shared} ({one.expr})" for one in self.also]
        lines += [f"unless {shared} ({one.expr})" for one in self.unless]
        return "\n".join(lines)

    @property
    def told(self) -> str:
        """Return the summary and what is looked up for it."""
        return self.summary + "".join(one.template for one in self.look_ups)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Return every condition."""
        return (self.main, *self.also, *self.unless)


@dataclass(frozen=True, slots=True)
class Group:
    """
    Rules that are evaluated one after the other.

    Args:
        name: Of the group.
        interval: How often; must stay below Prometheus' look-back of 5 minutes,
            or what it records has holes.
        rules: In order; a later one may read an earlier one.
    """

    name: str
    interval: str
    rules: tuple[Recording | Alert, ...]


@dataclass(frozen=True, slots=True)
class Inhibition:
    """
    An alert that makes others needless while it fires.

    Args:
        source: The name of the alert that says more.
        targets: The alerts that it silences.
        equal: The labels on which both must agree.
        why: In a sentence.
    """

    source: str
    targets: tuple[str, ...]
    equal: tuple[str, ...]
    why: str
