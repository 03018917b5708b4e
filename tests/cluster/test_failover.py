"""Two replicas, one ledger in PostgreSQL, and a leader that is killed over and over."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import pytest

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.placement import Stage
from goodput_exporter.domain.states import RunState
from goodput_exporter.ingest.inbox import META as PUSHED
from goodput_exporter.ingest.marks import decode_marks
from goodput_exporter.ledger.ledger import Ledger
from goodput_exporter.ledger.opening import open_ledger
from tests.cluster.api import Api, Json
from tests.cluster.control_plane import ControlPlane
from tests.cluster.installing import HOME, install, pod, projected
from tests.cluster.scenes import Scene
from tests.fakes.postgresql import Cluster as Postgresql
from tests.fakes.postgresql import cluster as postgresql
from tests.fakes.replicas import leader_of, replicas
from tests.fakes.station import Station, until, went_back
from tests.fakes.trainers import TrainerNode, Truth

RUNS: Final = 4
GPUS: Final = 8
CLUSTER: Final = "c1"
REPLICAS: Final = ("failover-a", "failover-b")
AGENT, AUDIENCE = "failover-agent", "goodput"
WITHIN_S: Final = 60.0
SLOW_S: Final = 600
"""It takes two minutes of two idle cores, half of them for programs that start."""


@dataclass(frozen=True, slots=True)
class Terms:
    """
    How long things take.

    Args:
        kills: Of the leader.
        lease_s: The Lease's length.
        push_s: Between two batches of an agent.
        settle_s: How long evidence may be late; five times that after a take-over.
        grace_s: How long a report may be under way.
        tick_s: Between two commits.
    """

    kills: int = 20
    lease_s: float = 2
    push_s: float = 0.5
    settle_s: float = 10
    grace_s: float = 0.3
    tick_s: float = 0.2

    @property
    def settings(self) -> dict[str, str]:
        """Return the replicas' settings."""
        return {
            "AGGREGATOR_NAMESPACE": HOME,
            "AGGREGATOR_LEASE": "failover",
            "AGGREGATOR_LEASE_SECONDS": str(self.lease_s),
            "INGEST_AUDIENCE": AUDIENCE,
            "INGEST_SERVICE_ACCOUNTS": f"{HOME}/{AGENT}",
            "BOOKS_TICK_SECONDS": str(self.tick_s),
            "BOOKS_GRACE_SECONDS": str(self.grace_s),
            "BOOKS_SETTLE_SECONDS": str(self.settle_s),
            "BOOKS_SETTLE_AFTER_START_SECONDS": str(5 * self.settle_s),
        }


@dataclass
class Deaths:
    """
    Kills the leader, and notes how long nobody led.

    Args:
        both: The replicas.
        nodes: Whose pushes must go on under each leader.
    """

    both: list[Station]
    nodes: dict[str, TrainerNode]
    gaps_s: list[float] = field(default_factory=list)

    def one(self, number: int) -> None:
        """
        Kill the leader while everybody pushes; wait until another one has taken over.

        Every third is started again at once, under its own name, as a container in
        its pod is; whoever is first then leads. The others come back as followers.
        """
        leader = leader_of(self.both)
        self._all_are_taken()
        before = leader.page()
        list(self.nodes.values())[number % RUNS].crash()
        leader.kill()
        died_s = time.monotonic()
        if number % 3 == 0:
            leader.start()
        [follower] = [one for one in self.both if one is not leader]
        alive = self.both if number % 3 == 0 else [follower]
        successor = leader_of(alive)
        self.gaps_s.append(time.monotonic() - died_s)
        if number % 3:
            leader.start()
        until(lambda: went_back(before, successor.page()) == [], "no counter went back")

    def say(self, terms: Terms) -> None:
        """Print how long nobody led."""
        gaps_s = sorted(self.gaps_s)
        sys.stdout.write(
            f"a Lease of {terms.lease_s} s: nobody led for {gaps_s[0]:.1f} to "
            f"{gaps_s[-1]:.1f} s, {median(gaps_s):.1f} in the middle\n"
        )

    def _all_are_taken(self) -> None:
        """Wait until the leader has taken something new of every node."""
        had = {name: node.taken for name, node in self.nodes.items()}
        until(
            lambda: all(node.taken > had[name] for name, node in self.nodes.items()),
            "every agent is heard by the leader",
            within_s=WITHIN_S,
        )


@pytest.fixture
def books() -> Iterator[Postgresql]:
    """Give a database server."""
    with postgresql() as one:
        yield one


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job runs: its uid, its pod's, its node, and the token of the agent."""

    job: str
    pod: str
    node: str
    token: Path


def trained(stage: Scene, folder: Path) -> dict[str, Place]:
    """Let jobs run on nodes of their own, beside agents with tokens of their own."""
    stage.nodes(RUNS, GPUS)
    names = [f"train-{number}" for number in range(RUNS)]
    jobs = {name: stage.job(name)["metadata"]["uid"] for name in names}
    account = {"metadata": {"name": AGENT, "namespace": HOME}}
    stage.api.apply({"kind": "ServiceAccount", **account})
    found: dict[str, Place] = {}
    for name in names:
        stage.books.reach(name, Stage.RUNNING)
        [pod] = stage.pods(name)
        node = pod["spec"]["nodeName"]
        agent = agent_pod(stage.api, f"agent-{node}", node)
        token = projected(stage.api, folder, AGENT, agent, AUDIENCE)
        found[name] = Place(jobs[name], pod["metadata"]["uid"], node, token)
    return found


