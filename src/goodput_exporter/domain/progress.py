"""How far a run has come: steps, high-water mark, durability, cost of a crash."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.domain.life import Life, Mark
from goodput_exporter.domain.spans import apportion

OLD_GROUPS: Final = 256
"""Groups of steps remembered below the durable step; older ones are merged."""
GROUPS: Final = 512
"""
Groups remembered in all: a run without durable checkpoints adds one a heartbeat,
and the lineage is written down with every commit. Beyond it the oldest half is
merged in pairs, so that early steps lose detail first: their sums stay exact, and
only a cut inside a merged group is proportional to its steps.
"""


@dataclass(slots=True)
class Group:
    """Consecutive executed steps that are still part of the run, and their GPU time."""

    first: int
    last: int
    productive: int = 0
    slow: int = 0


@dataclass(slots=True)
class Progress:
    """
    A run's place in its own step numbering.

    Args:
        position: Last completed step of the present lineage; None until resolved.
        high_water: The largest step ever completed.
        first_step: The first step number that the run ever used.
        restored: What the present lineage resumed from; None at a first start.
        epoch: Counts lineages: every restart and every rollback begins one.
        resolved: Something has said where the present lineage stands.
        is_inferred: Time looked like training, and nobody counted steps in it.
        lineage: The steps that the run's weights now contain, oldest first.
    """

    position: int | None = None
    high_water: int | None = None
    first_step: int | None = None
    restored: int | None = None
    saved: int | None = None
    durable: int | None = None
    epoch: int = 0
    resolved: bool = False
    epoch_ns: int = 0
    local_base: int = -1
    upper_bound: bool = False
    is_inferred: bool = False
    lineage: list[Group] = field(default_factory=list)

    def exposure(self) -> int | None:
        """Return the productive GPU time above the durable step; None without one."""
        if self.durable is None:
            return None
        return sum(_above(group, self.durable)[0] for group in self.lineage)


@dataclass(frozen=True, slots=True)
class Advance:
    """Steps ``first..last`` are complete; *skipped* more were run without a number."""

    first: int
    last: int
    skipped: int


def begin_epoch(progress: Progress, at_ns: int) -> None:
    """Begin a lineage whose place is not known yet: a restart, or a rollback."""
    progress.epoch += 1
    progress.epoch_ns = at_ns
    progress.resolved = False
    progress.local_base = -1 if progress.high_water is None else progress.high_water


def complete(
    progress: Progress, mark: Mark, life: Life, patience_ns: int
) -> Advance | None:
    """
    Take one rank's word that steps are complete; the first rank's word counts.

    Returns:
        The steps that are new to the present lineage, or None where another
        rank has reported them already.
    """
    if life.joined_epoch < progress.epoch:
        # This rank still speaks of the lineage before; it joins the present one
        # when it goes back itself, or when it has outlived any doubt.
        if mark.at_ns < progress.epoch_ns + patience_ns:
            return None
        life.joined_epoch = progress.epoch
    step = mark.step if mark.step is not None else 0
    if mark.local:
        step += progress.local_base
        progress.upper_bound = True
    if not progress.resolved:
        _resolve(progress, step - mark.advanced)
    before = step - mark.advanced if progress.position is None else progress.position
    if step <= before and not (step == before and mark.count > mark.advanced == 0):
        return None
    if progress.first_step is None:
        progress.first_step = before + 1
    progress.position = step
    high = progress.high_water
    progress.high_water = step if high is None else max(high, step)
    return Advance(before + 1, step, mark.count - mark.advanced)


def restore(progress: Progress, step: int, life: Life, at_ns: int) -> int | None:
    """
    Take one rank's declaration of the step that it resumed from.

    Returns:
        The step that the run went back to, or None where this is no news.
    """
    if step < 0:
        if progress.first_step is None:
            # Before the first step ever: its number is known when it is complete.
            life.joined_epoch = life.declared_epoch = progress.epoch
            return None
        # A fresh start resumes from before the first step the run ever made.
        step = progress.first_step - 1
    follows = life.joined_epoch < progress.epoch
    joins = life.declared_epoch < 0 and life.starts_up_at(at_ns)
    repeats = step == progress.restored and life.declared_epoch < progress.epoch
    life.joined_epoch = life.declared_epoch = progress.epoch
    if not progress.resolved:
        _resolve(progress, step)
        return step
    if follows or repeats or joins or step == progress.position:
        # One that joins ranks that step on says what it loaded, no more.
        return None
    if progress.position is not None and step > progress.position:
        return None
    begin_epoch(progress, at_ns)
    life.joined_epoch = life.declared_epoch = progress.epoch
    _resolve(progress, step)
    return step


def _resolve(progress: Progress, step: int) -> None:
    progress.resolved = True
    progress.position = step
    if progress.epoch > 0 or progress.high_water is not None:
        progress.restored = step


def keep(progress: Progress, group: Group) -> None:
    """Add executed steps to the lineage."""
    last = progress.lineage[-1] if progress.lineage else None
    if last is not None and last.first == group.first and last.last == group.last:
        last.productive += group.productive
        last.slow += group.slow
    else:
        progress.lineage.append(group)
        if len(progress.lineage) > GROUPS:
            progress.lineage = _thinned(progress.lineage)


def _thinned(lineage: list[Group]) -> list[Group]:
    half = len(lineage) // 4 * 2
    pairs = [_merged(lineage[i : i + 2]) for i in range(0, half, 2)]
    return [*pairs, *lineage[half:]]


def cut(progress: Progress, step: int) -> Group:
    """
    Drop the steps above *step* from the lineage: they were not kept.

    Returns:
        The dropped steps as one group, with their productive and slow GPU time.
    """
    lost = Group(step + 1, step)
    kept: list[Group] = []
    for group in progress.lineage:
        productive, slow = _above(group, step)
        lost.productive += productive
        lost.slow += slow
        lost.last = max(lost.last, group.last)
        if group.first <= step:
            group.productive -= productive
            group.slow -= slow
            group.last = min(group.last, step)
            kept.append(group)
    progress.lineage = kept
    return lost


def commit(progress: Progress, step: int) -> None:
    """Note a durable checkpoint; what lies below it is remembered in less detail."""
    if progress.durable is None or step > progress.durable:
        progress.durable = step
        old = [group for group in progress.lineage if group.last <= step]
        if len(old) > OLD_GROUPS:
            progress.lineage = [_merged(old), *progress.lineage[len(old) :]]


def _merged(groups: list[Group]) -> Group:
    return Group(
        groups[0].first,
        groups[-1].last,
        sum(group.productive for group in groups),
        sum(group.slow for group in groups),
    )


def _above(group: Group, step: int) -> tuple[int, int]:
    """Return a group's (productive, slow) GPU time in steps above *step*."""
    if group.last <= step:
        return 0, 0
    if group.first > step:
        return group.productive, group.slow
    parts = [group.last - step, step - group.first + 1]
    return apportion(group.productive, parts)[0], apportion(group.slow, parts)[0]
