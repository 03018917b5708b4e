"""Kill the exporter at any moment: the book goes on, and only unseen time is unseen."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from goodput_exporter.domain.accounting import tally, verify_tiling
from goodput_exporter.domain.fold import Fold
from goodput_exporter.domain.observations import RankExited, RankReport, RunObservation
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.snapshot import RunView
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import RunState
from goodput_exporter.ledger.state import decode_state
from goodput_exporter.ledger.store import SqliteLedger, open_ledger
from goodput_exporter.services.bookkeeper import AT_ONCE, Bookkeeper
from tests.fakes.crews import crew, death, in_step, init_until, leave, told
from tests.fakes.ranks import ns
from tests.fakes.stories import KEY, START_S

INTERVAL_S: Final = 2.0
TICK_S: Final = 1.0
OVER_S: Final = 300.0
"""The story is over, and so is the grace."""
MOMENTS: Final = ("before the commit", "after the commit", "after the scrape")
RULES: Final = Rules(reference_step_ns=10 * NS_PER_SECOND)
Kill = tuple[float, str, float]
"""When, at which moment of the tick, and how long the exporter is away."""
STEPS: Final = 17
EXECUTED: Final = 21
"""Of the story with a crash."""
FLEET: Final = 4
"""Runs that take turns, where a tick looks at one of them."""


def a_life_with_a_crash() -> list[RunObservation]:
    """
    Tell what two ranks live through, and how they end.

    They die in step 13, come back half a minute later, and redo steps 9 to 12.
    """
    first = crew(2, life=1)
    init_until(first, 5)
    in_step(first, 0, 8, each=10, waits={(1, 3): 4.0})
    for rank in first:
        rank.save(5, 8)
    in_step(first, 9, 12, each=10)
    for rank in first:
        rank.cut(4)
    second = crew(2, life=2, begins_s=175)
    init_until(second, 185)
    for rank in second:
        rank.restore(10, 8)
    in_step(second, 9, 16, each=10)
    leave(second)
    deaths = [death(first[0]), death(first[1], after_s=1)]
    deaths += [death(rank, 0) for rank in second]
    return told([*first, *second], deaths)


def a_life_without_one() -> list[RunObservation]:
    """Tell of two ranks that train from the beginning to the end."""
    ranks = crew(2)
    init_until(ranks, 5)
    in_step(ranks, 0, 12, each=10, waits={(0, 5): 6.0})
    for rank in ranks:
        rank.save(5, 12)
    in_step(ranks, 13, 24, each=10)
    leave(ranks)
    return told(ranks, [death(rank, 0, after_s=2) for rank in ranks])


def in_a_fleet(seen: list[RunObservation]) -> list[RunObservation]:
    """Return the same story, which other runs live through beside it."""
    fleet = list(seen)
    for number in range(1, FLEET):
        for one in seen:
            name = f"{number}{one.incarnation[1:]}"
            other = replace(one, incarnation=name)
            if isinstance(other, RankReport):
                other = replace(other, run_id=f"beside-{number}")
            fleet.append(other)
    return fleet


class Disk:
    """
    The ledger's file, and what a kill leaves of it.

    Args:
        folder: Where the files are.
        cleanup: Closes in the end what the dead have left open.
    """

    def __init__(self, folder: Path, cleanup: ExitStack) -> None:
        self._folder = folder
        self._cleanup = cleanup
        self._life = 0
        self.ledger = self._open()

    def leave(self) -> None:
        """Keep the bytes as they are now: a kill leaves exactly these."""
        for suffix in ("", "-wal"):
            shutil.copy(
                self._path(self._life, suffix), self._path(self._life + 1, suffix)
            )

    def come_back(self) -> None:
        """Open what was left, as a new process does."""
        self._life += 1
        self.ledger = self._open()

    def _path(self, life: int, suffix: str = "") -> Path:
        return self._folder / f"life-{life}.sqlite{suffix}"

    def _open(self) -> SqliteLedger:
        opened = open_ledger(self._path(self._life))
        self._cleanup.callback(opened.close)
        return opened


class Exporter:
    """
    Bookkeepers that follow each other on one disk, fed as the station feeds them.

    Args:
        disk: Where the ledger is.
        seen: All that happens, by the instant at which a source would see it.
        at_once: Runs that a tick looks at.
    """

    def __init__(
        self, disk: Disk, seen: Iterable[RunObservation], at_once: int = AT_ONCE
    ) -> None:
        self.disk = disk
        self._at_once = at_once
        self.now_s = 0.0
        self.away_s = 0.0
        self.views: list[RunView] = []
        self._coming = sorted(seen, key=lambda one: one.at_ns)
        self._gone: set[str] = set()
        self._books = self._begin()

    def run(self, until_s: float) -> None:
        """Tick, and be scraped, up to *until_s*."""
        while self.now_s < until_s:
            self._tick()
            self._scrape()

    def die(self, moment: str, away_s: float) -> None:
        """Be killed at a moment of the next tick, and come back *away_s* later."""
        if moment == "before the commit":
            self.disk.leave()
        self._tick()
        if moment == "after the commit":
            self.disk.leave()
        if moment == "after the scrape":
            self._scrape()
            self.disk.leave()
        self.now_s += away_s
        self.away_s += away_s
        self._arrived()
        self.disk.come_back()
        self._books = self._begin()
        for fold in self._books.resume(self._now_ns):
            self._books.take(self._exits_while_away(fold))
        self._scrape()

    @property
    def _now_ns(self) -> int:
        return ns(START_S + self.now_s)

    def _begin(self) -> Bookkeeper:
        return Bookkeeper(
            self.disk.ledger,
            RULES,
            cluster=KEY.cluster,
            namespace=KEY.namespace,
            silence_ns=15 * NS_PER_SECOND,
            retention_ns=900 * NS_PER_SECOND,
            at_once=self._at_once,
        )

    def _tick(self) -> None:
        self.now_s += TICK_S
        self._books.take(self._arrived())
        assert self._books.tick(self._now_ns)

    def _scrape(self) -> None:
        views = self._books.views(self._now_ns, {})
        self.views += [view for view in views if view.key == KEY]

    def _arrived(self) -> list[RunObservation]:
        arrived = [one for one in self._coming if one.at_ns <= self._now_ns]
        del self._coming[: len(arrived)]
        self._gone |= {e.incarnation for e in arrived if isinstance(e, RankExited)}
        return arrived

    def _exits_while_away(self, fold: Fold) -> Iterator[RankExited]:
        for name, life in fold.lives.items():
            if life.is_alive and name in self._gone:
                yield RankExited(name, self._now_ns, None, "gone", life.reported_ns)


def ledger_conserves(ledger: SqliteLedger) -> bool:
    """Tell whether the entries tile the run's time, and are what the state says."""
    state = ledger.state_of(KEY)
    assert state is not None
    assert ledger.verify() == []
    segments = list(ledger.segments(KEY))
    verify_tiling(segments)
    fold = decode_state(state)
    held = sum(span.length_ns for part in fold.steps.held for span in part.spans)
    line_ns = fold.line_ns or 0
    whole = (line_ns - fold.opened_ns - fold.steps.open_ns - held) * fold.asked
    return tally(segments).total_gpu_ns == whole and tally(segments) == fold.book.live


