"""Whole lives of runs: starts, ends, and what a restart of ours makes of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goodput_exporter.domain.evidence import Kind
from goodput_exporter.domain.placement import Ended, Placement, Stage
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.sources.workloads.tracker import Tracker
from tests.fakes.chains import chains
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


def test_a_start_in_which_pods_come_one_by_one_is_not_down() -> None:
    """Nothing has ended; what is missing was never there."""
    train = job(pods=2)
    first, second = Pod("a", train), Pod("b", train, 20)
    story = Story().see(0, train, first.bound(2)).see(5, first.running(5))
    story.see(20, second.raw).see(21, second.bound(21)).see(30, second.running(30))

    assert story.lines == told("""
        0 scheduling 0/16 (PodsNotCreated)
        5 scheduling 8/16 (PodsNotCreated)
        20 scheduling 8/16
        21 provisioning 8/16 (ContainerCreating)
        30 running 16/16
    """)


def test_one_dead_pod_of_many_brings_the_run_down() -> None:
    """The others go on running, and the run is down all the same."""
    train = job(pods=3)
    pods = [Pod(name, train) for name in "abc"]
    story = Story().see(0, train, *(pod.bound(1) for pod in pods))
    story.see(10, *(pod.running(10) for pod in pods)).begin()
    story.see(50, pods[0].crashed(50, 139)).see(61, pods[0].running(60))

    assert story.since == told("""
        50 down 16/24 (signal 11)
        60 running 24/24 by container
    """)


def test_a_pod_that_is_told_to_go_runs_until_its_container_ends() -> None:
    """It may be saving a checkpoint; its replacement takes its place at once."""
    train = job()
    old, new = Pod("old", train), Pod("new", train, 110)
    story = Story().see(0, train, old.bound(1)).see(10, old.running(10)).begin()
    story.see(100, old.told(100, grace=60))
    story.see(110, new.raw).gone(125, old.raw)

    assert story.since == ["110 scheduling 0/8"]


@pytest.mark.parametrize(
    ("phase", "code", "ended"),
    [("Succeeded", 0, Ended.SUCCEEDED), ("Failed", 1, Ended.FAILED)],
)
def test_a_bare_pod_ends_its_run(phase: str, code: int, ended: Ended) -> None:
    """Nobody makes another one."""
    pod = Pod("alone")
    story = Story().see(1, pod.bound(1)).see(5, pod.running(5))
    story.see(90, pod.over(90, phase, code))

    last = story.placements[-1]
    assert (last.at_ns, last.ended) == (ns(90), ended)
    assert last.owner.kind == "Pod"


def test_a_run_whose_owner_cannot_be_read_ends_a_quarter_of_an_hour_later() -> None:
    """Its controller may yet make new pods."""
    crew: Raw = {
        "apiVersion": "example.org/v1",
        "kind": "Crew",
        "metadata": {"name": "crew", "uid": "crew"},
    }
    pod = Pod("crew-0", crew)
    story = Story().see(1, pod.bound(1)).see(5, pod.running(5))
    story.gone(100, pod.raw).wait(999)
    assert story.placements[-1].ended is None

    story.wait(1000)

    assert story.lines[-2:] == told("""
        100 down 0/8 (Deleted)
        1000 down 0/8 (Deleted) ended deleted
    """)


def of(name: str) -> list[Raw]:
    """Return the objects of a fixture."""
    return next(chain.objects for chain in chains() if chain.name == name)


def test_a_ray_job_ends_by_its_own_word() -> None:
    """It has no conditions; its cluster may stay."""
    objects = of("rayjob")
    status = {"jobStatus": "FAILED", "failed": 1, "endTime": date(600)}
    again = {**status, "endTime": date(300), "jobDeploymentStatus": "Retrying"}
    story = Story().see(60, *objects).see(301, {**objects[0], "status": again})
    assert story.placements[-1].ended is None

    story.see(601, {**objects[0], "status": status})

    assert story.lines[-1] == "600 running 8/16 ended failed elastic" or (
        story.placements[-1].ended is Ended.FAILED
    )
    assert story.placements[-1].at_ns == ns(600)


def test_a_volcano_job_that_is_aborted_waits_and_one_that_completes_is_over() -> None:
    """An aborted job can be resumed."""
    objects = of("volcano-job")
    states = ("Aborted", 100), ("Completed", 200)
    story = Story().see(60, *objects)
    pod = objects[-1]
    story.gone(95, pod)
    for phase, at in states:
        state = {"phase": phase, "lastTransitionTime": date(at)}
        story.see(at + 1, {**objects[0], "status": {"state": state}})

    aborted, over = story.placements[-2:]
    assert (aborted.at_ns, aborted.stage) == (ns(100), Stage.SUSPENDED)
    assert (over.at_ns, over.ended) == (ns(200), Ended.SUCCEEDED)


def test_a_pod_group_that_waits_for_its_queue_is_queued() -> None:
    """Volcano makes no pods before the group is let in."""
    work, group, *_ = of("volcano-job")
    waits = {**group, "status": {"phase": "Pending"}}
    story = Story().see(5, work, waits)

    assert story.lines == ["0 queued 0/24 (WaitsForQuota)"]
    assert story.placements[-1].owner.queue == "research"


def test_a_set_that_is_scaled_to_nothing_is_suspended() -> None:
    """It asks for nothing, and nothing is lost."""

    def servers(replicas: int) -> Raw:
        return {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": meta("set"),
            "spec": {"replicas": replicas, "template": template()},
        }

    pod = Pod("set-0", servers(1))
    story = Story().see(0, servers(1), pod.bound(1)).see(9, pod.running(9))
    story.see(50, servers(0)).gone(60, pod.raw)

    assert story.lines[-1] == "60 suspended 0/0 (ScaledToZero)"


def test_a_spot_notice_and_an_event_reach_the_evidence_once() -> None:
    """An event may come before its pod; a taint is told again with every version."""
    train, pod = job(), Pod("train-0", job())
    tainted = node()
    tainted["spec"]["taints"] = [
        {
            "key": "aws-node-termination-handler/spot-itn",
            "effect": "NoSchedule",
            "timeAdded": "2026-03-01T00:01:00Z",
        }
    ]
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e", "namespace": "ml", "uid": "e"},
        "involvedObject": {"kind": "Pod", "namespace": "ml", "name": "train-0"},
        "reason": "Preempted",
        "lastTimestamp": "2026-03-01T00:01:30Z",
    }
    story = Story().see(1, event)
    assert story.evidence == []

    story.see(2, train, pod.bound(2)).see(61, tainted).see(62, tainted)

    kinds = [one.kind for one in story.evidence]
    assert kinds == [Kind.EVENT, Kind.NODE_TAINT]
    assert story.evidence[0].subject == "pod/ml/train-0"


def test_what_is_said_of_a_workload_names_its_run() -> None:
    """The queue's object has another name than the run that it speaks of."""
    train = job()
    queue = {
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": "Workload",
        "metadata": meta("job-train-1a2b3", owner=train),
        "status": {"conditions": [condition("Evicted", "True", 50, "Preempted")]},
    }
    story = Story().see(1, train).see(51, queue)

    [found] = story.evidence
    assert found.subject == "run/ml/train"


