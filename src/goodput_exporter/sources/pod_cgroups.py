"""The pod of a process, by the cgroup that the kubelet has put it in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
MOST_BYTES: Final = 64 * 1024
"""A dozen hierarchies of paths that the kernel bounds at 4 KiB each."""

# Anchored at the root of the hierarchy, or at ".." where our own cgroup namespace
# hides it: a user who may make cgroups below a session or inside a container could
# call one pod<UID OF A NEIGHBOUR>, but never so high up. "kubelet" stands above all
# in kind. Static pods have an md5 sum for a uid.
POD: Final = re.compile(
    r"(?:/\.\.)*"
    r"(?:/kubelet(?:\.slice)?)?"
    r"(?:/(?:kubelet-)?kubepods(?:\.slice)?)?"
    r"(?:/(?:(?:kubelet-)?kubepods-)?(?:besteffort|burstable)(?:\.slice)?)?"
    r"/(?:(?:kubelet-)?kubepods-(?:(?:besteffort|burstable)-)?)?"
    r"pod(?P<uid>[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})"
    r"(?:\.slice)?"
    r"(?:/(?:[a-z-]+-)?(?P<container>[0-9a-f]{64})(?:\.scope)?)?"
    r"(?:/.*)?"
)


@dataclass(frozen=True, slots=True)
class Membership:
    """
    Which pod a process belongs to.

    Args:
        pod_uid: As the API writes it, with dashes.
        container_id: The runtime's, 64 hex digits; None in the pod's own cgroup.
    """

    pod_uid: str
    container_id: str | None


def membership(text: str) -> Membership | None:
    """
    Return the pod that the content of ``/proc/PID/cgroup`` names, if it names one.

    Cgroup v2 has one line, v1 one per hierarchy, the systemd and the cgroupfs driver
    write a path each in their own way. Hierarchies that name different pods name
    none: somebody moved the process.
    """
    found = set()
    for line in text.splitlines():
        match = POD.fullmatch(line.partition(":")[2].partition(":")[2])
        if match is not None:
            uid = match["uid"].replace("_", "-")
            found.add(Membership(uid, match["container"]))
    if len({one.pod_uid for one in found}) != 1:
        return None
    return max(found, key=lambda one: one.container_id or "")


def membership_of(pid: int, proc: Path = PROC) -> Membership | None:
    """
    Return the pod of a process of ours or, with hostPID, of another pod.

    None is no pod, no such process, or none that we may see. A pid may be another
    process by now; ask again whether it is the same one, with this answer in hand.
    """
    if pid <= 0:  # 0 is what the kernel says of a sender in another pid namespace
        return None
    try:
        with (proc / str(pid) / "cgroup").open("rb") as file:
            content = file.read(MOST_BYTES)
    except OSError:
        return None
    return membership(content.decode(errors="replace"))
