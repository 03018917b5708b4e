"""Ranks are compared by what they spend lately, once there is enough of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from goodput_exporter.domain.life import Life
from goodput_exporter.domain.pacing import Pacing
from goodput_exporter.domain.states import Phase
from tests.fakes.ranks import ns

START_UP_S = 30.0


def life(rank: int, *, stepped_s: float, loading_s: float = 0.0) -> Life:
    """Return a rank that started up, loaded and stepped for so long."""
    up_ns = ns(START_UP_S + loading_s + stepped_s)
    return Life(
        incarnation=f"{rank:016x}",
        rank=rank,
        world_size=2,
        devices=1,
        started_ns=0,
        reported_ns=up_ns,
        seq=1,
        up_ns=up_ns,
        phase=Phase.TRAIN_STEP,
        stretch_ns=0,
        cum_ns={Phase.INIT: ns(START_UP_S), Phase.DATA_LOADING: ns(loading_s)},
        pid=rank,
        steps_done=1,
    )


def named(pacing: Pacing) -> list[int]:
    """Return the ranks that are waited for."""
    return [one.rank for one in pacing.waited_for]


def after(*looks: tuple[float, Sequence[Life]]) -> Pacing:
    """Look at the ranks at some seconds."""
    pacing = Pacing()
    for at_s, lives in looks:
        pacing.look(lives, ns(at_s))
    return pacing


def test_a_rank_that_loads_longer_stands_out() -> None:
    """20 s of 100, the other none."""
    pacing = after((0, [life(0, stepped_s=100), life(1, stepped_s=80, loading_s=20)]))

    (one,) = pacing.waited_for
    assert (one.rank, one.phase) == (1, Phase.DATA_LOADING)
    assert (one.share, one.middle_share) == (0.2, 0.0)


def test_a_rank_that_began_later_is_compared_by_its_share() -> None:
    """Half as long there, half as much loaded: as the others."""
    pacing = after(
        (0, [life(0, stepped_s=80, loading_s=20), life(1, stepped_s=40, loading_s=10)])
    )

    assert named(pacing) == []
    assert pacing.ranks == 2


def test_a_start_up_is_not_compared() -> None:
    """In a few seconds after it, the first batch is everything that was done."""
    pacing = after((0, [life(0, stepped_s=8), life(1, stepped_s=0, loading_s=8)]))

    assert named(pacing) == []


def test_only_the_last_minutes_count() -> None:
    """Who loaded slowly for ten minutes and no longer is forgotten ten later."""
    slow = [life(0, stepped_s=600), life(1, stepped_s=300, loading_s=300)]
    later = [life(0, stepped_s=1_300), life(1, stepped_s=1_000, loading_s=300)]
    looks = [(0.0, slow), (600.0, slow), (1_300.0, later)]

    assert named(after(*looks[:2])) == [1]
    assert named(after(*looks)) == []
    assert named(after(looks[-1])) == [1]  # a new exporter knows whole lives only


def test_who_was_named_stays_so_while_time_is_counted_anew() -> None:
    """Right after the turn there is too little to judge by."""
    then = [life(0, stepped_s=600), life(1, stepped_s=300, loading_s=300)]
    now = [life(0, stepped_s=610), life(1, stepped_s=310, loading_s=300)]

    pacing = after((0, then), (600, then), (610, now))

    assert named(pacing) == [1]


def test_nobody_waits_for_the_dead() -> None:
    """The rank that was waited for is gone, and one is left."""
    lives = [life(0, stepped_s=100), life(1, stepped_s=80, loading_s=20)]
    gone = replace(lives[1], ended_ns=ns(140))

    pacing = after((0, lives), (20, [lives[0], gone]))

    assert named(pacing) == []
    assert pacing.ranks == 1


def test_a_guess_names_nobody() -> None:
    """Phases that were inferred from GPUs are not what a rank has said."""
    lives = [life(0, stepped_s=100), life(1, stepped_s=80, loading_s=20)]

    pacing = after((0, [replace(one, active_ns=0) for one in lives]))

    assert pacing.ranks == 0
