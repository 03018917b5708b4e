"""Nodes that are lost, drained or taken by others, on a real control plane."""

from __future__ import annotations

import time

from goodput_exporter.domain.placement import Stage
from goodput_exporter.domain.states import How
from tests.cluster.scenes import Scene, template
from tests.cluster.truth import books_agree, causes, is_within, preemptors, reasons


def test_a_node_that_falls_silent_takes_its_pods_down(stage: Scene) -> None:
    """
    Its pods go on saying that they run; nobody is left who could say otherwise.

    The node's controller finds it silent, its taint evicts, and another node runs
    the replacement. The job is not complete before somebody deletes the old pod by
    force: until then it may be that it still runs.
    """
    books = stage.books
    stage.nodes(3)
    stage.job("train", pods=2)
    first = books.reach("train", Stage.RUNNING)
    lost = first.nodes[0]
    silent_ns = stage.silence(lost)
    down = books.reach("train", Stage.DOWN, since_ns=silent_ns)
    back = books.reach("train", Stage.RUNNING, since_ns=down.at_ns + 10**9)
    stage.play("train", exit_code="0")
    for pod in stage.api.list("Pod", stage.namespace):
        if pod["spec"]["nodeName"] == lost:
            stage.api.delete("Pod", stage.namespace, pod["metadata"]["name"], 0)
    books.ends("train")

    assert is_within(down, silent_ns)
    assert down.running == 8
    assert "Ready=Unknown" in reasons(books, f"node/{lost}")
    assert back.how is How.POD
    assert books_agree(books, books.of("train"))
    assert causes(books, books.of("train")) == ["node_lost"]


def test_a_drain_moves_pods_to_another_node(stage: Scene) -> None:
    """A person cordons a node and evicts what is on it."""
    books = stage.books
    nodes = stage.nodes(2)
    stage.job("train")
    first = books.reach("train", Stage.RUNNING)
    [old], [pod] = first.nodes, stage.pods("train")
    [other] = set(nodes) - {old}
    stage.api.patch("Node", None, old, {"spec": {"unschedulable": True}})
    drained_ns = time.time_ns()
    name = pod["metadata"]["name"]
    stage.api.evict(stage.namespace, name)
    back = books.reach("train", Stage.RUNNING, since_ns=drained_ns + 10**9)
    stage.play("train", exit_code="0")
    books.ends("train")

    assert is_within(back, drained_ns)
    assert back.how is How.POD
    assert set(back.nodes) == {old, other}  # what was evicted may still say why
    said = reasons(books, f"pod/{stage.namespace}/{name}")
    assert any("EvictionByEvictionAPI" in reason for reason in said), said
    assert books_agree(books, books.of("train"))
    assert causes(books, books.of("train")) == ["node_maintenance"]


def test_a_pod_that_a_person_deletes_is_replaced(stage: Scene) -> None:
    """
    The job's controller makes another one; the run was down meanwhile.

    Who deleted it stands in no object.
    """
    books = stage.books
    stage.nodes(1)
    stage.job("train")
    books.reach("train", Stage.RUNNING)
    [pod] = stage.pods("train")
    deleted_ns = time.time_ns()
    stage.api.delete("Pod", stage.namespace, pod["metadata"]["name"])
    back = books.reach("train", Stage.RUNNING, since_ns=deleted_ns + 2 * 10**9)
    stage.play("train", exit_code="0")
    books.ends("train")

    assert back.how is How.POD
    assert is_within(back, deleted_ns)
    assert books_agree(books, books.of("train"))
    assert causes(books, books.of("train")) == ["unknown"]


def test_a_run_gives_way_to_one_of_higher_priority(stage: Scene) -> None:
    """The scheduler preempts; who was preempted is down, and says by whom."""
    books = stage.books
    stage.nodes(1)
    urgent = f"urgent-{stage.namespace}"
    above = {"kind": "PriorityClass", "metadata": {"name": urgent}, "value": 1000}
    stage.api.apply(above)
    stage.job("patient")
    books.reach("patient", Stage.RUNNING)
    [pod] = stage.pods("patient")
    came_ns = time.time_ns()
    stage.job("hasty", pod=template(stage.namespace, priority=urgent))
    books.reach("hasty", Stage.RUNNING)
    waits = books.reach("patient", Stage.SCHEDULING, reason="Unschedulable")
    stage.play("hasty", exit_code="0")
    books.ends("hasty")
    back = books.reach("patient", Stage.RUNNING)
    stage.play("patient", exit_code="0")
    books.ends("patient")
    stage.api.delete("PriorityClass", None, urgent)

    assert is_within(waits, came_ns)
    assert back.how is How.POD
    said = reasons(books, f"pod/{stage.namespace}/{pod['metadata']['name']}")
    assert any("Preempt" in reason for reason in said), said
    assert books_agree(books, books.of("patient"))
    assert books_agree(books, books.of("hasty"))
    assert causes(books, books.of("patient")) == ["preempted"]
    hasty = books.of("hasty")[-1].key
    told = books.of("patient")
    assert preemptors(books, told) == [f"run/{hasty.namespace}/{hasty.run}"]
