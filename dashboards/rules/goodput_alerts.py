"""Alerts about the outcome: the share of GPU time that becomes training progress."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from dashboards.rules.recording import CLUSTERS, RUNS, SECONDS, WALL
from dashboards.rules.rule import Alert, Condition, Severity
from dashboards.rules.signals import (
    CLUSTER,
    RUN,
    THE_RUN,
    age,
    largest,
    listed,
    loser,
    of_team,
    told_of_cause,
    with_cause,
    worst_state,
)

OBJECTIVE: Final = 0.85
"""Productive share of observed GPU time that a cluster promises over 30 days."""

BUDGET: Final = round(1 - OBJECTIVE, 6)

DROP: Final = 0.8
"""Less than this part of the run's own usual value is a drop."""

GPUS_NOW: Final = "5m"
"""The window whose GPU time tells how many GPUs runs have now."""

SETTLED_S: Final = 7200
"""A younger run has no usual value: its day is its start."""


@dataclass(frozen=True, slots=True)
class Burn:
    """
    One pair of windows in which the budget must not burn too fast.

    Args:
        name: Of the alert.
        long, short: Windows; the short one ends the alert soon after the cause ends.
        factor: Times faster than the budget allows.
        enough_s: For how long the GPUs that runs have now must have been observed in
            the long window. On a new cluster that window holds one run's start and
            nothing else; a share of next to nothing wakes nobody.
        severity: Who is told.

    Source:
        Google, The Site Reliability Workbook, chapter 5, "Multiwindow,
        Multi-Burn-Rate Alerts". Its factors of 14.4 and 6 assume a budget of some
        per mille; a budget of 15 % cannot burn more than 6.7 times too fast.
    """

    name: str
    long: str
    short: str
    factor: float
    enough_s: int
    severity: Severity


BURNS: Final = (
    Burn("GoodputBudgetBurnsFast", "1h", "5m", 5, 1_800, Severity.PAGE),
    Burn("GoodputBudgetBurnsSteadily", "6h", "1h", 3, 7_200, Severity.PAGE),
    Burn("GoodputBudgetBurnsSlowly", "1d", "6h", 1.5, 21_600, Severity.TICKET),
)


def _lost(window: str) -> str:
    goodput = f'{CLUSTERS.ratio(window)}{{layer="goodput"}}'
    return f"1 - {largest(goodput, CLUSTER)}"


def _observed_s(burn: Burn) -> str:
    """Return GPU time of the long window over the GPUs of the last minutes."""
    time, now = (
        f"sum by (cluster) ({CLUSTERS.increase(window)}{{{WALL}}})"
        for window in (burn.long, GPUS_NOW)
    )
    return f"{time} / on (cluster) ({now} / {SECONDS[GPUS_NOW]} > 0)"


def _burn(burn: Burn) -> Alert:
    bound = f"> {round(burn.factor * BUDGET, 6):g}"
    return Alert(
        name=burn.name,
        severity=burn.severity,
        main=Condition(
            with_cause(_lost(burn.long), CLUSTERS, burn.long, CLUSTER), bound
        ),
        also=(
            Condition(_lost(burn.short), bound),
            Condition(_observed_s(burn), f">= {burn.enough_s}"),
        ),
        on=CLUSTER,
        labels=MappingProxyType({"window": burn.long}),
        summary=(
            "{{ $value | humanizePercentage }} of the GPU time of runs in the last "
            f"{burn.long} was not productive; {BUDGET:.0%} are allowed. "
            + told_of_cause("Most of it follows from no interruption", "Most of it:")
            + "."
        ),
        first=(
            "Open that run on the Run dashboard; on the Fleet dashboard, lost GPUs by "
            "cause say whether others share its trouble."
        ),
        look_ups=(loser(RUNS, burn.long),),
    )


def _usual(layer: str) -> str:
    run = listed(RUN)
    now, usual = (f'{RUNS.ratio(w)}{{layer="{layer}"}}' for w in ("1h", "1d"))
    return f"max by ({run}) ({now}) / on ({run}) max by ({run}) ({usual})"


def _model(window: str) -> str:
    return largest(f'goodput_run_ratio{{layer="model",window="{window}"}}', RUN)


OLD_ENOUGH: Final = Condition(
    age("goodput_run_started_timestamp_seconds", RUN), f"> {SETTLED_S}"
)
OVER: Final = Condition(
    largest("goodput_run_ended_timestamp_seconds", RUN),
    rare="no run has ended lately",
)

GOODPUT: Final = (
    *(_burn(burn) for burn in BURNS),
    Alert(
        name="GoodputDropped",
        severity=Severity.PAGE,
        main=Condition(
            of_team(with_cause(_usual("goodput"), RUNS, "1h", RUN)), f"< {DROP}"
        ),
        also=(OLD_ENOUGH,),
        unless=(OVER,),
        on=RUN,
        lasting="10m",
        summary=(
            f"Run {THE_RUN} had {{{{ $value | humanizePercentage }}}} of its usual "
            "goodput in the last hour; "
            + told_of_cause(
                "no interruption took most of what it lost",
                "most of what it lost went to",
            )
            + "."
        ),
        first=(
            "Open the Run dashboard: the state that grew says which layer lost the "
            "time, the newest incident says why."
        ),
        look_ups=(worst_state(RUNS, "1h"),),
    ),
    Alert(
        name="GoodputMfuDropped",
        severity=Severity.TICKET,
        main=Condition(
            of_team(f"{_model('1h')} / on ({listed(RUN)}) {_model('lifetime')}"),
            f"< {DROP}",
        ),
        also=(OLD_ENOUGH,),
        unless=(OVER,),
        on=RUN,
        lasting="15m",
        summary=(
            f"Run {THE_RUN} turns {{{{ $value | humanizePercentage }}}} of the "
            "model FLOPs per step time that it usually does."
        ),
        first=(
            "Compare step time with the reference on the Run dashboard, then clocks, "
            "throttling and NVLink errors on its nodes."
        ),
    ),
)
