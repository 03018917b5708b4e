"""How a run ends, what is in its book then, and how it goes on after all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goodput_exporter.domain.bookings import EventKind
from goodput_exporter.domain.observations import RankExited, RankReport
from goodput_exporter.domain.settings import MINUTE_NS, Rules
from goodput_exporter.domain.states import Cause, RunState
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import START_S, Observer, observations
from tests.scenarios.telling import (
    PINNED,
    books_close,
    events,
    lost_by_cause,
    part,
    restated,
    story_s,
    tell,
)


def life(steps: int = 5) -> Rank:
    """Return a rank that starts for five seconds and then steps."""
    return Rank(inc="a" * 16, pid=1).init(5).steps(0, steps - 1, each=10)


def later(begins_s: float, first: int = 5) -> Rank:
    """Return a rank of the same run that goes on with step *first*."""
    rank = Rank(inc="b" * 16, pid=2, begins_s=begins_s).init(5)
    return rank.declare(first - 1).steps(first, first + 4, each=10)


def exits(story: Observer, at_s: float, code: int | None) -> Observer:
    """Let the process of the first rank end, and watch for a minute."""
    gone = RankExited("a" * 16, ns(START_S + at_s), code, "seen by the kernel")
    return story.watch([gone], at_s + 60)


def test_a_goodbye_of_the_only_rank_ends_the_run() -> None:
    """It succeeded, and its book is closed at its exit."""
    story = tell(life().bye(), after_s=60)

    assert story.fold.outcome == "succeeded"
    assert story.fold.ended_ns == ns(START_S + 55)
    assert story.fold.line_ns == ns(START_S + 55)
    assert events(story, EventKind.ENDED)[0].detail == {"outcome": "succeeded"}
    assert books_close(story)


def test_a_run_with_a_rank_left_has_not_ended() -> None:
    """Every rank must say goodbye."""
    short = Rank(inc="a" * 16, rank=0, world=2, pid=1).init(5).steps(0, 4, each=10)
    long = Rank(inc="b" * 16, rank=1, world=2, pid=2).init(5).steps(0, 9, each=10)
    seen = observations([short.bye(), long.bye()])
    story = Observer(PINNED).watch(part(seen, 0, 90), 90)
    outcome_before = story.fold.outcome
    story.watch(part(seen, 90, 200), 140)

    assert outcome_before == "running"
    assert story.fold.outcome == "succeeded"
    assert story.fold.ended_ns == ns(START_S + 105)
    assert books_close(story)


def test_a_status_of_zero_is_as_good_as_a_goodbye() -> None:
    """The datagram may be lost; the kernel's word is not."""
    story = Observer(PINNED).watch(observations([life()], known_exit=False), 56)
    exits(story, 56, 0)

    assert story.fold.outcome == "succeeded"
    assert story.fold.incidents == []


@pytest.mark.parametrize("code", [1, -9, None])
def test_an_exit_without_goodbye_is_abnormal(code: int | None) -> None:
    """Whatever the status is, and also where nobody could read it."""
    story = Observer(PINNED).watch(observations([life()], known_exit=False), 56)
    exits(story, 56, code)

    assert story.fold.outcome == "running"
    assert len(story.fold.incidents) == 1
    assert story.live()["down"] == pytest.approx(55, abs=1)


def test_a_goodbye_that_says_it_failed_is_an_interruption_at_once() -> None:
    """The program knows before the kernel."""
    seen = observations([life().bye(ok=False)], known_exit=False)
    story = Observer(PINNED).watch(seen, 70)

    assert story.fold.incidents[0].cause is Cause.APPLICATION_ERROR
    assert story.fold.incidents[0].rule == "program-said-so"
    assert story_s(story.fold.incidents[0].detected_ns) == 55
    assert story.live()["down"] == 10


def test_a_goodbye_followed_by_a_bad_status_is_abnormal() -> None:
    """An exit handler says goodbye before the interpreter knows how it ends."""
    story = Observer(PINNED).watch(observations([life().bye()], known_exit=False), 56)
    exits(story, 56, 1)

    assert len(story.fold.incidents) == 1


