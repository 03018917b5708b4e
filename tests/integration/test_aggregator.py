"""Aggregators as processes: they find runs, survive death, and one of them writes."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from goodput_exporter.sources.workloads.waits import Wait
from goodput_exporter.wire.answers import LEADER_HEADER
from tests.fakes.cluster import Pod, job, node
from tests.fakes.kube_clerk import Account
from tests.fakes.kube_server import KubeServer
from tests.fakes.replicas import (
    WITHIN_S,
    Agent,
    Cluster,
    appears,
    becomes,
    booked_s,
    fates,
    fates_or_nothing,
    leader_of,
    replicas,
    steps,
)
from tests.fakes.station import until, went_back

NODE = "authentication.kubernetes.io/node-name"
AGENT = "system:serviceaccount:goodput:agent"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Give a cluster with one node of eight GPUs."""
    with KubeServer().serving() as server:
        one = Cluster(server)
        one.see(node())
        yield one


def trains(cluster: Cluster, name: str = "train") -> Pod:
    """Make a Job whose only pod runs; return the pod."""
    owner = job(name)
    pod = Pod(f"{name}-0", owner)
    pod.bound(20)
    cluster.see(owner, pod.running(30))
    return pod


def test_a_run_is_found_and_why_it_does_not_step_is_known(
    tmp_path: Path, cluster: Cluster
) -> None:
    """From a pod that no node takes to steps that its rank reports."""
    owner = job()
    pod = Pod("train-0", owner)
    cluster.see(owner, pod.unschedulable(1))
    with replicas(tmp_path, cluster.server.url, "a") as [one]:
        one.start()
        becomes(one, "scheduling")

        cluster.see(pod.bound(20))
        cluster.see(pod.waiting("ImagePullBackOff"))
        becomes(one, "provisioning")
        cluster.see(pod.running(30))
        becomes(one, "initializing")
        agent = Agent("n1", "train-0")
        assert fates(agent.push(one.url)) == ["applied"]
        steps(agent, one)

        page = one.page()
        waited = page.by("goodput_run_waited_seconds_total", "reason", run="train")
        assert waited[Wait.UNSCHEDULABLE] == 20
        assert page.one("goodput_nodes", gpu="true", agent="present") == 1
        assert page.one("goodput_watch_synced", kind="Pod") == 1
        assert page.one("goodput_source_forbidden", kind="Pod") == 0


def test_a_kind_that_may_not_be_read_is_off_and_says_so(
    tmp_path: Path, cluster: Cluster
) -> None:
    """RBAC was cut: the rest goes on, and a metric names what is missing."""
    cluster.server.forbidden.add("/apis/apps/v1/statefulsets")
    trains(cluster)
    with replicas(tmp_path, cluster.server.url, "a") as [one]:
        one.start()
        appears(one)

        forbidden = one.page().by("goodput_source_forbidden", "kind")
        assert forbidden["StatefulSet"] == 1
        assert sum(forbidden.values()) == 1


def test_what_was_booked_survives_kill_9_and_a_pod_that_went_meanwhile(
    tmp_path: Path, cluster: Cluster
) -> None:
    """Counters go on; waits too; the run whose pod has gone is over, estimated."""
    trains(cluster)
    stays, goes = Agent("n1", "train-0"), Pod("gone-0")
    goes.bound(20)
    cluster.see(goes.running(30))
    with replicas(tmp_path, cluster.server.url, "a") as [one]:
        one.start()
        appears(one, "gone-0")
        steps(stays, one)
        until(lambda: booked_s(one) > 8 * 31)
        frame = stays.packed([])
        assert fates(stays.send(one.url, frame)) == ["applied"]
        before = one.page()
        one.kill()
        cluster.gone(goes.raw)
        one.start()
        until(lambda: one.page().one("goodput_watch_synced", kind="Pod") == 1)
        taken = until(lambda: fates_or_nothing(stays, one, frame), within_s=WITHIN_S)
        until(
            lambda: one.page().one("goodput_run_ended_timestamp_seconds", run="gone-0")
        )

        assert taken == ["duplicate"]
        assert went_back(before, one.page()) == []
        assert stays.push(one.url, steps=1).status == 200
        becomes(one, "productive")
        assert one.stop() == 0


