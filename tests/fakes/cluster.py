"""Kubernetes objects as the API gives them, and stories told by their changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from goodput_exporter.domain.evidence import Evidence
from goodput_exporter.domain.placement import Placement
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.sources.workloads.tracker import Tracker

Raw = dict[str, Any]

BEGIN: Final = datetime(2026, 3, 1, tzinfo=UTC)
BEGIN_NS: Final = int(BEGIN.timestamp()) * NS_PER_SECOND
GPU: Final = "nvidia.com/gpu"


def ns(second: float) -> int:
    """Return an instant of a story on the ledger's clock."""
    return BEGIN_NS + round(second * NS_PER_SECOND)


def date(second: int) -> str:
    """Return an instant of a story as the API writes it."""
    return (BEGIN + timedelta(seconds=second)).isoformat().replace("+00:00", "Z")


def meta(
    name: str,
    at: int = 0,
    *,
    owner: Raw | None = None,
    uid: str | None = None,
    **stated: Mapping[str, str] | None,
) -> Raw:
    """
    Return an object's metadata; its uid is its name unless told otherwise.

    Args:
        name: Its own.
        at: When it was created.
        owner: What controls it.
        uid: Its own, where its name came before.
        stated: Labels and annotations.
    """
    found: Raw = {"name": name, "namespace": "ml", "uid": uid or name}
    found |= {key: dict(value or {}) for key, value in stated.items()}
    found["creationTimestamp"] = date(at)
    if owner is not None:
        found["ownerReferences"] = [owned_by(owner)]
    return found


def owned_by(owner: Raw) -> Raw:
    """Return the reference that an owner's dependents carry."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }


def condition(kind: str, status: str, at: int, reason: str = "") -> Raw:
    """Return one condition."""
    found = {"type": kind, "status": status, "lastTransitionTime": date(at)}
    return {**found, "reason": reason} if reason else found


def template(gpus: int = 8, labels: Mapping[str, str] | None = None) -> Raw:
    """Return a pod template whose trainer asks for GPUs."""
    return {
        "metadata": {"labels": labels or {}},
        "spec": {"containers": [trainer(gpus)]},
    }


def trainer(gpus: int) -> Raw:
    """Return the container that trains."""
    return {"name": "trainer", "resources": {"limits": {GPU: str(gpus)}}}


def job(
    name: str = "train",
    pods: int = 1,
    *,
    suspend: bool = False,
    conditions: Iterable[Raw] = (),
    metadata: Raw | None = None,
) -> Raw:
    """Return a Job whose pods ask for eight GPUs each."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata or meta(name),
        "spec": {
            "parallelism": pods,
            "completions": pods,
            "suspend": suspend,
            "template": template(),
        },
        "status": {"conditions": list(conditions)},
    }


class Pod:
    """
    One pod whose life is told step by step; each step returns its newest version.

    Args:
        name: The uid too, unless *uid* is given.
        owner: What controls it.
        at: When it was created.
        gate: Why it may not be scheduled yet.
        more: The uid, labels and annotations of the object.
    """

    def __init__(
        self,
        name: str = "train-0",
        owner: Raw | None = None,
        at: int = 0,
        *,
        gate: str = "",
        **more: str | Mapping[str, str],
    ) -> None:
        gates = [{"name": gate}] if gate else []
        self._raw: Raw = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": meta(name, at, owner=owner) | more,
            "spec": {"containers": [trainer(8)], "schedulingGates": gates},
            "status": {"phase": "Pending"},
        }
        self._conditions: dict[str, Raw] = {}
        self._lives = 0

    @property
    def raw(self) -> Raw:
        """Return the pod as it is, as a copy."""
        status = {**self._raw["status"], "conditions": list(self._conditions.values())}
        return {
            **self._raw,
            "metadata": dict(self._raw["metadata"]),
            "spec": dict(self._raw["spec"]),
            "status": status,
        }

    def ungated(self) -> Raw:
        """Let the scheduler look at it."""
        self._raw["spec"]["schedulingGates"] = []
        return self.raw

    def unschedulable(self, at: int) -> Raw:
        """Find no node for it."""
        self.says("PodScheduled", "False", at, "Unschedulable")
        return self.raw

    def bound(self, at: int, node: str = "n1") -> Raw:
        """Bind it to a node."""
        self._raw["spec"]["nodeName"] = node
        self.says("PodScheduled", "True", at)
        return self.raw

    def waiting(self, reason: str, container: str = "trainer") -> Raw:
        """Let its container wait."""
        state = {"waiting": {"reason": reason}}
        return self._status(container, state)

    def running(self, at: int, ip: str = "10.0.0.1") -> Raw:
        """Let its container run; a life after the first is a restart in place."""
        self._lives += 1
        self._raw["status"] |= {"phase": "Running", "podIP": ip}
        return self._status("trainer", {"running": {"startedAt": date(at)}})

    def crashed(
        self, at: int, code: int = 1, reason: str = "Error", *, waits: bool = True
    ) -> Raw:
        """End its container, which the kubelet will start again."""
        former = self._raw["status"]["containerStatuses"][0]
        ended = {
            "exitCode": code,
            "reason": reason,
            "startedAt": former["state"]["running"]["startedAt"],
            "finishedAt": date(at),
            "containerID": former["containerID"],
        }
        if not waits:
            return self._status("trainer", {"terminated": ended})
        self._status("trainer", {"waiting": {"reason": "CrashLoopBackOff"}})
        self._raw["status"]["containerStatuses"][0] |= {
            "lastState": {"terminated": ended}
        }
        return self.raw

    def over(self, at: int, phase: str, code: int = 0, reason: str = "") -> Raw:
        """End it for good."""
        if "containerStatuses" in self._raw["status"]:
            self.crashed(at, code, "Completed" if code == 0 else "Error", waits=False)
        self._raw["status"] |= {"phase": phase, "reason": reason}
        return self.raw

    def told(self, at: int, grace: int = 30) -> Raw:
        """Tell it to go."""
        self._raw["metadata"] |= {
            "deletionTimestamp": date(at + grace),
            "deletionGracePeriodSeconds": grace,
        }
        return self.raw

    def says(self, kind: str, status: str, at: int, reason: str = "") -> Raw:
        """Set one of its conditions."""
        self._conditions[kind] = condition(kind, status, at, reason)
        return self.raw

    def _status(self, container: str, state: Raw) -> Raw:
        before = self._raw["status"].get("containerStatuses", [{}])[0]
        uid = self._raw["metadata"]["uid"]
        found = {
            "name": container,
            "state": state,
            "containerID": f"containerd://{uid}-{self._lives}",
        }
        if "lastState" in before:
            found["lastState"] = before["lastState"]
        self._raw["status"] |= {"containerStatuses": [found]}
        return self.raw