def went_back(views: list[RunView]) -> list[str]:
    """Return the counters that fell from one scrape to a later one."""
    return [
        f"{name}: {before} -> {counters(later).get(name)} at {later.sealed_through_ns}"
        for earlier, later in pairwise(views)
        for name, before in counters(earlier).items()
        if counters(later).get(name, -1) < before
    ]


def counters(view: RunView) -> dict[str, int]:
    """Return what a run's page shows as counters."""
    return {
        "first": view.steps_first_time,
        "redone": view.steps_redone,
        "interruptions": view.interruptions,
        **{str(state): gpu_ns for state, gpu_ns in view.sealed.gpu_ns.items()},
        **{f"by {cause}": gpu_ns for cause, gpu_ns in view.sealed.bad_gpu_ns.items()},
        **{str(pair): gpu_ns for pair, gpu_ns in view.restated.items()},
    }


def seconds(view: RunView, state: RunState) -> float:
    """Return the sealed seconds of one state, of the two devices together."""
    return view.sealed.gpu_ns.get(state, 0) / NS_PER_SECOND


def kills(count: int, *, seed: int, away_s: float, last_s: float = 270.0) -> list[Kill]:
    """Choose when to kill, at which moment of a tick, and for how long at most."""
    dice = random.Random(seed)  # noqa: S311 - the same moments again, no secret
    instants_s = sorted(dice.uniform(1.0, last_s) for _ in range(count))
    return [
        (at_s, dice.choice(MOMENTS), dice.uniform(0.0, away_s)) for at_s in instants_s
    ]


