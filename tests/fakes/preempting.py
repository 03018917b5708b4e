"""What schedulers and queues write where one workload has to make room for another."""

from __future__ import annotations

from tests.fakes.cluster import Pod, Raw, condition, date, meta


def preempted(
    pod: str, at: int, said: str, *, name: str = "e", related: str = ""
) -> Raw:
    """
    Return the scheduler's event on a pod that it takes away.

    Args:
        pod: The pod's name, and its uid.
        at: When.
        said: Its message.
        name: The event's own.
        related: The uid of the pod that it was done for, if it is told.
    """
    event: Raw = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": "ml", "uid": name},
        "involvedObject": {"kind": "Pod", "namespace": "ml", "name": pod, "uid": pod},
        "reason": "Preempted",
        "message": said,
        "lastTimestamp": date(at),
    }
    if related:
        event["related"] = {"kind": "Pod", "namespace": "ml", "uid": related}
    return event


def told_to_make_room(pod: Pod, at: int, said: str = "") -> Raw:
    """Return a pod that the scheduler has marked and told to go."""
    pod.says("DisruptionTarget", "True", at, "PreemptionByScheduler")
    raw = pod.told(at)
    raw["status"]["conditions"] = [
        {**row, "message": said} if row["type"] == "DisruptionTarget" else row
        for row in raw["status"]["conditions"]
    ]
    return raw


def queued(owner: Raw, uid: str, *conditions: Raw) -> Raw:
    """Return Kueue's word on a job."""
    return {
        "apiVersion": "kueue.x-k8s.io/v1beta1",
        "kind": "Workload",
        "metadata": meta(f"job-{owner['metadata']['name']}", owner=owner, uid=uid),
        "status": {"conditions": list(conditions)},
    }


def evicted(at: int, said: str) -> Raw:
    """Return the row of a workload whose quota another one gets."""
    return {**condition("Evicted", "True", at, "Preempted"), "message": said}
