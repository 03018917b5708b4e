"""What a run's silence means: never that it is down."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goodput_exporter.domain.observations import (
    RankExited,
    RankReport,
    RunObservation,
)
from goodput_exporter.domain.states import RunState
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import START_S, Observer, observations
from tests.scenarios.telling import PINNED, books_close, part, restated, tell, where


def life(steps: int = 30) -> Rank:
    """Return a rank that starts for five seconds and then steps."""
    return Rank(inc="a" * 16, pid=1).init(5).steps(0, steps - 1, each=10)


def without(
    seen: list[RunObservation], from_s: float, to_s: float
) -> list[RunObservation]:
    """Return what is left when nothing is heard in ``[from_s, to_s)``."""
    return part(seen, -1e6, from_s) + part(seen, to_s, 1e6)


def anonymous(seen: list[RunObservation]) -> list[RunObservation]:
    """Return the observations of senders whose process nobody knows."""
    return [
        replace(one, pid=None, verified=False)
        for one in seen
        if isinstance(one, RankReport)
    ]


def suspended(
    seen: list[RunObservation], at_s: float, for_s: float
) -> list[RunObservation]:
    """Return what is seen of a machine that sleeps: its own clocks stand still."""
    return [
        one
        if one.at_ns < ns(START_S + at_s)
        else replace(one, at_ns=one.at_ns + ns(for_s))
        for one in seen
    ]


def test_half_a_minute_without_datagrams_costs_nothing() -> None:
    """The next one carries the whole state; the book waited for it."""
    seen = without(observations([life().bye()]), 100, 130)
    story = Observer(PINNED).watch(seen, 340)

    assert story.live() == {"initializing": 5, "productive": 300}
    assert restated(story) == {}
    assert books_close(story)


def test_silence_beyond_the_settle_delay_is_unobserved_and_not_down() -> None:
    """The process lives, as far as anybody knows; what it does nobody knows."""
    seen = part(observations([life().bye()]), 0, 100)
    story = Observer(PINNED).watch(seen, 280)

    assert story.live()["unobserved"] == pytest.approx(280 - 60 - 98, abs=6)
    assert "down" not in story.live()
    assert story.fold.ended_ns is None
    assert books_close(story)


def test_silence_is_held_open_for_the_settle_delay() -> None:
    """Until then nothing is booked: the word may be under way."""
    seen = part(observations([life().bye()]), 0, 100)
    story = Observer(PINNED).watch(seen, 150)

    assert "unobserved" not in story.live()
    assert story.conserves()


def test_late_datagrams_restate_what_was_booked_blind() -> None:
    """Counters keep their unobserved time; hindsight knows that steps went on."""
    seen = without(observations([life().bye()]), 100, 220)
    story = Observer(PINNED).watch(seen, 340)
    blind = story.live()["unobserved"]

    assert blind == pytest.approx(120 - 60, abs=6)
    assert "unobserved" not in story.settled()
    assert story.settled()["productive"] == pytest.approx(300, abs=10)
    assert restated(story) == {"unobserved>productive": blind}
    assert books_close(story)


@pytest.mark.parametrize("ranks", [1, 2])
def test_steps_told_after_the_end_are_counted(ranks: int) -> None:
    """
    A node is cut off, the run ends, and its agent comes through minutes later.

    The time was booked blind and no more of it will come, and yet all the steps
    were done: the mark, the counters and the settled book know of them.
    """
    crew = [
        Rank(inc=name * 16, pid=number, world=ranks, rank=number)
        .init(5)
        .steps(0, 29, each=10)
        .bye()
        for number, name in enumerate("ab"[:ranks])
    ]
    seen = observations(crew)
    story = Observer(PINNED).watch(part(seen, -1e6, 100), 500)
    blind = story.live()["unobserved"]
    story.watch(part(seen, 100, 1e6), 600)

    assert story.fold.outcome == "succeeded"
    assert story.fold.progress.high_water == 29
    assert story.fold.steps_first == 30
    assert story.live()["unobserved"] == blind
    assert story.settled() == {"initializing": 5 * ranks, "productive": 300 * ranks}
    assert books_close(story)


def test_late_datagrams_tell_what_phase_it_was() -> None:
    """Not everything that was missed was progress."""
    rank = Rank(inc="a" * 16, pid=1).init(5).steps(0, 4, each=10).phase("eval", 200)
    seen = without(observations([rank.steps(5, 6, each=10).bye()]), 60, 240)
    story = Observer(PINNED).watch(seen, 310)

    assert set(restated(story)) == {"unobserved>evaluating"}
    assert story.settled()["evaluating"] == 200
    assert books_close(story)


@pytest.mark.parametrize("frozen_s", [150, 400])
def test_a_process_that_froze_with_its_sender_was_stalled(frozen_s: float) -> None:
    """Unseen while it lasted; hindsight knows that no step takes that long."""
    rank = Rank(inc="a" * 16, pid=1).init(5).steps(0, 9, each=10)
    rank.steps(10, 10, each=frozen_s + 10).steps(11, 15, each=10).bye()
    seen = without(observations([rank]), 108, 108 + frozen_s)
    story = Observer(PINNED).watch(seen, 400 + frozen_s)
    blind = story.live()["unobserved"]

    assert restated(story) == {"unobserved>stalled": blind}
    assert story.settled()["stalled"] == pytest.approx(frozen_s, abs=1)
    assert story.settled()["productive"] == pytest.approx(160, abs=1)
    assert books_close(story)


def test_steps_redone_unseen_are_no_progress_in_hindsight() -> None:
    """The first try lies in the same run, and the mark with it."""
    first = Rank(inc="a" * 16, pid=1).init(5).steps(0, 29, each=10)
    again = Rank(inc="b" * 16, pid=2, begins_s=320).restore(5, 0)
    again.steps(1, 35, each=10).bye()
    seen = without(observations([first, again]), 400, 560)
    story = Observer(PINNED).watch(seen, 760)
    blind = story.live()["unobserved"]

    assert blind > 0
    assert restated(story)["unobserved>recomputing"] == blind
    assert books_close(story)


def test_steps_of_a_time_that_was_sealed_unseen_raise_the_high_water_mark() -> None:
    """They were done, whoever saw them; and they are no sample of a step time."""
    seen = without(observations([life(60).bye()]), 100, 220)
    story = Observer().watch(seen, 640)

    assert story.fold.progress.high_water == 59
    assert story.fold.steps_first == 60
    (reference,) = story.fold.references.values()
    assert reference.lowest_ns == ns(10)
    assert "slow" not in story.live()
    assert books_close(story)


def test_datagrams_of_the_dead_change_nothing() -> None:
    """A copy that arrives after the replacement has come is old news."""
    ranks = [
        life(5).cut(5),
        Rank(inc="b" * 16, pid=2, begins_s=100).init(5).steps(5, 19, each=10).bye(),
    ]
    seen = observations(ranks)
    clean = Observer(PINNED).watch(seen, 290)
    stray = Observer(PINNED).watch(part(seen, 0, 180), 180)
    stray.watch([replace(reports(part(seen, 30, 40))[0], seq=900)], 185)
    stray.watch(part(seen, 180, 400), 290)

    assert stray.live() == clean.live()
    assert stray.fold.restarts == clean.fold.restarts
    assert stray.fold.outcome == "succeeded"
    assert books_close(stray)


def test_a_repeated_or_overtaken_datagram_changes_nothing() -> None:
    """Each carries the whole state, so an older one is no news."""
    seen = observations([life().bye()])
    doubled = sorted(
        [*seen, *(replace(one, at_ns=one.at_ns + ns(3)) for one in reports(seen))],
        key=lambda one: one.at_ns,
    )
    story = Observer(PINNED).watch(doubled, 340)

    assert story.live() == {"initializing": 5, "productive": 300}
    assert books_close(story)


def reports(seen: list[RunObservation]) -> list[RankReport]:
    """Return the datagrams among observations."""
    return [one for one in seen if isinstance(one, RankReport)]


def test_one_silent_rank_of_two_lowers_the_coverage_not_the_book() -> None:
    """A run is observed while one rank reports."""
    talks = Rank(inc="a" * 16, rank=0, world=2, pid=1).init(5).steps(0, 29, each=10)
    mute = Rank(inc="b" * 16, rank=1, world=2, pid=2).init(5).steps(0, 29, each=10)
    seen = observations([talks.bye(), mute.bye()])
    heard = [
        one
        for one in seen
        if one.incarnation == "a" * 16 or one.at_ns < ns(START_S + 100)
    ]
    story = Observer(PINNED).watch(heard, 300)

    assert "unobserved" not in story.live()
    assert "down" not in story.live()
    assert story.live()["initializing"] == 10
    assert story.live()["productive"] == pytest.approx(2 * 280, abs=30)
    assert books_close(story)


def test_a_machine_that_slept_was_unobserved() -> None:
    """A laptop's lid: the process has aged two seconds, the world two minutes."""
    seen = suspended(observations([life(20).bye()]), 99, 120)
    story = Observer(PINNED).watch(seen, 205 + 120 + 30)

    assert story.live() == {"initializing": 5, "productive": 200, "unobserved": 120}
    assert where(story, RunState.UNOBSERVED) == [(98, 218)]
    assert books_close(story)


