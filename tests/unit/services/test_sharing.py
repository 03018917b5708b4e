"""Every shard hears what it books, and no shard waits for another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.domain.observations import Delivered, GpuSample
from goodput_exporter.errors import ConfigError
from goodput_exporter.ledger.spool.spool import Spool
from goodput_exporter.services.agent_parts import Pushing, Way, spool_name
from goodput_exporter.services.agent_views import push_view
from goodput_exporter.services.push import LONGEST_PAUSE_SECONDS, Pusher, PushThread
from goodput_exporter.services.sharing import NAMED_EVERY_NS, Share, urls_of
from goodput_exporter.wire.kinds import OF_RUNS, Observation
from tests.fakes.aggregator import Desk, DirectCourier, Hands
from tests.fakes.observations import gpu, node

HOUR_S = 3_600


def test_the_first_shard_is_told_all() -> None:
    """What is of no run is in its books only."""
    seen = node(1)

    assert Share(0).of(seen) == seen


@given(st.lists(st.integers(0, 200), min_size=1, max_size=60), st.integers(1, 63))
def test_another_shard_is_told_of_runs_and_of_the_models_of_gpus(
    seconds: list[int], index: int
) -> None:
    """Every word of a rank and of trouble, and each GPU once a minute at most."""
    share = Share(index)
    for second in sorted(seconds):
        seen = node(second, ranks=2, gpus=2)

        told = share.of(seen)

        assert [one for one in told if isinstance(one, OF_RUNS)] == [
            one for one in seen if isinstance(one, OF_RUNS)
        ]
        assert {type(one) for one in told} <= {*OF_RUNS, GpuSample}


@pytest.mark.parametrize("late_ns", [0, NAMED_EVERY_NS - 1])
def test_a_gpus_model_is_told_again_after_a_minute(late_ns: int) -> None:
    """A shard that was restarted learns it; until then nothing is repeated."""
    share, first = Share(1), gpu(0, 1)
    again = replace(first, at_ns=first.at_ns + late_ns)
    later = replace(first, at_ns=first.at_ns + NAMED_EVERY_NS)

    assert share.of([first]) == [first]
    assert share.of([again]) == []
    assert share.of([later]) == [later]


def test_every_shard_has_an_address() -> None:
    """One process needs no number in it."""
    assert urls_of("http://goodput:9909", 1) == ("http://goodput:9909",)
    assert urls_of("http://goodput-{shard}:9909", 2) == (
        "http://goodput-0:9909",
        "http://goodput-1:9909",
    )
    with pytest.raises(ConfigError, match="one address for 2 shards"):
        urls_of("http://goodput:9909", 2)


class Node:
    """
    An agent that pushes to several shards, each with its own desk.

    Args:
        folder: Of its spools.
        count: How many shards there are.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.clock = Hands()
        self.desks = [Desk(clock=self.clock) for _ in range(count)]
        self.couriers = [DirectCourier(desk) for desk in self.desks]
        self.pushing = Pushing(
            tuple(
                self._way(folder, index, courier)
                for index, courier in enumerate(self.couriers)
            )
        )

    def live(self, seconds: int, every_s: int = 1) -> None:
        """Let time go by, and tell something every so often."""
        for _ in range(seconds // every_s):
            self.clock.forward(every_s)
            self.pushing.take([Delivered("node-1", self.clock.now_ns())])
            for way in self.pushing.ways:
                while way.pusher.step() == 0:
                    pass

    def applied(self, index: int) -> list[Observation]:
        """Return what a shard's ledger has."""
        return self.desks[index].books.observations()

    def _way(self, folder: Path, index: int, courier: DirectCourier) -> Way:
        spool = Spool(folder / spool_name(index))
        pusher = Pusher(
            courier,
            spool,
            agent="node-1",
            node="node-1",
            now_ns=self.clock.now_ns,
            chance=lambda: 0.0,
            epoch=f"e{index}",
        )
        return Way(Share(index), pusher, spool, PushThread(pusher))


@contextmanager
def agent(folder: Path, count: int) -> Iterator[Node]:
    """Give an agent whose shards are there; let go of its spools afterwards."""
    one = Node(folder, count)
    with ExitStack() as stack:
        for way in one.pushing.ways:
            stack.enter_context(closing(way.spool))
        yield one


def test_a_shard_that_was_away_for_an_hour_holds_up_nobody_and_lacks_nothing(
    tmp_path: Path,
) -> None:
    """The others have everything at once; it has all of it soon after its return."""
    with agent(tmp_path, 3) as one:
        one.live(10)
        one.couriers[1].desk = None
        one.live(HOUR_S, every_s=60)
        away = push_view(one.pushing)
        heard = [len(one.applied(index)) for index in range(3)]
        one.couriers[1].desk = one.desks[1]
        one.live(2 * int(LONGEST_PAUSE_SECONDS))
        back = push_view(one.pushing)

        assert heard[0] == heard[2] >= HOUR_S // 60
        assert heard[1] <= 10
        assert away is not None
        assert away.waiting_batches >= HOUR_S // 60
        assert away.delivered_ns is not None
        assert away.delivered_ns < one.desks[0].clock.now_ns() - HOUR_S * 10**9
        assert one.applied(1) == one.applied(0) == one.applied(2)
        assert back is not None
        assert back.waiting_batches == 0
        assert back.lost == {"overflow": 0, "unsendable": 0}
        assert all(dropped.batches == 0 for dropped in back.dropped.values())


def test_what_waited_for_a_shard_waits_for_that_shard_after_a_restart(
    tmp_path: Path,
) -> None:
    """Each has a spool of its own, and an agent's next life finds them all."""
    with agent(tmp_path, 2) as first:
        first.live(3)
        for courier in first.couriers:
            courier.desk = None
        first.live(10)
        waited = [way.spool.waiting().records for way in first.pushing.ways]

    with agent(tmp_path, 2) as second:
        found = [way.spool.waiting().records for way in second.pushing.ways]

    assert waited == found
    assert all(waited)
