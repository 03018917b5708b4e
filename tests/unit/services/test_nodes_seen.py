"""What the page says of the cluster's nodes: who has an agent, and what is withheld."""

from __future__ import annotations

from goodput_exporter.services.watch_view import MISSING_NS, Hearing, nodes_seen
from goodput_exporter.sources.workloads.tracker import Tracker
from tests.fakes.cluster import Story, node, ns

GPU_NODE = (True, True)
MISSING = (True, False)
CPU_NODE = (False, False)


def cluster() -> Tracker:
    """Return two nodes of eight GPUs, and one without any."""
    bare = node("cpu")
    bare["status"]["capacity"] = {"cpu": "96"}
    return Story().see(1, node("n1"), node("n2"), bare).tracker


def test_a_gpu_node_without_an_agent_is_counted_and_a_cpu_node_is_not_missed() -> None:
    """Right after the installation, when both agents speak, and when one is gone."""
    tracker, hearing = cluster(), Hearing()
    assert nodes_seen(tracker, hearing, ns(2)).counts == {MISSING: 2, CPU_NODE: 1}

    hearing.hear("n1", ns(5))
    hearing.hear("n2", ns(5))
    assert nodes_seen(tracker, hearing, ns(6)).counts == {GPU_NODE: 2, CPU_NODE: 1}

    hearing.hear("n1", ns(5) + MISSING_NS)
    later = nodes_seen(tracker, hearing, ns(5) + MISSING_NS)
    assert later.counts == {GPU_NODE: 1, MISSING: 1, CPU_NODE: 1}


def test_a_gpu_that_a_node_keeps_back_is_told_with_the_nodes_name() -> None:
    """Eight are built in and seven offered: what a device plugin does after a fault."""
    sick = node("n2")
    sick["status"]["allocatable"]["nvidia.com/gpu"] = "7"
    tracker = Story().see(1, node("n1"), sick).tracker

    seen = nodes_seen(tracker, Hearing(), ns(2))

    assert seen.withheld == {"n2": 1}
    assert (sum(seen.capacity.values()), sum(seen.allocatable.values())) == (16, 15)


def test_a_node_that_is_deleted_is_missed_by_nobody() -> None:
    """Scaling in is no alarm."""
    story = Story().see(1, node("n1"), node("n2"))
    story.gone(5, node("n2"))

    assert nodes_seen(story.tracker, Hearing(), ns(6)).counts == {MISSING: 1}