def test_what_was_acknowledged_before_its_pod_was_seen_survives_kill_9(
    tmp_path: Path, cluster: Cluster
) -> None:
    """
    The agent forgets a batch once it is told that the ledger has it.

    A rank made its steps and ended before any watch told of its pod; then the
    aggregator is killed. Nobody says any of it again.
    """
    agent = Agent("n1", "train-0")
    with replicas(tmp_path, cluster.server.url, "a") as [one]:
        one.start()
        until(lambda: agent.push(one.url, steps=3, ends=True).status == 200, "a push")
        one.kill()
        trains(cluster)
        one.start()
        step = until(
            lambda: one.page().one("goodput_run_step", run="train"),
            "the steps that were made",
            within_s=WITHIN_S,
        )

    assert step >= 3


def test_one_of_two_writes_and_its_death_changes_no_sum(
    tmp_path: Path, cluster: Cluster
) -> None:
    """
    The follower is ready, says who leads, and takes over within the Lease.

    What agents push again is counted once; no counter goes back over three deaths.
    """
    trains(cluster)
    agent = Agent("n1", "train-0")
    with replicas(tmp_path, cluster.server.url, "a", "b") as both:
        for one in both:
            one.start()
        for _ in range(3):
            leader = leader_of(both)
            [follower] = [one for one in both if one is not leader]
            names = {id(both[0]): "a", id(both[1]): "b"}
            until(lambda: cluster.server.clerk.labels.get(names[id(leader)]))  # noqa: B023 - asked before the loop goes on
            until(lambda: agent.push(leader.url, steps=1).status == 200)  # noqa: B023 - see above
            becomes(leader, "productive")
            refused = agent.push(follower.url, steps=1)
            assert refused.status == 503
            assert refused.headers[LEADER_HEADER] == names[id(leader)]
            assert follower.is_ready()
            frame = agent.packed([])
            until(lambda: fates_or_nothing(agent, leader, frame))  # noqa: B023 - see above
            before = leader.page()

            leader.kill()
            died_s = time.monotonic()
            until(lambda: follower.page().one("goodput_leader") == 1)  # noqa: B023 - see above
            gap_s = time.monotonic() - died_s
            again = until(lambda: fates_or_nothing(agent, follower, frame))  # noqa: B023 - see above
            becomes(follower, "productive")
            assert again == ["duplicate"]
            assert went_back(before, follower.page()) == []
            assert gap_s < 2 * 2.0, "the lease is 2 s"
            leader.start()


def test_a_frozen_leader_keeps_its_ledger_until_it_wakes_and_then_lets_go(
    tmp_path: Path, cluster: Cluster
) -> None:
    """
    A whole process stood still for longer than its Lease: another one has that by now.

    What it was about to write it may, for nobody else could; then it books no more.
    """
    trains(cluster)
    agent = Agent("n1", "train-0")
    with replicas(tmp_path, cluster.server.url, "a", "b") as both:
        for one in both:
            one.start()
        leader = leader_of(both)
        [follower] = [one for one in both if one is not leader]
        steps(agent, leader)
        frame = agent.packed([])
        until(lambda: fates_or_nothing(agent, leader, frame))
        before = leader.page()
        leader.signal(signal.SIGSTOP)
        until(
            lambda: "would lead, but its ledger" in follower.log.read_text(),
            "the Lease is the other's, and the ledger is not",
            within_s=WITHIN_S,
        )
        meanwhile = follower.page().one("goodput_leader")
        leader.signal(signal.SIGCONT)
        until(lambda: follower.page().one("goodput_leader") == 1, within_s=WITHIN_S)
        until(lambda: leader.page().one("goodput_leader") == 0, within_s=WITHIN_S)
        again = until(lambda: fates_or_nothing(agent, follower, frame))

        assert meanwhile == 0
        assert again == ["duplicate"]
        assert went_back(before, follower.page()) == []


def test_a_leader_that_stops_hands_over_at_once(
    tmp_path: Path, cluster: Cluster
) -> None:
    """It lets go of the Lease and of its label, so nobody waits."""
    trains(cluster)
    with replicas(
        tmp_path, cluster.server.url, "a", "b", AGGREGATOR_LEASE_SECONDS="60"
    ) as both:
        both[0].start()
        leader_of(both[:1])
        both[1].launch()
        assert both[0].stop() == 0

        lease = next(iter(cluster.server.clerk.leases.values()))["spec"]
        assert lease["holderIdentity"] in {"", "b"}
        assert cluster.server.clerk.labels["a"] == {}


