"""Whoever is told that a run is down is told on which node it began."""

from __future__ import annotations

import re
from dataclasses import replace

from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.fold import Observation
from goodput_exporter.domain.placement import Seat
from goodput_exporter.domain.snapshot import RunView
from goodput_exporter.domain.states import How, RunState
from goodput_exporter.exposition.render import MetricsPage
from goodput_exporter.exposition.run_families import RUNS
from tests.fakes.office import Office
from tests.fakes.pods import Pods
from tests.fakes.ranks import Rank, ns
from tests.fakes.snapshots import snapshot
from tests.fakes.stories import START_S, observations

SILENT_S = 110
"""Since when the run's second node is not ready."""
BACK_S = 300


def nodes_of(*views: RunView) -> list[tuple[str, str]]:
    """Return the nodes and causes that the page of metrics gives for outages."""
    page = MetricsPage((RUNS,)).render(snapshot(*views)).decode()
    return re.findall(r'outage_info\{.*gpu_node="([^"]*)",cause="(\w+)"\} 1', page)


def seen() -> list[Observation]:
    """Tell of a run on two nodes, of which one falls silent and is replaced."""
    pods = Pods(nodes=("n1", "n2")).at(0, "running")
    crew = tuple(Seat(f"default/story-{n}", f"n{n + 1}", n) for n in range(2))
    pods.said[0] = replace(pods.said[0], crew=crew)
    pods.at(SILENT_S, "down").at(BACK_S, "running", how=How.POD)
    not_ready = Evidence(
        ns(START_S + SILENT_S), Kind.NODE_CONDITION, "Ready=Unknown", "node/n2", "api"
    )
    rank = Rank(inc="a" * 16, pid=1, world=8).init(5).steps(0, 9, each=10)
    return [*pods.said, *observations([rank], known_exit=False), not_ready]


def test_a_run_that_is_down_names_the_node_that_is_lost() -> None:
    """A minute after the node fell silent; not before, and not once it is replaced."""
    office = Office()
    before = office.watch(seen(), SILENT_S - 5).view()
    down = office.watch(seen(), SILENT_S + 60).view()
    back = office.watch(seen(), BACK_S + 100).view()

    assert down.state is RunState.DOWN
    assert nodes_of(down) == [("n2", "node_lost")]
    assert down.why.startswith("Its pods are missing (node lost): ")
    assert "Ready=Unknown on node/n2." in down.why
    assert nodes_of(before, back) == []
