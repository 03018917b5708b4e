"""Rule 14 for who stood still: nobody could be heard, so all are waited for."""

from __future__ import annotations

from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.states import RunState
from goodput_exporter.services.standstill import Standstill
from tests.fakes.office import Office, lifetime
from tests.fakes.ranks import Rank
from tests.fakes.stories import observations
from tests.scenarios.telling import part
from tests.scenarios.test_seal import Agent, crew

STOPS_S, GOES_ON_S = 300.0, 400.0
"""Longer than the settle delay of a minute, shorter than the one after a start."""
STEPS = 90


def our_office() -> Office:
    """Return a bookkeeper as the programs have it."""
    return Office(standstill=Standstill(Rules().settle_ns))


def stand_still(office: Office) -> None:
    """Let time pass without a tick; the first one finds nothing that is new."""
    office.now_s = GOES_ON_S
    office.books.tick(office.now_ns)


def test_a_stopped_exporter_books_nothing_blind() -> None:
    """
    SIGSTOP, a frozen virtual machine: what ranks sent meanwhile is gone.

    Their next word carries the whole state, and fills the time that nobody heard.
    """
    seen = observations([Rank(inc="a" * 16, pid=1).init(5).steps(0, 89, each=10).bye()])
    office = our_office().watch(part(seen, -1e6, STOPS_S), STOPS_S)
    stand_still(office)
    office.watch(part(seen, GOES_ON_S + 2, 1e6), 1000)
    view = office.view()

    assert view.sealed.of(RunState.UNOBSERVED) == 0
    assert view.steps_first_time == STEPS
    assert not view.restated
    assert lifetime(view).adds_up


def test_a_stopped_aggregator_waits_for_what_its_agents_kept() -> None:
    """They could not deliver to it, and bring a batch a second once it goes on."""
    coming = []
    for agent in (Agent(f"n{i}", rank) for i, rank in enumerate(crew())):
        for sent_s, name, batch in agent.batches():
            waits = STOPS_S < sent_s <= GOES_ON_S + 20
            late_s = GOES_ON_S + (sent_s - STOPS_S) / 5 if waits else sent_s
            coming.append((late_s, name, batch))
    coming.sort(key=lambda batch: batch[:2])
    office = our_office()
    while office.now_s < 1000:
        if office.now_s == STOPS_S:
            stand_still(office)
        office.now_s += 1.0
        while coming and coming[0][0] <= office.now_s:
            _, name, seen = coming.pop(0)
            office.books.take(seen, name)
        office.books.tick(office.now_ns)
    view = office.view()

    assert view.sealed.of(RunState.UNOBSERVED) == 0
    assert view.steps_first_time == STEPS
    assert view.late_ns == 0
    assert not view.restated


def test_who_is_silent_after_it_is_not_waited_for_for_ever() -> None:
    """Five minutes on, nobody has spoken: the time is unobserved, and not down."""
    seen = observations([Rank(inc="a" * 16, pid=1).init(5).steps(0, 89, each=10)])
    office = our_office().watch(part(seen, -1e6, STOPS_S), STOPS_S)
    stand_still(office)
    office.watch([], GOES_ON_S + 290)
    waiting = office.view().sealed
    office.watch([], GOES_ON_S + 400)
    given_up = office.view().sealed

    assert waiting.of(RunState.UNOBSERVED) == 0
    assert given_up.of(RunState.UNOBSERVED) > 0
    assert given_up.of(RunState.DOWN) == 0
