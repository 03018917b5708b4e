"""Of more runs than a tick looks at, each has its turn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goodput_exporter.domain.causes import Correction
from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.fold import Fold
from goodput_exporter.domain.observations import Delivered, RankReport, RunObservation
from goodput_exporter.domain.placement import Placement, Stage
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.snapshot import RunView
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Cause
from goodput_exporter.ledger.state import decode_state
from goodput_exporter.services.tended import ROUND
from tests.fakes.ledger import MemoryLedger
from tests.fakes.office import Office, lifetime
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import START_S, observations

RUNS = 6
AT_ONCE = 2
ROUNDS = 3
"""Ticks until all had their turn."""
MANY, TOLD, DIES_S = 30, 17, 25
"""Of so many, one hears of something that the others do not; it may die then."""


def fleet() -> list[RunObservation]:
    """Return what six runs say that train for a minute and end."""
    seen: list[RunObservation] = []
    for number in range(RUNS):
        rank = Rank(inc=f"{number:016x}", pid=number + 1, run=f"run-{number}")
        rank.init(5).steps(0, 9, each=5).save(2, 9).bye()
        seen += observations([rank])
    return seen


def key(number: int) -> RunKey:
    """Return the key of one of them."""
    return RunKey("local", "default", f"run-{number}")


def fold_of(ledger: MemoryLedger, number: int) -> Fold:
    """Return what a restart would go on from."""
    state = ledger.state_of(key(number))
    assert state is not None
    return decode_state(state)


def seqs(fold: Fold) -> set[int]:
    """Return which reports of its rank a fold knows: heard, or waiting to be."""
    heard = {life.seq for life in fold.lives.values()}
    return heard | {report.seq for report in fold.inbox}


def test_what_was_taken_is_durable_at_the_same_tick_whosever_turn_it_is() -> None:
    """An agent is answered after the tick, so a kill must not cost what it sent."""
    office = Office(at_once=AT_ONCE)
    coming = fleet()
    for second in range(1, 50):
        office.watch(coming, second)
        for number in range(RUNS):
            said = {
                one.seq
                for one in coming
                if isinstance(one, RankReport)
                and one.run_id == f"run-{number}"
                and one.at_ns <= office.now_ns
            }
            assert not said or max(said) == max(seqs(fold_of(office.ledger, number)))


def test_turns_change_nothing_in_the_books() -> None:
    """Once all is said and had its turn, the entries add up to the same accounts."""
    patient = Office(at_once=AT_ONCE).watch(fleet(), 90)
    hasty = Office().watch(fleet(), 90)

    for number in range(RUNS):
        account = hasty.ledger.account(key(number))
        assert account.total_gpu_ns
        assert patient.ledger.account(key(number)) == account
    assert patient.ledger.verify() == []


def test_every_run_is_shown_and_none_for_longer_than_a_round() -> None:
    """A view is as old as the run's last turn, and whole in itself."""
    office = Office(at_once=AT_ONCE)
    coming = fleet()
    office.watch(coming, 20)
    ages: set[int] = set()
    for second in range(21, 45):
        office.watch(coming, second)
        views = office.views()
        assert len(views) == RUNS
        assert all(lifetime(view).adds_up for view in views)
        ends = [view.opened_ns + sum(view.wall_ns.values()) for view in views]
        ages |= {(office.now_ns - end_ns) // 10**9 for end_ns in ends}

    assert ages == set(range(ROUNDS))


def test_nobody_waits_longer_than_a_round_however_many_there_are() -> None:
    """A tick looks at more runs where as many as it likes would take too long."""
    ranks = [Rank(inc=f"{n:016x}", pid=n + 1, run=f"run-{n}") for n in range(3 * ROUND)]
    coming = [
        one
        for rank in ranks
        for one in observations([rank.init(5).steps(0, 9, each=4)])
    ]
    office = Office(at_once=1).watch(coming, 10)
    for second in range(11, 11 + 2 * ROUND):
        office.watch(coming, second)
        ends = [v.opened_ns + sum(v.wall_ns.values()) for v in office.views()]

        assert len(ends) == len(ranks)
        assert min(ends) > office.now_ns - ROUND * NS_PER_SECOND


def test_a_new_run_does_not_wait() -> None:
    """It is in the ledger and on the page with the tick that first heard of it."""
    office = Office(at_once=1).watch(fleet(), 10)
    newcomer = Rank(inc="f" * 16, pid=99, run="newcomer", begins_s=10).init(30)

    office.watch(observations([newcomer], known_exit=False), 13)

    assert "newcomer" in {view.key.run for view in office.views()}
    assert office.ledger.state_of(RunKey("local", "default", "newcomer")) is not None


def many() -> list[RunObservation]:
    """Return what thirty runs say that train for a minute, one of them till it dies."""
    seen: list[RunObservation] = []
    for number in range(MANY):
        rank = Rank(inc=f"{number:016x}", pid=number + 1, run=f"run-{number}").init(5)
        rank.steps(0, 3 if number == TOLD else 11, each=5)
        seen += observations([rank], known_exit=number == TOLD)
    return seen


def shown(office: Office) -> dict[str, RunView]:
    """Return what is shown of every run."""
    return {view.key.run: view for view in office.views()}


def test_a_death_is_shown_with_the_tick_that_hears_of_it() -> None:
    """It does not wait for the twenty runs that have waited longer."""
    office, coming = Office(at_once=1), many()
    office.watch(coming, DIES_S - 1)
    before = shown(office)[f"run-{TOLD}"]
    office.watch(coming, DIES_S)
    after = shown(office)[f"run-{TOLD}"]

    assert (before.interruptions, len(before.incidents)) == (0, 0)
    assert [one.cause for one in after.incidents] == [Cause.UNKNOWN]


@pytest.mark.parametrize(
    "word",
    [
        Placement(key(TOLD), ns(START_S + 19), Stage.SCHEDULING, 1, pods=("ml/p",)),
        Evidence(ns(START_S + 19), Kind.XID, "79", f"run//run-{TOLD}"),
        Delivered("node", ns(START_S + 19)),
    ],
    ids=lambda word: type(word).__name__,
)
def test_what_people_wait_for_is_shown_at_once_and_twice_said_is_said_once(
    word: Placement | Evidence | Delivered,
) -> None:
    """Where pods stand, and what may explain an end; that nothing is new is no news."""
    office, coming = Office(at_once=1), many()
    office.watch(coming, 19)
    anew: list[bool] = []
    for second in (20, 21):
        before = shown(office)[f"run-{TOLD}"]
        office.books.take([word], "node")
        office.watch(coming, second)
        anew.append(shown(office)[f"run-{TOLD}"] is not before)

    assert anew == [not isinstance(word, Delivered), isinstance(word, Placement)]


def test_a_storm_of_news_stops_no_tick_and_nobody() -> None:
    """Half of the runs are told something every second; the others have their turns."""
    office, coming = Office(at_once=2), many()
    office.watch(coming, 19)
    before = shown(office)
    waited = dict.fromkeys(before, 0)
    for second in range(20, 20 + 2 * ROUND):
        office.books.take(
            Evidence(office.now_ns, Kind.XID, f"{second}", f"run//run-{number}")
            for number in range(0, MANY, 2)
        )
        office.watch(coming, second)
        after = shown(office)
        anew = {run for run, view in after.items() if view is not before[run]}
        waited = {run: 0 if run in anew else n + 1 for run, n in waited.items()}
        before = after

        assert 0 < len(anew) <= 2 + MANY // ROUND
        assert max(waited.values()) < ROUND


def test_a_persons_word_does_not_wait() -> None:
    """Whoever corrects a cause is answered after the next tick, and it stands then."""
    office = Office(at_once=1)
    coming = fleet()
    crash = Rank(inc="e" * 16, pid=98, run="crashed").init(5).steps(0, 2, each=5).cut(4)
    office.watch([*coming, *observations([crash])], 60)
    wanted = RunKey("local", "default", "crashed")

    said = Correction(1, Cause.NODE_LOST, "ann", "the rack", office.now_ns)
    office.books.correct(wanted, said, office.now_ns)
    office.books.tick(office.now_ns)

    state = office.ledger.state_of(wanted)
    assert state is not None
    assert [one.cause for one in decode_state(state).incidents] == [Cause.NODE_LOST]


def test_what_cannot_be_written_costs_its_run_only() -> None:
    """A word that no disk holds sets its run back; the others go on."""
    office = Office(at_once=1)
    coming = fleet()
    office.watch(coming, 20)
    before = office.books.setbacks
    poison = [
        replace(one, pod="\ud800")
        for one in coming
        if isinstance(one, RankReport) and one.run_id == "run-3"
    ]

    office.watch(poison, 30)
    office.watch(coming, 90)

    assert office.books.setbacks > before
    for number in set(range(RUNS)) - {3}:
        assert fold_of(office.ledger, number).ended_ns is not None
