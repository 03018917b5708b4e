"""Stories in which each rule of the definitions has something to decide."""

from __future__ import annotations

from dataclasses import replace

from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.fold import Observation
from goodput_exporter.domain.observations import (
    Delivered,
    RankExited,
    RankReport,
    RunObservation,
)
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Phase
from tests.fakes.broken import Story
from tests.fakes.crews import crew, death, in_step, init_until, leave, told
from tests.fakes.pods import Pods
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import START_S, observations

PINNED: dict[str, object] = {"reference_step_ns": 10 * NS_PER_SECOND}


def _one(life: int, begins_s: float = 0.0) -> Rank:
    return Rank(inc=f"{life:016x}", pid=life, begins_s=begins_s).init(5)


def an_outage() -> Story:
    """G1: steps 0-9 with the last cut, an outage, three steps redone."""
    one = _one(1).steps(0, 5, each=10).save(1, 5).steps(6, 8, each=10).cut(10)
    two = _one(2, 400).restore(3, 5).steps(6, 19, each=10).bye()
    return Story(observations([one, two]), 580, PINNED)


def a_fresh_start() -> Story:
    """The second life begins where the first did, and says that it does."""
    one = _one(1).steps(100, 105, each=10).cut(4)
    two = _one(2, 100).declare(-1).steps(100, 109, each=10).bye()
    return Story(observations([one, two]), 230, PINNED)


def numbers_of_its_own() -> Story:
    """Each life counts its steps from zero."""
    one, two = _one(1), _one(2, 100)
    one.local_steps = two.local_steps = True
    lives = [one.steps(0, 5, each=10), two.steps(0, 5, each=10).bye()]
    return Story(observations(lives), 190, PINNED)


def a_failure_for_good() -> Story:
    """A checkpoint that is durable, one that is only saved, and nobody returns."""
    one = _one(1).steps(0, 3, each=10).save(12, 3).steps(4, 6, each=15)
    one.save(1, 6, durable=False).steps(7, 8, each=10).cut(4)
    return Story(observations([one]), 1100, PINNED)


def a_failure_without_checkpoints() -> Story:
    """Nobody ever said what is durable."""
    return Story(observations([_one(1).steps(0, 6, each=10)]), 1000, PINNED)


def an_old_checkpoint() -> Story:
    """A restart from below the durable step, and then a failure for good."""
    one = _one(1).steps(0, 3, each=10).save(2, 3).steps(4, 7, each=10).save(2, 7).cut(4)
    two = _one(2, 150).restore(3, 3).steps(4, 9, each=10)
    return Story(observations([one, two]), 1150, PINNED)


def a_rollback() -> Story:
    """Steps are redone without any interruption."""
    one = _one(1).steps(0, 9, each=10).restore(3, 4).steps(5, 12, each=10).bye()
    return Story(observations([one]), 230, PINNED)


def a_run_that_learns() -> Story:
    """Long first steps, then small and large excesses over what is usual."""
    one = _one(1).steps(0, 2, each=20).steps(3, 10, each=10).steps(11, 12, each=15)
    one.steps(13, 22, each=10.2)
    one.steps(23, 26, each=15).steps(27, 29, each=10.4).save(1, 27)
    one.steps(30, 69, each=14).cut(3)
    two = _one(2, 1000).restore(2, 27).steps(28, 28, each=25).steps(29, 33, each=10)
    return Story(observations([one, two.steps(34, 71, each=14).bye()], every_s=5), 1600)


def a_hang() -> Story:
    """A step of five minutes, a wait of fifteen, and a hang that is killed."""
    one = _one(1).steps(0, 24, each=10).steps(25, 25, each=300).steps(26, 29, each=10)
    one.data(900).steps(30, 33, each=10).cut(200)
    return Story(observations([one], every_s=5), 1900)


