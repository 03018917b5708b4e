"""How states, causes, shares and times are said to a person."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Cause, How, RunState

_MINUTE_NS: Final = 60 * NS_PER_SECOND
_HOUR_NS: Final = 60 * _MINUTE_NS

STATE_CLASS: Final = MappingProxyType(
    {state: f"state-{state.value.replace('_', '-')}" for state in RunState}
)
"""The CSS class that colours a state; the charts read the same custom property."""

STATE_PHRASE: Final = MappingProxyType(
    {
        RunState.QUEUED: "waiting in the queue",
        RunState.SUSPENDED: "suspended",
        RunState.DOWN: "down",
        RunState.SCHEDULING: "waiting to be scheduled",
        RunState.PROVISIONING: "waiting for its containers",
        RunState.DEGRADED: "missing GPUs",
        RunState.INITIALIZING: "starting up",
        RunState.RESTORING: "loading a checkpoint",
        RunState.RECOMPUTING: "redoing lost steps",
        RunState.INTERRUPTED: "a step that was cut off",
        RunState.CHECKPOINTING: "blocked by checkpoints",
        RunState.DATA_WAIT: "waiting for data",
        RunState.EVALUATING: "evaluating",
        RunState.STALLED: "stalled",
        RunState.IDLE: "idle",
        RunState.OTHER: "in phases of the job's own",
        RunState.SLOW: "slow steps",
        RunState.PRODUCTIVE: "productive",
        RunState.LOST: "steps that were not kept",
        RunState.UNOBSERVED: "unobserved",
    }
)
"""What a state is in a sentence: "22 % ..."."""

CAUSE_PHRASE: Final = MappingProxyType(
    {
        Cause.NONE: "",
        Cause.APPLICATION_ERROR: "a crash",
        Cause.OOM_KILLED: "an out-of-memory kill",
        Cause.GPU_ERROR: "a GPU error",
        Cause.GPU_LOST: "a lost GPU",
        Cause.NODE_LOST: "a lost node",
        Cause.NODE_MAINTENANCE: "node maintenance",
        Cause.PREEMPTED: "a preemption",
        Cause.QUEUE_PREEMPTED: "a preemption in the queue",
        Cause.EVICTED: "an eviction",
        Cause.SPOT_RECLAIM: "a spot reclaim",
        Cause.SCALE_IN: "a scale-in",
        Cause.DEVICE_ADMISSION: "a refused device",
        Cause.IMAGE_PULL: "a failed image pull",
        Cause.HANG: "a hang",
        Cause.USER: "a user's own stop",
        Cause.PLANNED: "a planned stop",
        Cause.OTHER: "an interruption",
        Cause.UNKNOWN: "an interruption of unknown cause",
    }
)

CAUSE_NAME: Final = MappingProxyType(
    {cause: cause.value.replace("_", " ") for cause in Cause}
    | {
        Cause.NONE: "no interruption",
        Cause.OOM_KILLED: "out of memory",
        Cause.GPU_ERROR: "GPU error",
        Cause.GPU_LOST: "GPU lost",
    }
)

HOW_PHRASE: Final = MappingProxyType(
    {
        How.PROCESS: "came back with a new process",
        How.CONTAINER: "came back with a new container",
        How.POD: "came back with a new pod",
        How.WORKLOAD: "came back with a new workload",
        How.IN_PROCESS: "came back inside its process",
        How.ELASTIC: "went on with fewer ranks",
    }
)

SOURCE_SENTENCE: Final = MappingProxyType(
    {
        "sdk": "The training job reports its own steps and phases (SDK).",
        "auto": "Automatic instrumentation reports steps and phases.",
        "log": "Steps are read from the job's log lines.",
        "inferred": "Phases are inferred from outside; steps are not known.",
    }
)


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of GPU time, shared by all lines of a table so that they compare."""

    ns: int
    name: str

    def number(self, gpu_ns: int) -> str:
        """Return *gpu_ns* in this unit, without its name."""
        value = gpu_ns / self.ns
        digits = 2 if value < 10 else 1 if value < 1_000 else 0  # noqa: PLR2004 - three figures tell enough
        return f"{value:,.{digits}f}"


def unit_for(largest_gpu_ns: int, *, gpus: bool) -> Unit:
    """Choose the unit in which *largest_gpu_ns* reads best; a rank is no GPU."""
    word = "GPU" if gpus else "device"
    for ns, name in ((_HOUR_NS, "hours"), (_MINUTE_NS, "minutes")):
        if largest_gpu_ns >= ns:
            return Unit(ns, f"{word}-{name}")
    return Unit(NS_PER_SECOND, f"{word}-seconds")


def gpu_time(gpu_ns: int, *, gpus: bool) -> str:
    """Return GPU time in its own best unit: ``1.4 GPU-hours``."""
    unit = unit_for(gpu_ns, gpus=gpus)
    return f"{unit.number(gpu_ns)} {unit.name}"


def exact_seconds(ns: int) -> str:
    """Return nanoseconds as seconds with every digit that is not a trailing zero."""
    seconds, rest = divmod(ns, NS_PER_SECOND)
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    return f"{seconds:,}{fraction}"


def devices(count: int, *, gpus: bool) -> str:
    """Return ``8 GPUs``, or ``1 device`` where ranks have no GPU."""
    word = "GPU" if gpus else "device"
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def split_unit(value: str) -> tuple[str, str]:
    """Set the unit of GPU time apart from its figure; other values stay whole."""
    figure, _, unit = value.partition(" ")
    # "42 %" and "4 min 12 s" belong together; GPU time has its unit below.
    return (figure, unit) if "-" in unit else (value, "")
