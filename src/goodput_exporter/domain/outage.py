"""What a run's time is while its ranks say nothing of it: by its pods, or down."""

from __future__ import annotations

from goodput_exporter.domain.fold import Fold
from goodput_exporter.domain.life import Life
from goodput_exporter.domain.placement import STATE_OF_STAGE, Stage
from goodput_exporter.domain.states import RunState


def is_out(fold: Fold) -> bool:
    """
    Tell whether a rank is missing, so that the run is out whatever others report.

    Without a cluster a rank is back when it reports. With one it is back when its
    pod's container runs, as said after the end: from there on it starts up.
    """
    if fold.stepping_on:
        return False
    if fold.placed is not None and fold.placed.stage is not Stage.RUNNING:
        return True
    return bool(fold.missing) and not _is_back(fold)


def outage_state(fold: Fold) -> RunState:
    """Return the state of a run that is out, by the missing ranks' pods alone."""
    placed = fold.placed
    if placed is None or placed.stage is Stage.RUNNING:
        return RunState.DOWN
    return STATE_OF_STAGE[placed.stage]


def quiet_state(fold: Fold) -> RunState | None:
    """
    Return the state of a run whose containers run and no rank of which is there.

    None where it is not known yet: a run that has never reported may not be
    about to.
    """
    if fold.placed is None:
        return RunState.UNOBSERVED
    if fold.is_done:
        return RunState.IDLE
    return RunState.INITIALIZING if fold.attempt else None


def is_replaced(fold: Fold, life: Life) -> bool:
    """
    Tell whether the pods came back after a rank's last word.

    Nobody need have seen its exit (its node may be lost, or it spoke over UDP).
    What runs now is another container, which starts up until it speaks.
    """
    if not fold.incidents or not _is_back(fold):
        return False
    return life.reported_ns <= fold.incidents[-1].detected_ns


def _is_back(fold: Fold) -> bool:
    placed = fold.placed
    if placed is None or placed.stage is not Stage.RUNNING or not fold.incidents:
        return False
    return placed.at_ns > fold.incidents[-1].detected_ns
