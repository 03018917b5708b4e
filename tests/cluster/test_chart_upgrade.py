"""From the chart that was before to this one, back again, and away."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.cluster.api import Json
from tests.cluster.control_plane import ControlPlane
from tests.cluster.services import wait_for
from tests.cluster.test_chart_install import (
    CLUSTER_WIDE,
    NAMESPACED,
    SECONDS,
    helm,
    installed,
    ours,
)
from tests.helm.chart import CHART, NAME

PREVIOUS: Final = (
    Path(__file__).parents[1] / "fixtures/charts/goodput-exporter-4f6a376.tgz"
)
CHOSEN: Final = {
    "cluster": "east",
    "aggregator": {"persistence": {"size": "30Gi"}},
    "agent": {"settings": {"push.every_seconds": 15}},
}
"""What a person set when they installed the previous one."""


@dataclass(frozen=True, slots=True)
class Standing:
    """
    What an API server has of a release.

    Args:
        names: Of its objects, by path.
        agent: The agent's pod template.
        aggregator: The aggregator's StatefulSet.
        claims: The uids of the volumes' claims.
    """

    names: dict[str, list[str]]
    agent: Json
    aggregator: Json
    claims: list[str]

    @property
    def given(self) -> dict[str, str]:
        """Return the literal variables of the agent."""
        [container] = self.agent["spec"]["containers"]
        return {row["name"]: row["value"] for row in container["env"] if "value" in row}


def standing(plane: ControlPlane, namespace: str) -> Standing:
    """Look at a release; its claim is waited for."""
    api, within = plane.api, f"namespaces/{namespace}"

    def claims() -> list[Json] | None:
        path = f"api/v1/{within}/persistentvolumeclaims"
        found: list[Json] = api.ask("GET", path)["items"]
        return found or None

    paths = [*CLUSTER_WIDE, *(one.format(within) for one in NAMESPACED)]
    [agents] = api.ask("GET", f"apis/apps/v1/{within}/daemonsets")["items"]
    [aggregator] = api.ask("GET", f"apis/apps/v1/{within}/statefulsets")["items"]
    found = wait_for(claims, SECONDS, "the ledger's claim")
    return Standing(
        {path: ours(api, path) for path in paths},
        agents["spec"]["template"],
        aggregator,
        [one["metadata"]["uid"] for one in found],
    )


def test_an_upgrade_from_the_previous_chart_asks_for_nothing_and_can_be_undone(
    plane: ControlPlane, tmp_path: Path
) -> None:
    """
    No immutable field is touched: the StatefulSet stays the same, and so do the books.

    What was set stays set, what is new comes, and a rollback has all of the former.
    """
    namespace = "chart-upgrade"
    values = tmp_path / "values.yaml"
    values.write_text(json.dumps(CHOSEN), encoding="utf-8")
    place = ("-n", namespace)

    with installed(plane, namespace, "--values", str(values), chart=PREVIOUS):
        before = standing(plane, namespace)
        helm(plane, "upgrade", NAME, str(CHART), *place)
        after = standing(plane, namespace)
        kept = helm(plane, "get", "values", NAME, *place, "-o", "json").stdout
        helm(plane, "rollback", NAME, "1", *place)
        undone = standing(plane, namespace)

    assert json.loads(kept) == CHOSEN
    new = after.given.keys() - before.given.keys()
    assert "GOODPUT_EXPORTER_INFERENCE_CGROUP_FOLDER" in new
    assert after.names == before.names
    for one in (before, after, undone):
        assert one.given["GOODPUT_EXPORTER_IDENTITY_CLUSTER"] == "east"
        assert one.given["GOODPUT_EXPORTER_PUSH_EVERY_SECONDS"] == "15"
        assert one.aggregator["metadata"]["uid"] == before.aggregator["metadata"]["uid"]
        assert one.claims == before.claims
    assert undone.agent == before.agent
    assert undone.aggregator["spec"] == before.aggregator["spec"]
    assert undone.names == before.names
    left = {path: ours(plane.api, path) for path in before.names}
    assert left == {path: [] for path in before.names}
    claims = f"api/v1/namespaces/{namespace}/persistentvolumeclaims"
    remain = plane.api.ask("GET", claims)["items"]
    assert [one["metadata"]["uid"] for one in remain] == before.claims
