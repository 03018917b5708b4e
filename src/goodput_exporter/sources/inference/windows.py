"""What a window of looks says of the instant in its middle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from goodput_exporter.domain.states import Phase
from goodput_exporter.sources.inference.moments import Moment
from goodput_exporter.sources.inference.thresholds import Thresholds

BEFORE_WORK: Final = {
    Moment.BARE: Phase.INIT,
    Moment.SPINNING: Phase.INIT,
    Moment.UNCLEAR: Phase.INIT,
    Moment.WRITING: Phase.INIT,
    Moment.READING: Phase.INIT,
    Moment.QUIET: Phase.INIT,
}
"""Before the first work everything is start-up; a restore is told by its memory."""

AFTER_WORK: Final = {
    Moment.BARE: Phase.IDLE,
    Moment.SPINNING: Phase.TRAIN_STEP,
    Moment.UNCLEAR: Phase.TRAIN_STEP,
    Moment.WRITING: Phase.CHECKPOINT_SAVE,
    Moment.READING: Phase.DATA_LOADING,
    Moment.QUIET: Phase.IDLE,
}
"""
Spinning is part of a step, for all that anybody can see, and no sign of one: it
stays open until work is seen again, or until it is stalled.
"""


def _works(window: Sequence[Moment], limits: Thresholds) -> bool:
    """
    Tell whether the middle of a window is training.

    A pause in the middle is part of it where work comes before and after; at the
    edge of a phase there is work on one side only.
    """
    share = sum(m is Moment.WORKING for m in window) / len(window)
    if share < limits.active_share:
        return False
    middle = len(window) // 2
    if window[middle] is Moment.WORKING:
        return True
    before, after = window[:middle], window[middle + 1 :]
    return Moment.WORKING in before and Moment.WORKING in after


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What a container did at one instant.

    Args:
        phase: Never a step number with it.
        is_sign: It looked like training, and not only like a busy GPU.
    """

    phase: Phase
    is_sign: bool = False


def judge(
    window: Sequence[Moment],
    limits: Thresholds,
    *,
    has_worked: bool,
    is_filling: bool,
) -> Verdict:
    """
    Name the phase in the middle of a window.

    Args:
        window: The moments, oldest first; not empty.
        limits: The thresholds.
        has_worked: Work was seen in this life of the container.
        is_filling: Its GPUs' memory fills up while it reads.
    """
    if _works(window, limits):
        return Verdict(Phase.TRAIN_STEP, is_sign=True)
    others = [moment for moment in window if moment is not Moment.WORKING]
    most = max(others, key=lambda m: (others.count(m), m is others[len(others) // 2]))
    if has_worked:
        return Verdict(AFTER_WORK[most])
    if most is Moment.READING and is_filling:
        return Verdict(Phase.CHECKPOINT_RESTORE)
    return Verdict(BEFORE_WORK[most])
