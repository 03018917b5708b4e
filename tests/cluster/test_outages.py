"""The API server and its store die and come back; the books lose nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from goodput_exporter.domain.placement import Ended, Stage
from goodput_exporter.sources.kubernetes.lean import identity
from tests.cluster.control_plane import ControlPlane, control_plane
from tests.cluster.following import BUILT_IN
from tests.cluster.scenes import Scene, scene, token_file
from tests.cluster.truth import books_agree, is_within


@pytest.fixture(scope="module")
def frail() -> Iterator[ControlPlane]:
    """Give a control plane of its own, which nobody else minds being killed."""
    with control_plane() as started:
        yield started


@pytest.fixture
def stage(frail: ControlPlane, tmp_path: Path) -> Iterator[Scene]:
    """Give a scene on it."""
    with scene(frail, token_file(frail.api, tmp_path)) as made:
        yield made


def kill_server(plane: ControlPlane) -> None:
    """Kill the API server, and start it again."""
    plane.kill_server()
    plane.start_server()


def kill_store(plane: ControlPlane) -> None:
    """Kill the store under the API server, and start it again."""
    plane.kill_etcd()
    plane.start_etcd()


@pytest.mark.parametrize("kill", [kill_server, kill_store])
def test_a_run_that_goes_on_through_an_outage_is_not_interrupted(
    stage: Scene, kill: Callable[[ControlPlane], None]
) -> None:
    """Nobody could be asked for a while; the pods ran."""
    books = stage.books
    stage.nodes(1)
    stage.job("train")
    up = books.reach("train", Stage.RUNNING)
    kill(stage.plane)
    books.until(lambda: stage.api.answers("readyz"), "the server answers")
    lasted_ns = time.time_ns()
    books.until(lambda: are_true(stage), "what is held is what a fresh list says")
    stage.play("train", exit_code="0")
    end = books.ends("train")

    assert end.ended is Ended.SUCCEEDED
    assert is_within(end, lasted_ns)
    told = books.of("train")
    assert not [one for one in told if one.stage is Stage.DOWN and one is not up]
    assert books_agree(books, told)


def are_true(stage: Scene) -> bool:
    """Tell whether every kind is held as the API server lists it now."""
    kinds = {
        entry.kind: one
        for entry, one in zip(BUILT_IN, stage.books.reflectors, strict=True)
    }
    for kind in ("Node", "Job"):
        held = {identity(found) for found in kinds[kind].objects()}
        there = {one["metadata"]["uid"] for one in stage.api.list(kind)}
        if held != there:
            return False
    return True
