"""What an agent saw reaches the ledger once, whatever happens on the way."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.domain.observations import Delivered
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.ledger.spool.records import Record
from goodput_exporter.ledger.spool.spool import Spool
from goodput_exporter.services.courier import Reply
from goodput_exporter.services.offset import Offset, better, measured
from goodput_exporter.services.push import (
    LONGEST_PAUSE_SECONDS,
    QUEUED,
    Pusher,
    PushThread,
    pause_seconds,
)
from goodput_exporter.wire.answers import LEADER_HEADER, Answer, Outcome, encode_answer
from goodput_exporter.wire.kinds import Observation
from tests.fakes.aggregator import Desk, DirectCourier
from tests.fakes.observations import node


@dataclass
class Agent:
    """A pusher, its spool and its clock, and whom it speaks to."""

    folder: Path
    desk: Desk = field(default_factory=Desk)
    epoch: str = "e1"
    skew_ns: int = 0

    def __post_init__(self) -> None:
        """Begin a life."""
        self.courier = DirectCourier(self.desk, skew_ns=self.skew_ns)
        self.spool = Spool(self.folder)
        self.pusher = Pusher(
            self.courier,
            self.spool,
            agent="agent",
            node="node-1",
            now_ns=lambda: self.desk.clock.now_ns() - self.skew_ns,
            chance=lambda: 0.0,
            epoch=self.epoch,
        )

    def live(
        self, seconds: int, seen: Mapping[int, list[Observation]] | None = None
    ) -> None:
        """Let time go by, and give the pusher what is seen at each second."""
        for second in range(seconds):
            self.desk.clock.forward(1)
            self.pusher.take((seen or {}).get(second, []))
            while self.pusher.step() == 0:
                pass

    def applied(self) -> list[Observation]:
        """Return what the ledger has."""
        return self.desk.books.observations()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    """Give an agent whose aggregator is there."""
    agent = Agent(tmp_path)
    with closing(agent.spool):
        yield agent


def marks(count: int) -> list[Observation]:
    """Return observations that are easy to tell apart."""
    return [Delivered("agent", number) for number in range(count)]


def test_what_was_seen_is_in_the_ledger_within_one_pace(agent: Agent) -> None:
    """Five seconds, and the spool is empty again."""
    agent.live(6, {0: node(1), 3: node(4)})

    assert agent.applied() == [*node(1), *node(4)]
    assert agent.spool.waiting().records == 0
    assert agent.pusher.counts.applied == 1
    assert agent.pusher.counts.delivered_ns is not None


def test_an_aggregator_that_was_away_gets_everything_in_order(agent: Agent) -> None:
    """Ten minutes without it cost nothing but time."""
    seen = {second: [Delivered("agent", second)] for second in range(600)}
    agent.courier.desk = None
    agent.live(600, {k: list(v) for k, v in seen.items()})
    waited = agent.spool.waiting().records
    agent.courier.desk = agent.desk
    agent.live(int(LONGEST_PAUSE_SECONDS) + 6)

    assert waited == 120
    assert agent.applied() == [each for second in seen.values() for each in second]
    assert agent.spool.waiting().records == 0


def test_an_answer_that_is_lost_applies_nothing_twice(agent: Agent) -> None:
    """The connection breaks between the commit and the acknowledgement."""
    agent.live(1)
    agent.courier.loses_answers = True
    agent.live(6, {0: node(1)})
    assert agent.applied() == node(1)
    agent.courier.loses_answers = False
    agent.live(30)

    assert agent.applied() == node(1)
    assert agent.pusher.counts.duplicates == 1
    assert agent.spool.waiting().records == 0


def test_a_restart_of_either_side_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """The agent is killed after its seal, the aggregator after its commit."""
    first = Agent(tmp_path)
    first.live(1)
    first.courier.loses_answers = True
    first.live(6, {0: node(1)})
    first.live(6, {0: node(2)})
    first.spool.close()
    aggregator = Desk(first.desk.books, clock=first.desk.clock)

    second = Agent(tmp_path, aggregator, epoch="e2")
    with closing(second.spool):
        second.live(12, {0: node(3)})

        assert second.applied() == [*node(1), *node(2), *node(3)]
        assert second.spool.waiting().records == 0


@settings(max_examples=25)  # each of them is a minute of an agent's life
@given(st.lists(st.sampled_from(["away", "loses", "works", "restarts"]), max_size=12))
def test_whatever_goes_wrong_each_observation_is_applied_once(
    tmp_path_factory: pytest.TempPathFactory, weather: list[str]
) -> None:
    """Any row of outages, lost answers and restarts of the aggregator."""
    agent = Agent(tmp_path_factory.mktemp("spool"))
    sent = marks(len(weather) + 1)
    for number, kind in enumerate([*weather, "works"]):
        if kind == "restarts":
            agent.desk = Desk(agent.desk.books, clock=agent.desk.clock)
        agent.courier.desk = None if kind == "away" else agent.desk
        agent.courier.loses_answers = kind == "loses"
        agent.live(6, {0: [sent[number]]})
    agent.live(60)
    agent.spool.close()

    assert agent.applied() == sent


@pytest.mark.parametrize("skew_s", [3_600, -86_400, 86_400])
def test_a_clock_that_is_wrong_is_measured_before_anything_is_sent(
    tmp_path: Path, skew_s: int
) -> None:
    """A node without time synchronization dates its evidence by ours."""
    skew_ns = skew_s * NS_PER_SECOND
    seen_ns = 100_000 * NS_PER_SECOND
    agent = Agent(tmp_path, skew_ns=skew_ns)
    with closing(agent.spool):
        agent.live(6, {0: [Delivered("agent", seen_ns)]})

    assert agent.courier.bodies[0] == b""
    assert agent.pusher.counts.offset == Offset(skew_ns, 1)
    assert agent.applied() == [Delivered("agent", seen_ns + skew_ns)]


def test_a_follower_is_asked_again_when_it_says(
    agent: Agent, caplog: pytest.LogCaptureFixture
) -> None:
    """Fail-over takes seconds; the agent waits and says once for whom."""
    agent.desk.leader = "aggregator-1"
    agent.live(20, {0: node(1)})
    assert agent.pusher.counts.leader == "aggregator-1"
    agent.desk.leader = None
    agent.live(20)

    assert agent.applied() == node(1)
    assert agent.pusher.counts.leader == ""
    assert caplog.text.count("a push failed") == 1


def test_what_is_asked_for_is_waited_for(tmp_path: Path) -> None:
    """Retry-After is the least; ours is added, never subtracted."""
    courier = Scripted([reply(429, {"retry-after": "30"})])
    pusher, now = pusher_of(courier, Spool(tmp_path))
    now[0] += 5 * NS_PER_SECOND
    pusher.step()
    assert courier.asked == 1
    now[0] += 29 * NS_PER_SECOND
    pusher.step()
    assert courier.asked == 1
    now[0] += NS_PER_SECOND
    pusher.step()

    assert courier.asked == 2


def test_one_bad_batch_among_many_is_found_and_given_up(
    agent: Agent, caplog: pytest.LogCaptureFixture
) -> None:
    """Halving the request finds it; the others are delivered."""
    agent.courier.desk = None
    agent.live(60, {second: [Delivered("agent", second)] for second in range(60)})
    records = agent.spool.oldest(2**20)
    agent.spool.forget(len(records))
    spoiled = Record(records[4].sequence, records[4].made_ns, b"spoiled")
    agent.spool.append([*records[:4], spoiled, *records[5:]], 0)
    agent.courier.desk = agent.desk
    caplog.set_level(logging.WARNING)
    agent.live(60)

    lost = set(range(20, 25))
    assert agent.applied() == [
        Delivered("agent", n) for n in range(60) if n not in lost
    ]
    assert agent.pusher.counts.refused == 1
    assert "batch 5 is given up" in caplog.text


def test_a_proxys_400_gives_up_nothing(tmp_path: Path) -> None:
    """Only an aggregator's own word ends a batch."""
    courier = Scripted([reply(400, body=b"<html>plain HTTP to an HTTPS port</html>")])
    spool = Spool(tmp_path)
    spool.append([Record(1, 1, b"precious")], 1)
    pusher, now = pusher_of(courier, spool)
    pusher.counts.offset = Offset(0, 1)
    for _ in range(20):
        now[0] += 60 * NS_PER_SECOND
        pusher.step()

    assert spool.waiting().records == 1
    assert pusher.counts.refused == 0
    assert pusher.counts.failures == 20


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"{}",
        encode_answer(Answer(1, 1)),
        encode_answer(Answer(1, 1, [Outcome("e1", 9, "applied")])),
    ],
)
def test_a_200_that_names_no_batch_of_ours_lets_go_of_none(
    tmp_path: Path, body: bytes
) -> None:
    """A captive portal says 200, too."""
    courier = Scripted([reply(200, body=body)])
    spool = Spool(tmp_path)
    spool.append([Record(1, 1, b"precious")], 1)
    pusher, now = pusher_of(courier, spool)
    pusher.counts.offset = Offset(0, 1)
    now[0] += 60 * NS_PER_SECOND
    pusher.step()

    assert spool.waiting().records == 1
    assert pusher.counts.failures == 1