def test_a_nap_within_the_settle_delay_is_unobserved_too() -> None:
    """Nothing was booked meanwhile, and still nobody lived through it."""
    seen = suspended(observations([life(20).bye()]), 99, 40)
    story = Observer(PINNED).watch(seen, 205 + 40 + 30)

    assert story.live() == {"initializing": 5, "productive": 200, "unobserved": 40}
    assert books_close(story)


def test_a_sleep_is_no_hang() -> None:
    """The open step is as long as the process lived, not as the world did."""
    seen = suspended(observations([life(20).bye()]), 99, 3600)
    story = Observer(PINNED).watch(seen, 205 + 3600 + 30)

    assert "stalled" not in story.live()
    assert story.live()["unobserved"] == 3600
    assert books_close(story)


def test_a_clock_that_steps_back_books_no_time_twice() -> None:
    """Our own order of events decides; lost seconds are lost to everybody."""
    seen = suspended(observations([life(20).bye()], known_exit=False), 99, -20)
    story = Observer(PINNED).watch(seen, 200)

    assert books_close(story)
    assert story.fold.progress.high_water == 19


def test_a_rank_with_an_uneven_clock_loses_no_time() -> None:
    """Its own age says when it spoke, as long as both clocks roughly agree."""
    seen = [
        replace(one, at_ns=one.at_ns + (index % 3) * ns(0.3))
        for index, one in enumerate(observations([life(20).bye()]))
    ]
    story = Observer(PINNED).watch(seen, 240)

    assert story.live()["productive"] == pytest.approx(200, abs=1)
    assert books_close(story)


