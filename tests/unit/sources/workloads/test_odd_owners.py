"""Owners that are a circle, are gone, or are no owners."""

from __future__ import annotations

from goodput_exporter.domain.placement import Ended
from goodput_exporter.sources.workloads.owners import Owners, Ref
from tests.fakes.cluster import Pod, Story, job, node


def test_owners_that_own_each_other_are_told_once_each() -> None:
    """No controller makes such a thing; a person's manifest may."""
    first = Ref("g", "K", "first", "1", "ml")
    second = Ref("g", "K", "second", "2", "ml")
    owners = Owners()
    for ref, above in ((first, second), (second, first)):
        row = {"apiVersion": "g/v1", "kind": "K", "name": above.name, "uid": above.uid}
        owners.put(ref, {"metadata": {"ownerReferences": [row]}})

    assert owners.chain(first) == [first, second]
    assert owners.chain(second) == [second, first]


def test_pods_that_are_orphaned_stay_in_the_run_that_they_were_made_for() -> None:
    """``kubectl delete --cascade=orphan`` takes the owner out of the pods."""
    train, pod = job(), Pod("train-0", job())
    story = Story().see(0, train, pod.bound(1)).see(9, pod.running(9))
    orphan = pod.raw
    del orphan["metadata"]["ownerReferences"]
    story.gone(50, train).see(51, orphan)
    assert story.placements[-1].ended is None

    orphan["status"] |= {"phase": "Failed"}
    story.see(90, orphan).gone(91, orphan)

    assert story.runs == {"train"}
    assert story.placements[-1].ended is Ended.DELETED


def test_a_static_pod_is_no_part_of_its_node() -> None:
    """Its mirror names the node as its owner; all of a node's are not one run."""
    first, second = Pod("trainer-n1"), Pod("probe-n1")
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "node-n1"}
    raws = [first.bound(1), second.bound(1)]
    for raw in raws:
        raw["metadata"]["ownerReferences"] = [{**owner, "controller": True}]

    assert Story().see(5, node(), *raws).runs == {"trainer-n1", "probe-n1"}
