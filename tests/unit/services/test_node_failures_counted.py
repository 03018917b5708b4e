"""Failures per node as a counter: it outlives runs, restarts and a full disk."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.fold import Observation
from goodput_exporter.domain.placement import Seat
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.states import Cause
from goodput_exporter.errors import LedgerError
from tests.fakes.office import Office
from tests.fakes.pods import Pods
from tests.fakes.ranks import ns
from tests.fakes.stories import KEY, START_S


def fails(
    at_s: float, kind: Kind, reason: str, subject: str, key: RunKey = KEY
) -> list[Observation]:
    """Return a run on two nodes that goes down after a minute, and what was seen."""
    pods = Pods(nodes=("n1", "n2"), key=key)
    pods.at(at_s - 60, "running").at(at_s, "down")
    seats = (("default/story-0", "n1"), ("default/story-1", "n2"))
    crew = tuple(Seat(pod, node, n) for n, (pod, node) in enumerate(seats))
    names = tuple(pod for pod, _ in seats)
    pods.said[:] = [replace(one, crew=crew, pods=names) for one in pods.said]
    seen = Evidence(ns(START_S + at_s - 1), kind, reason, subject, "kubernetes")
    return [*pods.said, seen]


XID = fails(100, Kind.XID, "79", "gpu/n2/0000:04:00")
CRASH = fails(100, Kind.CONTAINER_EXIT, "exit 1", "pod/default/story-1/main")
PREEMPTED = fails(100, Kind.EVENT, "Pod/Preempted", "pod/default/story-1")


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (XID, {("n2", Cause.GPU_LOST): 1}),
        (CRASH, {("n2", Cause.APPLICATION_ERROR): 1}),
        (PREEMPTED, {}),
        (fails(100, Kind.MAINTENANCE_WINDOW, "elsewhere", "node/n9"), {}),
    ],
)
def test_a_failure_counts_for_the_node_that_it_began_on(
    seen: list[Observation], expected: dict[tuple[str, Cause], int]
) -> None:
    """By what the evidence names; what was decided, or is nowhere, counts for none."""
    office = Office().watch(seen, 130)

    assert office.books.node_failures() == expected


def test_counts_go_on_after_a_restart_of_the_exporter() -> None:
    """They are in the ledger with the entries that they count."""
    before = Office().watch(XID, 130)
    other = RunKey("local", "default", "other")
    again = fails(200, Kind.XID, "79", "gpu/n2/0000:04:00", other)

    after = Office(ledger=before.ledger, begins_s=130).watch(again, 240)

    assert after.books.node_failures() == {("n2", Cause.GPU_LOST): 2}


def test_what_a_full_disk_refused_counts_once_it_is_written() -> None:
    """Neither before, nor twice however often it is tried."""
    office = Office().watch(XID, 90)
    office.ledger.failure = LedgerError("no space left")
    office.watch(XID, 130)
    assert office.books.node_failures() == {}

    office.ledger.failure = None
    office.watch([], 160)

    assert office.books.node_failures() == {("n2", Cause.GPU_LOST): 1}