def node(
    name: str = "n1",
    ready: str = "True",
    at: int = 0,
    labels: Mapping[str, str] | None = None,
) -> Raw:
    """Return a node with eight GPUs."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": f"node-{name}", "labels": dict(labels or {})},
        "spec": {},
        "status": {
            "capacity": {GPU: "8", "cpu": "96"},
            "allocatable": {GPU: "8", "cpu": "95"},
            "conditions": [condition("Ready", ready, at)],
        },
    }


class Story:
    """
    Changes of objects as a watch would bring them, and what is made of them.

    Args:
        tracker: What hears it.
    """

    def __init__(self, tracker: Tracker | None = None) -> None:
        self.tracker = tracker or Tracker("c1")
        self.placements: list[Placement] = []
        self.evidence: list[Evidence] = []
        self._begun = 0

    def see(self, at: float, *raws: Raw) -> Story:
        """Bring objects as they are at an instant."""
        for raw in raws:
            self.tracker.change("modified", raw, ns(at))
        return self.wait(at)

    def gone(self, at: float, *raws: Raw, estimated: bool = False) -> Story:
        """Bring deletions."""
        for raw in raws:
            self.tracker.change("deleted", raw, ns(at), estimated=estimated)
        return self.wait(at)

    def wait(self, until: float) -> Story:
        """Let time pass, and take what is new."""
        for one in self.tracker.drain(ns(until)):
            if isinstance(one, Placement):
                self.placements.append(one)
            else:
                self.evidence.append(one)
        return self

    def begin(self) -> Story:
        """Leave out of ``since`` what has been told so far."""
        self._begun = len(self.lines)
        return self

    @property
    def since(self) -> list[str]:
        """Return the lines that came after the beginning."""
        return self.lines[self._begun :]

    @property
    def lines(self) -> list[str]:
        """
        Return the placements in the notation of the stories.

        Those that only name other pods, nodes or owners are left out.
        """
        found: list[str] = []
        before: dict[str, str] = {}
        for one in self.placements:
            run, what = one.key.run, line(replace(one, at_ns=BEGIN_NS, how=None))
            if one.how is not None or before.get(run) != what:
                found.append(line(one))
            before[run] = what
        return found

    @property
    def runs(self) -> set[str]:
        """Return the ids of the runs that were told of."""
        return {one.key.run for one in self.placements}


def line(placement: Placement) -> str:
    """
    Return a placement in one line: second, stage, running/asked, then what is said.

    The reason stands in brackets; ``by``, ``ended`` and ``elastic`` where they hold.
    """
    second = (placement.at_ns - BEGIN_NS) / NS_PER_SECOND
    words = [f"{second:g} {placement.stage} {placement.running}/{placement.asked}"]
    if placement.reason:
        words.append(f"({placement.reason})")
    if placement.how is not None:
        words.append(f"by {placement.how}")
    if placement.ended is not None:
        words.append(f"ended {placement.ended}")
    if placement.is_elastic:
        words.append("elastic")
    if placement.is_estimated:
        words.append("estimated")
    return " ".join(words)


def told(text: str) -> list[str]:
    """Return the lines of a story that is written down."""
    return [" ".join(row.split()) for row in text.strip().splitlines()]


def last(placements: Iterable[Placement]) -> Mapping[str, Placement]:
    """Return the newest placement of every run."""
    return {one.key.run: one for one in placements}