def test_an_observation_that_cannot_be_written_costs_itself(agent: Agent) -> None:
    """The 31 others of its batch go on."""
    odd = Delivered("agent", 2**64)
    agent.live(6, {0: [*node(1), odd, *node(2)]})

    assert agent.applied() == [*node(1), *node(2)]
    assert agent.pusher.counts.unsendable == 1


def test_a_batch_too_large_for_a_frame_goes_as_several(agent: Agent) -> None:
    """A minute of a stuck thread comes at once."""
    many: list[Observation] = [Delivered("x" * 90_000, n) for n in range(200)]
    agent.live(6, {0: many})

    assert agent.pusher.counts.applied > 1
    assert agent.pusher.counts.unsendable == 0
    assert agent.desk.counts.skipped["foreign"] == 200


def test_what_waits_for_the_pusher_is_bounded(agent: Agent) -> None:
    """A disk that hangs stops the pusher's thread and not the agent's memory."""
    agent.pusher.take(marks(QUEUED))
    agent.pusher.take(marks(7))

    assert agent.pusher.counts.overflow == 7


def test_pauses_grow_within_bounds_and_spread() -> None:
    """Ten thousand agents must not come back in one second."""
    longest = [pause_seconds(n, 0.0) for n in range(1, 40)]

    assert longest[:4] == [1, 2, 4, 8]
    assert max(longest) == LONGEST_PAUSE_SECONDS
    assert [pause_seconds(n, 1.0) for n in range(1, 40)] == [p / 2 for p in longest]