def steps_of_long_and_short() -> Story:
    """One step in twelve takes nine times as long as the others."""
    one = _one(1)
    for first in range(0, 36, 12):
        one.steps(first, first + 10, each=10).steps(first + 11, first + 11, each=90)
    return Story(observations([one.steps(36, 36, each=400).bye()], every_s=5), 1100)


def ranks_that_wait() -> Story:
    """Four ranks of which now one, now another waits, saves or validates."""
    ranks = crew(4)
    init_until(ranks, 10)
    for rank in ranks[:2]:
        rank.restore(4 + 6 * rank.rank, 0)
    init_until(ranks, 25)
    waits = {(0, 3): 6.0, (1, 3): 2.0, (2, 9): 7.0, (3, 14): 4.0}
    in_step(ranks, 1, 16, each=2.0, waits=waits)
    for rank in ranks:
        rank.phase("eval", 3.0 + rank.rank).phase("checkpoint_save", 6.0 - rank.rank)
    in_step(ranks, 17, 24, each=12.0, waits={(1, 20): 3.0})
    leave(ranks)
    return Story(told(ranks, [death(rank, 0) for rank in ranks]), 290, PINNED)


def one_of_two_is_missing() -> Story:
    """One rank dies; the other goes on reporting until it is back."""
    ranks = crew(2)
    init_until(ranks, 10)
    in_step(ranks, 0, 9, each=5.0)
    ranks[0].phase("eval", 40)
    back = crew([1], world=2, life=2, begins_s=80)
    init_until(back, 90)
    back[0].restore(10, 9)
    both = [ranks[0], *back]
    in_step(both, 10, 19, each=5.0)
    leave(both)
    deaths = [death(ranks[1]), *(death(rank, 0) for rank in both)]
    return Story(told([*ranks, *back], deaths), 200, PINNED)


def six_of_eight_go_on() -> Story:
    """Two die; six step on at once; two newcomers start up beside them."""
    ranks = crew(8)
    init_until(ranks, 10)
    in_step(ranks, 0, 19, each=2.0)
    in_step(ranks[:6], 20, 49, each=2.0)
    new = crew([6, 7], world=8, life=2, begins_s=110)
    init_until(new, 130)
    in_step(ranks[:6], 50, 59, each=2.0)
    in_step([*ranks[:6], *new], 60, 69, each=2.0)
    deaths = [death(rank) for rank in ranks[6:]]
    return Story(told([*ranks, *new], deaths), 155)


def who_takes_no_part() -> Story:
    """A launcher reports beside the trainer, and is idle all the time."""
    one = _one(1).steps(0, 5, each=10).bye()
    other = Rank(inc="f" * 16, rank=1, pid=9).init(1).phase("idle", 64)
    beside: list[RunObservation] = [
        replace(seen, role="launcher")
        for seen in observations([other], known_exit=False)
        if isinstance(seen, RankReport)
    ]
    return Story([*observations([one]), *beside], 110, PINNED)


def a_silence() -> Story:
    """Its process lives, and for four minutes nothing is heard of it."""
    seen = observations([_one(1).steps(0, 49, each=10).bye()])
    first, last = seen[0].at_ns, seen[-1].at_ns
    heard = [s for s in seen if not first + 100e9 < s.at_ns < first + 340e9]
    assert heard[-1].at_ns == last
    return Story(heard, 560, PINNED)


def our_own_downtime() -> Story:
    """This program is away for three minutes; the rank lived through it."""
    seen = observations([_one(1).steps(0, 39, each=10).bye()])
    heard = [one for one in seen if not 280 <= one.at_ns / 1e9 - 1_000_000 < 400]
    return Story(heard, 460, PINNED, away_s=(100, 280))


def late_words() -> Story:
    """What the rank says takes four seconds; its death is known at once."""
    one = _one(1).steps(0, 7, each=10).cut(1)
    two = _one(2, 100).steps(8, 12, each=10).bye()
    seen = observations([one, two], every_s=1)
    return Story(seen, 190, PINNED, late_s={RankReport: 4.0, RankExited: 0.0})


