"""Rule 14: an instant seals when every agent of the run has delivered past it."""

from __future__ import annotations

from dataclasses import dataclass

from goodput_exporter.domain.fold import Observation
from goodput_exporter.domain.observations import Delivered
from goodput_exporter.domain.states import RunState
from tests.fakes.office import Office, lifetime
from tests.fakes.pods import Pods
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import START_S, observations

EVERY_S = 5.0
SETTLE_S = 60.0
AFTER_START_S = 300.0


@dataclass(frozen=True)
class Agent:
    """
    One node's agent and the rank that it hears.

    Args:
        name: Of the agent.
        rank: On its node.
        late_s: How long its batches are under way.
        stops_s: When it is cut off; what it heard after that never comes.
    """

    name: str
    rank: Rank
    late_s: float = 0.0
    stops_s: float = 1e9

    def batches(self) -> list[tuple[float, str, list[Observation]]]:
        """Return (when it comes in, by whom, what) of every five seconds."""
        seen = observations([self.rank])
        found: list[tuple[float, str, list[Observation]]] = []
        for number in range(1, 200):
            sent_s = number * EVERY_S
            if sent_s > self.stops_s:
                break
            first_ns, last_ns = ns(START_S + sent_s - EVERY_S), ns(START_S + sent_s)
            part: list[Observation] = [
                one for one in seen if first_ns < one.at_ns <= last_ns
            ]
            part.append(Delivered(self.name, last_ns))
            found.append((sent_s + self.late_s, self.name, part))
        return found


def crew() -> tuple[Rank, Rank]:
    """Return two ranks on two nodes, which step together for 900 seconds."""
    one = Rank(inc="a" * 16, pid=1, world=2).init(5).steps(0, 89, each=10)
    other = Rank(inc="b" * 16, pid=2, world=2, rank=1).init(5).steps(0, 89, each=10)
    return one.bye(), other.bye()


def deliver(*agents: Agent, until_s: float) -> Office:
    """Take what the agents bring, when it comes."""
    office = Office()
    nodes = tuple(agent.name for agent in agents)
    office.books.take(Pods(asked=2, nodes=nodes).at(0, "running").said)
    coming = sorted(
        (batch for agent in agents for batch in agent.batches()),
        key=lambda batch: batch[:2],
    )
    while office.now_s < until_s:
        office.now_s += 1.0
        while coming and coming[0][0] <= office.now_s:
            _, name, seen = coming.pop(0)
            office.books.take(seen, name)
        office.books.tick(office.now_ns)
    return office


def sealed_s(office: Office) -> float:
    """Return up to where the run is sealed, in the story's seconds."""
    return (office.view().sealed_through_ns - ns(START_S)) / 1e9


def test_the_seal_line_follows_the_agents() -> None:
    """Both deliver at once: the line is a grace behind, and a grid cell at most."""
    one, other = crew()
    office = deliver(Agent("n1", one), Agent("n2", other), until_s=700)

    assert 700 - sealed_s(office) <= 5 + EVERY_S + 10
    assert lifetime(office.view()).adds_up


def test_the_slowest_agent_holds_the_line() -> None:
    """What one agent brings after forty seconds is not late: nothing is restated."""
    one, other = crew()
    late = deliver(Agent("n1", one), Agent("n2", other, late_s=40), until_s=700)
    view = late.view()

    assert 40 <= 700 - sealed_s(late) <= 40 + EVERY_S + 10
    assert not view.restated
    assert view.late_ns == 0
    assert view.sealed.of(RunState.UNOBSERVED) == 0


def test_an_agent_that_is_cut_off_holds_it_no_longer_than_the_settle_delay() -> None:
    """Then the others' word must do."""
    one, other = crew()
    cut = Agent("n2", other, stops_s=400)
    before = deliver(Agent("n1", one), cut, until_s=440)
    after = deliver(Agent("n1", one), cut, until_s=800)

    assert 395 <= sealed_s(before) <= 400
    assert SETTLE_S - 1 <= 800 - sealed_s(after) <= SETTLE_S + EVERY_S + 10
    assert after.view().sealed.of(RunState.UNOBSERVED) == 0


def test_what_comes_after_the_seal_is_restated_and_measured() -> None:
    """Both agents were away for three minutes, and deliver what they heard."""
    one, other = crew()
    agents = [Agent(f"n{i}", rank) for i, rank in enumerate((one, other))]
    office, coming = Office(), []
    for agent in agents:
        for at_s, name, seen in agent.batches():
            coming.append((580.0 if 400 < at_s < 580 else at_s, name, seen))
    coming.sort(key=lambda batch: batch[:2])
    while office.now_s < 960:
        office.now_s += 1.0
        while coming and coming[0][0] <= office.now_s:
            _, name, batch = coming.pop(0)
            office.books.take(batch, name)
        office.books.tick(office.now_ns)
    view = office.view()

    assert view.sealed.of(RunState.UNOBSERVED) > 0
    assert view.settled.of(RunState.UNOBSERVED) == 0
    assert view.restated[("unobserved", "productive")] > 0
    assert view.late_ns > 0
    assert lifetime(view).adds_up


def test_the_order_of_agents_within_the_seal_delay_is_no_matter() -> None:
    """Whoever is late by less than the settle delay: the book is the same."""
    one, other = crew()
    books = []
    for first_s, second_s in ((0, 0), (0, 50), (50, 0), (30, 50)):
        agents = Agent("n1", one, late_s=first_s), Agent("n2", other, late_s=second_s)
        view = deliver(*agents, until_s=1100).view()
        books.append((view.sealed, view.settled, view.restated))

    assert all(book == books[0] for book in books)


def test_a_run_that_began_while_we_were_away_loses_nothing() -> None:
    """
    It begins at 100, we come back at 300, and its agents bring a batch a second.

    What an agent vouches for comes before the reports of a rank whose pod had to be
    found, and the later batches are still under way: none of it is late.
    """
    one, other = crew()
    one.begins_s = other.begins_s = 100.0
    office = Office(begins_s=300)
    coming: list[tuple[float, str, list[Observation]]] = []
    for agent in (Agent("n1", one), Agent("n2", other)):
        for sent_s, name, (*seen, vouched) in agent.batches():
            comes_s = max(sent_s, 300 + (sent_s - 100) / EVERY_S)
            coming.append((comes_s, name, [vouched, *seen]))
    coming.sort(key=lambda batch: batch[:2])
    while office.now_s < 700:
        office.now_s += 1.0
        while coming and coming[0][0] <= office.now_s:
            _, name, seen = coming.pop(0)
            office.books.take(seen, name)
        office.books.tick(office.now_ns)
    view = office.view()

    assert view.opened_ns == ns(START_S + 100)
    assert view.sealed.of(RunState.UNOBSERVED) == 0
    assert view.late_ns == 0
    assert not view.restated
    assert lifetime(view).adds_up
