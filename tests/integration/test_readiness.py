"""Which replicas are Ready: rollouts wait for them, and Services send to no others."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

from goodput_exporter.ledger.lock import WriterLock
from tests.fakes.cluster import Pod, job, node
from tests.fakes.kube_server import Exchange, KubeServer, refuse
from tests.fakes.replicas import WITHIN_S, Agent, Cluster, leader_of, replicas
from tests.fakes.station import Station, until

LISTS: Final = 10_000
"""More than a reflector asks for in a story."""
FOR_LONG_S: Final = 3_600
ANOTHER: Final = "another"
LEASE: Final = MappingProxyType(
    {
        "AGGREGATOR_LEASE": "goodput",
        "AGGREGATOR_LEASE_SECONDS": "2",
        "AGGREGATOR_POD": "a",
        "AGGREGATOR_NAMESPACE": "goodput",
    }
)
"""Of a single replica, as the chart has it: a rollout brings a second one."""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Give a cluster with a node on which a job trains."""
    with KubeServer().serving() as server:
        one = Cluster(server)
        owner = job("train")
        pod = Pod("train-0", owner)
        pod.bound(20)
        one.see(node(), owner, pod.running(30))
        yield one


def lists_nothing(exchange: Exchange) -> None:
    """Fail every list but what is asked of Leases."""
    if "/leases" in exchange.request.path:
        exchange.ask_clerk()
    else:
        refuse(500)(exchange)


def hold_lease(cluster: Cluster, name: str) -> None:
    """Let somebody hold the Lease for long; nobody, if the name is empty."""
    clerk = cluster.server.clerk

    def written() -> bool:
        [(path, lease)] = clerk.leases.items()
        wanted = deepcopy(lease)
        wanted["spec"] |= {"holderIdentity": name, "leaseDurationSeconds": FOR_LONG_S}
        answered = clerk.answer("put", path, wanted)
        return answered is not None and answered[0] == 200

    until(written, f"the Lease of {name!r}", within_s=WITHIN_S)


def why_not(one: Station) -> str:
    """Return why a replica is not ready; empty while it is."""
    status, text = one.get("readyz")
    return "" if status == 200 else text


@pytest.mark.parametrize("names", ["a", "ab"], ids=["one", "two"])
def test_a_leader_is_ready_before_it_has_listed_and_takes_no_pushes_until_then(
    tmp_path: Path, cluster: Cluster, names: str
) -> None:
    """
    Agents are told to come again, which nobody could tell them otherwise.

    Its Service knows no other replica: without this one they would reach nobody. The
    followers are ready, too, or a rollout that waits for them would never end.
    """
    cluster.server.next("list", *[lists_nothing] * LISTS)
    agent = Agent("n1", "train-0")
    with replicas(
        tmp_path, cluster.server.url, *names, **(LEASE if names == "a" else {})
    ) as all_of_them:
        for one in all_of_them:
            one.start()
        leader = leader_of(all_of_them)

        refused = [agent.push(one.url) for one in all_of_them]
        told = [why_not(one) for one in all_of_them]
        cluster.server.pardon()

        assert told == [""] * len(names)
        assert [reply.status for reply in refused] == [503] * len(names)
        assert all(reply.headers["retry-after"] for reply in refused)
        until(lambda: agent.push(leader.url).status == 200, within_s=WITHIN_S)


def test_a_replica_that_cannot_open_the_ledger_is_ready_again_once_it_follows(
    tmp_path: Path, cluster: Cluster
) -> None:
    """
    Whoever leads without a ledger is not ready: nobody books.

    It is none of a follower's business what kept it from leading once.
    """
    with replicas(tmp_path, cluster.server.url, "a", **LEASE) as [one]:
        one.start()
        leader_of([one])
        hold_lease(cluster, ANOTHER)
        until(lambda: one.page().one("goodput_leader") == 0, within_s=WITHIN_S)
        lock = WriterLock(tmp_path / "ledger.sqlite")
        try:
            hold_lease(cluster, "")
            told = until(lambda: why_not(one), "not ready", within_s=WITHIN_S)
            hold_lease(cluster, ANOTHER)

            until(one.is_ready, "a follower that is ready", within_s=WITHIN_S)
        finally:
            lock.release()

    assert "ledger" in told
