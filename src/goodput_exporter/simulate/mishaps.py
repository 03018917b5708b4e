"""What can happen to a run, as a table: its cause, whom it takes, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from goodput_exporter.domain.states import Cause

SIGABRT: Final = 6
SIGKILL: Final = 9
SIGSEGV: Final = 11
SIGTERM: Final = 15


class Mishap(StrEnum):
    """Everything that interrupts a simulated run."""

    CRASH = "crash"
    SEGFAULT = "segfault"
    OOM = "oom"
    APPLICATION_XID = "application_xid"
    GPU_MEMORY = "gpu_memory"
    GPU_FIRMWARE = "gpu_firmware"
    NVLINK = "nvlink"
    GPU_OFF_BUS = "gpu_off_bus"
    GPU_OFF_BUS_HANG = "gpu_off_bus_hang"
    NODE_SILENT = "node_silent"
    DRAIN = "drain"
    PREEMPTION = "preemption"
    QUEUE_PREEMPTION = "queue_preemption"
    PRESSURE = "pressure"
    SPOT = "spot"
    SCALE_IN = "scale_in"
    DEVICES_REFUSED = "devices_refused"
    IMAGE_MISSING = "image_missing"
    COLLECTIVE_HANG = "collective_hang"
    SUSPENSION = "suspension"
    DELETION = "deletion"
    PLANNED_WORK = "planned_work"
    DISRUPTION = "disruption"
    KILLED = "killed"


class Takes(StrEnum):
    """What of the run is gone besides its processes."""

    PROCESS = "process"
    POD = "pod"
    NODE = "node"
    GANG = "gang"
    WORKLOAD = "workload"


@dataclass(frozen=True, slots=True)
class About:
    """
    One row of the table; times in seconds.

    Args:
        cause: The truth.
        takes: What has to be replaced.
        signal, code: How the first rank ends: by a signal, or with a code.
        notice_s: How long before that end it begins, at least and at most.
        hangs: The survivors wait for the watchdog: no step from its beginning on.
        is_graceful: The kubelet sends SIGTERM.
        away_s: How long a person or a queue keeps the run away, where one does.
    """

    cause: Cause
    takes: Takes
    signal: int = 0
    code: int = 0
    notice_s: tuple[float, float] = (0.0, 0.0)
    hangs: bool = False
    is_graceful: bool = False
    away_s: tuple[float, float] = (0.0, 0.0)


_PROCESS, _POD, _NODE = Takes.PROCESS, Takes.POD, Takes.NODE

TABLE: Final = MappingProxyType(
    {
        Mishap.CRASH: About(Cause.APPLICATION_ERROR, _PROCESS, code=1),
        Mishap.SEGFAULT: About(Cause.APPLICATION_ERROR, _PROCESS, SIGSEGV),
        Mishap.OOM: About(Cause.OOM_KILLED, _PROCESS, SIGKILL),
        Mishap.APPLICATION_XID: About(
            Cause.APPLICATION_ERROR, _PROCESS, code=1, notice_s=(0.1, 5)
        ),
        Mishap.GPU_MEMORY: About(Cause.GPU_ERROR, _NODE, code=1, notice_s=(0.5, 20)),
        Mishap.GPU_FIRMWARE: About(Cause.GPU_ERROR, _NODE, code=1, notice_s=(0.5, 60)),
        Mishap.NVLINK: About(Cause.GPU_ERROR, _NODE, SIGABRT, notice_s=(0.5, 30)),
        Mishap.GPU_OFF_BUS: About(Cause.GPU_LOST, _NODE, code=1, notice_s=(0.5, 20)),
        Mishap.GPU_OFF_BUS_HANG: About(
            Cause.GPU_LOST, _NODE, SIGABRT, notice_s=(602, 620), hangs=True
        ),
        Mishap.NODE_SILENT: About(Cause.NODE_LOST, _NODE),
        Mishap.DRAIN: About(
            Cause.NODE_MAINTENANCE,
            _NODE,
            SIGTERM,
            notice_s=(3, 40),
            is_graceful=True,
        ),
        Mishap.PREEMPTION: About(
            Cause.PREEMPTED, Takes.GANG, SIGTERM, notice_s=(0.5, 5), is_graceful=True
        ),
        Mishap.QUEUE_PREEMPTION: About(
            Cause.QUEUE_PREEMPTED,
            Takes.WORKLOAD,
            SIGTERM,
            notice_s=(1, 6),
            is_graceful=True,
        ),
        Mishap.PRESSURE: About(Cause.EVICTED, _POD, SIGKILL, notice_s=(0.2, 3)),
        Mishap.SPOT: About(
            Cause.SPOT_RECLAIM, _NODE, SIGTERM, notice_s=(20, 115), is_graceful=True
        ),
        Mishap.SCALE_IN: About(
            Cause.SCALE_IN, _NODE, SIGTERM, notice_s=(3, 60), is_graceful=True
        ),
        Mishap.DEVICES_REFUSED: About(Cause.DEVICE_ADMISSION, _NODE, SIGTERM),
        Mishap.IMAGE_MISSING: About(Cause.IMAGE_PULL, _POD, code=1),
        Mishap.COLLECTIVE_HANG: About(
            Cause.HANG, _PROCESS, SIGABRT, notice_s=(602, 620), hangs=True
        ),
        Mishap.SUSPENSION: About(
            Cause.USER,
            Takes.WORKLOAD,
            SIGTERM,
            notice_s=(1, 6),
            is_graceful=True,
            away_s=(1800, 4 * 3600),
        ),
        Mishap.DELETION: About(
            Cause.USER,
            Takes.WORKLOAD,
            SIGTERM,
            notice_s=(1, 6),
            is_graceful=True,
            away_s=(300, 3600),
        ),
        Mishap.PLANNED_WORK: About(
            Cause.PLANNED, _NODE, SIGTERM, notice_s=(60, 600), is_graceful=True
        ),
        Mishap.DISRUPTION: About(
            Cause.OTHER, _NODE, SIGTERM, notice_s=(3, 40), is_graceful=True
        ),
        Mishap.KILLED: About(Cause.UNKNOWN, _PROCESS, SIGKILL),
    }
)
"""
Every mishap's row. A rank that waits for the others gives up after ten minutes,
PyTorch's default for NCCL; graces and notices are the ones of Kubernetes and the
clouds: 30 s for a pod, two minutes for a spot machine.
"""

IN_START_UP: Final = frozenset({Mishap.DEVICES_REFUSED, Mishap.IMAGE_MISSING})
"""They keep one pod from coming back, so the attempt dies before its first step."""
