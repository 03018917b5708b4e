"""How figures and names read, on the page and in reports alike."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Layer, RunState

ABSENT: Final = "–"
"""Where a figure is not known; a CSV field is empty instead."""

MINUTE_S: Final = 60
HOUR_S: Final = 3_600
DAY_S: Final = 86_400

STATE_NAME: Final = MappingProxyType(
    {state.value: state.value.replace("_", " ") for state in RunState}
)
LAYER_NAME: Final = MappingProxyType(
    {
        Layer.OUTSIDE.value: "outside the layers",
        Layer.INFRASTRUCTURE.value: "infrastructure",
        Layer.FRAMEWORK.value: "framework",
        Layer.MODEL.value: "model",
        Layer.GOOD.value: "progress",
        Layer.NONE.value: "nobody saw it",
    }
)


def percent(ratio: float | None, digits: int = 1) -> str:
    """
    Return a ratio as a percentage; None is a dash, never zero.

    What is not quite nothing is not shown as 0, nor what is not quite all as 100.
    """
    if ratio is None:
        return ABSENT
    text = f"{ratio * 100:.{digits}f}"
    smallest = 10.0**-digits
    if ratio > 0 and float(text) == 0:
        return f"<{smallest:.{digits}f} %"
    if ratio < 1 and float(text) == 100:  # noqa: PLR2004 - per cent
        return f">{100 - smallest:.{digits}f} %"
    return f"{text} %"


def duration(seconds: float | None) -> str:
    """Return a length of time in the two largest units that matter: ``4 h 12 min``."""
    if seconds is None:
        return ABSENT
    if round(seconds, 1) < MINUTE_S:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    if whole < HOUR_S:
        return f"{whole // MINUTE_S} min {whole % MINUTE_S:02d} s"
    minutes = whole // MINUTE_S
    if whole < DAY_S:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = whole // HOUR_S
    return f"{hours // 24:,} d {hours % 24} h"


def lasting(ns: int | None) -> str:
    """Return nanoseconds as ``duration`` does; None is a dash."""
    return duration(None if ns is None else ns / NS_PER_SECOND)


def shown(text: str) -> str:
    r"""
    Return *text* with every character that a reader cannot see written out.

    A run's name and its evidence come from senders. Control characters,
    bidirectional overrides and lone surrogates become ``\uXXXX``, so that two
    names that differ also look different, and none can reorder the line around
    it or begin a new one.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - the last code point of four digits
