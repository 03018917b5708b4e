"""The same rules with their durations divided: a test cannot wait for an hour."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from dashboards.rules.rule import Alert, Condition, Group, Recording
from dashboards.rules.written import GROUPS

SECONDS_OF: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
DURATION: Final = re.compile(r"(?P<before>\[|offset )(?P<n>\d+)(?P<unit>[smhd])\b")
YOUNGER: Final = re.compile(r"(?<=> time\(\) - )\d+")
OLDER: Final = re.compile(r"> (?P<n>\d+)")
AGE: Final = "time() - "
OF_RUNS: Final = frozenset({"goodput-outcome", "goodput-runs"})
"""Only runs live in hurried time; watches and pushes are as slow as ever."""
EVERY: Final = "1s"


def hurried(factor: int) -> tuple[Group, ...]:
    """
    Return all rules as for runs that live *factor* times as fast.

    Divided are windows, offsets, how long an alert must last, and the age that a
    run must have. Names, labels and all other bounds stay: an hour's ratio is
    still called so, and what counts is that no expression is another one.
    """
    return tuple(
        Group(group.name, EVERY, tuple(_rules(group, factor))) for group in GROUPS
    )


def shortened(duration: str, factor: int) -> str:
    """Return a duration such as ``10m`` divided, in milliseconds; 0 stays 0."""
    return f"{int(duration[:-1]) * SECONDS_OF[duration[-1]] * 1000 // factor}ms"


def _rules(group: Group, factor: int) -> Iterator[Recording | Alert]:
    ages = factor if group.name in OF_RUNS else 1
    for rule in group.rules:
        if isinstance(rule, Recording):
            yield replace(rule, expr=_windows(rule.expr, factor))
            continue
        yield replace(
            rule,
            main=_sooner(rule.main, factor, ages),
            also=tuple(_sooner(one, factor, ages) for one in rule.also),
            unless=tuple(_sooner(one, factor, ages) for one in rule.unless),
            lasting=shortened(rule.lasting, factor),
        )


def _sooner(one: Condition, factor: int, ages: int) -> Condition:
    signal = _windows(one.signal, factor)
    if AGE not in signal:
        return replace(one, signal=signal)
    bound = OLDER.sub(lambda found: f"> {int(found['n']) / ages:g}", one.bound)
    return replace(one, signal=signal, bound=bound)


def _windows(expr: str, factor: int) -> str:
    divided = DURATION.sub(
        lambda found: found["before"] + shortened(found["n"] + found["unit"], factor),
        expr,
    )
    return YOUNGER.sub(lambda found: f"{int(found[0]) / factor:g}", divided)
