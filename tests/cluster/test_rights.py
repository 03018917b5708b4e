"""Each right beyond reading is needed: without it one function fails, and says so."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from goodput_exporter.services.pod_label import LABEL
from tests.cluster.api import Api, Json
from tests.cluster.control_plane import ControlPlane
from tests.cluster.installing import (
    HOME,
    Right,
    install,
    pod,
    projected,
    rights,
    rules,
)
from tests.cluster.scenes import account
from tests.fakes.replicas import WITHIN_S, Agent, replicas
from tests.fakes.station import PATIENCE_S, Station, until

AUDIENCE: Final = "goodput"
AGENT: Final = "rights-agent"
NODE: Final = "rights-node"
LEASES, TOKENS = "coordination.k8s.io", "authentication.k8s.io"
READING: Final = frozenset({"list", "watch"})

WORKS: Final = {"push": 200, "push of a young pod": 200, "read": 200, "label": 200}
"""What a leader does with all of its rights, as statuses of HTTP."""
FOLLOWS: Final = {"push": 503, "push of a young pod": 503, "label": 404}
NEEDED: Final[dict[Right, tuple[dict[str, int], str]]] = {
    ("get", "leases", LEASES): (FOLLOWS, "the lease cannot be had now"),
    ("create", "leases", LEASES): (FOLLOWS, "the lease cannot be had now"),
    ("update", "leases", LEASES): (FOLLOWS, "the lease cannot be had now"),
    ("patch", "pods", ""): ({"label": 404}, "our own pod cannot be labelled"),
    ("create", "tokenreviews", TOKENS): (
        {"push": 503, "push of a young pod": 503, "read": 503},
        "the API server cannot be asked now",
    ),
    ("create", "subjectaccessreviews", "authorization.k8s.io"): (
        {"read": 503},
        "the API server cannot be asked now",
    ),
    ("get", "pods", ""): (
        {"push of a young pod": 503},
        "the API server cannot be asked now",
    ),
}
"""By each right, what fails without it, and what is said of that."""


def settings_of(name: str) -> dict[str, str]:
    """Return settings that need every right there is."""
    return {
        "AGGREGATOR_NAMESPACE": HOME,
        "AGGREGATOR_POD": name,
        "AGGREGATOR_LEASE": name,
        "AGGREGATOR_LEASE_SECONDS": "2",
        "INGEST_AUDIENCE": AUDIENCE,
        "INGEST_SERVICE_ACCOUNTS": f"{HOME}/{AGENT}",
        "EXPOSITION_READERS": "kubernetes",
    }


@dataclass
class Functions:
    """
    What an aggregator does by its rights, tried out from outside.

    Args:
        api: As a person who may.
        name: The aggregator's pod.
        one: The aggregator.
        agents: By what kind of push they make.
        reader: A token that may read.
        said: What was answered where something failed.
    """

    api: Api
    name: str
    one: Station
    agents: dict[str, Agent]
    reader: str
    said: set[str] = field(default_factory=set)

    def statuses(self) -> dict[str, int]:
        """Return how each function answers now."""
        found = {name: self._push(agent) for name, agent in self.agents.items()}
        return {**found, "read": self._read(), "label": self._label()}

    def words(self) -> list[str]:
        """Try everything; return all that was said, in the log and in refusals."""
        self.statuses()
        return [*self.one.lines(), *self.said]

    def _push(self, agent: Agent) -> int:
        reply = agent.push(self.one.url)
        if reply.status != WORKS["push"]:
            self.said.add(reply.body.decode())
        return reply.status

    def _read(self) -> int:
        asked = urllib.request.Request(  # noqa: S310 - ours, on the loopback
            f"{self.one.url}metrics", headers={"Authorization": f"Bearer {self.reader}"}
        )
        try:
            with urllib.request.urlopen(asked, timeout=PATIENCE_S) as reply:  # noqa: S310 - see above
                return int(reply.status)
        except urllib.error.HTTPError as exc:
            with exc:
                self.said.add(exc.read().decode())
                return exc.code

    def _label(self) -> int:
        found = self.api.get("Pod", HOME, self.name)
        labels = {} if found is None else found["metadata"].get("labels", {})
        return 200 if labels.get(LABEL) == "0" else 404


@pytest.fixture(scope="module")
def agents(
    plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """
    Give tokens of two agents: of a pod on its node, and of one from before that.

    The latter does not name its node, as no token does before Kubernetes 1.30.
    """
    api, folder = plane.api, tmp_path_factory.mktemp("rights")
    where = {"namespace": HOME}
    api.apply({"kind": "ServiceAccount", "metadata": {"name": AGENT, **where}})
    old = pod(api, "rights-old", serviceAccountName=AGENT, nodeName=NODE)
    young = pod(api, "rights-young", serviceAccountName=AGENT, schedulerName="nobody")
    made = {
        "push": projected(api, folder, AGENT, old, AUDIENCE),
        "push of a young pod": projected(api, folder, AGENT, young, AUDIENCE),
    }
    bind(api, young, NODE)
    return made


def bind(api: Api, bound: Json, node: str) -> None:
    """Put a pod onto a node, as a scheduler does."""
    name = bound["metadata"]["name"]
    wanted = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name, "namespace": HOME},
        "target": {"kind": "Node", "name": node},
    }
    api.ask("POST", f"api/v1/namespaces/{HOME}/pods/{name}/binding", wanted)


@pytest.fixture(scope="module")
def reader(plane: ControlPlane) -> str:
    """Give the token of somebody who may read metrics."""
    may = [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]
    return plane.api.token_of(account(plane.api, "rights-reader", may))


@pytest.fixture
def functions(
    request: pytest.FixtureRequest,
    plane: ControlPlane,
    agents: dict[str, Path],
    reader: str,
    tmp_path: Path,
) -> Iterator[Functions]:
    """Give an aggregator that lacks the right which the test names."""
    without: Right | None = request.param
    lacking = "nothing" if without is None else "-".join(without[:2])
    name = f"rights-{lacking}"
    settings = settings_of(name)
    pod(plane.api, name)
    token = install(plane.api, tmp_path, settings, name=name, without=without)
    access = {
        "KUBERNETES_TOKEN_FILE": str(token),
        "KUBERNETES_CA_FILE": str(plane.ca_file),
    }
    with replicas(tmp_path, plane.url, name, **access, **settings) as [one]:
        one.start()
        senders = {name: Agent(NODE, None, token=path) for name, path in agents.items()}
        yield Functions(plane.api, name, one, senders, reader)
    plane.api.delete("Pod", HOME, name, 0)


def test_every_right_beyond_reading_is_known_to_be_needed() -> None:
    """A new one wants a line in this file that says what it is for."""
    everywhere, here = rules(settings_of("any"))
    found = {one for one in rights([*everywhere, *here]) if one[0] not in READING}

    assert found == set(NEEDED)


@pytest.mark.parametrize("functions", [None], indirect=True, ids=["all"])
def test_the_generated_rights_are_enough_for_everything(functions: Functions) -> None:
    """It leads, says so, takes pushes and lets readers read; nothing is refused."""
    until(
        lambda: functions.statuses() == WORKS, "all of it works", within_s=2 * WITHIN_S
    )

    assert [line for line in functions.one.lines() if "HTTP 403" in line] == []


@pytest.mark.parametrize(
    ("functions", "right"),
    [(right, right) for right in NEEDED],
    indirect=["functions"],
    ids=["-".join(right[:2]) for right in NEEDED],
)
def test_without_one_right_its_own_function_fails_and_no_other(
    functions: Functions, right: Right
) -> None:
    """The message names what was refused, so that a person knows what to grant."""
    fails, says = NEEDED[right]
    _, resource, _ = right

    def is_said() -> bool:
        return any(
            says in line and "HTTP 403" in line and resource in line
            for line in functions.words()
        )

    # Who may not renew a Lease leads for a moment: the message comes after that.
    until(is_said, f"{says}: HTTP 403 about {resource}", within_s=2 * WITHIN_S)
    until(
        lambda: functions.statuses() == {**WORKS, **fails},
        f"what is left without {right}: {fails}",
        within_s=2 * WITHIN_S,
    )
