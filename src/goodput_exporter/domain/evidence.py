"""What was seen around an interruption, of any source, in one dated form."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What sort of observation it is; each kind has reasons of its own."""

    POD_CONDITION = "pod_condition"
    POD_REASON = "pod_reason"
    POD_DELETED = "pod_deleted"
    CONTAINER_EXIT = "container_exit"
    CONTAINER_RESTART = "container_restart"
    CONTAINER_WAITING = "container_waiting"
    NODE_CONDITION = "node_condition"
    NODE_TAINT = "node_taint"
    NODE_DELETED = "node_deleted"
    EVENT = "event"
    WORKLOAD_CONDITION = "workload_condition"
    WORKLOAD_DELETED = "workload_deleted"
    XID = "xid"
    GPU_LOST = "gpu_lost"
    OOM_KILL = "oom_kill"
    PCIE = "pcie"
    LINK = "link"
    THROTTLED = "throttled"
    PROCESS_EXIT = "process_exit"
    GOODBYE = "goodbye"
    STALL = "stall"
    LOG = "log"
    NVRX_CYCLE = "nvrx_cycle"
    MAINTENANCE_WINDOW = "maintenance_window"


PARTS_OF_A_POD: Final = 2
"""A pod is ``NAMESPACE/NAME``; what follows names a container in it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    One observation that may tell why a run was interrupted; it does not judge.

    Args:
        at_ns: When it happened by the source's own dating, on the ledger's clock.
        kind: What sort of observation.
        reason: The machine-readable word of the source: ``"OOMKilled"``, an XID's
            number, ``"exit 1"``, ``"signal 15"``, ``"Pod/Preempted"`` (an event's
            object and reason), ``"Evicted/Preempted"`` (a workload's condition and
            its reason), ``"Ready=Unknown"``.
        subject: What it is about: ``"node/NAME"``, ``"pod/NAMESPACE/NAME"``,
            ``"gpu/NODE/BUS"``, ``"run/NAMESPACE/NAME"``.
        source: Who saw it: ``"kubernetes"``, ``"kernel"``, ``"nvml"``, ``"sdk"``, ...
        detail: The source's own message, for people; no rule reads it.
        until_ns: Where a declared window ends; None for what happened once.
        by: The run that it was done for: ``"run/NAMESPACE/NAME"``; empty where nobody
            is named, or no run is known by that. A source that knows only objects
            names these, the best first: ``"uid/UID"``, ``"pod/NAMESPACE/NAME"``, with
            spaces between them.
    """

    at_ns: int
    kind: Kind
    reason: str
    subject: str = ""
    source: str = ""
    detail: str = ""
    until_ns: int | None = None
    by: str = ""

    @property
    def place(self) -> str:
        """
        Return the pod, node or workload that the subject is, or is a part of.

        A container belongs to its pod and a GPU to its node: ``"gpu/n1/0000:3b"``
        is ``"node/n1"``, ``"pod/ns/p/main"`` is ``"pod/ns/p"``.
        """
        kind, _, rest = self.subject.partition("/")
        parts = rest.split("/")
        if kind == "gpu":
            return f"node/{parts[0]}"
        if kind == "pod":
            return f"pod/{'/'.join(parts[:PARTS_OF_A_POD])}"
        return self.subject

    @property
    def key(self) -> tuple[int | str, ...]:
        """Return what sorts any two observations the same way, the earlier first."""
        until_ns = -1 if self.until_ns is None else self.until_ns
        words = (
            *(self.kind, self.reason, self.subject),
            *(self.source, self.detail, self.by),
        )
        return self.at_ns, *words, until_ns

    @property
    def words(self) -> str:
        """Return one line that says what was seen, for an incident's record."""
        about = f" on {self.subject}" if self.subject else ""
        said = f": {self.detail}" if self.detail else ""
        return f"{self.kind.value} {self.reason}{about}{said}"


SIGNAL_BASE: Final = 128
HIGHEST_SIGNAL: Final = 64


def exit_reason(code: int) -> str:
    """
    Say how a process ended, in the form in which rules match it.

    Shells and container runtimes report a death by signal N as 128 + N, Python
    as -N; both read ``"signal N"``. Codes above 192 name no signal and stay exit
    codes.

    Source:
        POSIX.1-2024, 2.8.2 Exit Status for Commands; OCI runtimes follow it.
    """
    if code < 0:
        return f"signal {-code}"
    if SIGNAL_BASE < code <= SIGNAL_BASE + HIGHEST_SIGNAL:
        return f"signal {code - SIGNAL_BASE}"
    return f"exit {code}"
