"""Rights that are taken away, and credentials that are replaced, under a watch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from goodput_exporter.sources.kubernetes.access import kubeconfig
from goodput_exporter.sources.kubernetes.kinds import NODES
from goodput_exporter.sources.kubernetes.standing import State
from goodput_exporter.sources.kubernetes.troubles import Trouble
from tests.fakes.follower import SHORT, Follower
from tests.fakes.kube_objects import NODES as AT_NODES
from tests.fakes.kube_objects import PODS as AT_PODS
from tests.fakes.kube_objects import node, pod
from tests.fakes.kube_server import KubeServer

HALF_AN_HOUR = replace(SHORT, forbidden_s=1800.0)
ROUNDS = 12
"""Each is many times as long as any other pause of these stories."""


@pytest.fixture
def server() -> Iterator[KubeServer]:
    """Give a server with a pod and a node."""
    with KubeServer().serving() as started:
        started.install(AT_PODS, "Pod")
        started.install(AT_NODES, "Node")
        started.put(AT_PODS, pod("a"))
        started.put(AT_NODES, node("n"))
        yield started


def test_what_is_forbidden_is_not_asked_for_at_the_pace_of_what_fails(
    server: KubeServer,
) -> None:
    """Only a person can change it; others begin their watches anew meanwhile."""
    with (
        Follower(server).following() as pods,
        Follower(server, NODES, waits=HALF_AN_HOUR).following() as nodes,
    ):
        pods.settle()
        nodes.settle()
        server.forbidden.add(AT_NODES)
        server.end_watches()
        nodes.reach(State.FORBIDDEN)
        for number in range(ROUNDS):
            server.end_watches()
            server.put(AT_PODS, pod(f"p{number}"))
            pods.settle()

        assert nodes.standing.errors[Trouble.FORBIDDEN] == 1


def users(path: Path, server: KubeServer, token: str) -> None:
    """Write a kubeconfig whose user has a token of its own, not a file's."""
    path.write_text(f"""
apiVersion: v1
kind: Config
current-context: here
clusters: [{{name: c, cluster: {{server: "{server.url}"}}}}]
users: [{{name: u, user: {{token: {token}}}}}]
contexts: [{{name: here, context: {{cluster: c, user: u}}}}]
""")


def test_a_kubeconfig_that_is_written_anew_is_read_when_it_is_refused(
    server: KubeServer, tmp_path: Path
) -> None:
    """No file is named that could be read per request: the 401 says to look again."""
    path = tmp_path / "config"
    users(path, server, "one")
    server.bearer = "one"
    with Follower(server, access=kubeconfig(path)).following() as follower:
        follower.settle()
        users(path, server, "two")
        server.bearer = "two"
        server.end_watches()
        server.put(AT_PODS, pod("b"))
        follower.settle()

        assert follower.standing.errors[Trouble.UNAUTHORIZED] >= 1
        assert follower.standing.lists == 1
