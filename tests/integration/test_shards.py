"""Two real shards and a real agent: each books its runs, and needs no other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.services.sharding import shard_of
from tests.fakes.cluster import node
from tests.fakes.kube_server import KubeServer
from tests.fakes.node_agent import node_agent
from tests.fakes.replicas import Cluster, replicas
from tests.fakes.station import Station, until
from tests.integration.jobs import job
from tests.integration.whole import assert_whole, unused_port

pytestmark = pytest.mark.real

COUNT: Final = 2
HOST: Final = "127.0.1.{shard}"
"""All of 127.0.0.0/8 is this machine: one port, and an address for each shard."""


def owned_by(index: int) -> str:
    """Return the name of a run that a shard books."""
    names = (f"toy-{number}" for number in range(100))
    return next(
        name
        for name in names
        if shard_of(RunKey("c1", "default", name), COUNT) == index
    )


@contextmanager
def shards(folder: Path, url: str, port: int) -> Iterator[list[Station]]:
    """Give the aggregators of a cluster, each with a ledger, started."""
    with ExitStack() as stack:
        found: list[Station] = []
        for index in range(COUNT):
            own, host = folder / f"s{index}", HOST.replace("{shard}", str(index))
            own.mkdir()
            settings = {
                "AGGREGATOR_SHARD": f"{index}/{COUNT}",
                "HTTP_HOST": host,
                "HTTP_PORT": str(port),
                "HTTP_ALLOWED_HOSTS": host,
                "IDENTITY_NAMESPACE": "default",
                # As in service, longer than an agent pauses after failures.
                "BOOKS_SETTLE_SECONDS": "60",
                "BOOKS_SETTLE_AFTER_START_SECONDS": "60",
            }
            [one] = stack.enter_context(replicas(own, url, "a", **settings))
            one.start()
            found.append(one)
        yield found


def test_each_shard_books_its_runs_and_one_that_died_has_all_of_them(
    tmp_path: Path,
) -> None:
    """One is killed while both runs train; its agent's spool holds what it missed."""
    port = unused_port(HOST.replace("{shard}", "1"))
    with (
        KubeServer().serving() as server,
        node_agent(
            tmp_path / "node",
            f"http://{HOST}:{port}",
            IDENTITY_NODE="n1",
            PUSH_SHARDS=str(COUNT),
        ) as agent,
        ExitStack() as stack,
    ):
        Cluster(server).see(node())
        both = stack.enter_context(shards(tmp_path, server.url, port))
        agent.start()
        runs = [owned_by(index) for index in range(COUNT)]
        jobs = [stack.enter_context(job(tmp_path, agent, run)) for run in runs]
        for one, run, toy in zip(both, runs, jobs, strict=True):
            toy.start()
            until(lambda: one.run(run), f"{run} at its shard")  # noqa: B023 - asked before the loop goes on
        both[1].kill()
        jobs[1].passes(jobs[1].step() + 40)
        until(lambda: agent.page().one("goodput_spool_batches"), "a batch that waits")
        jobs[0].passes(jobs[0].step() + 10)
        step = jobs[0].step()
        until(
            lambda: (both[0].page().one("goodput_run_step", run=runs[0]) or 0) >= step,
            "the steps of the run whose shard is there",
        )
        both[1].start()
        for toy in jobs:
            assert toy.finish() == [0]

        for index, (one, run, toy) in enumerate(zip(both, runs, jobs, strict=True)):
            one.ended(run)
            assert_whole(one, run, toy.step())
            assert not one.page().sum("goodput_run_steps_total", run=runs[1 - index])
        assert both[0].page().one("goodput_nodes", gpu="true", agent="present") == 1
        assert not both[1].page().sum("goodput_nodes")