def test_our_own_downtime_is_bridged_by_who_lived_through_it() -> None:
    """The rank's cumulative state tells it all in one window, marked as bridged."""
    seen = observations([life().bye()])
    story = Observer(PINNED).watch(part(seen, 0, 100), 100)
    resume(story, 280)
    story.watch(part(seen, 280, 1000), 340)

    assert story.live() == {"initializing": 5, "productive": 300}
    assert restated(story) == {}
    assert any(s.bridged for s in story.segments())
    assert all(
        s.span.start_ns < ns(START_S + 280) for s in story.segments() if s.bridged
    )
    assert story.fold.progress.high_water == 29
    assert books_close(story)


def resume(story: Observer, at_s: float) -> None:
    """Begin again after a time in which this program was not there."""
    story.now_s = at_s
    story.fold.resumed_ns = ns(START_S + at_s)


def test_after_our_own_start_a_rank_has_five_minutes_to_find_us() -> None:
    """Its first word may take as long; then it fills the gap after all."""
    seen = observations([life(60).bye()])
    story = Observer(PINNED).watch(part(seen, 0, 100), 100)
    resume(story, 120)
    story.watch(part(seen, 400, 1000), 640)

    assert story.live() == {"initializing": 5, "productive": 600}
    assert books_close(story)


def test_five_minutes_after_our_start_the_silent_are_unobserved() -> None:
    """Nobody found us, so nobody knows."""
    seen = observations([life(90).bye()])
    story = Observer(PINNED).watch(part(seen, 0, 100), 100)
    resume(story, 120)
    before = story.watch([], 120 + 299).live().get("unobserved", 0)
    story.watch([], 120 + 330)

    assert before == 0
    assert story.live()["unobserved"] > 0
    assert "down" not in story.live()
    assert books_close(story)