def a_slow_agent() -> Story:
    """Two agents, one of which delivers forty seconds late: nothing is restated."""
    lives = [_one(1).steps(0, 19, each=10).bye()]
    seen: list[Observation] = [*observations(lives)]
    seen += [Delivered("n1", ns(START_S + at_s)) for at_s in range(5, 230, 5)]
    return Story(seen, 260, PINNED, late_s={RankReport: 40.0, Delivered: 40.0})


def a_queue_and_a_lost_node() -> Story:
    """It waits, trains, loses a node, is scheduled again and comes back."""
    pods = Pods(asked=1).at(0, "queued").at(20, "provisioning").at(40, "running")
    pods.at(105, "down").at(120, "scheduling").at(140, "running")
    one = Rank(inc="a" * 16, pid=1, begins_s=45).init(5).steps(0, 4, each=10).data(5)
    two = Rank(inc="b" * 16, pid=2, begins_s=150).init(5).restore(2, 3)
    lives = [one, two.steps(4, 9, each=10).bye()]
    lost = Evidence(ns(START_S + 104), Kind.NODE_CONDITION, "Ready=Unknown", "node/n1")
    return Story([*pods.said, *observations(lives), lost], 260, PINNED)


def a_success_and_a_sequel() -> Story:
    """It ends well, in the middle of a step; a minute later it goes on."""
    one = _one(1).steps(0, 5, each=10).cut(4).bye()
    two = _one(2, 130).steps(6, 9, each=10).bye()
    return Story(observations([one, two]), 210, PINNED)


def a_word_that_nobody_measured() -> Story:
    """No checkpoint, no tokens, no FLOPs, and no time yet but start-up."""
    return Story(observations([_one(1).init(40)]), 30)


def a_short_limit() -> Story:
    """Validation may take thirty seconds here, and takes fifty."""
    one = _one(1).steps(0, 3, each=10).phase("eval", 50).steps(4, 6, each=10).bye()
    floors = {Phase.EVAL: 30 * NS_PER_SECOND, Phase.TRAIN_STEP: 60 * NS_PER_SECOND}
    return Story(observations([one]), 170, {**PINNED, "stall_floors_ns": floors})


def fewer_are_slower() -> Story:
    """Half of the ranks come back after a crash, and take longer for a step."""
    ranks = crew(4)
    init_until(ranks, 10)
    in_step(ranks, 0, 29, each=3.0)
    half = crew(2, life=2, begins_s=120)
    init_until(half, 130)
    in_step(half, 30, 59, each=5.0)
    leave(half)
    deaths = [*(death(rank) for rank in ranks), *(death(rank, 0) for rank in half)]
    return Story(told([*ranks, *half], deaths), 300)


def a_hang_before_the_reference() -> Story:
    """Of the first twenty samples one is a hang that resolved."""
    one = _one(1).steps(0, 9, each=10).steps(10, 10, each=150).steps(11, 21, each=11)
    one.steps(22, 22, each=15)  # the nineteenth sample, as the hang is none
    return Story(observations([one.steps(23, 39, each=12).bye()]), 700)


def a_drift() -> Story:
    """After thirty steps of a second, all take two fifths longer."""
    one = _one(1).steps(0, 29, each=1).steps(30, 259, each=1.4).bye()
    return Story(observations([one]), 400)


def rank_0_falls_silent() -> Story:
    """Nobody hears rank 0 any more; the other two go on, and say so."""
    ranks = crew(3)
    init_until(ranks, 10)
    in_step(ranks, 0, 39, each=5.0)
    seen = told(ranks, [])
    gone_ns = seen[0].at_ns + 60 * NS_PER_SECOND
    heard = [
        one for one in seen if one.at_ns < gone_ns or one.incarnation != ranks[0].inc
    ]
    return Story(heard, 200, PINNED)
