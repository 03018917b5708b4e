"""Containers beside those that train: what becomes of them stops nobody."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.evidence import Kind
from goodput_exporter.sources.evidence import evidence_of
from tests.fakes.cluster import Pod, Raw, Story, date, job, ns, trainer

ENDS = {Kind.CONTAINER_EXIT, Kind.CONTAINER_RESTART}


def ended(at: int, code: int, reason: str = "Error") -> Raw:
    """Return the end of a container."""
    return {"terminated": {"exitCode": code, "reason": reason, "finishedAt": date(at)}}


def beside(*statuses: Raw, phase: str = "Running", native: bool = False) -> Raw:
    """Return a pod with a trainer, a proxy, and what the kubelet says of them."""
    pod = Pod("train-0", job())
    raw = pod.bound(1)
    proxy: Raw = {"name": "proxy"}
    setup: Raw = {"name": "setup"}
    if native:
        raw["spec"]["initContainers"] = [setup, {**proxy, "restartPolicy": "Always"}]
    else:
        raw["spec"] |= {"containers": [trainer(8), proxy], "initContainers": [setup]}
    is_init = [each["name"] != "trainer" and native for each in statuses]
    raw["status"] |= {
        "phase": phase,
        "containerStatuses": [
            one for one, init in zip(statuses, is_init, strict=True) if not init
        ],
        "initContainerStatuses": [
            one for one, init in zip(statuses, is_init, strict=True) if init
        ],
    }
    return raw


def ends(raw: Raw) -> list[str]:
    """Return the containers whose ends are evidence."""
    found = [one for one in evidence_of(raw, ns(900)) if one.kind in ENDS]
    return [one.subject.rpartition("/")[2] for one in found]


TRAINS: Raw = {"name": "trainer", "state": {"running": {"startedAt": date(5)}}}
CRASHED: Raw = {
    "name": "proxy",
    "state": {"running": {"startedAt": date(60)}},
    "lastState": ended(50, 137, "OOMKilled"),
}


@pytest.mark.parametrize("native", [False, True])
def test_a_sidecar_that_is_started_again_explains_nothing(*, native: bool) -> None:
    """The trainer ran on, and whatever ends it later has a cause of its own."""
    assert ends(beside(TRAINS, CRASHED, native=native)) == []


def test_a_sidecar_that_is_killed_with_its_pod_explains_nothing() -> None:
    """It died of what the trainer died of, or a minute before it."""
    trains = {"name": "trainer", "state": ended(90, 143)}
    proxy = {"name": "proxy", "state": ended(60, 137, "OOMKilled")}

    assert ends(beside(trains, proxy, phase="Failed")) == ["trainer"]


def test_a_sidecar_that_alone_failed_the_pod_is_why_it_failed() -> None:
    """Its trainer was done, and all was well but for this."""
    trains = {"name": "trainer", "state": ended(90, 0, "Completed")}
    proxy = {"name": "proxy", "state": ended(91, 1)}

    assert ends(beside(trains, proxy, phase="Failed")) == ["trainer", "proxy"]


def test_a_container_that_sets_up_explains_why_nothing_starts() -> None:
    """It has to end well before the trainer may begin."""
    setup = {"name": "setup", "state": ended(9, 1)}

    assert ends(beside(setup, native=True)) == ["setup"]


def test_an_image_that_a_sidecar_waits_for_is_told() -> None:
    """Nothing in its pod is ready before it is there."""
    waits = {"name": "proxy", "state": {"waiting": {"reason": "ErrImagePull"}}}
    raw = beside({"name": "trainer", "state": {}}, waits, phase="Pending")
    kinds = {one.kind for one in evidence_of(raw, ns(9))}

    assert Kind.CONTAINER_WAITING in kinds


def test_where_no_container_says_that_it_trains_each_may() -> None:
    """A claim for the whole pod names none of them."""
    raw = beside({"name": "trainer", "state": ended(90, 1)}, phase="Failed")
    raw["spec"]["containers"] = [{"name": "trainer"}, {"name": "proxy"}]

    assert ends(raw) == ["trainer"]


def test_the_run_stays_up_while_its_sidecar_is_started_again() -> None:
    """Neither its stage nor its evidence changes."""
    running = {**TRAINS, "containerID": "containerd://1"}
    story = Story().see(0, job()).see(9, beside(running)).begin()
    story.see(70, beside(running, CRASHED))

    assert story.since == []
    assert [one for one in story.evidence if one.kind in ENDS] == []
