"""Where one look at a GPU stops being one thing and begins being another: data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Threshold:
    """
    One number of the inference.

    Args:
        name: As in ``Thresholds``.
        value: In *unit*.
        why: What it tells apart.
        source: Who measured what it rests on; empty: tuned on made-up traces only.
    """

    name: str
    value: float
    unit: str
    why: str
    source: str = ""


TABLE: Final = (
    Threshold(
        "tensor_ratio",
        0.03,
        "ratio",
        "Tensor cores at work: a collective uses none, large models keep them busy "
        "for a third of the time and more.",
        "NVML GPM metric 5; the reading is noise below a hundredth",
    ),
    Threshold(
        "sm_ratio",
        0.30,
        "ratio",
        "Work without tensor cores (FP32): a collective alone keeps far fewer SMs "
        "active. Counts only together with memory traffic.",
        "NVIDIA/nccl issue 1432: 15 % during a collective",
    ),
    Threshold(
        "dram_ratio",
        0.06,
        "ratio",
        "Memory traffic of work; a kernel that spins on a flag causes almost none.",
    ),
    Threshold(
        "power_ratio",
        0.25,
        "of the way from the GPU's own floor to its limit",
        "Work, where GPM is not there. A hung collective stays below.",
        "NVIDIA/nccl issue 1550: 152 W of 700 at 100 %, 129 W at 0 %; issue 968: "
        "70 W of 400",
    ),
    Threshold(
        "own_share",
        0.6,
        "of the GPU's own usual height at work",
        "Work, once it is known what this job's work draws: a collective that hangs "
        "with many channels may draw more than other jobs do at work.",
        "NVIDIA/nccl issues 1550 and 968 differ by model and by channels",
    ),
    Threshold(
        "floor_ratio",
        0.22,
        "of the limit",
        "No floor is taken to be higher: a GPU that is first seen at work has not "
        "shown its own yet.",
        "NVIDIA/nccl issue 1550: 19 % of the limit with a context and nothing to do",
    ),
    Threshold(
        "memory_busy_ratio",
        0.05,
        "ratio",
        "Work, where neither GPM nor power is there: the share of time in which "
        "memory was read or written. Beside power it is asked for where work has "
        "shown that it needs memory, for a collective that spins may draw much.",
        "NVML utilization.memory",
    ),
    Threshold(
        "moves_ratio",
        0.10,
        "ratio",
        "Work of this GPU has needed its memory: from then on power without it is a "
        "hang, and before that it may be work that needs little.",
    ),
    Threshold(
        "busy_ratio",
        0.90,
        "ratio",
        "A kernel is resident all the time: work, or a collective that spins.",
        "vllm-project/vllm issue 41725: 96 % in a hang",
    ),
    Threshold(
        "idle_ratio",
        0.10,
        "ratio",
        "Below it a GPU waits for its host.",
    ),
    Threshold(
        "context_bytes",
        200e6,
        "bytes",
        "Memory that a CUDA context takes; a driver without one holds a few MiB.",
        "NVIDIA/nccl issue 1967: 4 MiB; a context takes 300 MB and more",
    ),
    Threshold(
        "moving_rate",
        20e6,
        "bytes per second",
        "Storage or network traffic that a GPU may be waiting for.",
    ),
    Threshold(
        "loading_cores",
        0.4,
        "cores",
        "CPU use that says that a GPU which does nothing waits for its own loader. "
        "It never says that a GPU is idle or busy.",
    ),
    Threshold(
        "window_s",
        10,
        "seconds",
        "What is told of an instant rests on half of it before and half after.",
        "NVML's power is a mean over 1 s; steps and their pauses are longer",
    ),
    Threshold(
        "active_share",
        0.30,
        "of the looks in a window",
        "Long steps show their collectives and their waiting for data.",
    ),
    Threshold(
        "first_signs",
        12,
        "looks",
        "So many signs in a row before work counts as begun: compilers try kernels "
        "now and then. What comes before is start-up.",
    ),
    Threshold(
        "suspicion_s",
        60,
        "seconds",
        "So long no sign of training, on busy GPUs: a hang is suspected. As long as "
        "an open step may take at least (rule 10).",
        "nebius/soperator issue 796 asks for minutes",
    ),
)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The values of the table, one field each, in its units."""

    tensor_ratio: float
    sm_ratio: float
    dram_ratio: float
    power_ratio: float
    own_share: float
    floor_ratio: float
    memory_busy_ratio: float
    moves_ratio: float
    busy_ratio: float
    idle_ratio: float
    context_bytes: float
    moving_rate: float
    loading_cores: float
    window_s: float
    active_share: float
    first_signs: float
    suspicion_s: float


DEFAULTS: Final = Thresholds(**{row.name: row.value for row in TABLE})
