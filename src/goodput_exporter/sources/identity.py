"""Which pod a sender is: by its process's cgroup, or by the address it sends from."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Protocol

from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.sources.pod_cgroups import PROC, membership_of
from goodput_exporter.sources.pod_directory import PodDirectory, PodRecord, canonical
from goodput_exporter.sources.processes import start_ticks_of
from goodput_exporter.sources.senders import Sender

SETTLE_NS: Final = 5 * NS_PER_SECOND
"""A kubelet tells a new pod's address some seconds after the pod has it."""
PATIENCE_NS: Final = 60 * NS_PER_SECOND
"""Who is not known after so long is taken without an identity."""


@dataclass(frozen=True, slots=True)
class PodLook:
    """
    The newest answer about this node's pods.

    Args:
        directory: The pods.
        at_ns: When it came, on the ledger's clock; None is never.
    """

    directory: PodDirectory = field(default_factory=PodDirectory)
    at_ns: int | None = None


class Pods(Protocol):
    """Whoever knows this node's pods."""

    def read(self) -> PodLook:
        """Return the newest answer, at once."""

    def nudge(self) -> None:
        """Ask anew soon: somebody speaks whom the newest answer does not know."""


class Identities:
    """
    Ties senders to pods, by what a pod cannot choose.

    With the host's pids the kernel names the process, and its cgroup the pod; over
    UDP the network names the address. Who is neither stays who it is without pods.

    Args:
        pods: Who knows this node's pods.
        proc: Where procfs is mounted.
    """

    def __init__(self, pods: Pods, proc: Path = PROC) -> None:
        self._pods = pods
        self._proc = proc

    def settle(self, sender: Sender, received_ns: int) -> bool:
        """
        Say who a sender is, as far as that can be known now.

        An answer that is newer than a datagram says nothing of its sender: a pod's
        goodbye is the pod's, though the kubelet calls it finished a moment later.

        Returns:
            False while a newer answer may still name its pod. What it says meanwhile
            may be passed over: it will say all of it again.
        """
        look = self._pods.read()
        if sender.judged_by is not None and (
            sender.judged_by is look or (look.at_ns or 0) > received_ns
        ):
            return True
        record = self._record_of(sender, look.directory)
        if record is None and self._may_become_known(sender, look, received_ns):
            self._pods.nudge()
            return False
        sender.become(record)
        sender.judged_by = look
        return True

    def _record_of(self, sender: Sender, directory: PodDirectory) -> PodRecord | None:
        if sender.pid is None:
            return directory.by_address(sender.address)
        if sender.judged_by is None:
            sender.pod_uid = self._pod_uid_of(sender.pid, sender)
        return None if sender.pod_uid is None else directory.by_uid(sender.pod_uid)

    def _pod_uid_of(self, pid: int, sender: Sender) -> str | None:
        """Return the pod of a process, if its pid is no other process's by now."""
        found = membership_of(pid, self._proc)
        process = sender.process
        if found is None or process is None or process.start_ticks is None:
            return None
        return found.pod_uid if start_ticks_of(pid) == process.start_ticks else None

    def _may_become_known(
        self, sender: Sender, look: PodLook, received_ns: int
    ) -> bool:
        """Return whether a sender is new, and a later answer may know its pod."""
        if sender.judged_by is not None or received_ns - sender.met_ns > PATIENCE_NS:
            return False
        if sender.pod_uid is None and not is_of_a_network(sender.address):
            return False
        return look.at_ns is None or look.at_ns < sender.met_ns + SETTLE_NS


def is_of_a_network(address: str) -> bool:
    """Return whether a pod may have an address: the loopback is every pod's own."""
    known = canonical(address)
    return known is not None and not ip_address(known).is_loopback
