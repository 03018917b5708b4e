"""The pods of this node by uid, by address and by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

from goodput_exporter.domain.allocations import PodFacts, PodName


@dataclass(frozen=True, slots=True)
class ContainerRecord:
    """
    One life of a container.

    Args:
        id: The runtime's, 64 hex digits.
        started_ns: On the ledger's clock, to a second.
        ended_ns, exit_code: None while it runs.
    """

    name: str
    id: str
    started_ns: int
    ended_ns: int | None = None
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class PodRecord:
    """
    One pod of this node, as the API describes it.

    Args:
        addresses: All of ``status.podIPs``.
        uses_host_network: Its addresses are the node's, and every such pod's.
        created_ns: When it was created, on the ledger's clock.
        is_finished: Its phase is Succeeded or Failed.
        owner: API group and kind of its controller; None has none.
        stated: Its labels and annotations, labels first.
        containers: The present life of each, and the one before.
    """

    name: PodName
    uid: str
    addresses: tuple[str, ...] = ()
    uses_host_network: bool = False
    created_ns: int | None = None
    is_finished: bool = False
    owner: tuple[str, str] | None = None
    stated: Mapping[str, str] = field(default_factory=dict, hash=False)
    containers: tuple[ContainerRecord, ...] = ()


class PodDirectory:
    """
    An immutable index of a node's pods; a newer list makes a newer directory.

    Args:
        records: In any order; a name may be there twice while a pod is replaced.
    """

    def __init__(self, records: Iterable[PodRecord] = ()) -> None:
        self._by_uid = {record.uid: record for record in records}
        self._by_name: dict[PodName, PodRecord] = {}
        by_address: dict[str, list[PodRecord]] = defaultdict(list)
        for record in sorted(self._by_uid.values(), key=_age):
            self._by_name[record.name] = record  # the newest last
            if record.uses_host_network or record.is_finished:
                continue
            for address in set(map(canonical, record.addresses)) - {None}:
                by_address[str(address)].append(record)
        self._by_address = {
            address: found[0]
            for address, found in by_address.items()
            if len(found) == 1
        }

    def by_uid(self, uid: str) -> PodRecord | None:
        """Return the pod that the kubelet made a cgroup for."""
        return self._by_uid.get(uid)

    def by_address(self, address: str) -> PodRecord | None:
        """
        Return the pod that sends from an address.

        None for an address of the node itself, behind which any pod on the host's
        network may be; for one that two running pods have; and for one of a pod that
        is over, since its address is given away again.
        """
        known = canonical(address)
        return None if known is None else self._by_address.get(known)

    def by_name(self, name: PodName) -> PodRecord | None:
        """Return the newest running pod of a name, or the newest of all."""
        return self._by_name.get(name)

    def facts(self, name: PodName) -> PodFacts | None:
        """Return what is known of a pod that the kubelet lists by its name."""
        record = self._by_name.get(name)
        if record is None:
            return None
        return PodFacts(record.uid, record.created_ns, record.is_finished)


def canonical(address: str) -> str | None:
    """
    Return an address as it is compared; None is no address.

    A dual-stack socket shows an IPv4 sender as ``::ffff:10.0.0.7``.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed)


def _age(record: PodRecord) -> tuple[bool, int, str]:
    """Return what sorts the newest running pod last."""
    created_ns = -1 if record.created_ns is None else record.created_ns
    return (not record.is_finished, created_ns, record.uid)
