"""What a setting means to the person who sets it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """
    What a field means to the person who sets it; the reference page prints it.

    Args:
        meaning: One or two sentences, for ``--help`` and the reference page.
        unit: The unit of a number; empty for text.
        at_least, at_most: Inclusive bounds of a number.
        choices: The only values of a text, where there are few.
        default_text: The default in words, where it depends on the machine.
    """

    meaning: str
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None
    choices: tuple[str, ...] = ()
    default_text: str = ""


def in_seconds(meaning: str, *, at_least: float = 0) -> Setting:
    """Describe a length of time in seconds."""
    return Setting(meaning, unit="seconds", at_least=at_least)