def test_time_between_goodbye_and_exit_is_idle() -> None:
    """The process tears down; nothing trains in it."""
    seen = observations([life().bye()], known_exit=False)
    story = exits(Observer(PINNED).watch(seen, 60), 85, 0)

    assert story.live() == {"initializing": 5, "productive": 50, "idle": 30}
    assert story.fold.ended_ns == ns(START_S + 85)
    assert books_close(story)


def test_a_process_that_lingers_after_its_goodbye_is_idle_as_it_goes() -> None:
    """Counters need no exit to say so."""
    seen = observations([life().bye()], known_exit=False)
    story = Observer(PINNED).watch(seen, 600)

    assert story.live()["idle"] == pytest.approx(600 - 55 - 5, abs=1)
    assert story.fold.ended_ns is None
    assert books_close(story)


def test_an_unknown_process_ends_with_its_goodbye() -> None:
    """Nobody will see its exit."""
    seen = [
        replace(one, pid=None)
        for one in observations([life().bye()])
        if isinstance(one, RankReport)
    ]
    story = Observer(PINNED).watch(seen, 90)

    assert story.fold.outcome == "succeeded"
    assert story.live() == {"initializing": 5, "productive": 50}


def test_a_run_that_nobody_restarts_has_failed_after_a_quarter_of_an_hour() -> None:
    """Until then it may come back, and is down."""
    before = tell(life().cut(4), rules=PINNED, after_s=15 * 60)
    after = tell(life().cut(4), rules=PINNED, after_s=15 * 60 + 10)

    assert before.fold.outcome == "running"
    assert before.fold.ended_ns is None
    assert after.fold.outcome == "failed"
    assert after.fold.ended_ns == ns(START_S + 59)
    assert books_close(before)
    assert books_close(after)


def test_the_outage_of_a_run_that_was_over_leaves_its_book() -> None:
    """Counters keep it; the settled view and the restated counter know better."""
    story = tell(life().cut(4), rules=PINNED, after_s=16 * 60)

    assert story.live()["down"] == pytest.approx(15 * 60, abs=1)
    assert restated(story) == {"down>outside": story.live()["down"]}
    assert story.settled() == {"initializing": 5, "productive": 50, "interrupted": 4}
    assert story.fold.book.settled.bad_gpu_ns[Cause.UNKNOWN] == ns(4)
    assert books_close(story)


def test_an_earlier_outage_stays_in_the_book() -> None:
    """Only what was booked after the last exit goes out."""
    story = tell(life().cut(4), later(100).cut(4), rules=PINNED, after_s=16 * 60)

    assert story.settled()["down"] == 100 - 59
    assert restated(story)["down>outside"] == story.live()["down"] - 41
    assert books_close(story)


def test_when_a_silent_run_is_over_is_a_setting() -> None:
    """Some clusters bring jobs back after an hour."""
    hour = Rules(end_after_ns=60 * MINUTE_NS)
    story = tell(life().cut(4), rules=hour, after_s=59 * 60)

    assert story.fold.outcome == "running"


def test_a_closed_run_books_nothing_more() -> None:
    """Its line stands still."""
    story = tell(life().bye(), after_s=60)
    total_ns = story.fold.book.live.total_gpu_ns
    story.settle(3600)

    assert story.fold.book.live.total_gpu_ns == total_ns


def test_a_run_that_comes_back_after_its_failure_was_down() -> None:
    """In the ledger; counters do not go back to fill a time that was over."""
    story = tell(life().cut(4), later(2000).bye(), rules=PINNED)
    outage = 2000 - 59

    assert story.live()["down"] == pytest.approx(15 * 60, abs=1)
    assert story.settled()["down"] == outage
    assert restated(story)["outside>down"] == outage
    assert len(events(story, EventKind.REOPENED)) == 1


