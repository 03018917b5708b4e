"""What one metric is: its name, kind, labels, unit, help and how far to rely on it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a metric's values mean over time."""

    COUNTER = "counter"
    GAUGE = "gauge"
    INFO = "info"


class Stability(StrEnum):
    """What an upgrade may do to a metric."""

    STABLE = "stable"
    BETA = "beta"
    ALPHA = "alpha"


@dataclass(frozen=True, slots=True)
class Metric:
    """
    One line of the catalogue.

    Args:
        name: As it is exported; counters end in ``_total``.
        kind: An info metric is exported as a gauge that is always 1.
        labels: In the order in which their values are given.
        help: One or two sentences for the person who sees the number.
        unit: The base unit, ``""`` for plain counts.
        stability, since: What to expect of an upgrade, and the first version.
        in_ns: Values come as integer nanoseconds and are printed as exact seconds,
            because a float of 10^19 ns has lost its last digits.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    unit: str = ""
    stability: Stability = Stability.BETA
    since: str = "0.1.0"
    in_ns: bool = False

    @property
    def exposed_type(self) -> str:
        """Return the type as the text format 0.0.4 knows it."""
        return "counter" if self.kind is Kind.COUNTER else "gauge"


def counter(
    name: str, text: str, *labels: str, unit: str = "", in_ns: bool = False
) -> Metric:
    """Describe a number that only grows, except when the program restarts."""
    return Metric(name, Kind.COUNTER, labels, text, unit, in_ns=in_ns)


def gauge(
    name: str, text: str, *labels: str, unit: str = "", in_ns: bool = False
) -> Metric:
    """Describe a number that goes both ways."""
    return Metric(name, Kind.GAUGE, labels, text, unit, in_ns=in_ns)


def info(name: str, text: str, *labels: str) -> Metric:
    """Describe a series whose value is 1 and whose labels are the message."""
    return Metric(name, Kind.INFO, labels, text)
