"""How figures are written for a person: never more certain than they are."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from goodput_exporter.analysis.figures import ABSENT, STATE_NAME
from goodput_exporter.analysis.money import NS_PER_HOUR
from goodput_exporter.analysis.rounding import nearest
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Cause, RunState

STATE_PHRASE: Final = STATE_NAME | {
    RunState.SUSPENDED.value: "spent suspended",
    RunState.DOWN.value: "spent down",
    RunState.SCHEDULING.value: "waiting to be scheduled",
    RunState.PROVISIONING.value: "waiting for containers",
    RunState.DEGRADED.value: "missing GPUs",
    RunState.INITIALIZING.value: "starting up",
    RunState.RESTORING.value: "loading checkpoints",
    RunState.RECOMPUTING.value: "redoing lost steps",
    RunState.INTERRUPTED.value: "steps that were cut off",
    RunState.CHECKPOINTING.value: "blocked by checkpoints",
    RunState.DATA_WAIT.value: "waiting for data",
    RunState.IDLE.value: "spent idle",
    RunState.OTHER.value: "in phases of the jobs' own",
    RunState.SLOW.value: "slow steps",
    RunState.LOST.value: "work that did not survive",
}
"""What a state is in a sentence: "the largest loss was 10 % ..."."""

CAUSE_NAME: Final = MappingProxyType(
    {cause.value: cause.value.replace("_", " ") for cause in Cause}
    | {
        Cause.NONE.value: "no interruption",
        Cause.OOM_KILLED.value: "out of memory",
        Cause.GPU_ERROR.value: "GPU error",
        Cause.GPU_LOST.value: "GPU lost",
    }
)


RATIO_NAME: Final = MappingProxyType(
    {
        "goodput": "Goodput",
        "goodput_with_evaluation": "Goodput, evaluation counted",
        "infrastructure": "Infrastructure: all GPUs available",
        "framework": "Framework: available time in new steps",
        "pace": "Pace: step time at the reference pace",
        "model": "Model (MFU): FLOPs of step time's peak",
        "overall": "Overall: FLOPs of the peak of all time",
        "ettr": "ETTR: queueing counted",
        "coverage": "Coverage: time that was observed",
    }
)
"""Ratios as a table names them, the one that is asked for first."""


def points(difference: float | None) -> str:
    """Return a difference of two ratios in percentage points, with its sign."""
    if difference is None:
        return ABSENT
    text = f"{abs(difference) * 100:.1f}"
    sign = "" if float(text) == 0 else "+" if difference > 0 else "−"
    return f"{sign}{text}"


def gpu_hours(gpu_ns: int, decimals: int = 3) -> str:
    """Return GPU time in GPU-hours, rounded on its own: for sentences, not tables."""
    return f"{nearest(gpu_ns, per_unit=NS_PER_HOUR, decimals=decimals):,f}"


def amount(value: Decimal | None) -> str:
    """Return a decimal with its digits grouped; None is a dash."""
    return ABSENT if value is None else f"{value:,f}"


def whole(value: int | None) -> str:
    """Return a count with its digits grouped; None is a dash."""
    return ABSENT if value is None else f"{value:,}"


def compact(value: int) -> str:
    """Return a large count with three figures: ``192 million``."""
    for size, word in ((10**12, "trillion"), (10**9, "billion"), (10**6, "million")):
        if value >= size:
            return f"{value / size:.3g} {word}"
    return whole(value)


def instant(at_ns: int | None) -> str:
    """Return an instant in UTC, exactly."""
    if at_ns is None:
        return ABSENT
    seconds, fraction_ns = divmod(at_ns, NS_PER_SECOND)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{fraction_ns:09d}".rstrip("0").rstrip(".")
    return f"{text}{fraction}Z"


def second(at_ns: int | None) -> str:
    """Return an instant in UTC, to the second: for a person, who asked for no more."""
    return instant(None if at_ns is None else at_ns - at_ns % NS_PER_SECOND)


def minute(at_ns: int | None) -> str:
    """Return an instant in UTC, to the minute."""
    if at_ns is None:
        return ABSENT
    return datetime.fromtimestamp(at_ns // NS_PER_SECOND, UTC).strftime(
        "%Y-%m-%d %H:%M"
    )


def count(number: int, what: str) -> str:
    """Return ``1 run`` or ``12 runs``."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
