"""Who took a run's place: what schedulers and queues name, and whose run that is."""

from __future__ import annotations

import pytest

from tests.fakes.cluster import Pod, Raw, Story, job
from tests.fakes.preempting import evicted, preempted, queued, told_to_make_room

UNKNOWN_UID = "9f542104-a9e2-4344-ad2e-9c136204da18"


def cluster() -> Story:
    """Return a cluster in which one run trains, and another one waits for room."""
    train, urgent = job(), job("urgent")
    victim, waits = Pod("train-0", train), Pod("urgent-0", urgent)
    victim.bound(2)
    story = Story().see(1, train, urgent, victim.running(5))
    return story.see(90, waits.unschedulable(90))


def named(story: Story) -> list[str]:
    """Return whom the evidence names, each once, in the order of its dates."""
    found = (one.by for one in sorted(story.evidence, key=lambda one: one.at_ns))
    return list(dict.fromkeys(name for name in found if name))


@pytest.mark.parametrize(
    ("said", "related"),
    [
        ("Preempted by pod urgent-0 on node n1", ""),
        ("Preempted by ml/urgent-0 on node n1", ""),
        ("Preempted by a pod on node n1", "urgent-0"),
    ],
)
def test_the_schedulers_event_names_who_took_the_place(said: str, related: str) -> None:
    """By uid, by name as older versions did, or as the event's related object."""
    story = cluster().see(100, preempted("train-0", 99, said, related=related))

    assert named(story) == ["run/ml/urgent"]
    assert story.evidence[-1].detail == said


@pytest.mark.parametrize(
    "said",
    [
        "Preempted by a pod on node n1",
        f"Preempted by pod {UNKNOWN_UID} on node n1",
        "Preempted by web/nginx-0 on node n1",
        "",
    ],
)
def test_who_is_not_named_or_trains_nothing_is_unknown(said: str) -> None:
    """A uid that nobody has seen, or a pod without GPUs, names no run."""
    story = cluster().see(100, preempted("train-0", 99, said))

    assert [one.reason for one in story.evidence] == ["Pod/Preempted"]
    assert named(story) == []


def test_an_early_version_named_the_pod_in_its_condition() -> None:
    """Later ones keep it to themselves there, and the event says it."""
    said = "Kube-scheduler: preempting to accommodate a higher priority pod"
    victim = Pod("train-0", job())
    victim.bound(2)
    victim.running(5)

    early = cluster().see(100, told_to_make_room(victim, 99, f"{said}: ml/urgent-0"))
    later = cluster().see(100, told_to_make_room(victim, 99, said))

    assert named(early) == ["run/ml/urgent"]
    assert named(later) == []


@pytest.mark.parametrize(
    ("uids", "expected"),
    [
        ("UID: wl-urgent, JobUID: urgent", ["run/ml/urgent"]),
        ("UID: wl-urgent, JobUID: UNKNOWN", ["run/ml/urgent"]),
        (f"UID: {UNKNOWN_UID}, JobUID: urgent", ["run/ml/urgent"]),
        ("UID: wl-urgent", ["run/ml/urgent"]),
        ("UID: UNKNOWN, JobUID: UNKNOWN", []),
        (f"UID: {UNKNOWN_UID}, JobUID: {UNKNOWN_UID}", []),
    ],
)
def test_a_queue_names_workload_and_job_by_uid(uids: str, expected: list[str]) -> None:
    """Either will do; what it does not know itself it calls UNKNOWN."""
    said = f"Preempted to accommodate a workload ({uids}) due to prioritization"
    story = cluster().see(91, queued(job("urgent"), "wl-urgent"))

    story.see(100, queued(job(), "wl-train", evicted(99, said)))

    assert named(story) == expected


def test_an_event_that_comes_before_its_pod_waits_with_what_it_names() -> None:
    """The two come over different watches; nobody promises an order."""
    train, urgent = job(), job("urgent")
    said = "Preempted by pod urgent-0 on node n1"
    story = Story().see(1, train, urgent, preempted("train-0", 99, said))
    assert story.evidence == []

    victim, waits = Pod("train-0", train), Pod("urgent-0", urgent)
    story.see(100, waits.unschedulable(90), victim.bound(2))

    assert named(story) == ["run/ml/urgent"]


def test_a_name_that_is_no_text_is_counted_and_names_nobody() -> None:
    """Objects are written by others; one odd field hides no other."""
    odd: Raw = preempted("train-0", 99, "Preempted by a pod on node n1")
    odd["related"] = {"uid": 7}
    story = cluster().see(100, odd)

    assert [one.reason for one in story.evidence] == ["Pod/Preempted"]
    assert named(story) == []
    assert story.tracker.faults["Event", ".related.uid"] == 1
