"""The states of a run, as a table: order, layer, meaning, and what ranks call them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Layer(StrEnum):
    """Which team owns the time of a state."""

    OUTSIDE = "outside"
    INFRASTRUCTURE = "infrastructure"
    FRAMEWORK = "framework"
    MODEL = "model"
    GOOD = "good"
    NONE = "none"


class RunState(StrEnum):
    """What a run's asked GPUs are doing; exactly one at every instant."""

    QUEUED = "queued"
    SUSPENDED = "suspended"
    DOWN = "down"
    SCHEDULING = "scheduling"
    PROVISIONING = "provisioning"
    DEGRADED = "degraded"
    INITIALIZING = "initializing"
    RESTORING = "restoring"
    RECOMPUTING = "recomputing"
    INTERRUPTED = "interrupted"
    CHECKPOINTING = "checkpointing"
    DATA_WAIT = "data_wait"
    EVALUATING = "evaluating"
    STALLED = "stalled"
    IDLE = "idle"
    OTHER = "other"
    SLOW = "slow"
    PRODUCTIVE = "productive"
    LOST = "lost"
    UNOBSERVED = "unobserved"


@dataclass(frozen=True, slots=True)
class StateRow:
    """One line of the state table; the docs are generated from it."""

    state: RunState
    layer: Layer
    when: str


STATE_TABLE: Final = (
    StateRow(
        RunState.QUEUED,
        Layer.OUTSIDE,
        "submitted, never admitted yet: suspended, gated, over quota",
    ),
    StateRow(
        RunState.SUSPENDED,
        Layer.INFRASTRUCTURE,
        "suspended, preempted or queued again after its first admission",
    ),
    StateRow(
        RunState.DOWN,
        Layer.INFRASTRUCTURE,
        "an incarnation ended abnormally and its replacement does not exist yet, "
        "or its container waits after a crash",
    ),
    StateRow(
        RunState.SCHEDULING,
        Layer.INFRASTRUCTURE,
        "the missing ranks' pods exist and are not all bound",
    ),
    StateRow(
        RunState.PROVISIONING,
        Layer.INFRASTRUCTURE,
        "they are bound and their containers do not run yet: image pull, volumes, "
        "sandbox, init containers",
    ),
    StateRow(
        RunState.DEGRADED,
        Layer.INFRASTRUCTURE,
        "an elastic run steps on with fewer GPUs: the missing GPUs only",
    ),
    StateRow(
        RunState.INITIALIZING,
        Layer.FRAMEWORK,
        "containers run, the first step has not begun: imports, process groups, "
        "model build, compile, and warm-up above the reference step time",
    ),
    StateRow(RunState.RESTORING, Layer.FRAMEWORK, "loading a checkpoint"),
    StateRow(
        RunState.RECOMPUTING, Layer.FRAMEWORK, "steps at or below the high-water mark"
    ),
    StateRow(
        RunState.INTERRUPTED,
        Layer.FRAMEWORK,
        "step time since the last completed step when the first rank's incarnation "
        "ends abnormally",
    ),
    StateRow(
        RunState.CHECKPOINTING,
        Layer.FRAMEWORK,
        "the training loop is blocked by a save or by draining one",
    ),
    StateRow(
        RunState.DATA_WAIT, Layer.FRAMEWORK, "the training loop is blocked on input"
    ),
    StateRow(
        RunState.EVALUATING,
        Layer.FRAMEWORK,
        "validation; goodput_with_evaluation is a ratio of its own",
    ),
    StateRow(RunState.STALLED, Layer.FRAMEWORK, "a span is open longer than its limit"),
    StateRow(
        RunState.IDLE,
        Layer.FRAMEWORK,
        "the ranks report idle or finalize, or nothing trains after a normal exit",
    ),
    StateRow(
        RunState.OTHER,
        Layer.FRAMEWORK,
        "a phase that the job names itself; skipped steps",
    ),
    StateRow(
        RunState.SLOW,
        Layer.MODEL,
        "the part of step time above the run's reference step time",
    ),
    StateRow(
        RunState.PRODUCTIVE,
        Layer.GOOD,
        "first execution of a step, up to the reference step time",
    ),
    StateRow(
        RunState.LOST,
        Layer.FRAMEWORK,
        "settled view only: an execution of a step that was not kept",
    ),
    StateRow(RunState.UNOBSERVED, Layer.NONE, "no source saw the run"),
)

LAYER_OF: Final = MappingProxyType({row.state: row.layer for row in STATE_TABLE})
ORDER_OF: Final = MappingProxyType(
    {row.state: index for index, row in enumerate(STATE_TABLE)}
)


class Phase(StrEnum):
    """What one rank says that its training loop is doing, in the words of the wire."""

    INIT = "init"
    COMPILE = "compile"
    CHECKPOINT_RESTORE = "checkpoint_restore"
    DATA_LOADING = "data_loading"
    TRAIN_STEP = "train_step"
    CHECKPOINT_SAVE = "checkpoint_save"
    EVAL = "eval"
    IDLE = "idle"
    FINALIZE = "finalize"
    OTHER = "other"


STATE_OF_PHASE: Final = MappingProxyType(
    {
        Phase.INIT: RunState.INITIALIZING,
        Phase.COMPILE: RunState.INITIALIZING,
        Phase.CHECKPOINT_RESTORE: RunState.RESTORING,
        Phase.DATA_LOADING: RunState.DATA_WAIT,
        Phase.CHECKPOINT_SAVE: RunState.CHECKPOINTING,
        Phase.EVAL: RunState.EVALUATING,
        Phase.IDLE: RunState.IDLE,
        Phase.FINALIZE: RunState.IDLE,
        Phase.OTHER: RunState.OTHER,
    }
)
"""Every phase but ``train_step``, whose state is known only when a step completes."""


class Cause(StrEnum):
    """Why time was lost; a closed set."""

    NONE = "none"
    APPLICATION_ERROR = "application_error"
    OOM_KILLED = "oom_killed"
    GPU_ERROR = "gpu_error"
    GPU_LOST = "gpu_lost"
    NODE_LOST = "node_lost"
    NODE_MAINTENANCE = "node_maintenance"
    PREEMPTED = "preempted"
    QUEUE_PREEMPTED = "queue_preempted"
    EVICTED = "evicted"
    SPOT_RECLAIM = "spot_reclaim"
    SCALE_IN = "scale_in"
    DEVICE_ADMISSION = "device_admission"
    IMAGE_PULL = "image_pull"
    HANG = "hang"
    USER = "user"
    PLANNED = "planned"
    OTHER = "other"
    UNKNOWN = "unknown"


class How(StrEnum):
    """By what a run came back; a label of its restarts, never a judgement."""

    PROCESS = "process"
    CONTAINER = "container"
    POD = "pod"
    WORKLOAD = "workload"
    IN_PROCESS = "in_process"
    ELASTIC = "elastic"