def test_a_rank_that_came_back_in_our_downtime_was_not_down() -> None:
    """It began while nobody listened, and says so when it finds us: 30 s after."""
    back = Rank(inc="b" * 16, pid=2, begins_s=70).init(10).steps(5, 40, each=10).bye()
    seen = observations([life(5).cut(5), back])
    story = Observer(PINNED).watch(part(seen, 0, 66), 66)
    resume(story, 200)
    story.watch(part(seen, 230, 1000), 500)

    assert restated(story) == {}
    assert story.live()["down"] == 10
    assert "unobserved" not in story.live()
    assert books_close(story)


def test_five_minutes_after_our_start_who_is_missing_was_down_all_the_time() -> None:
    """Nobody says that he came back, so nobody did."""
    story = Observer(PINNED).watch(observations([life(5).cut(5)]), 66)
    resume(story, 200)
    before = story.watch([], 200 + 299).live()["down"]
    story.watch([], 200 + 330)

    assert before == pytest.approx(1, abs=1)
    assert story.live()["down"] == pytest.approx(530 - 60 - 5, abs=1)
    assert books_close(story)


def test_an_end_in_our_downtime_is_unobserved_up_to_when_we_saw_it() -> None:
    """It was alive before and gone after; when it died nobody can say."""
    seen = observations([life(5).cut(5)], known_exit=False)
    story = Observer(PINNED).watch(seen, 60)
    resume(story, 300)
    gone = RankExited("a" * 16, ns(START_S + 300), None, since_ns=ns(START_S + 60))
    story.watch([gone], 340)

    assert story.live()["unobserved"] == 300 - 60
    assert where(story, RunState.UNOBSERVED) == [(60, 300)]
    assert story.live()["interrupted"] == 5
    assert story.live()["down"] == pytest.approx(35, abs=1)
    assert books_close(story)


def test_an_end_that_nobody_saw_is_not_called_a_failure() -> None:
    """It may have said goodbye to nobody: what it did is not declared lost."""
    seen = observations([life(5).save(0.0, 2).cut(5)], known_exit=False)
    story = Observer(PINNED).watch(seen, 60)
    resume(story, 300)
    gone = RankExited("a" * 16, ns(START_S + 300), None, since_ns=ns(START_S + 60))
    story.watch([gone], 320).settle(16 * 60)

    assert story.fold.outcome == "unknown"
    assert "lost" not in story.settled()
    assert "down" not in story.settled()
    assert books_close(story)


def test_an_end_that_nobody_saw_was_an_outage_if_the_run_goes_on() -> None:
    """A return after the book was closed says that the time between was down."""
    seen = observations(
        [
            life(5).cut(5),
            Rank(inc="b" * 16, pid=2, begins_s=1500)
            .init(5)
            .declare(4)
            .steps(5, 9, each=10),
        ],
        known_exit=False,
    )
    story = Observer(PINNED).watch(part(seen, 0, 61), 61)
    resume(story, 300)
    gone = RankExited("a" * 16, ns(START_S + 300), None, since_ns=ns(START_S + 60))
    story.watch([gone, *part(seen, 1400, 2000)], 1570)

    assert story.fold.outcome == "running"
    assert story.settled()["down"] == pytest.approx(1500 - 300, abs=1)
    assert books_close(story)


def test_an_end_in_our_downtime_comes_before_its_replacement() -> None:
    """Who took its place tells that it was gone by then; there is no outage to see."""
    seen = observations(
        [
            life(5).cut(5),
            Rank(inc="b" * 16, pid=2, begins_s=200)
            .init(5)
            .declare(4)
            .steps(5, 19, each=10)
            .bye(),
        ],
        known_exit=False,
    )
    story = Observer(PINNED).watch(part(seen, 0, 61), 61)
    resume(story, 250)
    gone = RankExited("a" * 16, ns(START_S + 250), None, since_ns=ns(START_S + 60))
    ended = RankExited("b" * 16, ns(START_S + 355), 0)
    story.watch([*part(seen, 250, 1000), gone, ended], 390)

    assert story.live() == {
        "initializing": 10,
        "productive": 200,
        "interrupted": 5,
        "unobserved": 140,
    }
    assert sum(story.fold.restarts.values()) == 1
    assert books_close(story)


