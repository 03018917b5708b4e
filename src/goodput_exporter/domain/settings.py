"""The numbers in the definitions that an operator may set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Phase

MINUTE_NS: Final = 60 * NS_PER_SECOND
STEP_FLOOR_NS: Final = MINUTE_NS
WAIT_FLOOR_NS: Final = 10 * MINUTE_NS
LONG_FLOOR_NS: Final = 30 * MINUTE_NS


def default_floors() -> dict[Phase, int]:
    """Return rule 10's floors; a phase without one never stalls."""
    return {
        Phase.TRAIN_STEP: STEP_FLOOR_NS,
        Phase.DATA_LOADING: WAIT_FLOOR_NS,
        Phase.EVAL: WAIT_FLOOR_NS,
        Phase.INIT: LONG_FLOOR_NS,
        Phase.COMPILE: LONG_FLOOR_NS,
        Phase.CHECKPOINT_SAVE: LONG_FLOOR_NS,
        Phase.CHECKPOINT_RESTORE: LONG_FLOOR_NS,
        Phase.FINALIZE: LONG_FLOOR_NS,
    }


@dataclass(frozen=True, slots=True)
class Rules:
    """
    Settings of the fold; all times in nanoseconds.

    Args:
        window_ns: The grid of rule 6.
        grace_ns: How long a report may be under way before its instant is decided.
        settle_ns: How long a silent agent or rank holds the seal back (rule 14).
        settle_after_start_ns: The same, counted from our own start.
        end_after_ns: A run without Kubernetes ends so long after its last exit.
        merge_ns: Incarnations that come back within it are one attempt.
        reference_step_ns: Pins the reference step time; None learns it (rule 9).
        stall_floors_ns: Rule 10's floors per phase.
        stall_factor: Times the rolling 99th percentile of the phase.
        stepping_on_steps: Steps that survivors complete before a run counts as
            elastic although nobody declared it.
    """

    window_ns: int = 10 * NS_PER_SECOND
    grace_ns: int = 5 * NS_PER_SECOND
    settle_ns: int = MINUTE_NS
    settle_after_start_ns: int = 5 * MINUTE_NS
    end_after_ns: int = 15 * MINUTE_NS
    merge_ns: int = 2 * MINUTE_NS
    reference_step_ns: int | None = None
    stall_floors_ns: dict[Phase, int] = field(default_factory=default_floors)
    stall_factor: int = 10
    stepping_on_steps: int = 2
