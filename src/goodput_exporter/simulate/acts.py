"""One attempt's life step by step, told in acts: start-up, steps, saves, waits."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from typing import Final

from goodput_exporter.domain.states import Phase
from goodput_exporter.simulate.chance import Chance
from goodput_exporter.simulate.plans import SECOND_NS, Training

WARM_UP_STEPS: Final = 3
LONGEST_WAIT_NS: Final = 5 * 60 * SECOND_NS
"""Waits for data stay below half of the shortest stall limit of that phase."""


@dataclass(frozen=True, slots=True)
class Act:
    """
    A stretch in which every rank does the same.

    Args:
        start_ns, end_ns: On the ledger's clock.
        phase: What ranks call it.
        steps: So many steps of *step_ns* each fill it, where it is step time.
        first: The number of the first of them.
        culprit: The rank that waits for data while the others wait for it in
            their step; None where all do the same.
        saved: The step that is saved when it ends.
        durable_ns: When that is durable.
        incident: What cut it, where step time is left over that completed nothing.
    """

    start_ns: int
    end_ns: int
    phase: Phase
    steps: int = 0
    step_ns: int = 0
    first: int = 0
    culprit: int | None = None
    saved: int | None = None
    durable_ns: int | None = None
    incident: int | None = None


@dataclass(slots=True)
class Life:
    """
    One attempt as it goes on; extended on demand, so that a cut costs nothing.

    Args:
        training: What it does.
        chance: Its own stream.
        start_ns: When its processes start.
        restored: The step that it goes on from; None is a fresh start.
        culprits: The ranks of which one waits for data.
        acts: What has been lived, without a gap.
        step: The last completed one; -1 before the first.
    """

    training: Training
    chance: Chance
    start_ns: int
    restored: int | None
    culprits: tuple[int, ...]
    acts: list[Act] = field(default_factory=list)
    step: int = -1
    next_wait_ns: int = 0
    next_slow_ns: int = 0
    slow_left: int = 0

    def live_until(self, at_ns: int) -> None:
        """Go on until *at_ns* is reached."""
        if not self.acts:
            self._start()
        while self.acts[-1].end_ns < at_ns:
            self._go_on()

    @property
    def now_ns(self) -> int:
        """Return how far it is told."""
        return self.acts[-1].end_ns if self.acts else self.start_ns

    def _start(self) -> None:
        self.step = -1 if self.restored is None else self.restored
        init_ns = round(self.training.init_ns * (0.9 + 0.2 * self.chance.ratio()))
        self._add(Phase.INIT, init_ns)
        if self.restored is not None:
            self._add(Phase.CHECKPOINT_RESTORE, self.training.restore_ns)
        warm_ns = round(self.training.step_ns * (1 + self.training.warm_up))
        self._step(WARM_UP_STEPS, warm_ns)
        self.next_wait_ns = self._soon(self.training.data_wait_every_ns)
        self.next_slow_ns = self._soon(self.training.slow_every_ns)

    def _soon(self, mean_ns: int) -> int:
        """Return when something rare comes next; never where it does not."""
        return self.now_ns + self.chance.after_ns(mean_ns) if mean_ns else 2**63

    def _add(self, phase: Phase, length_ns: int) -> None:
        self.acts.append(Act(self.now_ns, self.now_ns + length_ns, phase))

    def _step(self, count: int, each_ns: int) -> None:
        start_ns = self.now_ns
        end_ns = start_ns + count * each_ns
        first = self.step + 1
        self.acts.append(Act(start_ns, end_ns, Phase.TRAIN_STEP, count, each_ns, first))
        self.step += count

    def _go_on(self) -> None:
        """Live to the next thing that is not an ordinary step, and through it."""
        training = self.training
        last = self.acts[-1]
        if last.phase is Phase.TRAIN_STEP:
            if (self.step + 1) % training.save_every == 0:
                self._save()
                return
            if self._is_evaluated():
                self._add(Phase.EVAL, training.evaluate_ns)
                return
        elif last.phase is Phase.CHECKPOINT_SAVE and self._is_evaluated():
            self._add(Phase.EVAL, training.evaluate_ns)
            return
        if last.phase is not Phase.DATA_LOADING and self.now_ns >= self.next_wait_ns:
            self._wait()
            return
        self._train()

    def _is_evaluated(self) -> bool:
        every = self.training.evaluate_every
        return every > 0 and (self.step + 1) % every == 0

    def _save(self) -> None:
        training = self.training
        start_ns = self.now_ns
        end_ns = start_ns + training.save_ns
        self.acts.append(
            Act(
                start_ns,
                end_ns,
                Phase.CHECKPOINT_SAVE,
                saved=self.step,
                durable_ns=end_ns + training.upload_ns,
            )
        )

    def _wait(self) -> None:
        length_ns = min(
            LONGEST_WAIT_NS,
            SECOND_NS + self.chance.after_ns(self.training.data_wait_ns),
        )
        culprit = self.culprits[self.chance.below(len(self.culprits))]
        start_ns = self.now_ns
        act = Act(start_ns, start_ns + length_ns, Phase.DATA_LOADING, culprit=culprit)
        self.acts.append(act)
        self.next_wait_ns = self._soon(self.training.data_wait_every_ns)

    def _train(self) -> None:
        """Do ordinary or slow steps up to the next save, validation or wait."""
        training = self.training
        steps = training.save_every - (self.step + 1) % training.save_every
        if training.evaluate_every:
            every = training.evaluate_every
            steps = min(steps, every - (self.step + 1) % every)
        if self.slow_left == 0 and self.now_ns >= self.next_slow_ns:
            self.slow_left = training.slow_steps
            self.next_slow_ns = self._soon(training.slow_every_ns)
        each_ns = training.step_ns
        if self.slow_left > 0:
            steps = min(steps, self.slow_left)
            each_ns = round(each_ns * (1 + training.slow_ratio))
            self.slow_left -= steps
        else:
            steps = min(steps, self._steps_until(self.next_slow_ns))
        steps = min(steps, self._steps_until(self.next_wait_ns))
        self._step(steps, each_ns)

    def _steps_until(self, at_ns: int) -> int:
        return max(1, (at_ns - self.now_ns) // self.training.step_ns + 1)


@dataclass(frozen=True, slots=True)
class Told:
    """
    An attempt up to the instant at which it was cut, or was done.

    Args:
        acts: Whole ones, and the last one as far as it came; the steps that an
            act counts are complete.
        last_ns: When the last step was complete, or the attempt began.
        step: The last completed step; what it was restored from, where none was.
        durable: The last step whose checkpoint was committed by then; None if no
            new one was.
    """

    acts: tuple[Act, ...]
    last_ns: int
    step: int
    durable: int | None


def cut(life: Life, at_ns: int) -> Told:
    """
    Tell an attempt up to *at_ns*.

    Steps under way are not complete: their time is left over in the last act.
    """
    life.live_until(at_ns)
    count = bisect_left(life.acts, at_ns, key=lambda act: act.start_ns)
    acts = list(life.acts[:count])
    if acts and acts[-1].end_ns > at_ns:
        acts[-1] = _shortened(acts[-1], at_ns)
    step, last_ns = -1 if life.restored is None else life.restored, life.start_ns
    for act in reversed(acts):
        if act.steps:
            step = act.first + act.steps - 1
            last_ns = act.start_ns + act.steps * act.step_ns
            break
    return Told(tuple(acts), last_ns, step, _durable(acts, at_ns))


def _shortened(act: Act, at_ns: int) -> Act:
    if not act.steps:
        return replace(act, end_ns=at_ns, saved=None, durable_ns=None)
    done = (at_ns - act.start_ns) // act.step_ns
    return replace(act, end_ns=at_ns, steps=min(done, act.steps))


def _durable(acts: list[Act], at_ns: int) -> int | None:
    """Return the last step whose checkpoint was committed before the cut."""
    committed = [
        act.saved
        for act in acts
        if act.saved is not None
        and act.durable_ns is not None
        and act.durable_ns <= at_ns
    ]
    return committed[-1] if committed else None


def divide(life: Life, at_ns: int) -> int:
    """
    Begin a new act at the first end of a step from *at_ns* on, or of another act.

    Returns:
        When it begins.
    """
    life.live_until(at_ns + 1)
    index = bisect_left(life.acts, at_ns + 1, key=lambda act: act.end_ns)
    act = life.acts[index]
    count = -(-(at_ns - act.start_ns) // act.step_ns) if act.steps else 0
    if not 0 < count < act.steps:
        return act.end_ns
    cut_ns = act.start_ns + count * act.step_ns
    life.acts[index : index + 1] = [
        replace(act, end_ns=cut_ns, steps=count, incident=None),
        replace(act, start_ns=cut_ns, steps=act.steps - count, first=act.first + count),
    ]
    return cut_ns


def done_ns(life: Life, steps: int) -> int | None:
    """Return when the first *steps* steps are complete; None where it is not told."""
    for act in reversed(life.acts):
        if act.steps and act.first <= steps - 1 < act.first + act.steps:
            return act.start_ns + (steps - act.first) * act.step_ns
    return None
