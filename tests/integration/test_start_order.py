"""An agent, an aggregator and an API server, come up in any order: nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.fakes.cluster import node
from tests.fakes.kube_server import KubeServer
from tests.fakes.node_agent import node_agent
from tests.fakes.replicas import Cluster, replicas
from tests.fakes.station import until
from tests.integration.jobs import job
from tests.integration.whole import assert_whole, unused_port

pytestmark = pytest.mark.real

HOST: Final = "127.0.1.1"
RUN: Final = "toy"


@pytest.mark.parametrize(
    "order",
    [
        ("agent", "aggregator", "API server"),
        ("agent", "API server", "aggregator"),
        ("aggregator", "agent", "API server"),
        ("API server", "aggregator", "agent"),
    ],
    ids="-".join,
)
def test_a_run_is_whole_whatever_came_first(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    """It trains from when its agent is there; what nobody takes yet is spooled."""
    port = unused_port(HOST)
    settings = {
        "HTTP_HOST": HOST,
        "HTTP_PORT": str(port),
        "HTTP_ALLOWED_HOSTS": HOST,
        "IDENTITY_NAMESPACE": "default",
        # As in service, longer than an agent pauses after failures.
        "BOOKS_SETTLE_SECONDS": "60",
        "BOOKS_SETTLE_AFTER_START_SECONDS": "60",
    }
    url = f"http://{HOST}:{port}"
    with (
        KubeServer().serving() as server,
        node_agent(tmp_path / "node", url, IDENTITY_NODE="n1") as agent,
        replicas(tmp_path, server.url, "a", **settings) as [aggregator],
        job(tmp_path, agent, RUN) as toy,
    ):
        server.darken(is_dark=True)

        def train() -> None:
            agent.start()
            toy.start()
            toy.passes(20)

        def answer() -> None:
            server.darken(is_dark=False)
            Cluster(server).see(node())

        begins: dict[str, Callable[[], None]] = {
            "agent": train,
            "aggregator": aggregator.start,
            "API server": answer,
        }
        for name in order:
            begins[name]()
        until(lambda: aggregator.run(RUN), "the run at the aggregator")
        assert toy.finish() == [0]
        aggregator.ended(RUN)

        assert_whole(aggregator, RUN, toy.step())
