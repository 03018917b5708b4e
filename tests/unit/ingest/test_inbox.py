"""Nothing is acknowledged before the ledger has it, and nothing is applied twice."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.observations import Delivered
from goodput_exporter.ingest.inbox import Delivery, FullError, Inbox, Key
from tests.fakes.aggregator import Books


def delivery(sequence: int, *, epoch: str = "e", node: str = "n") -> Delivery:
    """Return a batch of one observation."""
    return Delivery(node, "a", epoch, sequence, [Delivered("a", sequence)])


def test_a_batch_is_acknowledged_when_it_is_committed() -> None:
    """Drained is not yet durable."""
    inbox = Inbox({})
    future = inbox.take(delivery(1))
    drained = inbox.drain()
    assert not future.done()

    inbox.settle(is_committed=True)

    assert future.result(0) == "applied"
    assert [each.sequence for each in drained.deliveries] == [1]
    assert inbox.waiting == 0


def test_what_arrives_during_a_commit_waits_for_the_next() -> None:
    """Its mark is in the next commit, too, or a crash between would lose it."""
    inbox = Inbox({})
    first = inbox.take(delivery(1))
    before = inbox.drain()
    second = inbox.take(delivery(2))
    inbox.settle(is_committed=True)

    assert first.done()
    assert not second.done()
    assert Inbox(before.meta).take(delivery(2)).done() is False


def test_a_commit_that_fails_keeps_everybody_waiting() -> None:
    """The books hold what they could not write, and its meta comes once more."""
    inbox = Inbox({})
    future = inbox.take(delivery(1))
    failed = inbox.drain()
    inbox.settle(is_committed=False)
    again = inbox.drain()

    assert not future.done()
    assert again.deliveries == []
    assert again.meta == failed.meta != {}
    inbox.settle(is_committed=True)
    assert future.result(0) == "applied"
    assert inbox.drain().meta == {}


def test_a_duplicate_of_what_is_committed_is_acknowledged_at_once() -> None:
    """The answer was lost; the agent sends once more."""
    inbox, books = Inbox({}), Books()
    inbox.take(delivery(1))
    books.commit(inbox)

    assert inbox.take(delivery(1)).result(0) == "duplicate"
    assert inbox.drain().deliveries == []
    assert (inbox.applied, inbox.duplicates) == (1, 1)


def test_a_duplicate_of_what_is_under_way_waits_with_it() -> None:
    """An agent that gave up waiting must not double what is held."""
    inbox, books = Inbox({}), Books()
    first, again = inbox.take(delivery(1)), inbox.take(delivery(1))
    assert not again.done()

    books.commit(inbox)

    assert first.result(0) == again.result(0) == "applied"
    assert len(books.applied) == 1


def test_a_crash_after_the_commit_applies_nothing_twice() -> None:
    """The marks are committed with what they stand for, in one piece."""
    books = Books()
    before = Inbox(books.meta)
    before.take(delivery(1))
    books.commit(before)

    after = Inbox(books.meta)

    assert after.take(delivery(1)).result(0) == "duplicate"
    assert not after.take(delivery(2)).done()


def test_a_crash_before_the_commit_loses_nothing() -> None:
    """What was drained and never committed is new to the next life."""
    books = Books()
    before = Inbox(books.meta)
    before.take(delivery(1))
    before.drain()

    assert not Inbox(books.meta).take(delivery(1)).done()


def test_a_gap_is_taken_and_counted_until_it_closes() -> None:
    """A spool that was full gave something up; what came later still counts."""
    inbox, books = Inbox({}), Books()
    for sequence in (1, 5):
        inbox.take(delivery(sequence))
    books.commit(inbox)
    assert inbox.missing == 3

    inbox.take(delivery(3))
    books.commit(inbox)

    assert inbox.missing == 2
    assert [each.sequence for each in books.applied] == [1, 5, 3]


def test_an_epoch_that_is_sent_again_is_not_forgotten() -> None:
    """An agent in a crash loop sends its oldest file at every start."""
    inbox, books = Inbox({}), Books()
    inbox.take(delivery(1, epoch="old"))
    books.commit(inbox)
    for life in range(30):
        inbox.take(delivery(1, epoch="old"))
        inbox.take(delivery(1, epoch=f"life-{life}"))
        books.commit(inbox)

    assert inbox.take(delivery(1, epoch="old")).result(0) == "duplicate"
    assert Inbox(books.meta).take(delivery(1, epoch="old")).done()


def test_agents_of_one_name_on_two_nodes_are_two() -> None:
    """Every DaemonSet pod may call itself agent."""
    inbox, books = Inbox({}), Books()
    inbox.take(delivery(1, node="n1"))
    inbox.take(delivery(1, node="n2"))
    books.commit(inbox)

    assert len(books.applied) == 2


def test_what_waits_is_bounded() -> None:
    """While the disk stands still memory does not grow."""
    inbox = Inbox({}, most_waiting=2)
    inbox.take(delivery(1))
    inbox.take(delivery(2))

    with pytest.raises(FullError, match="2 batches of 2 observations wait"):
        inbox.take(delivery(3))
    assert not inbox.take(delivery(2)).done()


def test_observations_that_wait_are_bounded_and_one_batch_always_fits() -> None:
    """A batch larger than the bound must not be refused for ever."""
    inbox = Inbox({}, most_observations=0)
    inbox.take(delivery(1))

    with pytest.raises(FullError, match="look at the ledger's disk"):
        inbox.take(delivery(2))


def test_agents_are_bounded() -> None:
    """One that makes up a name for every push ends here."""
    inbox = Inbox({}, most_agents=1)
    inbox.take(delivery(1, node="n1"))

    with pytest.raises(FullError, match="n2/a is none of them"):
        inbox.take(delivery(1, node="n2"))


def test_marks_that_cannot_be_read_cost_their_agent_only() -> None:
    """One damaged value must not stop the aggregator."""
    books = Books()
    before = Inbox({})
    before.take(delivery(1))
    books.commit(before)

    after = Inbox({**books.meta, "pushed/bad/a": "nonsense", "clock": "7"})

    assert after.take(delivery(1)).result(0) == "duplicate"
    assert not after.take(delivery(1, node="bad")).done()


class Shut:
    """A batch that is not read yet, and perhaps never will be."""

    def __init__(self, sequence: int, opens_to: Delivery | Exception | None) -> None:
        self.key: Key = ("n/a", "e", sequence)
        self.count = 1
        self._opens_to = opens_to

    def open(self) -> Delivery | None:
        """Return what is inside."""
        if isinstance(self._opens_to, Exception):
            raise self._opens_to
        return self._opens_to


def test_a_batch_is_read_by_the_tick_that_applies_it() -> None:
    """One that can never be read is answered with the others, and has no mark."""
    inbox, books = Inbox({}), Books()
    futures = [inbox.take(Shut(1, None)), inbox.take(Shut(2, delivery(2)))]

    books.commit(inbox)

    assert [each.done() for each in futures] == [True, True]
    assert books.applied == [delivery(2)]
    assert (inbox.applied, inbox.waiting, inbox.missing) == (1, 0, 1)
    assert not inbox.take(delivery(1)).done()


def test_a_fault_in_reading_one_batch_costs_the_others_a_tick_at_most() -> None:
    """What came with it is applied, in its order, before anything is acknowledged."""
    inbox, books = Inbox({}), Books()
    others = [inbox.take(delivery(1))]
    inbox.take(Shut(2, ValueError("ours")))
    others.append(inbox.take(delivery(3)))

    with pytest.raises(ValueError, match="ours"):
        inbox.drain()
    assert not any(each.done() for each in others)
    books.commit(inbox)

    assert [each.sequence for each in books.applied] == [1, 3]
    assert all(each.done() for each in others)
    assert inbox.waiting == 0
