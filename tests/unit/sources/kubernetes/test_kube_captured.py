"""What the replaying server says is what a real API server wrote, many times over."""

from __future__ import annotations

import json
from typing import Any

import pytest

from goodput_exporter.sources.kubernetes.decoding import Reader
from goodput_exporter.sources.kubernetes.kinds import EVENTS, NODES, PODS, Kind
from goodput_exporter.sources.kubernetes.lean import identity
from tests.fakes.kube_captured import listed, watched
from tests.fakes.kube_replay import Replay

SIZES = {"pods": 100, "nodes": 20, "jobs": 5}


def replay() -> Replay:
    """Return a small cluster of which much changes."""
    return Replay(SIZES, events=400, rate=100)


def shape(value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """Return what a value is made of, without what it says; managed fields are keys."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return type(value).__name__


@pytest.mark.parametrize("kind", [PODS, NODES, EVENTS])
def test_every_object_of_a_list_is_read_without_a_fault(kind: Kind[Any]) -> None:
    """The captured fields are those that the structs are for."""
    reader = Reader(kind.type)

    page = reader.page(replay().page(kind.plural, 0, 20), "the list")

    assert reader.faults == 0
    assert len({identity(found) for found in page.found if found}) == 20


def test_a_replayed_object_differs_from_its_capture_in_values_only() -> None:
    """No field of the real server's was added, lost or changed in kind."""
    pods = json.loads(replay().page("pods", 0, 2))["items"]
    [node] = json.loads(replay().page("nodes", 0, 1))["items"]
    captures = [watched("pod-runs.jsonl"), watched("server-runs.jsonl")]

    assert [unkeyed(pod) for pod in pods] == [unkeyed(json.loads(c)) for c in captures]
    assert shape(node) == shape(json.loads(listed("nodes.json")))


def unkeyed(pod: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON of any shape
    """Return a pod's shape; managed fields name its owner's uid in a key."""
    found = shape(pod)
    [entry, *_] = found["metadata"]["managedFields"]
    [owners] = [entry["fieldsV1"]["f:metadata"].pop("f:ownerReferences")]
    return found, len(owners)


def test_changes_are_events_about_listed_objects_and_marks_change_them() -> None:
    """A watch tells what the list began: the same uids, newer versions."""
    server = replay()
    reader = Reader(PODS.type)
    page = reader.page(server.page("pods", 0, 100), "the list")
    known = {identity(found) for found in page.found if found}

    told = [server.due("pods", index) for index in range(300)]
    lines = [line for change, _ in told for line in change.splitlines()]
    seen = [reader.line(line, "the watch") for line in lines]

    assert {event for event, _ in seen} == {"MODIFIED"}
    assert {identity(found) for _, found in seen if found} <= known
    assert {mark for _, mark in told} - {""} == {"00000004-b000-4000-8000-000000000000"}
    assert reader.faults == 0
