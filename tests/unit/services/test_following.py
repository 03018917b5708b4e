"""With roles in two namespaces their runs are known; the rest is off, and says so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from goodput_exporter.services.following import Following
from goodput_exporter.sources.kubernetes.access import explicit
from goodput_exporter.sources.kubernetes.client import ApiServer
from goodput_exporter.sources.kubernetes.kinds import NODES, PODS
from goodput_exporter.sources.kubernetes.standing import Standing, State
from goodput_exporter.sources.workloads.tracker import Tracker
from tests.fakes.follower import PATIENCE_S, SHORT, TURN_S
from tests.fakes.kube_objects import node, pod
from tests.fakes.kube_server import KubeServer

EVERYWHERE = "/api/v1/pods"
ML, RESEARCH = "/api/v1/namespaces/ml/pods", "/api/v1/namespaces/research/pods"
NODES_PATH = "/api/v1/nodes"


@pytest.fixture
def server() -> Iterator[KubeServer]:
    """Give a server that lets two namespaces be read, and nothing else."""
    made = KubeServer()
    for path in (EVERYWHERE, ML, RESEARCH):
        made.install(path, "Pod")
    made.install(NODES_PATH, "Node")
    made.put(ML, pod("a"))
    made.put(RESEARCH, pod("b"))
    made.put(RESEARCH, pod("c"))
    made.put(NODES_PATH, node("n"))
    made.forbidden |= {EVERYWHERE, NODES_PATH}
    with made.serving():
        yield made


def follow(server: KubeServer, *namespaces: str) -> Following:
    """Follow pods and nodes, quickly."""
    return Following(
        ApiServer(explicit(server.url), SHORT),
        Tracker("here"),
        now_ns=time.monotonic_ns,
        waits=SHORT,
        namespaces=namespaces,
        kinds=(PODS, NODES),
    )


def standings_once(
    following: Following, holds: Callable[[Standing, Standing], bool]
) -> tuple[Standing, Standing]:
    """Return how pods and nodes stand once something holds; for a bounded time."""
    ends_at = time.monotonic() + PATIENCE_S
    while True:
        pods, nodes = following.standings()
        if holds(pods, nodes) or time.monotonic() > ends_at:
            return pods, nodes
        following.take()
        time.sleep(TURN_S)


def test_the_pods_of_two_namespaces_are_followed_without_nodes(
    server: KubeServer,
) -> None:
    """One line per kind on the page, whatever it is made of."""
    following = follow(server, "ml", "research", "ml")
    following.start()
    try:
        pods, nodes = standings_once(
            following,
            lambda pods, nodes: (
                pods.state is State.SYNCED and nodes.state is State.FORBIDDEN
            ),
        )
        following.take()
        is_answered = following.is_answered()
    finally:
        following.close()

    assert (pods.state, pods.objects, pods.lists) == (State.SYNCED, 3, 2)
    assert nodes.state is State.FORBIDDEN
    assert is_answered
    assert not any(one.path == EVERYWHERE for one in server.requests)


def test_one_closed_namespace_is_told_and_costs_the_others_nothing(
    server: KubeServer,
) -> None:
    """A role that somebody forgot to bind."""
    server.forbidden.add(RESEARCH)
    following = follow(server, "ml", "research")
    following.start()
    try:
        pods, _ = standings_once(
            following,
            lambda pods, _: pods.state is State.FORBIDDEN and pods.objects == 1,
        )
    finally:
        following.close()

    assert (pods.state, pods.objects) == (State.FORBIDDEN, 1)
