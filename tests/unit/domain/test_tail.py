"""The open tail says what a run does now, before anything of it is decided."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.snapshot import RunView
from goodput_exporter.domain.states import Cause, Phase, RunState
from tests.fakes.crews import crew, death, in_step, init_until, told
from tests.fakes.office import Office
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import observations


def trained() -> Rank:
    """Ten steps of five seconds after a start of five: it has trained for 55 s."""
    return Rank(pid=1).init(5).steps(0, 9, each=5)


def at(rank: Rank, second: float, *, known_exit: bool = True) -> RunView:
    """Return what is shown of one rank's run at an instant."""
    return Office().live(rank, until_s=second, known_exit=known_exit).view()


@pytest.mark.parametrize("after_s", [1, 2, 5, 60])
def test_a_crash_shows_at_once(after_s: float) -> None:
    """Within two seconds of the kernel's word, long before anything is booked."""
    view = at(trained(), 55 + after_s)

    assert view.state is RunState.DOWN
    assert view.cause is Cause.UNKNOWN
    assert view.state_since_ns == view.opened_ns + ns(55)


@pytest.mark.parametrize("into_s", [0.5, 2, 30, 700])
def test_a_checkpoint_shows_while_it_lasts(into_s: float) -> None:
    """A save of twelve minutes is a save all along."""
    assert at(trained().save(720, 9), 55 + into_s).state is RunState.CHECKPOINTING


def test_a_save_past_its_limit_is_stalled_from_the_limit_on() -> None:
    """The same rule that will book it says so before."""
    rules = Rules(stall_floors_ns={Phase.CHECKPOINT_SAVE: ns(60)})
    rank = trained().save(300, 9)

    before = Office(rules).live(rank, until_s=112).view()
    view = Office(rules).live(rank, until_s=118).view()

    assert before.state is RunState.CHECKPOINTING
    assert view.state is RunState.STALLED
    assert view.state_since_ns == view.opened_ns + ns(55 + 60)


def test_an_open_step_is_productive_until_its_limit() -> None:
    """Sixty seconds into a step of five nobody calls it progress any more."""
    rank = trained().cut(300)

    assert at(rank, 100).state is RunState.PRODUCTIVE
    stalled = at(rank, 130)
    assert stalled.state is RunState.STALLED
    assert stalled.cause is Cause.HANG
    assert stalled.state_since_ns == stalled.opened_ns + ns(55)


def test_steps_that_were_done_before_are_redone() -> None:
    """After a rollback the open step is no progress either."""
    first = Rank(inc="a" * 16, pid=1).init(5).steps(0, 9, each=5)
    again = Rank(inc="b" * 16, pid=2, begins_s=60).init(2).restore(3, 4)
    again.steps(5, 6, each=5).cut(20)

    view = Office().live(first, again, until_s=78).view()

    assert view.state is RunState.RECOMPUTING


def test_silence_is_not_down() -> None:
    """The last word is believed for a while; then nobody knows."""
    rank = trained().data(400)
    seen = [one for one in observations([rank]) if one.at_ns <= ns(1_000_070)]

    assert Office().watch(seen, 76).view().state is RunState.DATA_WAIT
    assert Office().watch(seen, 84).view().state is RunState.UNOBSERVED
    assert Office().watch(seen, 200).view().state is RunState.UNOBSERVED


def test_after_goodbye_it_is_idle_until_it_is_gone() -> None:
    """The process still runs: its GPUs are held and do nothing."""
    seen = observations([trained().bye()], known_exit=False)

    view = Office().watch(seen, 90).view()

    assert view.state is RunState.IDLE
    assert view.state_since_ns == view.opened_ns + ns(55)
    assert view.ended_ns is None


def test_one_rank_that_waits_for_data_makes_the_run_wait() -> None:
    """The others are inside their step, and wait for it there."""
    ranks = crew(3)
    init_until(ranks, 5)
    in_step(ranks, 0, 9, each=4, waits={(1, 9): 30.0})

    view = Office().watch(told(ranks, []), 60).view()

    assert view.state is RunState.DATA_WAIT


def test_a_rank_between_two_steps_does_not_make_the_run_wait() -> None:
    """At any instant some rank of many fetches its next batch: that is stepping."""
    ranks = crew(4)
    init_until(ranks, 5)
    waits = {(step % 4, step): 0.2 for step in range(40)}
    in_step(ranks, 0, 39, each=2.0, waits=waits)
    office = Office()

    states = [
        office.watch(told(ranks, []), second).view().state for second in range(20, 80)
    ]

    # What was really a wait at that very instant may show; it is 2 % here.
    assert states.count(RunState.DATA_WAIT) <= 3
    assert set(states) <= {RunState.PRODUCTIVE, RunState.SLOW, RunState.DATA_WAIT}


def test_one_rank_of_many_takes_the_run_down() -> None:
    """Whatever the survivors say: the job cannot step without it."""
    ranks = crew(3)
    init_until(ranks, 5)
    in_step(ranks, 0, 9, each=4)
    for survivor in ranks[1:]:
        survivor.cut(60)

    view = Office().watch(told(ranks, [death(ranks[0])]), 47).view()

    assert view.state is RunState.DOWN
    assert view.asked_devices == 3
    assert view.tail.of(RunState.DOWN) == 3 * ns(2)
