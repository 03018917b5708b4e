"""The palette under the common kinds of colour blindness."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import Final

import pytest

from goodput_exporter.exposition.pages import WEB

# Severity 1.0, linear RGB. Source: Machado, Oliveira, Fernandes, "A
# physiologically-based model for simulation of color vision deficiency", 2009.
SIGHTS: Final = {
    "full": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
TO_XYZ: Final = (
    (0.4124, 0.3576, 0.1805),
    (0.2126, 0.7152, 0.0722),
    (0.0193, 0.1192, 0.9505),
)
WHITE: Final = (0.9505, 1.0, 1.089)
CLEARLY_APART: Final = 15
"""CIE76 distance; 2.3 is just noticeable side by side."""

Triple = tuple[float, float, float]


def colours(scheme: str) -> dict[str, str]:
    """Return the colour of every state in one scheme."""
    css = (WEB / "static" / "page.css").read_text()
    dark = css.index("prefers-color-scheme: dark")
    part = css[:dark] if scheme == "light" else css[dark:]
    return dict(re.findall(r"--state-([a-z-]+): (#[0-9a-f]{6})", part))


def distance(one: str, other: str, sight: str) -> float:
    """Return how far apart two colours are to a kind of sight, in CIELAB."""
    return math.dist(_lab(one, sight), _lab(other, sight))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("sight", SIGHTS)
def test_progress_is_told_from_every_loss(scheme: str, sight: str) -> None:
    """Nobody takes lost time for progress, whatever colours they see."""
    palette = colours(scheme)
    progress = palette.pop("productive")

    near = {
        state: round(distance(progress, colour, sight), 1)
        for state, colour in palette.items()
        if distance(progress, colour, sight) < CLEARLY_APART
    }
    assert near == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("sight", SIGHTS)
def test_the_parts_of_a_crash_are_told_apart(scheme: str, sight: str) -> None:
    """Cut off, down, starting, restoring, redoing: neighbours in the bar differ."""
    palette = colours(scheme)
    order = ["interrupted", "down", "initializing", "restoring", "recomputing"]

    near = [
        pair
        for pair in pairwise(order)
        if distance(palette[pair[0]], palette[pair[1]], sight) < CLEARLY_APART
    ]
    assert near == []


def _lab(colour: str, sight: str) -> Triple:
    linear = _linear(colour)
    seen = _times(SIGHTS[sight], linear)
    x, y, z = (
        _bend(max(0.0, value) / white)
        for value, white in zip(_times(TO_XYZ, seen), WHITE, strict=True)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _linear(colour: str) -> Triple:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return _undo_gamma(red), _undo_gamma(green), _undo_gamma(blue)


def _undo_gamma(value: float) -> float:
    return (
        value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)
    )


def _bend(value: float) -> float:
    return float(value ** (1 / 3)) if value > 0.008856 else 7.787 * value + 16 / 116


def _times(matrix: tuple[Triple, ...], vector: Triple) -> Triple:
    a, b, c = (sum(m * v for m, v in zip(row, vector, strict=True)) for row in matrix)
    return a, b, c