LEFT = Placement(
    RunKey("c1", "ml", "train"), ns(500), Stage.RUNNING, asked=8, running=8
)


def test_after_our_restart_a_run_goes_on_where_it_was_left() -> None:
    """What its objects say of the time before is booked already."""
    tracker, train, pod = Tracker("c1"), job(), Pod("train-0", job())
    tracker.remember(LEFT)
    pod.bound(1)
    pod.running(10)
    story = (
        Story(tracker).see(700, train, pod.crashed(600, 1)).see(701, pod.running(610))
    )

    assert story.lines[-2:] == told("""
        600 down 0/8 (exit 1)
        610 running 8/8 by container
    """)
    assert all(one.at_ns >= LEFT.at_ns for one in story.placements)


def test_a_run_that_ended_while_we_were_away_is_closed() -> None:
    """Nobody saw when: the instant is the last one that is known."""
    tracker = Tracker("c1")
    tracker.remember(LEFT)
    tracker.remember(replace(LEFT, key=RunKey("c1", "ml", "here")))
    story = Story(tracker).see(700, job("here"))
    tracker.listed(ns(620))

    story.wait(701)

    [end] = [one for one in story.placements if one.key == LEFT.key]
    assert (end.at_ns, end.ended, end.is_estimated) == (ns(620), Ended.DELETED, True)
    assert RunKey("c1", "ml", "here") in tracker.register.runs


def test_the_run_that_waits_longest_tells_the_age_of_its_queue() -> None:
    """Reasons may change meanwhile; one that runs waits for nothing."""
    waits = job("waits", suspend=True)
    waits["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "team-a"}
    pod = Pod("p", job("runs"))
    story = Story().see(0, waits, job("runs"), pod.bound(1)).see(5, pod.running(5))

    assert story.tracker.waiting_ns(ns(300)) == {"team-a": 300 * 10**9}


def test_a_finished_run_leaves_nothing_behind() -> None:
    """A cluster makes jobs for years."""
    story = Story()
    for number in range(50):
        train = job(f"j{number}")
        pod = Pod(f"p{number}", train)
        story.see(1, train, pod.bound(1)).see(2, pod.running(2))
        done = job(f"j{number}", conditions=[condition("Complete", "True", 3)])
        story.see(3, pod.over(3, "Succeeded"), done).gone(4, done, pod.raw)
    story.wait(10_000)

    known = story.tracker.register
    assert not any((known.runs, known.pods, known.works, known.key_of, known.on_node))
    assert len(known.owners) == 0