def test_a_process_that_died_unseen_long_ago_was_no_hang() -> None:
    """The time that nobody saw does not count towards a limit."""
    seen = observations([life(5).data(5)], known_exit=False)
    story = Observer(PINNED).watch(seen, 60)
    resume(story, 3600)
    gone = RankExited("a" * 16, ns(START_S + 3600), None, since_ns=ns(START_S + 60))
    story.watch([gone], 3640)

    assert story.fold.incidents[0].cause.value == "unknown"
    assert "stalled" not in story.live()


def test_an_unknown_process_that_falls_silent_is_unobserved() -> None:
    """No kernel can tell whether it lives."""
    seen = anonymous(part(observations([life().bye()]), 0, 100))
    story = Observer(PINNED).watch(seen, 400)

    assert "down" not in story.live()
    assert story.live()["unobserved"] > 0
    assert story.fold.ended_ns is None
    assert books_close(story)


def test_an_unknown_process_silent_for_a_quarter_of_an_hour_has_ended() -> None:
    """Its run ended with its last word; nothing since was in its book."""
    seen = anonymous(part(observations([life().bye()]), 0, 100))
    story = Observer(PINNED).watch(seen, 100 + 15 * 60 + 30)

    assert story.fold.outcome == "unknown"
    assert story.fold.ended_ns == ns(START_S + 98)
    assert "unobserved" not in story.settled()
    assert restated(story)["unobserved>outside"] == story.live()["unobserved"]
    assert books_close(story)


def test_an_unknown_process_that_speaks_after_all_was_there_all_along() -> None:
    """Its run opens again, and its own state tells what it did meanwhile."""
    seen = anonymous(observations([life(150).bye()]))
    story = Observer(PINNED).watch(without(seen, 100, 1200), 1540)

    assert story.fold.outcome == "succeeded"
    assert "unobserved" not in story.settled()
    assert story.settled()["productive"] == pytest.approx(1500, abs=10)
    assert books_close(story)


def test_an_unknown_process_that_is_replaced_ended_with_its_last_word() -> None:
    """That it fell silent proves nothing; that another took its place does."""
    seen = anonymous(
        observations(
            [
                life(5).cut(5),
                Rank(inc="b" * 16, pid=2, begins_s=100)
                .init(5)
                .declare(4)
                .steps(5, 9, each=10)
                .bye(),
            ]
        )
    )
    story = Observer(PINNED).watch(seen, 200)

    assert story.live() == {
        "initializing": 10,
        "productive": 100,
        "interrupted": 5,
        "down": 40,
    }
    assert not story.fold.verified
    assert books_close(story)


def test_a_rank_of_another_role_takes_no_part() -> None:
    """A launcher or a data server may come and go: the book is the trainers'."""
    other = Rank(inc="d" * 16, rank=7, pid=9).init(50).phase("idle", 10)
    seen = observations([life(5).bye()])
    seen += [replace(one, role="launcher") for one in reports(observations([other]))]
    story = Observer(PINNED).watch(seen, 100)

    assert story.live() == {"initializing": 5, "productive": 50}
    assert story.fold.asked == 1


def test_a_run_that_nobody_reported_has_no_book() -> None:
    """None is not zero: there is no run to account for."""
    story = Observer().watch([RankExited("a" * 16, ns(START_S + 5), 0)], 60)

    assert story.fold.line_ns is None
    assert story.live() == {}
    assert story.bookings == []


def test_a_first_word_that_comes_late_counts_from_birth() -> None:
    """A process that imported for 40 s before its first word was initializing."""
    seen = part(observations([Rank().init(45).steps(0, 4, each=10).bye()]), 40, 1000)
    story = Observer(PINNED).watch(seen, 130)

    assert story.live() == {"initializing": 45, "productive": 50}
    assert story.fold.opened_ns == ns(START_S)
    assert tell(Rank().init(45).steps(0, 4, each=10).bye()).live() == story.live()
