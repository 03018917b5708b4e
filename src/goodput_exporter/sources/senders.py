"""Who sends: the kernel's word on the Unix path, an address on the UDP path."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.sources.limits import Bucket, Limits
from goodput_exporter.sources.pod_directory import PodRecord
from goodput_exporter.sources.processes import Process

CREDENTIALS: Final = struct.Struct("=iII")  # struct ucred: pid, uid, gid


class Sender:
    """
    One sender of datagrams, with its allowance.

    Args:
        transport: ``"unix"`` or ``"udp"``.
        name: For logs, such as ``"unix pid 4711"``.
        owner: What incarnations belong to; a sender can change its port and
            not its owner.
        pid: Set where the kernel vouches for it.
        bucket: Its allowance.
        uid: Its user, set where the pid is; runs belong to it.
        address: Where UDP datagrams of it come from; empty else.
        met_ns: When it was first heard, on the ledger's clock.
    """

    __slots__ = (
        "address", "bucket", "judged_by", "met_ns", "name", "owner", "pid", "pod",
        "pod_uid", "process", "transport", "uid",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - what the kernel says of a sender, in one place
        self,
        transport: str,
        name: str,
        owner: str,
        pid: int | None,
        bucket: Bucket,
        *,
        uid: int | None = None,
        address: str = "",
        met_ns: int = 0,
    ) -> None:
        self.transport = transport
        self.name = name
        self.owner = owner
        self.pid = pid
        self.bucket = bucket
        self.uid = uid
        self.address = address
        self.met_ns = met_ns
        self.process: Process | None = None
        self.pod: PodRecord | None = None
        self.pod_uid: str | None = None
        self.judged_by: object = None

    def become(self, pod: PodRecord | None) -> None:
        """
        Be a pod; None is no pod that is known.

        An address is another pod's after a while, and its incarnations are not. A
        process stays itself: its exit is watched.
        """
        self.pod = pod
        if self.pid is None and self.address:
            self.owner = f"udp:{self.address}" if pod is None else f"pod:{pod.uid}"

    @property
    def is_vouched(self) -> bool:
        """Return whether the kernel or the network says who this is."""
        return self.pid is not None or self.pod is not None

    @property
    def namespace(self) -> str:
        """Return the namespace of its pod; empty where it is in none that is known."""
        return "" if self.pod is None else self.pod.name.namespace

    @property
    def claimant(self) -> int | str | None:
        """
        Return to whom a run belongs that it names first; None owns nothing.

        The ranks of a job are pods of one namespace, as they are processes of one
        user on a machine without pods.
        """
        return self.uid if self.pod is None else self.pod.name.namespace


def unix_sender(credentials: bytes, bucket: Bucket, met_ns: int = 0) -> Sender:
    """
    Name a sender by its SCM_CREDENTIALS.

    Across pid namespaces the kernel says pid 0; such senders cannot be told
    apart by pid, so those of one user share an allowance and are not verified.
    """
    pid, uid, _ = (
        CREDENTIALS.unpack(credentials)
        if len(credentials) == CREDENTIALS.size
        else (0, -1, -1)
    )
    if pid > 0:
        name = f"unix pid {pid}"
        return Sender("unix", name, owner_of(pid), pid, bucket, uid=uid, met_ns=met_ns)
    name = f"unix uid {uid} of another pid namespace"
    return Sender("unix", name, f"uid:{uid}", None, bucket, met_ns=met_ns)


def owner_of(pid: int) -> str:
    """Return the owner that stands for a verified process."""
    return f"pid:{pid}"


def uid_of(pid: int) -> int | None:
    """Return the user of a process, as the kernel puts it on what it sends."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("Uid:"):
            # Real, effective, saved, file system: credentials bear the real one.
            return int(line.split()[1])
    return None


def udp_sender(host: str, port: int, bucket: Bucket, met_ns: int = 0) -> Sender:
    """Name a sender by its source address; nobody vouches for it."""
    return Sender(
        "udp",
        f"udp {host}:{port}",
        f"udp:{host}",
        None,
        bucket,
        address=host,
        met_ns=met_ns,
    )


def udp_key(host: str, port: int) -> str:
    """
    Return who shares one allowance on UDP.

    A pod has one address and may choose its ports, so the address counts. On
    the loopback address every process of the machine would share one bucket,
    and none of them is a stranger: there the port counts too.
    """
    is_loopback = host.startswith("127.") or host == "::1"
    return f"{host}#{port}" if is_loopback else host


class Senders:
    """
    The senders of one transport that are worth remembering.

    A sender whose bucket is full again is forgotten when room is needed, which
    changes nothing for it. So the table is bounded also against forged addresses.

    Args:
        limits: The bound, and each sender's rate and burst.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._known: dict[bytes | str, Sender] = {}
        self._swept_ns: int | None = None

    def get(self, key: bytes | str) -> Sender | None:
        """Return a sender that is remembered."""
        return self._known.get(key)

    def has_room(self, now_ns: int) -> bool:
        """Return whether one more sender fits, after forgetting idle ones."""
        if len(self._known) < self._limits.senders:
            return True
        # A sweep reads the whole table; once a second keeps a flood of new
        # addresses from buying one each.
        if self._swept_ns is not None and now_ns - self._swept_ns < NS_PER_SECOND:
            return False
        self._swept_ns = now_ns
        self._known = {
            key: sender
            for key, sender in self._known.items()
            if not sender.bucket.is_full(now_ns)
        }
        return len(self._known) < self._limits.senders

    def add(self, key: bytes | str, sender: Sender) -> None:
        """Remember a sender."""
        self._known[key] = sender

    def forget_pid(self, pid: int) -> None:
        """Forget a process that is gone, so that its pid can be someone else's."""
        gone = [key for key, sender in self._known.items() if sender.pid == pid]
        for key in gone:
            del self._known[key]

    def __len__(self) -> int:
        """Return how many senders are remembered."""
        return len(self._known)