def test_what_a_failure_had_lost_is_found_again_when_the_run_goes_on() -> None:
    """The restatement to lost is undone; only what is really redone is lost."""
    rank = life().save(1, 4).steps(5, 6, each=10).cut(4)
    failed = tell(rank, rules=PINNED, after_s=1800)
    lost_s = failed.settled()["lost"]
    back = tell(rank, later(2000, first=7).bye(), rules=PINNED)

    assert lost_s == 20
    assert "lost" not in back.settled()
    assert back.settled()["productive"] == 70 + 50
    assert restated(back)["productive>lost"] == 20
    assert restated(back)["lost>productive"] == 20
    assert settled_whole(back, gap_s=0)


def test_a_run_that_comes_back_redoes_what_its_checkpoint_does_not_hold() -> None:
    """It resumes from step 4: steps 5 and 6 were lost after all."""
    rank = life().save(1, 4).steps(5, 6, each=10).cut(4)
    back = tell(rank, later(2000, first=5).bye(), rules=PINNED)

    assert back.settled()["lost"] == 20
    assert back.live()["recomputing"] == 20
    assert back.fold.progress.high_water == 9
    assert sum(back.fold.restarts.values()) == 1
    assert settled_whole(back, gap_s=0)


def settled_whole(story: Observer, *, gap_s: float) -> bool:
    """Tell whether the settled view holds the run's span without a gap."""
    fold = story.fold
    end_ns = fold.line_ns if fold.ended_ns is None else fold.ended_ns
    whole = (end_ns or 0) - fold.opened_ns - ns(gap_s) - story.open_ns()
    return fold.book.settled.total_gpu_ns == whole * fold.asked


def test_time_after_a_success_is_in_no_book() -> None:
    """Somebody trains the same run further, a day later: nothing was lost."""
    story = tell(life().bye(), later(86_400).bye(), rules=PINNED, tick_s=10)

    assert story.live() == {"initializing": 10, "productive": 100}
    assert story.settled() == story.live()
    assert story.fold.incidents == []
    assert story.fold.outcome == "succeeded"
    assert books_close(story, outside_s=86_400 - 55)


def test_a_run_may_fail_and_come_back_twice() -> None:
    """Each time its book is closed and opened again, to the nanosecond."""
    last = Rank(inc="c" * 16, pid=3, begins_s=5000).init(5)
    story = tell(
        life().save(1, 4).steps(5, 6, each=10).cut(4),
        later(2000).cut(4),
        last.declare(9).steps(10, 12, each=10).bye(),
        rules=PINNED,
    )

    assert story.settled()["down"] == (2000 - 80) + (5000 - 2059)
    assert settled_whole(story, gap_s=0)


def test_the_outage_before_a_reopening_has_the_cause_of_the_end() -> None:
    """The kill that ended it is why it was away."""
    story = tell(life().cut(300), later(3000).bye(), rules=PINNED)
    bad = story.fold.book.settled.bad_gpu_ns

    assert bad[Cause.HANG] == ns(300 + (3000 - 355) + 5)
    assert lost_by_cause(story)["hang"] < 2000


def test_a_hello_from_before_the_close_opens_the_run_as_well() -> None:
    """It took 40 s to its first word; the run had just been called over."""
    seen = observations([life().cut(4), later(940).init(0).bye()])
    heard = [
        o for o in seen if o.incarnation == "a" * 16 or o.at_ns > ns(START_S + 980)
    ]
    story = Observer(PINNED).watch(heard, 1030)

    assert story.fold.outcome == "succeeded"
    assert story.settled()["down"] == 940 - 59
    assert settled_whole(story, gap_s=0)


def test_finalizing_is_idle() -> None:
    """Whatever a job does after its last step, it does not train."""
    story = tell(life().phase("finalize", 20).bye(), rules=PINNED)

    assert story.live() == {"initializing": 5, "productive": 50, "idle": 20}
    assert story.fold.book.live.of(RunState.IDLE) == ns(20)


def test_an_incident_costs_the_outage_that_no_counter_saw() -> None:
    """The run was over and came back: the whole time between is its cost."""
    story = tell(life().cut(4), later(3000).bye(), rules=PINNED)

    assert story.fold.incidents[0].gpu_ns[RunState.DOWN] == ns(3000 - 59)
