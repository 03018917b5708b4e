"""The aggregator as it is installed: real processes, exactly its roles, a real API."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodput_exporter.services.pod_label import LABEL
from tests.cluster.api import Api, Json
from tests.cluster.control_plane import ControlPlane
from tests.cluster.installing import install, pod, projected
from tests.cluster.scenes import Scene
from tests.fakes.replicas import (
    WITHIN_S,
    Agent,
    appears,
    fates,
    fates_or_nothing,
    leader_of,
    replicas,
    steps,
)
from tests.fakes.station import until, went_back

NAME = "aggregator"
AUDIENCE = "goodput"
SETTINGS = {
    "AGGREGATOR_LEASE": "goodput",
    "AGGREGATOR_NAMESPACE": "default",
    "INGEST_AUDIENCE": AUDIENCE,
    "INGEST_SERVICE_ACCOUNTS": "default/agent",
}


@pytest.fixture
def trained(stage: Scene) -> tuple[str, Json]:
    """Let a job run on a node of its own; return the node and the job's pod."""
    [node] = stage.nodes(1)
    stage.job("train")

    def bound() -> Json | None:
        found = stage.pods("train")
        return found[0] if found and found[0]["spec"].get("nodeName") else None

    return node, until(bound, "a pod on its node", within_s=60)


def test_two_replicas_with_exactly_their_roles_keep_one_book(
    plane: ControlPlane, trained: tuple[str, Json], tmp_path: Path
) -> None:
    """
    Found, named by its pod, pushed by a projected token, and taken over after death.

    Nothing that a replica asks of the API server is refused, so the roles suffice.
    """
    api, (node, train) = plane.api, trained
    token = install(api, tmp_path, SETTINGS)
    api.apply(
        {
            "kind": "ServiceAccount",
            "metadata": {"name": "agent", "namespace": "default"},
        }
    )
    agents = pod(api, "agent-x", serviceAccountName="agent", nodeName=node)
    names = [f"{NAME}-{each}" for each in "ab"]
    for name in names:
        pod(api, name)
    pushes = projected(api, tmp_path, "agent", agents, AUDIENCE)
    run = train["metadata"]["ownerReferences"][0]["uid"]
    agent = Agent(node, train["metadata"]["uid"], token=pushes)
    liar = Agent("elsewhere", train["metadata"]["uid"], token=pushes)
    access = {
        "KUBERNETES_TOKEN_FILE": str(token),
        "KUBERNETES_CA_FILE": str(plane.ca_file),
    }
    with replicas(tmp_path, plane.url, *names, **access, **SETTINGS) as both:
        for one in both:
            one.start()
        leader = leader_of(both)
        [follower] = [one for one in both if one is not leader]
        appears(leader, run)
        until(lambda: agent.push(leader.url).status == 200, within_s=WITHIN_S)
        steps(agent, leader, run)
        assert liar.push(leader.url).status == 403
        assert agent.push(follower.url).status == 503
        label = labels(api, names[both.index(leader)])
        forbidden = leader.page().by("goodput_source_forbidden", "kind")
        frame = agent.packed([])
        assert fates(agent.send(leader.url, frame)) == ["applied"]
        before = leader.page()

        leader.kill()
        until(lambda: follower.page().one("goodput_leader") == 1, within_s=WITHIN_S)
        again = until(
            lambda: fates_or_nothing(agent, follower, frame), within_s=WITHIN_S
        )
        steps(agent, follower, run)

        assert label.get(LABEL) == "0"
        assert sum(forbidden.values()) == 0
        assert again == ["duplicate"]
        assert went_back(before, follower.page()) == []
        said = [line for one in both for line in one.lines()]
        assert [line for line in said if "HTTP 403" in line] == []


def labels(api: Api, name: str) -> dict[str, str]:
    """Wait until a pod of ours is labelled; return its labels."""

    def found() -> dict[str, str] | None:
        made = api.get("Pod", "default", name)
        return None if made is None else made["metadata"].get("labels")

    return until(found, f"a label on {name}", within_s=WITHIN_S)
