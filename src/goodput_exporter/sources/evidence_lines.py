"""Evidence in kernel and training logs, in lost GPUs and in NVRx cycle files."""

from __future__ import annotations

import re
from typing import Final

from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.observations import GpuLost
from goodput_exporter.sources.kernel_lines import PodOf, evidence_of_trouble
from goodput_exporter.sources.loose import instant_ns, text, whole

# NVRM: Xid (PCI:0000:04:00): 79, ...   Older drivers leave "PCI:" out.
XID_LINE: Final = re.compile(r"NVRM: Xid \((?:PCI:)?([0-9a-fA-F:.]+)\): (\d{1,4})\b")
FELL_LINE: Final = re.compile(r"NVRM:.*fallen off the bus")
COLLECTIVE_LINE: Final = re.compile(
    r"Watchdog caught collective operation timeout|watchdog got stuck for \d+ seconds"
)


def evidence_of_kernel_line(
    line: str, at_ns: int, node: str, pod_of: PodOf | None = None
) -> list[Evidence]:
    """
    Return what a line of the kernel's log says of a GPU, a pod or a link.

    XID 0 is no error: drivers send it for an event that has none. Some losses
    are told in a sentence and without a number.
    """
    found = XID_LINE.search(line)
    if found is not None:
        bus, code = found.group(1), int(found.group(2))
        if code == 0:
            return []
        subject = f"gpu/{node}/{bus}"
        return [Evidence(at_ns, Kind.XID, str(code), subject, "kernel", line)]
    if FELL_LINE.search(line):
        return [Evidence(at_ns, Kind.GPU_LOST, "lost", f"gpu/{node}", "kernel", line)]
    return evidence_of_trouble(line, at_ns, node, pod_of)


def evidence_of_log_line(line: str, at_ns: int, pod: str) -> list[Evidence]:
    """Return what a line of a training program says: a collective that timed out."""
    if COLLECTIVE_LINE.search(line) is None:
        return []
    return [Evidence(at_ns, Kind.LOG, "collective-timeout", pod, "log", line)]


def evidence_of_gpu(gpu: GpuLost, node: str) -> Evidence:
    """Return a GPU that NVML lost as evidence."""
    subject = f"gpu/{node}/{gpu.uuid or gpu.index}"
    return Evidence(gpu.at_ns, Kind.GPU_LOST, gpu.reason, subject, "nvml", gpu.detail)


def evidence_of_cycle(raw: object, seen_ns: int) -> list[Evidence]:
    """
    Return the end of an in-job cycle that NVRx has written down.

    Args:
        raw: A ``cycle_info.JOB.ATTEMPT.CYCLE`` file, as JSON.
        seen_ns: When it was read; used where its own date cannot be.
    """
    number, ended = whole(raw, "cycle_number"), text(raw, "cycle_end_time")
    if number is None or not ended:
        return []  # still running: protobuf's JSON has "" there
    at_ns = instant_ns(raw, "cycle_end_time")
    subject = f"run//{text(raw, 'job_id')}"
    return [
        Evidence(
            seen_ns if at_ns is None else at_ns,
            Kind.NVRX_CYCLE,
            f"cycle {number} ended",
            subject,
            "nvrx",
            text(raw, "active_nodes"),
        )
    ]
