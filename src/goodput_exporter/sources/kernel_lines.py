"""Trouble in single lines of the kernel's log, other than XIDs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.sources.pod_cgroups import membership

PodOf: TypeAlias = Callable[[str], str | None]
"""From a pod's uid to its ``NAMESPACE/NAME``; None where it is not known."""

SOURCE: Final = "kernel"
MOST_DETAIL: Final = 300
"""Characters of a line that are kept for people."""

# Since Linux 5.0 one line names the victim's cgroup; before, it was "Task in CGROUP
# killed as a result of limit of ...". "Killed process" alone names no cgroup.
OOM_LINE: Final = re.compile(
    r"(?:\boom-kill:.*?\btask_memcg=(?P<memcg>[^,\s]{1,512})"
    r"|\bTask in (?P<task>/\S{1,512}) killed as a result of limit of)"
)
# drivers/pci/pcie/aer.c; "Uncorrected" became "Uncorrectable" in Linux 6.11.
PCIE_LINE: Final = re.compile(
    r"(?P<driver>[\w-]{1,32}) (?P<bus>[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]): "
    r"(?:AER: )?PCIe Bus Error: "
    r"severity=Uncorrect(?:ed|able) \((?P<how>Fatal|Non-Fatal)\)"
)
GPU_INIT_LINE: Final = re.compile(
    r"NVRM: (?:GPU )?(?P<bus>[0-9a-fA-F:.]{7,16}): RmInitAdapter failed"
)
SXID_LINE: Final = re.compile(
    r"SXid \(PCI:(?P<bus>[0-9a-fA-F:.]{7,16})\): \d{1,6}, (?P<how>Fatal|Non-fatal),"
)
# Only devices on a PCI bus: bridges and pods' ends of veth pairs come and go.
LINK_LINE: Final = re.compile(
    r"[\w-]{1,32} [0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7] "
    r"(?P<name>[\w.-]{1,32}): (?:NIC )?[Ll]ink (?:is )?[Dd]own"
)


def evidence_of_trouble(
    line: str, at_ns: int, node: str, pod_of: PodOf | None = None
) -> list[Evidence]:
    """
    Return what a line says of an OOM kill, a PCIe error, a GPU or a link.

    Args:
        line: Without its date.
        at_ns: That date, on the ledger's clock.
        node: Whose kernel.
        pod_of: Names the pod that an OOM kill struck. Without it the subject has
            only the uid, and no run is at such a place.
    """
    for read in (_oom, _pcie, _gpu_init, _nvswitch, _link):
        found = read(line, node, pod_of)
        if found is not None:
            kind, reason, subject = found
            said = line[:MOST_DETAIL]
            return [Evidence(at_ns, kind, reason, subject, SOURCE, said)]
    return []


Found: TypeAlias = tuple[Kind, str, str] | None


def _oom(line: str, node: str, pod_of: PodOf | None) -> Found:
    match = OOM_LINE.search(line)
    if match is None:
        return None
    where = membership(f"0::{match['memcg'] or match['task']}")
    if where is None:
        return Kind.OOM_KILL, "outside-pods", f"host/{node}"
    pod = None if pod_of is None else pod_of(where.pod_uid)
    return Kind.OOM_KILL, "pod", f"pod/{pod or f'uid/{where.pod_uid}'}"


def _pcie(line: str, node: str, _: PodOf | None) -> Found:
    match = PCIE_LINE.search(line)
    if match is None or match["how"] != "Fatal":
        return None  # the others are retried by hardware, or told again by a driver
    driver = "nvidia" if match["driver"] == "nvidia" else "other"
    return Kind.PCIE, f"fatal/{driver}", f"gpu/{node}/{match['bus']}"


def _gpu_init(line: str, node: str, _: PodOf | None) -> Found:
    match = GPU_INIT_LINE.search(line)
    if match is None:
        return None
    return Kind.GPU_LOST, "error", f"gpu/{node}/{match['bus']}"


def _nvswitch(line: str, node: str, _: PodOf | None) -> Found:
    match = SXID_LINE.search(line)
    if match is None:
        return None
    how = "fatal" if match["how"] == "Fatal" else "notice"
    return Kind.LINK, f"nvswitch-{how}", f"node/{node}"


def _link(line: str, node: str, _: PodOf | None) -> Found:
    match = LINK_LINE.search(line)
    return None if match is None else (Kind.LINK, "nic-down", f"node/{node}")
