"""JobSets under their own controller: many jobs, one run, restarted as a whole."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from goodput_exporter.domain.placement import Ended, Stage
from goodput_exporter.domain.states import How
from tests.cluster.api import Json
from tests.cluster.control_plane import ControlPlane
from tests.cluster.following import BUILT_IN, FOLLOWED
from tests.cluster.jobsets import jobsets
from tests.cluster.scenes import Scene, scene, template
from tests.cluster.truth import books_agree, causes, is_within

KINDS = (*BUILT_IN, *(entry for entry in FOLLOWED if entry.kind == "JobSet"))


@pytest.fixture
def stage(plane: ControlPlane, token: Path) -> Iterator[Scene]:
    """Give a scene in which JobSets are looked after."""
    with jobsets(plane), scene(plane, token, KINDS) as made:
        yield made


def jobset(stage: Scene, jobs: int) -> Json:
    """Return a JobSet of jobs with one pod each, which starts anew three times."""
    job = {
        "backoffLimit": 0,
        "parallelism": 1,
        "completions": 1,
        "template": template(stage.namespace),
    }
    workers = {"name": "workers", "replicas": jobs, "template": {"spec": job}}
    return {
        "kind": "JobSet",
        "metadata": {"name": "train", "namespace": stage.namespace},
        "spec": {
            "failurePolicy": {"maxRestarts": 3},
            "replicatedJobs": [workers],
        },
    }


def test_one_failed_job_restarts_the_whole_set(stage: Scene) -> None:
    """All pods go and come again; that is one interruption, ended by the workload."""
    books = stage.books
    stage.nodes(2)
    stage.api.apply(jobset(stage, 2))
    up = books.reach("train", Stage.RUNNING)
    failed_ns = stage.play("train-workers-0", exit_code="1")
    back = books.reach("train", Stage.RUNNING, since_ns=failed_ns + 10**9)
    stage.play("train", exit_code="0")
    end = books.ends("train")

    assert (up.owner.kind, up.asked) == ("JobSet", 16)
    down = next(one for one in books.of("train") if one.stage is Stage.DOWN)
    assert is_within(down, failed_ns, back.at_ns)
    assert down.reason == "exit 1"
    assert back.how is How.WORKLOAD
    assert len({one.key for one in books.of("train")}) == 1
    assert end.ended is Ended.SUCCEEDED
    assert causes(books, books.of("train")) == ["application_error"]
    assert books_agree(books, books.of("train"))


def test_a_job_of_a_set_that_a_person_deletes_is_one_interruption(
    stage: Scene,
) -> None:
    """
    Its replacement is made at once, while the old pod still has its grace.

    The kubelet's last word on the old one is no new order to go.
    """
    books = stage.books
    stage.nodes(2)
    stage.api.apply(jobset(stage, 2))
    books.reach("train", Stage.RUNNING)
    deleted_ns = time.time_ns()
    stage.api.delete("Job", stage.namespace, "train-workers-0")
    books.until(
        lambda: any(one.how is How.POD for one in books.of("train")),
        "another pod runs in its place",
    )
    stage.play("train", exit_code="0")
    end = books.ends("train")

    told = books.of("train")
    assert end.ended is Ended.SUCCEEDED
    assert len({one.key for one in told}) == 1
    away = [one for one in told if one.stage in {Stage.DOWN, Stage.SCHEDULING}]
    assert is_within(away[-1], deleted_ns)
    assert causes(books, told) == ["unknown"]
    assert books_agree(books, told)
