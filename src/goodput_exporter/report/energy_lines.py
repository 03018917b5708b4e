"""Energy as lines of tables and sentences; every table sums to its foot."""

from __future__ import annotations

from collections.abc import Mapping

from goodput_exporter.analysis.energy import MILLIJOULES_PER_KWH, kwh
from goodput_exporter.analysis.figures import STATE_NAME, percent
from goodput_exporter.analysis.rounding import nearest
from goodput_exporter.domain.energy import Energy
from goodput_exporter.domain.states import Cause
from goodput_exporter.report.sheet import Sheet
from goodput_exporter.report.words import CAUSE_NAME, amount

HEADS = ("kWh", "% of it", "Time with known energy, %")
DECIMALS = 3
TOTAL = "Total"


def state_lines(made: Sheet) -> list[tuple[str, ...]]:
    """Return a line per state that the runs' GPUs were in, the total last."""
    if made.energy is None:
        return []
    found = made.energy.by(lambda drew: drew.state.value)
    return _lines({STATE_NAME.get(name, name): one for name, one in found.items()})


def cause_lines(made: Sheet) -> list[tuple[str, ...]]:
    """Return a line per cause of what went wrong, the total last; none if nothing."""
    if made.energy is None:
        return []
    found = made.energy.by(lambda drew: drew.cause)
    bad = {
        CAUSE_NAME[cause.value]: one
        for cause, one in found.items()
        if cause is not Cause.NONE
    }
    return _lines(bad) if bad else []


def energy_words(made: Sheet) -> list[str]:
    """Say what the tables rest on, and what is not in them."""
    if made.energy is None:
        return []
    total = made.energy.total
    view = (
        "This is what GPUs drew while the runs held them, in the live view: work that "
        "was lost later stays where it was booked first."
    )
    words = [view]
    share = total.measured_gpu_ns / total.gpu_ns if total.gpu_ns else None
    if total.unknown_gpu_ns:
        words.append(
            f"{percent(share)} of their GPU time lies between samples of energy; what "
            "they drew in the rest is not known."
        )
    if total.integrated_millijoules:
        integrated = nearest(
            total.integrated_millijoules,
            per_unit=MILLIJOULES_PER_KWH,
            decimals=DECIMALS,
        )
        words.append(
            f"{amount(integrated)} kWh of it are from samples of power, of GPUs that "
            "count no energy."
        )
    return words


def _lines(found: Mapping[str, Energy]) -> list[tuple[str, ...]]:
    whole = sum(found.values(), Energy())
    known = sorted(found.items(), key=lambda one: -(one[1].millijoules or 0))
    hours = kwh(dict(known), decimals=DECIMALS)
    foot = kwh({TOTAL: whole}, decimals=DECIMALS)
    return [
        (
            name,
            amount((hours | foot)[name]),
            percent(_share(one, whole)),
            percent(one.measured_gpu_ns / one.gpu_ns if one.gpu_ns else None),
        )
        for name, one in (*known, (TOTAL, whole))
    ]


def _share(one: Energy, whole: Energy) -> float | None:
    if one.millijoules is None or not whole.millijoules:
        return None
    return one.millijoules / whole.millijoules
