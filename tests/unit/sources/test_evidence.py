"""Evidence in raw objects and lines: what is read, how it is dated, what breaks it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.observations import GpuLost
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.sources.evidence import evidence_of, evidence_of_deleted
from goodput_exporter.sources.evidence_lines import (
    evidence_of_cycle,
    evidence_of_gpu,
    evidence_of_kernel_line,
    evidence_of_log_line,
)
from tests.fakes.causes import at_ns, recorded

NOW_NS = at_ns("2026-01-01T00:00:00Z")
OBJECTS = [raw for case in recorded() for raw in case.raw]


def paths(value: object, at: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every field and row of a JSON value."""
    found: list[tuple[Any, ...]] = [at] if at else []
    if isinstance(value, dict):
        for key, inner in value.items():
            found += paths(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += paths(inner, (*at, index))
    return found


@st.composite
def damaged(draw: st.DrawFn) -> object:
    """Draw a public object of which one field is null, absent or of another type."""
    raw = copy.deepcopy(draw(st.sampled_from(OBJECTS)))
    *way, last = draw(st.sampled_from(paths(raw)))
    inner: Any = raw
    for step in way:
        inner = inner[step]
    if draw(st.booleans()):
        del inner[last]
    else:
        inner[last] = draw(
            st.sampled_from([None, 0, True, "", "x", [], [None], {}, {"a": None}])
        )
    return raw


@given(damaged())
def test_any_field_may_be_missing_null_or_of_another_type(raw: object) -> None:
    """One odd object never hides the others, and what is read is well formed."""
    for one in [*evidence_of(raw, NOW_NS), *evidence_of_deleted(raw, NOW_NS)]:
        assert isinstance(one.reason, str)
        assert isinstance(one.at_ns, int)


@pytest.mark.parametrize("raw", [None, [], "Pod", 3, {}, {"kind": None}])
def test_what_is_no_object_says_nothing(raw: object) -> None:
    """A list of which ``items`` is null, a Status instead of a Pod."""
    assert evidence_of(raw, NOW_NS) == []


def only(found: list[Evidence]) -> Evidence:
    """Return the single observation."""
    assert len(found) == 1, found
    return found[0]


def pod(**more: object) -> dict[str, Any]:
    """Return a pod's JSON."""
    meta = {"name": "w-0", "namespace": "ml"}
    return {"kind": "Pod", "metadata": meta, "status": {}, **more}


def test_a_pod_is_told_to_go_before_the_date_of_its_deletion() -> None:
    """The API's date includes the grace that it gives."""
    raw = pod()
    raw["metadata"] |= {
        "deletionTimestamp": "2026-01-01T00:10:00Z",
        "deletionGracePeriodSeconds": 600,
    }

    seen = only(evidence_of(raw, NOW_NS + 7))

    assert (seen.kind, seen.at_ns) == (Kind.POD_DELETED, NOW_NS)
    assert seen.subject == "pod/ml/w-0"


def test_a_deleted_pod_without_a_date_was_deleted_when_it_was_seen() -> None:
    """A grace of zero leaves no time for one."""
    assert only(evidence_of_deleted(pod(), NOW_NS)).kind is Kind.POD_DELETED


def ended(where: str, at: str) -> dict[str, Any]:
    """Return a pod one of whose containers has ended with 143."""
    state = {"terminated": {"exitCode": 143, "reason": "Error", "finishedAt": at}}
    return pod(status={"containerStatuses": [{"name": "main", where: state}]})


def test_a_container_that_started_again_ended_in_place() -> None:
    """Nobody took its pod away, so its end is another story."""
    again = only(evidence_of(ended("lastState", "2026-01-01T00:00:00Z"), 0))
    over = only(evidence_of(ended("state", "2026-01-01T00:00:00Z"), 0))

    assert (again.kind, again.reason) == (Kind.CONTAINER_RESTART, "signal 15")
    assert (over.kind, over.reason) == (Kind.CONTAINER_EXIT, "signal 15")
    assert again.at_ns == over.at_ns == NOW_NS


def test_an_end_after_the_pod_was_told_to_go_is_no_restart() -> None:
    """A container that is restarted while its pod goes away went with it."""
    raw = ended("lastState", "2026-01-01T00:00:05Z")
    raw["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:01Z"

    kinds = {one.kind for one in evidence_of(raw, NOW_NS)}

    assert kinds == {Kind.POD_DELETED, Kind.CONTAINER_EXIT}


def test_a_condition_that_is_over_is_no_evidence() -> None:
    """Kueue keeps what was, with status False and ``Previously:``."""
    conditions = [{"type": "Evicted", "status": "False", "reason": "QuotaReserved"}]

    raw = {"kind": "Workload", "status": {"conditions": conditions}}

    assert evidence_of(raw, NOW_NS) == []


def test_a_deletion_that_is_taken_back_is_no_evidence() -> None:
    """The taint manager says so under the same reason."""
    event = {
        "kind": "Event",
        "involvedObject": {"kind": "Pod", "name": "w-0", "namespace": "ml"},
        "reason": "TaintManagerEviction",
        "message": "Cancelling deletion of Pod ml/w-0",
    }

    assert evidence_of(event, NOW_NS) == []


def test_an_event_of_the_newer_api_reads_the_same() -> None:
    """``regarding`` and ``note`` instead of ``involvedObject`` and ``message``."""
    event = {
        "kind": "Event",
        "regarding": {"kind": "Node", "name": "gpu-1"},
        "reason": "Rebooted",
        "note": "Node gpu-1 has been rebooted",
        "eventTime": "2026-01-01T00:00:00.5Z",
    }

    seen = only(evidence_of(event, 0))

    assert (seen.reason, seen.subject) == ("Node/Rebooted", "node/gpu-1")
    assert seen.at_ns == NOW_NS + NS_PER_SECOND // 2


def test_the_autoscaler_dates_its_taint_itself() -> None:
    """Seconds since the epoch, in the taint's value."""
    taint = {"key": "ToBeDeletedByClusterAutoscaler", "value": "1540453142"}

    node = {"kind": "Node", "metadata": {"name": "n"}, "spec": {"taints": [taint]}}

    assert only(evidence_of(node, NOW_NS)).at_ns == 1_540_453_142 * NS_PER_SECOND


def test_a_cordon_is_seen_before_its_taint_is() -> None:
    """``kubectl cordon`` sets a field; a controller adds the taint."""
    node = {"kind": "Node", "metadata": {"name": "n"}, "spec": {"unschedulable": True}}

    seen = only(evidence_of(node, NOW_NS))

    assert (seen.kind, seen.at_ns) == (Kind.NODE_TAINT, NOW_NS)
    assert seen.reason == "node.kubernetes.io/unschedulable"


def job(**meta: object) -> dict[str, Any]:
    """Return a suspended job's JSON."""
    condition = {"type": "Suspended", "status": "True", "reason": "JobSuspended"}
    return {"kind": "Job", "metadata": meta, "status": {"conditions": [condition]}}


@pytest.mark.parametrize(
    "meta",
    [
        {"labels": {"kueue.x-k8s.io/queue-name": "q"}},
        {"ownerReferences": [{"kind": "JobSet", "controller": True}]},
    ],
)
def test_a_job_that_another_manages_was_not_suspended_by_hand(
    meta: dict[str, object],
) -> None:
    """A queue or the owner did it; a person is not blamed."""
    by_others = only(evidence_of(job(**meta), NOW_NS))
    by_hand = only(evidence_of(job(), NOW_NS))

    assert by_others.reason == "SuspendedByOthers/JobSuspended"
    assert by_hand.reason == "Suspended/JobSuspended"


def test_only_an_unfinished_top_object_is_deleted_by_a_person() -> None:
    """Owners delete their children, and finished jobs are swept up by their TTL."""
    over = [{"type": "Complete", "status": "True", "reason": "CompletionsReached"}]
    top = {"kind": "Job", "metadata": {"name": "j", "namespace": "ml"}}
    child = {"kind": "Job", "metadata": {"ownerReferences": [{"controller": True}]}}

    assert only(evidence_of_deleted(top, NOW_NS)).kind is Kind.WORKLOAD_DELETED
    assert evidence_of_deleted(child, NOW_NS) == []
    finished = evidence_of_deleted(top | {"status": {"conditions": over}}, NOW_NS)
    assert {one.kind for one in finished} == {Kind.WORKLOAD_CONDITION}


@pytest.mark.parametrize(
    ("line", "reason", "subject"),
    [
        ("NVRM: Xid (PCI:0000:44:00): 79, GPU has fallen", "79", "gpu/n/0000:44:00"),
        ("[1.5] NVRM: Xid (0000:03:00): 14, Channel 1", "14", "gpu/n/0000:03:00"),
        ("NVRM: Xid (PCI:0000:04:00): 4711, new", "4711", "gpu/n/0000:04:00"),
    ],
)
def test_the_kernel_tells_an_xid(line: str, reason: str, subject: str) -> None:
    """Older drivers leave out which bus the address is on."""
    seen = only(evidence_of_kernel_line(line, NOW_NS, "n"))

    assert (seen.kind, seen.reason, seen.subject) == (Kind.XID, reason, subject)


@pytest.mark.parametrize("line", ["NVRM: Xid (PCI:0000:44:00): 0, none", "eth0 up", ""])
def test_a_line_without_an_error_says_nothing(line: str) -> None:
    """XID 0 is an event without an error."""
    assert evidence_of_kernel_line(line, NOW_NS, "n") == []
    assert evidence_of_log_line(line, NOW_NS, "pod/ml/w-0") == []


def test_a_lost_gpu_keeps_its_name() -> None:
    """Its UUID is remembered; one that never answered has its index."""
    lost = GpuLost(3, NOW_NS, "GPU-1", 15, "lost", "GPU is lost")
    nameless = GpuLost(3, NOW_NS, None, None, "hanging")

    assert evidence_of_gpu(lost, "n").subject == "gpu/n/GPU-1"
    assert evidence_of_gpu(nameless, "n").subject == "gpu/n/3"
    assert evidence_of_gpu(lost, "n").reason == "lost"


@pytest.mark.parametrize(
    "raw", [None, {}, {"cycle_number": 1}, {"cycle_number": 1, "cycle_end_time": ""}]
)
def test_a_cycle_that_still_runs_has_not_ended(raw: object) -> None:
    """NVRx writes the file when the cycle begins, with an empty end."""
    assert evidence_of_cycle(raw, NOW_NS) == []


def test_a_cycle_whose_end_cannot_be_read_ended_when_it_was_seen() -> None:
    """A date that is no date is no reason to lose the cycle."""
    raw = {"cycle_number": 1, "cycle_end_time": "yesterday"}

    assert only(evidence_of_cycle(raw, NOW_NS)).at_ns == NOW_NS