def test_an_agent_speaks_for_its_own_node_by_its_pods_token(
    tmp_path: Path, cluster: Cluster
) -> None:
    """Another node, another audience, another service account: all refused."""
    trains(cluster)
    accounts = cluster.server.clerk.accounts
    bound = {NODE: ("n1",)}
    accounts["good"] = Account(AGENT, "goodput", bound)
    accounts["other-audience"] = Account(AGENT, "vault", bound)
    accounts["other-account"] = Account(
        "system:serviceaccount:ml:default", "goodput", bound
    )
    ingest = {"INGEST_AUDIENCE": "goodput", "INGEST_SERVICE_ACCOUNTS": "goodput/agent"}
    with replicas(tmp_path, cluster.server.url, "a", **ingest) as [one]:
        one.start()
        tokens = {name: tmp_path / name for name in accounts}
        for name, path in tokens.items():
            path.write_text(name)
        agent = Agent("n1", "train-0", token=tokens["good"])
        until(lambda: agent.push(one.url).status == 200, within_s=WITHIN_S)

        def said(node: str, token: Path | None) -> int:
            return Agent(node, "train-0", token=token).push(one.url).status

        assert said("n2", tokens["good"]) == 403
        assert said("n1", tokens["other-audience"]) == 401
        assert said("n1", tokens["other-account"]) == 403
        assert said("n1", None) == 401
        refused = "goodput_pushes_refused_total"
        until(lambda: one.page().one(refused, reason="sender") == 3)
        assert one.page().one(refused, reason="node") == 1
        assert agent.push(one.url).status == 200
        assert cluster.server.clerk.reviews == 3


def test_a_pod_that_claims_another_run_is_booked_as_itself(
    tmp_path: Path, cluster: Cluster
) -> None:
    """What the kernel vouches for decides, not what a rank says of itself."""
    trains(cluster)
    trains(cluster, "thief")
    with replicas(tmp_path, cluster.server.url, "a") as [one]:
        one.start()
        appears(one, "thief")
        honest = Agent("n1", "train-0", "llama")
        liar = Agent("n1", "thief-0", "llama")
        steps(honest, one, "llama")
        steps(liar, one, "thief")

        page = one.page()
        assert page.one("goodput_run_claims_refused_total") == 1
        assert set(page.by("goodput_run_step", "run")) == {"llama", "thief"}


def test_readers_show_a_token_that_rbac_lets_read(
    tmp_path: Path, cluster: Cluster
) -> None:
    """Health is for anyone; metrics for whom a role lets get them."""
    with replicas(
        tmp_path, cluster.server.url, "a", EXPOSITION_READERS="kubernetes"
    ) as [one]:
        one.start()

        assert one.get("healthz")[0] == 200
        assert one.get("metrics")[0] == 401
        assert one.get("api/v1/runs")[0] == 401


def test_a_leader_whose_api_server_falls_silent_ceases_and_comes_back(
    tmp_path: Path, cluster: Cluster
) -> None:
    """Nobody else could know that it still writes; what it booked stays."""
    trains(cluster)
    agent = Agent("n1", "train-0")
    alone = {
        "AGGREGATOR_LEASE": "goodput",
        "AGGREGATOR_LEASE_SECONDS": "2",
        "AGGREGATOR_POD": "a",
        "AGGREGATOR_NAMESPACE": "goodput",
    }
    with replicas(tmp_path, cluster.server.url, "a", **alone) as [one]:
        one.start()
        leader_of([one])
        until(lambda: agent.push(one.url).status == 200, within_s=WITHIN_S)
        steps(agent, one)
        before = one.page()

        cluster.server.darken(is_dark=True)
        until(lambda: one.page().one("goodput_leader") == 0, within_s=WITHIN_S)
        refused = agent.push(one.url, steps=1).status
        cluster.server.darken(is_dark=False)
        leader_of([one])
        until(lambda: agent.push(one.url).status == 200, within_s=WITHIN_S)
        steps(agent, one)

        assert refused == 503
        assert went_back(before, one.page()) == []
        cluster.server.darken(is_dark=True)
        began_s = time.monotonic()
        assert one.stop() == 0
        assert time.monotonic() - began_s < 25, "Kubernetes kills after 30 s"
