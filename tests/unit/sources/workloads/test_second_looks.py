"""What is told late, twice, or of another object under the same name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goodput_exporter.domain.evidence import Kind
from goodput_exporter.domain.placement import Ended, Placement, Stage
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.sources.workloads.tracker import Tracker
from tests.fakes.cluster import (
    Pod,
    Raw,
    Story,
    condition,
    date,
    job,
    meta,
    node,
    ns,
    template,
    told,
)

LEFT = Placement(RunKey("c1", "ml", "train"), ns(9), Stage.RUNNING, asked=8, running=8)


def test_the_last_step_of_a_deletion_is_no_new_order() -> None:
    """The kubelet lets go without a grace, which moves the date to the end of it."""
    train = job()
    old, new = Pod("old", train), Pod("new", train, 110)
    story = Story().see(0, train, old.bound(1)).see(10, old.running(10)).begin()
    story.see(100, old.told(100, grace=60)).see(110, new.raw)
    old.over(125, "Failed", 143)
    story.see(126, old.told(125, grace=0)).gone(126, old.raw)

    assert story.since == ["110 scheduling 0/8"]
    orders = [one for one in story.evidence if one.kind is Kind.POD_DELETED]
    assert [one.at_ns for one in orders] == [ns(100)]


def test_a_pod_that_is_first_seen_running_was_provisioned_before() -> None:
    """It was made and bound within one second; its image took ten minutes."""
    train, pod = job(), Pod("train-0", job())
    pod.bound(0)
    pod.says("PodReadyToStartContainers", "True", 0)
    story = Story().see(700, train, pod.running(600))

    assert story.lines == told("""
        0 provisioning 0/8 (ContainerCreating)
        600 running 8/8
    """)


def test_a_node_that_was_replaced_in_a_gap_is_there() -> None:
    """A list has the new one before it is found that the old one is missing."""
    train = job()
    old, new = Pod("old", train), Pod("new", train, 103)
    story = Story().see(0, node(), train, old.bound(1)).see(9, old.running(9)).begin()
    another = node(at=101)
    another["metadata"] |= {"uid": "another", "creationTimestamp": date(100)}
    new.bound(103)
    tracker = story.tracker
    for raw in (another, new.running(105)):
        tracker.change("added", raw, ns(110))
    for raw in (old.raw, node()):
        tracker.change("deleted", raw, ns(95), estimated=True)
    story.wait(111)

    assert story.since == told("""
        95 down 0/8 (Deleted) estimated
        103 provisioning 0/8 (ContainerCreating)
        105 running 8/8 by pod
    """)
    assert not tracker.register.nodes["n1"].is_gone


def test_a_pod_on_a_node_that_came_back_as_another_was_lost_meanwhile() -> None:
    """Its status says that it runs, and nobody was there to say otherwise."""
    train, pod = job(), Pod("train-0", job())
    story = Story().see(0, node(), train, pod.bound(1)).see(9, pod.running(9)).begin()
    another = node(at=130)
    another["metadata"] |= {"uid": "another", "creationTimestamp": date(100)}

    story.see(140, another)

    assert story.since == told("""
        100 down 0/8 (NodeLost)
        130 running 8/8
    """)


def test_a_claim_that_was_replaced_in_a_gap_keeps_its_size() -> None:
    """Its pods come after it."""

    def claim(uid: str) -> Raw:
        request = {"name": "gpus", "exactly": {"deviceClassName": "gpu.x", "count": 4}}
        return {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceClaim",
            "metadata": meta("gpus", uid=uid),
            "spec": {"devices": {"requests": [request]}},
        }

    pod = Pod("alone", at=20)
    raw = pod.raw
    raw["spec"] |= {
        "containers": [{"name": "trainer"}],
        "resourceClaims": [{"name": "gpus", "resourceClaimName": "gpus"}],
    }
    story = Story().see(0, claim("first")).see(10, claim("second"))
    story.gone(9, claim("first"), estimated=True).see(20, raw)

    assert story.lines == ["20 scheduling 0/4"]


def remembered(left: int) -> Story:
    """Return a story that begins with a restart of ours, after some time away."""
    tracker = Tracker("c1")
    tracker.remember(LEFT, ns(left))
    return Story(tracker)


def test_what_went_while_we_were_away_was_there_until_then() -> None:
    """Not since the last thing that we had to say of it, which was hours ago."""
    story = remembered(left=7000)
    pod = Pod("train-1", job(), 7020)
    story.see(7100, job(), pod.unschedulable(7020))

    assert story.lines == told("""
        7000 down 0/8 estimated
        7020 scheduling 0/8 (Unschedulable)
    """)


@pytest.mark.parametrize(
    ("is_held", "said", "line"),
    [
        (True, "Suspended", "7050 suspended 0/8 (Suspended)"),
        (False, "Complete", "7050 down 0/8 ended succeeded"),
    ],
)
def test_a_workload_that_says_when_it_stopped_is_believed(
    said: str, line: str, *, is_held: bool
) -> None:
    """Its pods are gone, and this is why."""
    train = job(suspend=is_held, conditions=[condition(said, "True", 7050)])

    assert remembered(left=7000).see(7100, train).lines == [line]


def test_a_run_that_is_as_it_was_left_is_no_news() -> None:
    """What an object says of the time before is believed, too."""
    train, pod = job(), Pod("train-0", job())
    pod.bound(1)
    pod.running(9)
    assert remembered(left=7000).see(7100, train, pod.raw).lines == [
        "7000 running 8/8 estimated"
    ]

    story = remembered(left=7000).see(7100, train, pod.crashed(6990, 1))

    assert story.lines[0] == "6990 down 0/8 (exit 1)"


def servers(replicas: int) -> Raw:
    """Return a set of pods that a person scales."""
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": meta("set"),
        "spec": {"replicas": replicas, "template": template()},
    }


def test_a_set_that_is_scaled_to_nothing_is_no_smaller_run_on_its_way() -> None:
    """Its pods are told to go one after the other, and end one after the other."""
    first, second = (Pod(f"set-{n}", servers(2)) for n in range(2))
    story = Story().see(0, servers(2), first.bound(1), second.bound(1))
    story.see(9, first.running(9), second.running(9)).begin()
    story.see(50, servers(0)).see(51, first.told(50)).see(52, second.told(51))
    story.see(60, first.over(60, "Failed", 143)).gone(61, first.raw)
    story.see(70, second.over(70, "Failed", 143)).gone(71, second.raw)
    story.see(90, servers(2))

    assert story.since == told("""
        60 suspended 8/16 (ScaledToZero)
        70 suspended 0/0 (ScaledToZero)
        90 scheduling 0/16 (PodsNotCreated)
    """)


@pytest.mark.parametrize(("phase", "code"), [("Failed", 143), ("Succeeded", 0)])
def test_a_bare_pod_that_a_person_deletes_is_deleted(phase: str, code: int) -> None:
    """It did not fail, and is not done: it obeyed."""
    pod = Pod("alone")
    story = Story().see(1, pod.bound(1)).see(5, pod.running(5))
    story.see(80, pod.told(80)).see(85, pod.over(85, phase, code)).gone(86, pod.raw)

    assert story.placements[-1].ended is Ended.DELETED


def test_a_bare_pod_that_is_swept_up_later_is_done() -> None:
    """Even in the second in which it ended."""
    for swept in (90, 300):
        pod = Pod("alone")
        story = Story().see(1, pod.bound(1)).see(5, pod.running(5))
        pod.over(90, "Succeeded")
        story.see(swept, pod.told(swept, grace=0)).gone(swept + 1, pod.raw)

        assert story.placements[-1].ended is Ended.SUCCEEDED


def test_evidence_from_a_clock_that_runs_ahead_is_dated_when_it_was_seen() -> None:
    """Else it lies after the outage that it explains; and it is told once."""
    train, pod = job(), Pod("train-0", job())
    story = Story().see(0, train, pod.bound(1)).see(9, pod.running(9))
    pod.says("DisruptionTarget", "True", 400, "PreemptionByScheduler")
    story.see(100, pod.raw).see(101, pod.over(401, "Failed", 143))

    preempted = [one for one in story.evidence if one.kind is Kind.POD_CONDITION]
    assert [one.at_ns for one in preempted] == [ns(100)]
    assert story.placements[-1].at_ns == ns(101)


def test_pods_that_are_done_are_no_part_of_those_that_come_after_them() -> None:
    """A job of three pods, one at a time, does not run while the second waits."""
    train = job()
    train["spec"]["completions"] = 3
    first, second = Pod("a", train), Pod("b", train, 61)
    story = Story().see(0, train, first.bound(1)).see(9, first.running(9)).begin()
    story.see(60, first.over(60, "Succeeded")).see(61, second.unschedulable(61))
    story.see(90, second.bound(90)).see(99, second.running(99))

    assert story.since == told("""
        60 running 0/8
        61 scheduling 0/8 (Unschedulable)
        90 provisioning 0/8 (ContainerCreating)
        99 running 8/8 by pod
    """)


def test_pods_that_come_one_after_the_other_ask_for_one_at_a_time() -> None:
    """Under an owner that cannot be read, such as a workflow of steps."""
    flow: Raw = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "flow", "uid": "flow"},
    }
    first, second = Pod("a", flow), Pod("b", flow, 61)
    story = Story().see(0, first.bound(1)).see(9, first.running(9))
    story.see(60, first.over(60, "Succeeded"))
    story.see(61, second.bound(61)).see(70, second.running(70))

    assert {one.asked for one in story.placements} == {8}


def test_after_a_restart_a_run_that_had_ended_is_not_begun_again() -> None:
    """Its end was told, and waited for agents."""
    tracker = Tracker("c1")
    end = replace(LEFT, at_ns=ns(60), running=0, ended=Ended.SUCCEEDED)
    tracker.remember(end, ns(70))
    train = job(conditions=[condition("Complete", "True", 60)])
    pod = Pod("train-0", train)
    pod.bound(1)
    pod.running(9)
    story = Story(tracker).see(100, train, pod.over(60, "Succeeded"))
    tracker.listed(ns(70))

    assert story.wait(101).placements == []
