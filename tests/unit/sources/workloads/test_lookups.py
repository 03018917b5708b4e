"""Who is where: what agents, heartbeats and the cluster book are told about."""

from __future__ import annotations

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.sources.workloads.lookups import (
    holders,
    node_of,
    pod_at,
    pod_of,
    runs_on,
)
from tests.fakes.cluster import Pod, Raw, Story, job, node, ns

KEY = RunKey("c1", "ml", "train")


def scene(**spec: object) -> tuple[Story, Pod]:
    """Return a Job's pod that runs on a node, with more in its spec."""
    train = job()
    pod = Pod("train-0", train)
    pod.bound(1)
    raw = pod.running(10)
    raw["spec"] |= spec
    return Story().see(10, train, node(), raw), pod


def test_an_address_on_a_node_names_the_pod_that_has_it() -> None:
    """Other nodes' pods may have had the address before."""
    register = scene()[0].tracker.register

    found = pod_at(register, "n1", "10.0.0.1")

    assert found is not None
    assert (found.key, found.name, found.devices) == (KEY, "train-0", 8)
    assert pod_at(register, "n2", "10.0.0.1") is None
    assert pod_at(register, "n1", "") is None


def test_a_node_s_own_address_names_nobody() -> None:
    """Every pod on the host's network has it."""
    register = scene(hostNetwork=True)[0].tracker.register

    assert pod_at(register, "n1", "10.0.0.1") is None
    assert pod_of(register, "train-0") is not None


def test_a_pod_that_is_over_has_no_address_and_no_devices() -> None:
    """Another pod may have both already."""
    story, pod = scene()
    story.see(20, pod.over(20, "Succeeded"))
    register = story.tracker.register

    assert pod_at(register, "n1", "10.0.0.1") is None
    assert list(holders(register)) == []
    assert runs_on(register, "n1") == set()


def test_the_cluster_book_learns_who_holds_what() -> None:
    """A run's pod, one that was told to go, and a pod of no training run."""
    story, _ = scene()
    served: Raw = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "chat", "uid": "chat"},
    }
    chat, leaving = Pod("chat-0", served), Pod("left-0", job("left"))
    story.see(11, chat.bound(11, "n2"), leaving.bound(11, "n3"))
    story.see(50, leaving.told(50), node("n3", "Unknown", 45))

    found = list(holders(story.tracker.register))

    assert [(one.name, one.key) for one in found] == [
        ("train-0", KEY),
        ("chat-0", None),
        ("left-0", RunKey("c1", "ml", "left")),
    ]
    assert [one.terminating_ns for one in found] == [None, None, ns(50)]
    assert [one.is_lost for one in found] == [False, False, True]
    assert runs_on(story.tracker.register, "n1") == {KEY}


def test_a_node_says_its_size_its_model_and_its_pool() -> None:
    """By the labels of the big clouds; what is not said is None, not zero."""
    labels = {
        "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
        "cloud.google.com/gke-nodepool": "a3-high",
    }
    story, _ = scene()
    raw = node(labels=labels)
    raw["status"]["allocatable"]["nvidia.com/gpu"] = "7"
    raw["spec"]["unschedulable"] = True
    bare = node("n2")
    bare["status"] = {}
    story.see(20, raw, bare)

    found, empty = (node_of(story.tracker.register, name) for name in ("n1", "n2"))
    assert found is not None
    assert (found.capacity, found.allocatable, found.is_cordoned) == (8, 7, True)
    assert (found.gpu_model, found.pool) == ("NVIDIA-H100-80GB-HBM3", "a3-high")
    owner = story.placements[-1].owner
    assert (owner.gpu_model, owner.pool) == (found.gpu_model, found.pool)
    assert empty is not None
    assert (empty.capacity, empty.allocatable, empty.gpu_model) == (None, None, None)


def test_what_nobody_knows_is_nobody() -> None:
    """An agent may ask before the watch has told us."""
    register = Story().tracker.register

    assert pod_of(register, "x") is None
    assert node_of(register, "x") is None
    assert pod_at(register, "x", "10.0.0.1") is None
