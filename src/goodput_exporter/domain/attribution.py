"""Why a rank ended: an ordered list of rules, as data; the first that holds decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from goodput_exporter.domain.states import Cause

CRASH_SIGNALS: Final = frozenset({4, 6, 7, 8, 11})
"""SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV: raised by the program's own doing."""
SIGINT: Final = 2
SIGTERM: Final = 15


@dataclass(frozen=True, slots=True)
class Ending:
    """
    What was seen of the first rank to end.

    Args:
        stalled: The run had stopped making progress before.
        said_bye: The program said goodbye, and did not call it a normal end.
        exit_code: What it returned, or minus the signal; None unknown.
        detail: The observation, for people.
    """

    stalled: bool
    said_bye: bool
    exit_code: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: if *holds*, the cause is *cause*, and *id* is kept with it."""

    id: str
    cause: Cause
    holds: Callable[[Ending], bool]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A cause, the rule that named it, and what it rests on."""

    cause: Cause
    rule: str
    evidence: tuple[str, ...]


RULES: Final = (
    Rule("stalled-before-the-end", Cause.HANG, lambda seen: seen.stalled),
    Rule(
        "crash-signal",
        Cause.APPLICATION_ERROR,
        lambda seen: seen.exit_code is not None and -seen.exit_code in CRASH_SIGNALS,
    ),
    Rule("interrupted-by-hand", Cause.USER, lambda seen: seen.exit_code == -SIGINT),
    Rule(
        "terminated", Cause.APPLICATION_ERROR, lambda seen: seen.exit_code == -SIGTERM
    ),
    Rule(
        "exit-code",
        Cause.APPLICATION_ERROR,
        lambda seen: seen.exit_code is not None and seen.exit_code > 0,
    ),
    Rule("program-said-so", Cause.APPLICATION_ERROR, lambda seen: seen.said_bye),
    Rule("nothing-seen", Cause.UNKNOWN, lambda _: True),
)


def attribute(seen: Ending) -> Verdict:
    """Name the cause of an interruption by the first rule that holds."""
    rule = next(rule for rule in RULES if rule.holds(seen))
    return Verdict(rule.cause, rule.id, (seen.detail,) if seen.detail else ())
