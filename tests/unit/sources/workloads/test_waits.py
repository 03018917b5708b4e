"""What a run waits for before it runs, in whole seconds by reason (ask 37)."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.placement import Stage
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.sources.workloads.waits import Wait, wait_of
from tests.fakes.cluster import Pod, Story, condition, job, ns


def seconds(story: Story, at: int) -> dict[str, int]:
    """Return how long the only run has waited, by reason."""
    [waits] = story.tracker.waits(ns(at)).values()
    return {wait.value: spent // NS_PER_SECOND for wait, spent in waits.items()}


def test_ten_minutes_of_quota_two_of_scheduling_and_one_of_pulling() -> None:
    """The counters hold what the objects' dates say, however late we look."""
    story, resumed = (
        Story().see(3, job(suspend=True)),
        job(conditions=[condition("Suspended", "False", 600, "JobResumed")]),
    )
    pod = Pod("train-0", resumed, 600)
    story.see(600.4, resumed, pod.raw).see(602, pod.unschedulable(600))
    story.see(720.8, pod.bound(720))

    assert seconds(story, 750) == {
        "suspended": 600,
        "unschedulable": 120,
        "image_pull": 30,
    }
    story.see(781, pod.running(780))
    assert seconds(story, 9_999) == {
        "suspended": 600,
        "unschedulable": 120,
        "image_pull": 60,
    }


def test_the_whole_wait_is_known_to_whoever_comes_afterwards() -> None:
    """The first look at a pod that runs already tells how it came there."""
    raw = job(conditions=[condition("Suspended", "False", 600, "JobResumed")])
    pod = Pod("train-0", raw, 600)
    pod.bound(720)
    story = Story().see(5_000, raw, pod.running(780))

    assert seconds(story, 5_000) == {
        "suspended": 600,
        "unschedulable": 120,
        "image_pull": 60,
    }


def test_gates_and_init_containers_are_waits_of_their_own() -> None:
    """Sandbox and init containers come before the image of the trainer."""
    train = job()
    pod = Pod("train-0", train, gate="quota")
    story = Story().see(0, train, pod.raw).see(50, pod.ungated())
    pod.says("PodReadyToStartContainers", "False", 60)
    story.see(60, pod.bound(60))
    story.see(75, pod.says("PodReadyToStartContainers", "True", 75))
    story.see(100, pod.running(100))

    assert seconds(story, 100) == {
        "gated": 50,
        "unschedulable": 10,
        "init": 15,
        "image_pull": 25,
    }


@pytest.mark.parametrize(
    ("stage", "reason", "wait"),
    [
        (Stage.QUEUED, "Suspended", Wait.SUSPENDED),
        (Stage.SUSPENDED, "SchedulingGated", Wait.GATED),
        (Stage.SCHEDULING, "Unschedulable", Wait.UNSCHEDULABLE),
        (Stage.PROVISIONING, "ImagePullBackOff", Wait.IMAGE_PULL),
        (Stage.PROVISIONING, "PodInitializing", Wait.INIT),
        (Stage.DOWN, "OOMKilled", None),
        (Stage.RUNNING, "", None),
    ],
)
def test_a_stage_and_its_reason_say_what_is_waited_for(
    stage: Stage, reason: str, wait: Wait | None
) -> None:
    """A run that is down has lost something; that is no wait."""
    assert wait_of(stage, reason) is wait
