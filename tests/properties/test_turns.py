"""Whoever's turn it is, and whatever news there is: nobody waits, and books agree."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.fold import Fold, Observation
from goodput_exporter.domain.observations import RankReport
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.ledger.state import decode_state
from goodput_exporter.services.tended import ROUND, Tended, give_turns
from tests.fakes.histories import History, histories
from tests.fakes.office import Office
from tests.fakes.ranks import ns
from tests.fakes.stories import START_S

RUNS, MOST_RUNS, TICKS = 3, 45, 2 * ROUND
TICK_S = 2.0
News = list[frozenset[int]]
"""By tick, the runs that were told something."""

numbers = st.frozensets(st.integers(0, MOST_RUNS - 1))
storms = st.one_of(
    st.lists(numbers, min_size=TICKS, max_size=TICKS),
    numbers.map(lambda told: [told] * TICKS),
)


def key(number: int) -> RunKey:
    """Return the key of one of the runs."""
    return RunKey("local", "default", f"run-{number}")


@settings(max_examples=50)
@given(st.integers(1, MOST_RUNS), st.integers(1, 12), storms)
def test_nobody_waits_longer_than_a_round_whatever_news_the_others_have(
    count: int, at_once: int, told: News
) -> None:
    """A tick looks at no more than it may, and those who stay behind get older."""
    runs = [Tended(Fold(key(number)), b"") for number in range(count)]
    for tick, news in enumerate(told, start=1):
        for number in news & set(range(count)):
            runs[number].has_news = True
        waiting = sum(run.has_news for run in runs)
        give_turns(runs, tick, at_once)
        due = [run for run in runs if run.is_due]

        assert sum(run.has_news for run in due) >= min(waiting, at_once)
        assert len(due) <= at_once + -(-count // ROUND)
        assert all(tick - run.turn < ROUND for run in runs)
        for run in due:
            run.has_news = False


def as_run(number: int, history: History) -> list[Observation]:
    """Return what was seen of a history as that of one run among others."""
    seen: list[Observation] = []
    for one in history.seen:
        name = f"{number}-{one.incarnation}"
        if isinstance(one, RankReport):
            seen.append(replace(one, incarnation=name, run_id=key(number).run))
        else:
            seen.append(replace(one, incarnation=name))
    return seen


def words(told: dict[int, int]) -> list[Observation]:
    """Return words about runs that explain nothing, by the second they come in."""
    return [
        Evidence(ns(START_S + at_s), Kind.EVENT, "Pod/Tea", f"run//{key(number).run}")
        for at_s, number in told.items()
    ]


def lived(seen: list[Observation], ends_s: float, at_once: int) -> Office:
    """
    Let a bookkeeper that looks at so many runs a tick live through it.

    In the end all are looked at from one instant: who is down goes on to be.
    """
    office = Office(at_once=at_once).watch(seen, ends_s + 80, tick_s=TICK_S)
    for _ in range(RUNS):
        office.books.tick(office.now_ns)
    return office


def books(office: Office, number: int) -> tuple[Account, Account, int, int]:
    """Return a run's live and settled account, its interruptions and its steps."""
    state = office.ledger.state_of(key(number))
    assert state is not None
    fold = decode_state(state)
    account = office.ledger.account(key(number))
    return account, fold.book.settled, fold.interruptions, fold.steps_first


@settings(max_examples=4)  # each is two lives of three runs, some minutes long
@given(
    st.lists(
        histories(most_ranks=2, silences=False, hangs=False),
        min_size=RUNS,
        max_size=RUNS,
    ),
    st.dictionaries(st.integers(1, 120), st.integers(0, RUNS - 1), max_size=60),
)
def test_when_its_turns_come_changes_nothing_in_a_runs_book(
    stories: list[History], told: dict[int, int]
) -> None:
    """
    One run at a tick, by wait and by news, or all of them at every tick.

    Some have turns at once and again, because they are told something; the others
    wait longer for it. Each has the same time in the same states in the end.
    """
    seen = [one for n, history in enumerate(stories) for one in as_run(n, history)]
    seen += words(told)
    ends_s = max(history.ends_s for history in stories)

    one_by_one, together = lived(seen, ends_s, 1), lived(seen, ends_s, RUNS)

    for number in range(RUNS):
        assert books(one_by_one, number) == books(together, number)
    assert one_by_one.ledger.verify() == []
