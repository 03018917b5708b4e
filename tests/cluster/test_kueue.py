"""Jobs in Kueue's queues, under its own controller: let in, preempted, let in again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from goodput_exporter.domain.placement import Ended, Stage
from tests.cluster.api import place_of
from tests.cluster.control_plane import ControlPlane, control_plane
from tests.cluster.following import BUILT_IN, FOLLOWED, stages
from tests.cluster.kueue import PRIORITY_LABEL, QUEUE_LABEL, kueue, priority, queue
from tests.cluster.scenes import Scene, scene, token_file
from tests.cluster.services import wait_for
from tests.cluster.test_examples import example, judge
from tests.cluster.truth import books_agree, causes, is_within, preemptors

KINDS = (*BUILT_IN, *(one for one in FOLLOWED if one.group == "kueue.x-k8s.io"))


@pytest.fixture(scope="module")
def queued() -> Iterator[ControlPlane]:
    """Give a control plane of its own, with Kueue's controller."""
    with control_plane() as started, kueue(started):
        yield started


@pytest.fixture
def stage(queued: ControlPlane, tmp_path: Path) -> Iterator[Scene]:
    """Give a scene in which Kueue says who may run."""
    with scene(queued, token_file(queued.api, tmp_path), KINDS) as made:
        yield made


def submit(stage: Scene, name: str, urgency: str) -> None:
    """Submit a job of eight GPUs to the team's queue, suspended as Kueue wants it."""
    labels = {QUEUE_LABEL: "team", PRIORITY_LABEL: urgency}
    stage.job(name, labels=labels, suspend=True)


def test_a_job_that_kueue_preempts_is_suspended_until_there_is_quota_again(
    stage: Scene,
) -> None:
    """
    Queued, let in, preempted by a more urgent job, let in again, finished.

    Every condition is the controller's own; the story submits jobs and lets their
    containers end.
    """
    books = stage.books
    stage.nodes(1)
    low, high = priority(stage, "low", 1), priority(stage, "high", 1000)
    submit(stage, "patient", low)
    waits = books.reach("patient", Stage.QUEUED)
    opened_ns = time.time_ns()
    queue(stage, gpus=8)
    up = books.reach("patient", Stage.RUNNING)
    came_ns = time.time_ns()
    submit(stage, "hasty", high)
    out = books.reach("patient", Stage.SUSPENDED, since_ns=came_ns)
    books.reach("hasty", Stage.RUNNING)
    left_ns = stage.play("hasty", exit_code="0")
    books.ends("hasty")
    back = books.reach("patient", Stage.RUNNING, since_ns=left_ns)
    stage.play("patient", exit_code="0")
    end = books.ends("patient")

    told = books.of("patient")
    assert waits.asked == up.running == 8
    assert is_within(up, opened_ns, came_ns)
    assert is_within(out, came_ns, left_ns)
    assert is_within(back, left_ns)
    assert {one.reason for one in told if one.stage is Stage.SUSPENDED} >= {"Preempted"}
    assert stages(told)[0] == "queued"
    assert len({one.key for one in told}) == 1
    assert {one.owner.queue for one in told} == {"team"}
    assert end.ended is Ended.SUCCEEDED
    assert causes(books, told) == ["queue_preempted"]
    hasty = books.of("hasty")[-1].key
    assert preemptors(books, told) == [f"run/{hasty.namespace}/{hasty.run}"]
    assert causes(books, books.of("hasty")) == []
    assert books_agree(books, told)
    assert books_agree(books, books.of("hasty"))


def test_the_example_of_a_queued_job_is_taken_by_kueue_s_webhooks(
    queued: ControlPlane,
) -> None:
    """They know it by its label: were it not suspended, they would see to that."""
    [one] = example("kueue.yaml")
    hasty = {**one, "spec": {**one["spec"], "suspend": False}}
    path = place_of("Job", "default")

    made = judge(queued.api, path, one)
    # The API server hears of webhooks a moment after they are made.
    wait_for(
        lambda: judge(queued.api, path, hasty)["spec"]["suspend"], 60, "it is held"
    )

    assert made["spec"]["suspend"] is True
