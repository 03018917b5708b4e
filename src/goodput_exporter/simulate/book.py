"""Naming a run's time by the definitions' section 4, apart from the exporter's fold."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from goodput_exporter.domain.states import Phase, RunState
from goodput_exporter.simulate.acts import WARM_UP_STEPS, Act
from goodput_exporter.simulate.plans import MINUTE_NS, Training
from goodput_exporter.simulate.truth import Stretch, TrueRun, charge

STATE_OF: Final = MappingProxyType(
    {
        Phase.INIT: RunState.INITIALIZING,
        Phase.CHECKPOINT_RESTORE: RunState.RESTORING,
        Phase.DATA_LOADING: RunState.DATA_WAIT,
        Phase.CHECKPOINT_SAVE: RunState.CHECKPOINTING,
        Phase.EVAL: RunState.EVALUATING,
        Phase.FINALIZE: RunState.IDLE,
    }
)
"""Section 4, for the phases that simulated ranks report."""

SAMPLES: Final = 20
"""Rule 9: before so many ordinary steps nothing is slow."""
MEDIAN_STEPS: Final = 5
"""Rule 8: so many steps after the warm-up give a run its first reference."""
SLOW_BEYOND: Final = 1.05
"""Rule 9: within 5 % of the reference a step is productive as a whole."""
STALL_FACTOR: Final = 10
STALL_FLOOR_NS: Final = MINUTE_NS


@dataclass(slots=True)
class Shrunk:
    """
    A time in which an elastic run goes on without some of its GPUs.

    Args:
        start_ns, end_ns: Until the replacement's container runs.
        gpus: How many are missing.
        incident: Why.
    """

    start_ns: int
    end_ns: int
    gpus: int
    incident: int


@dataclass(slots=True)
class Book:
    """
    One run's true book while it grows.

    Args:
        run: The account.
        training: For the reference step time, which is that of an ordinary step.
        cursor_ns: Everything before it is charged.
        high_water: The largest step ever completed; -1 before the first.
        incident: What the present time follows from, until new progress.
        ordinary: Ordinary steps so far.
        shrunk: Times with fewer GPUs, in order.
    """

    run: TrueRun
    training: Training
    cursor_ns: int
    high_water: int = -1
    incident: int | None = None
    ordinary: int = 0
    shrunk: list[Shrunk] = field(default_factory=list)

    def wait(self, until_ns: int, state: RunState) -> None:
        """Charge the time up to *until_ns* to a state outside of an attempt."""
        incident = None if state is RunState.QUEUED else self.incident
        self._charge(until_ns, state, incident)

    def live(self, acts: tuple[Act, ...]) -> None:
        """Charge an attempt's acts, in order."""
        warm = 0
        executed = sum(act.steps for act in acts)
        for act in acts:
            if act.phase is not Phase.TRAIN_STEP:
                self._charge(act.end_ns, STATE_OF[act.phase], self.incident)
                continue
            if act.steps:
                is_warm_up = warm < WARM_UP_STEPS
                warm += act.steps
                self._steps(act, executed, is_warm_up=is_warm_up)
            self._open(act)

    def _steps(self, act: Act, executed: int, *, is_warm_up: bool) -> None:
        """Rule 8, then rule 3, then rule 9, for steps of equal length."""
        reference_ns = self.training.step_ns
        over_ns = act.step_ns - reference_ns
        redone = max(0, min(act.steps, self.high_water - act.first + 1))
        fresh = act.steps - redone
        self._redo(act, redone, over_ns if is_warm_up else 0, executed)
        if fresh:
            self._recovered(act.start_ns + (redone + 1) * act.step_ns)
        excess_ns, state = 0, RunState.SLOW
        if is_warm_up and self._has_reference(executed):
            excess_ns, state = over_ns, RunState.INITIALIZING
        elif act.step_ns > reference_ns * SLOW_BEYOND and self.ordinary >= SAMPLES:
            excess_ns = over_ns
        self._charge(self.cursor_ns + fresh * excess_ns, state, None)
        rest_ns = fresh * (act.step_ns - excess_ns)
        self._charge(self.cursor_ns + rest_ns, RunState.PRODUCTIVE, None)
        self.high_water = max(self.high_water, act.first + act.steps - 1)
        self.run.steps += fresh
        self.run.redone += redone
        self.ordinary += 0 if is_warm_up else act.steps

    def _redo(self, act: Act, redone: int, over_ns: int, executed: int) -> None:
        warm_ns = redone * over_ns if self._has_reference(executed) else 0
        self._charge(self.cursor_ns + warm_ns, RunState.INITIALIZING, self.incident)
        rest_ns = redone * act.step_ns - warm_ns
        self._charge(self.cursor_ns + rest_ns, RunState.RECOMPUTING, self.incident)

    def _has_reference(self, executed: int) -> bool:
        return self.ordinary >= SAMPLES or executed >= WARM_UP_STEPS + MEDIAN_STEPS

    def _recovered(self, at_ns: int) -> None:
        """A step above the high-water mark is complete: nothing follows any more."""
        if self.incident is not None:
            self.run.incidents[self.incident - 1].recovered_ns = at_ns
        self.incident = None

    def _open(self, act: Act) -> None:
        """Rules 2 and 10: step time of a step that was never completed."""
        open_ns = act.end_ns - self.cursor_ns
        if open_ns <= 0:
            return
        limit_ns = max(STALL_FLOOR_NS, STALL_FACTOR * self.training.step_ns)
        if open_ns > limit_ns:
            stalled_ns = open_ns - self.training.step_ns
            until_ns = self.cursor_ns + stalled_ns
            self._charge(until_ns, RunState.STALLED, act.incident)
        self._charge(act.end_ns, RunState.INTERRUPTED, act.incident)

    def _charge(self, until_ns: int, state: RunState, incident: int | None) -> None:
        """Charge up to *until_ns*; missing GPUs of an elastic run are degraded."""
        asked = self.run.asked
        while self.cursor_ns < until_ns:
            end_ns, gpus, why = until_ns, asked, None
            for less in self.shrunk:
                if less.start_ns <= self.cursor_ns < less.end_ns:
                    end_ns = min(end_ns, less.end_ns)
                    gpus, why = gpus - less.gpus, less.incident
                elif self.cursor_ns < less.start_ns:
                    end_ns = min(end_ns, less.start_ns)
            start_ns, self.cursor_ns = self.cursor_ns, end_ns
            charge(self.run, Stretch(start_ns, end_ns, state, gpus, incident))
            if why is not None:
                missing = asked - gpus
                lost = Stretch(start_ns, end_ns, RunState.DEGRADED, missing, why)
                charge(self.run, lost)