def lived(
    folder: Path,
    seen: list[RunObservation],
    plan: list[Kill],
    at_once: int = AT_ONCE,
) -> tuple[Exporter, bool]:
    """
    Live through a story with the kills that are planned.

    Returns:
        The exporter, and whether its last ledger conserves.
    """
    folder.mkdir(exist_ok=True)
    with ExitStack() as cleanup:
        exporter = Exporter(Disk(folder, cleanup), seen, at_once)
        for at_s, moment, away_s in plan:
            exporter.run(at_s)
            exporter.die(moment, away_s)
        exporter.run(OVER_S)
        return exporter, ledger_conserves(exporter.disk.ledger)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_two_hundred_kills_of_one_story_lose_no_time(tmp_path: Path, seed: int) -> None:
    """
    Four times fifty: at any second, and at any moment of a tick.

    The exporter dies every five seconds, and the book has a single unbroken line.
    A goodbye that it heard and had not written down is an end that nobody saw.
    """
    exporter, conserves = lived(
        tmp_path, a_life_with_a_crash(), kills(50, seed=seed, away_s=4.0)
    )

    last = exporter.views[-1]
    assert conserves
    assert went_back(exporter.views) == []
    assert min(last.settled.gpu_ns.values()) >= 0
    assert last.steps_first_time <= STEPS
    assert last.steps_first_time + last.steps_redone <= EXECUTED
    assert 1 <= last.interruptions <= 2


@pytest.mark.parametrize("seed", range(10))
def test_time_that_nobody_saw_is_unobserved_and_no_more(
    tmp_path: Path, seed: int
) -> None:
    """
    Away for up to a minute, five times, at any moment of a crash.

    What the run lost to us is at most the time that we were away, and what we
    knew when we were killed.
    """
    exporter, conserves = lived(
        tmp_path, a_life_with_a_crash(), kills(5, seed=seed, away_s=60.0)
    )

    last = exporter.views[-1]
    unseen_s = exporter.away_s + 5 * (INTERVAL_S + 2 * TICK_S)
    assert conserves
    assert went_back(exporter.views) == []
    assert min(last.settled.gpu_ns.values()) >= 0
    assert seconds(last, RunState.UNOBSERVED) <= 2 * unseen_s
    assert last.steps_first_time <= STEPS
    assert last.steps_first_time + last.steps_redone <= EXECUTED


@pytest.mark.parametrize(("count", "away_s"), [(1, 200.0), (4, 40.0), (20, 10.0)])
def test_a_run_that_lives_through_every_kill_has_the_book_it_would_have_had(
    tmp_path: Path, count: int, away_s: float
) -> None:
    """What the ranks counted while we were away bridges the gap: nothing is unseen."""
    story = a_life_without_one()
    plan = kills(count, seed=count, away_s=away_s, last_s=50.0)
    whole, _ = lived(tmp_path / "whole", story, [])
    exporter, conserves = lived(tmp_path / "killed", story, plan)

    last, truth = exporter.views[-1], whole.views[-1]
    assert conserves
    assert went_back(exporter.views) == []
    assert not last.interruptions
    assert not last.sealed.of(RunState.UNOBSERVED, RunState.DOWN, RunState.INTERRUPTED)
    assert last.steps_first_time == truth.steps_first_time == 25
    assert last.sealed.total_gpu_ns == truth.sealed.total_gpu_ns


@pytest.mark.parametrize("seed", range(3))
def test_a_fleet_that_takes_turns_loses_no_more_by_being_killed(
    tmp_path: Path, seed: int
) -> None:
    """What was heard of a run that waited for its turn is there after a kill."""
    exporter, conserves = lived(
        tmp_path,
        in_a_fleet(a_life_with_a_crash()),
        kills(8, seed=seed, away_s=0.0),
        at_once=1,
    )

    last = exporter.views[-1]
    # A kill costs the tick in which it falls: two ranks' words of the same instant.
    unseen_s = 8 * (INTERVAL_S + 2 * TICK_S)
    assert conserves
    assert went_back(exporter.views) == []
    assert min(last.settled.gpu_ns.values()) >= 0
    assert seconds(last, RunState.UNOBSERVED) <= 2 * unseen_s
    assert last.steps_first_time + last.steps_redone <= EXECUTED
    assert last.interruptions == 1


def test_a_fleet_has_the_books_it_would_have_had_without_kills(tmp_path: Path) -> None:
    """With or without turns, with or without kills: the same steps, the same sum."""
    story = in_a_fleet(a_life_without_one())
    whole, _ = lived(tmp_path / "whole", story, [])
    plan = kills(12, seed=3, away_s=5.0, last_s=50.0)
    exporter, conserves = lived(tmp_path / "killed", story, plan, at_once=1)

    last, truth = exporter.views[-1], whole.views[-1]
    assert conserves
    assert went_back(exporter.views) == []
    assert last.steps_first_time == truth.steps_first_time == 25
    assert last.sealed.total_gpu_ns == truth.sealed.total_gpu_ns
