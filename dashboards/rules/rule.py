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

    @property
    def expr(self) -> str:
        """Return the whole condition as PromQL."""
        shared = f"on ({', '.join(self.on)})"
        lines = [self.main.expr]
        lines += [f"and {shared} ({one.expr})" for one in self.also]
        lines += [f"unless {shared} ({one.expr})" for one in self.unless]
        return "\n".join(lines)

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
