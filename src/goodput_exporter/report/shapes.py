"""What a report's pictures are made of: boxes, words, lines and legends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WIDTH: Final = 960


@dataclass(frozen=True, slots=True)
class Box:
    """
    One rectangle.

    Args:
        kind: Its class, which colours it.
        title: What a reader sees on pointing at it.
    """

    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """One word or figure; *anchor* is ``start``, ``middle`` or ``end``."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """One line of a legend."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Picture:
    """
    One picture.

    Args:
        name: What it shows, for who cannot see it.
        lines: Points that are joined; a gap starts a new line.
        rules: Heights of horizontal lines.
    """

    name: str
    height: float
    boxes: tuple[Box, ...] = ()
    texts: tuple[Text, ...] = ()
    keys: tuple[Key, ...] = ()
    lines: tuple[tuple[tuple[float, float], ...], ...] = ()
    rules: tuple[float, ...] = ()
    width: int = WIDTH
