"""Nodes that join: what was wrong with one before its first pod came."""

from __future__ import annotations

from goodput_exporter.domain.evidence import Kind
from tests.fakes.cluster import Pod, Raw, Story, job, node


def joining(name: str = "n1") -> Raw:
    """Return a node as it joins: not ready, and tainted for that."""
    found = node(name, "False", 5)
    found["spec"]["taints"] = [
        {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    ]
    return found


def lost(name: str = "n1") -> Raw:
    """Return a node that nobody hears of any more."""
    return node(name, "Unknown", 70)


def test_a_node_that_was_not_ready_when_it_joined_explains_nothing() -> None:
    """Its first pod came afterwards, and died of something else."""
    train = job()
    pod = Pod("train-0", train)
    story = Story().see(1, train).see(5, joining()).see(8, node("n1", "True", 8))
    story.see(10, pod.bound(10)).see(12, pod.running(12))
    story.see(60, pod.crashed(60, 137))

    assert not [one for one in story.evidence if one.subject == "node/n1"]


def test_a_node_that_is_lost_under_its_pod_explains_that() -> None:
    """Whoever is seen first, the node or its pod."""
    train = job()
    pod = Pod("train-0", train)
    running = (train, pod.bound(10), pod.running(12))
    for acts in ((*running, lost()), (lost(), *running)):
        story = Story()
        for act in acts:
            story.see(80, act)

        said = [one for one in story.evidence if one.subject == "node/n1"]
        assert [(one.kind, one.reason) for one in said] == [
            (Kind.NODE_CONDITION, "Ready=Unknown")
        ]