def test_an_offset_is_the_middle_of_the_exchange() -> None:
    """RFC 5905: half of what both ways differ; the truth within half the delay."""
    offset = measured(100, 1_150, 1_160, 210)

    assert offset == Offset(1_000, 51)


def test_an_offset_stays_until_it_is_wrong_or_much_better_known() -> None:
    """Durations between two batches must not shake with the network."""
    held = Offset(1_000, 100)

    assert better(None, held) is held
    assert better(held, Offset(1_090, 90)) is held
    assert better(held, Offset(1_090, 40)) == Offset(1_090, 40)
    assert better(held, Offset(5_000, 900)) == Offset(5_000, 900)


def test_a_stopped_thread_leaves_what_was_taken_in_the_spool(tmp_path: Path) -> None:
    """SIGTERM comes between two seals; the next life sends it."""
    agent = Agent(tmp_path)
    agent.courier.desk = None
    thread = PushThread(agent.pusher)
    thread.start()
    agent.pusher.take(node(1))
    thread.stop()

    assert not thread.is_alive()
    assert agent.spool.waiting().records == 1
    agent.spool.close()


def test_the_last_push_brings_away_what_was_taken_since_the_last_seal(
    tmp_path: Path,
) -> None:
    """A node that is drained leaves nothing behind that nobody would ever send."""
    agent = Agent(tmp_path)
    thread = PushThread(agent.pusher)
    thread.start()
    agent.pusher.take(node(1))
    thread.stop()

    assert agent.spool.waiting().records == 0
    assert [type(one) for one in agent.applied()] == [type(one) for one in node(1)]
    agent.spool.close()


@dataclass
class Slow(DirectCourier):
    """An aggregator that answers when it is told to, and not before."""

    asked: threading.Event = field(default_factory=threading.Event)
    answers: threading.Event = field(default_factory=threading.Event)

    def post(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Wait for the word."""
        self.asked.set()
        assert self.answers.wait(10)
        return super().post(body, headers)


def test_an_answer_that_comes_after_the_end_is_not_heeded(tmp_path: Path) -> None:
    """Who waits for it spools the rest; the next life sends all of it again."""
    agent = Agent(tmp_path)
    agent.live(1, {0: list(node(1))})
    agent.pusher.seal()
    slow = Slow(agent.desk)
    agent.pusher = Pusher(
        slow,
        agent.spool,
        agent="agent",
        node="node-1",
        now_ns=agent.desk.clock.now_ns,
        chance=lambda: 0.0,
        epoch="e2",
    )
    thread = PushThread(agent.pusher)
    thread.start()
    assert slow.asked.wait(10)
    agent.pusher.take(node(2))
    thread.stop(seconds=0.01)
    waiting = agent.spool.waiting().records
    slow.answers.set()
    thread.join(10)

    assert waiting == 2
    assert agent.spool.waiting().records == 2
    agent.spool.close()


@dataclass
class Scripted:
    """A courier that brings back what it was given, the last one for ever."""

    replies: list[Reply]
    asked: int = 0

    def post(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Return the next reply."""
        del body, headers
        self.asked += 1
        return self.replies[min(self.asked, len(self.replies)) - 1]

    def hurry(self, seconds: float) -> None:
        """Be as quick as ever."""

    def close(self) -> None:
        """Let go of nothing."""


def reply(
    status: int, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> Reply:
    """Return an answer of somebody."""
    return Reply(status, headers or {LEADER_HEADER: ""}, body, 0, 0)


def pusher_of(courier: Scripted, spool: Spool) -> tuple[Pusher, list[int]]:
    """Return a pusher, and its clock as a list of one."""
    now = [0]
    pusher = Pusher(
        courier,
        spool,
        agent="agent",
        node="n",
        now_ns=lambda: now[0],
        chance=lambda: 0.0,
        epoch="e1",
    )
    return pusher, now
