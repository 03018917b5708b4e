"""What is written to the API server, and what is asked of it about others."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from goodput_exporter.sources.kubernetes.access import explicit
from goodput_exporter.sources.kubernetes.client import ApiServer
from goodput_exporter.sources.kubernetes.leases import Lease, LeaseDoor
from goodput_exporter.sources.kubernetes.reviews import (
    User,
    label_pod,
    may,
    node_of_pod,
    review_token,
)
from goodput_exporter.sources.kubernetes.troubles import ApiError, Trouble
from tests.fakes.follower import SHORT
from tests.fakes.kube_clerk import Account
from tests.fakes.kube_server import KubeServer, body, refuse

OURS = Lease("a", 15, "2026-03-01T00:00:00.000001Z", "2026-03-01T00:00:00.000000Z", 3)


@pytest.fixture
def cluster() -> Iterator[KubeServer]:
    """Give an API server."""
    with KubeServer().serving() as server:
        yield server


def asked(cluster: KubeServer) -> ApiServer:
    """Return a client of it."""
    return ApiServer(explicit(cluster.url), SHORT)


def door(cluster: KubeServer) -> LeaseDoor:
    """Return the way to one Lease."""
    return LeaseDoor(asked(cluster), "goodput", "writer", time.time_ns)


def test_a_lease_is_read_as_it_was_written(cluster: KubeServer) -> None:
    """Made first, then replaced; the version is the server's."""
    lease = door(cluster)
    assert lease.read() == Lease()

    made = lease.write(OURS)
    assert made is not None
    again = lease.write(replace(made, seconds=20))

    assert again is not None
    assert replace(again, version="", seconds=15) == OURS
    assert lease.read() == again


@pytest.mark.parametrize("version", ["", "0"])
def test_whoever_writes_second_is_told_so(cluster: KubeServer, version: str) -> None:
    """Two that made it, and two that replaced it."""
    lease = door(cluster)
    lease.write(OURS)

    assert lease.write(replace(OURS, holder="b", version=version)) is None
    assert lease.read().holder == "a"


def test_a_refusal_of_another_kind_is_no_defeat(cluster: KubeServer) -> None:
    """Nothing is known then, and the Lease runs out by itself."""
    cluster.next("post", refuse(403, "Forbidden"))

    with pytest.raises(ApiError) as refused:
        door(cluster).write(OURS)

    assert refused.value.trouble is Trouble.FORBIDDEN


def test_what_is_no_lease_is_an_error(cluster: KubeServer) -> None:
    """A proxy's page must not look like a free Lease."""
    cluster.next("list", body(b"<html>"))

    with pytest.raises(ApiError) as garbled:
        door(cluster).read()

    assert garbled.value.trouble is Trouble.GARBLED


def test_a_token_is_somebodys_for_its_audience_only(cluster: KubeServer) -> None:
    """A token for the API server itself is none for us."""
    extra = {"authentication.kubernetes.io/node-name": ("n1",)}
    cluster.clerk.accounts["t"] = Account("agent", "goodput", extra)
    server = asked(cluster)

    found = review_token(server, "t", ("goodput",))

    assert (found.name, dict(found.extra)) == ("agent", extra)
    assert review_token(server, "t", ("vault",)).name == ""
    assert review_token(server, "t").name == ""
    assert review_token(server, "x", ("goodput",)).error


def test_a_server_that_knows_no_audiences_lets_nobody_in(cluster: KubeServer) -> None:
    """Any token of the cluster would do otherwise."""
    said = b'{"status": {"authenticated": true, "user": {"username": "agent"}}}'
    cluster.next("post", body(said))

    assert review_token(asked(cluster), "t", ("goodput",)).name == ""


def test_whether_somebody_may_read_is_asked_by_path(cluster: KubeServer) -> None:
    """As kube-rbac-proxy asks; no reason given is still a sentence."""
    reads = frozenset({"/metrics"})
    cluster.clerk.accounts["t"] = Account("prometheus", may=reads)
    server, user = asked(cluster), User("prometheus")

    assert may(server, user, "get", "/metrics") is None
    assert "prometheus" in (may(server, user, "get", "/api/v1/runs") or "")


def test_a_pod_is_found_by_its_uid_not_by_its_name(cluster: KubeServer) -> None:
    """The same name may be another pod's by now."""
    made = {"metadata": {"uid": "u1"}, "spec": {"nodeName": "n1"}}
    cluster.clerk.pods["/api/v1/namespaces/ml/pods/p"] = made
    server = asked(cluster)

    assert node_of_pod(server, "ml", "p", "u1") == "n1"
    assert node_of_pod(server, "ml", "p", "u2") == ""
    assert node_of_pod(server, "ml", "q", "u1") == ""


def test_a_label_comes_and_goes(cluster: KubeServer) -> None:
    """As a merge, so that nobody else's labels are touched."""
    server = asked(cluster)

    label_pod(server, "goodput", "a", {"leader": "0"})
    assert cluster.clerk.labels["a"] == {"leader": "0"}
    label_pod(server, "goodput", "a", {"leader": None})

    assert cluster.clerk.labels["a"] == {}