def agent_pod(api: Api, name: str, node: str) -> Json:
    """Make an agent's pod on a node."""
    return pod(api, name, serviceAccountName=AGENT, nodeName=node)


@pytest.mark.timeout(SLOW_S)
def test_twenty_deaths_of_the_leader_change_no_sum(
    plane: ControlPlane, stage: Scene, books: Postgresql, tmp_path: Path
) -> None:
    """
    Four runs report, crash and go on while their leader is killed twenty times.

    In the end each run's book has what its trainer really did: every step once,
    every crash once, each instant once and none of them unobserved.
    """
    die(Terms(), plane, stage, books, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_twenty_deaths_on_the_terms_of_the_product(
    plane: ControlPlane, stage: Scene, books: Postgresql, tmp_path: Path
) -> None:
    """The same at full length: a Lease of 15 s, batches every 5 s, a minute to seal."""
    product = Terms(lease_s=15, push_s=5, settle_s=60, grace_s=5, tick_s=1)
    die(product, plane, stage, books, tmp_path)


def die(
    terms: Terms, plane: ControlPlane, stage: Scene, books: Postgresql, folder: Path
) -> None:
    """Play the whole story, on some terms."""
    places = trained(stage, folder)
    with ExitStack() as stack:
        both = stack.enter_context(started(terms, plane, books, folder))
        nodes = {
            name: TrainerNode(
                place.node,
                place.pod,
                folder / name,
                [partial(getattr, one, "url") for one in both],
                token_file=place.token,
                every_seconds=terms.push_s,
            )
            for name, place in places.items()
        }
        for node in nodes.values():
            stack.callback(node.close)
            node.start()
        deaths = Deaths(both, nodes)
        for number in range(terms.kills):
            deaths.one(number)
        deaths.say(terms)
        truths = {name: node.finish() for name, node in nodes.items()}
        delivered(nodes)
        for name in places:
            stage.play(name, exit_code="0")
        leader = leader_of(both)
        told = {name: leader.ended(place.job) for name, place in places.items()}
        page = leader.page()
        for node in nodes.values():
            node.close()
        taken = {node.name: node.taken for node in nodes.values()}

    assert {name: done(said) for name, said in told.items()} == truths
    assert [said["adds_up"]["exact"] for said in told.values()] == [True] * RUNS
    assert page.sum("goodput_run_gpu_seconds_total", state="unobserved") == 0
    assert page.sum(
        "goodput_group_gpu_seconds_total", group_kind="cluster"
    ) == pytest.approx(page.sum("goodput_run_gpu_seconds_total"))
    with closing(open_ledger(books.url(), cluster=CLUSTER)) as ledger:
        assert blind(ledger) == []
        assert ledger.verify() == []
        assert marks(ledger.resume().meta) == taken


@contextmanager
def started(
    terms: Terms, plane: ControlPlane, books: Postgresql, folder: Path
) -> Iterator[list[Station]]:
    """Give two replicas that run, each with a pod of its own to label."""
    for name in REPLICAS:
        pod(plane.api, name)
    access = {
        "KUBERNETES_TOKEN_FILE": str(
            install(plane.api, folder, terms.settings, name="failover")
        ),
        "KUBERNETES_CA_FILE": str(plane.ca_file),
        "LEDGER_URL": books.url(),
        "IDENTITY_CLUSTER": CLUSTER,
    }
    settings = access | terms.settings
    with replicas(folder, plane.url, *REPLICAS, **settings) as both:
        for one in both:
            one.start()
        yield both
    for name in REPLICAS:
        plane.api.delete("Pod", HOME, name, 0)


def delivered(nodes: dict[str, TrainerNode]) -> None:
    """Wait until the ledger has all that was said until now."""
    for node in nodes.values():
        until(partial(getattr, node, "is_delivered"), node.name, within_s=WITHIN_S)


def done(said: dict[str, Any]) -> Truth:
    """Return what a run's book says that its trainer has done."""
    steps = said["progress"]
    lost = tuple(one["lost_steps"] for one in reversed(said["incidents"]))
    assert said["interruptions"] == len(lost)
    first = steps["steps_first_time"]
    return Truth(first + steps["steps_redone"], first, lost)


def blind(ledger: Ledger) -> list[list[Segment]]:
    """Return each time that was unobserved, between what lies beside it."""
    found = []
    for run in ledger.runs():
        segments = list(ledger.segments(run.key))
        found += [
            segments[max(0, at - 2) : at + 3]
            for at, one in enumerate(segments)
            if one.state is RunState.UNOBSERVED
        ]
    return found


def marks(meta: Mapping[str, str]) -> dict[str, int]:
    """Return by node how many batches the ledger has; none of them is missing."""
    found: dict[str, int] = {}
    for name, text in meta.items():
        if name.startswith(PUSHED):
            [mark] = decode_marks(text)
            assert mark.holes == ()
            found[name.removeprefix(PUSHED).partition("/")[0]] = mark.high
    return found
