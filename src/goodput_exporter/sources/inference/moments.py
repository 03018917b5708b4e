"""What one look says by itself: work, spinning, waiting for something, or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Final

from goodput_exporter.domain.observations import GpuSample
from goodput_exporter.sources.inference.looks import Look, Rates
from goodput_exporter.sources.inference.thresholds import Thresholds


class Moment(StrEnum):
    """What a container seemed to do at one look."""

    BARE = "bare"  # no context on its GPUs
    WORKING = "working"
    SPINNING = "spinning"
    UNCLEAR = "unclear"  # some kernels, and nothing that looks like training
    WRITING = "writing"
    READING = "reading"
    QUIET = "quiet"


class Basis(Enum):
    """What a judgement of a GPU rests on; the best that the board has."""

    GPM = "gpm"
    POWER = "power"
    UTILIZATION = "utilization"


BINS: Final = 50
KNOWN_AFTER: Final = 60
"""Looks at work before a job's usual power is held against it."""

CONFIDENCE: Final = {
    Basis.GPM: "high",
    Basis.POWER: "medium",
    Basis.UTILIZATION: "low",
}


@dataclass(slots=True)
class Floors:
    """
    The least power that each GPU was seen to draw, and how high it is at work.

    Boards of one model differ, and so does what a context costs at idle: so each
    GPU is held against itself.

    Args:
        watts: The least, by UUID.
        works: How many looks at work were in which part of the way from there to
            the limit, by UUID.
        moves: The largest share of time in which memory was at work with it, by UUID.
    """

    watts: dict[str, float]
    works: dict[str, list[int]] = field(default_factory=dict)
    moves: dict[str, float] = field(default_factory=dict)

    def learn(self, gpu: GpuSample) -> None:
        """Take the power of one sample into account."""
        if gpu.power_watts is not None:
            known = self.watts.get(gpu.uuid, gpu.power_watts)
            self.watts[gpu.uuid] = min(known, gpu.power_watts)

    def height(self, gpu: GpuSample, floor_ratio: float) -> float | None:
        """
        Return how far up from its floor to its limit a GPU is, as a ratio.

        Args:
            gpu: One sample.
            floor_ratio: The most that a floor can be, as a share of the limit.
        """
        floor, limit = self.watts.get(gpu.uuid), gpu.power_limit_watts
        if floor is None or gpu.power_watts is None or not limit:
            return None
        floor = min(floor, floor_ratio * limit)
        return (gpu.power_watts - floor) / (limit - floor)

    def worked(self, gpu: GpuSample, limits: Thresholds) -> None:
        """Note how high a GPU was at a look that was work."""
        height = self.height(gpu, limits.floor_ratio)
        if height is not None:
            counts = self.works.setdefault(gpu.uuid, [0] * BINS)
            counts[min(BINS - 1, max(0, int(height * BINS)))] += 1
        known = self.moves.get(gpu.uuid, 0.0)
        self.moves[gpu.uuid] = max(known, gpu.memory_busy_ratio or 0.0)

    def usual(self, gpu: GpuSample) -> float | None:
        """Return the height that a GPU mostly has at work; None until it is known."""
        counts = self.works.get(gpu.uuid)
        if counts is None or sum(counts) < KNOWN_AFTER:
            return None
        half, passed = sum(counts) / 2, 0
        for place, count in enumerate(counts):
            passed += count
            if passed >= half:
                return place / BINS
        return None


def basis_of(gpu: GpuSample) -> Basis | None:
    """Return what one GPU can be judged by; None where it shows nothing (MIG)."""
    if gpu.tensor_active_ratio is not None or gpu.sm_active_ratio is not None:
        return Basis.GPM
    if gpu.busy_ratio is None:
        return None
    if gpu.power_watts is not None and gpu.power_limit_watts is not None:
        return Basis.POWER
    return Basis.UTILIZATION


def is_working(gpu: GpuSample, floors: Floors, limits: Thresholds) -> bool:
    """Tell whether what a GPU does looks like training, by the best it can show."""
    match basis_of(gpu):
        case Basis.GPM:
            tensor = gpu.tensor_active_ratio or 0.0
            sm, dram = gpu.sm_active_ratio or 0.0, gpu.dram_active_ratio or 0.0
            has_traffic = sm >= limits.sm_ratio and dram >= limits.dram_ratio
            return tensor >= limits.tensor_ratio or has_traffic
        case Basis.POWER:
            height = floors.height(gpu, limits.floor_ratio)
            own = (floors.usual(gpu) or 0.0) * limits.own_share
            is_drawing = height is not None and height >= max(limits.power_ratio, own)
            # A collective that spins may draw much, and leaves the memory alone;
            # so does work that has never needed much of it.
            needs_memory = floors.moves.get(gpu.uuid, 0.0) >= limits.moves_ratio
            return is_drawing and not (needs_memory and _rests(gpu, limits))
        case Basis.UTILIZATION:
            return (gpu.memory_busy_ratio or 0.0) >= limits.memory_busy_ratio
        case _:
            return False


def _rests(gpu: GpuSample, limits: Thresholds) -> bool:
    """Tell whether a GPU's memory is hardly read or written, where that is told."""
    ratio = gpu.memory_busy_ratio
    return ratio is not None and ratio < limits.memory_busy_ratio


def has_context(gpu: GpuSample, limits: Thresholds) -> bool:
    """Tell whether a process holds the GPU; unknown memory is no proof against it."""
    if gpu.processes:
        return True
    used = gpu.memory_used_bytes
    return used is None or used >= limits.context_bytes


def moment_of(
    look: Look, used: Rates, floors: Floors, limits: Thresholds
) -> Moment | None:
    """
    Say what a container does at one look, by the majority of its GPUs.

    The majority, because pipelines have bubbles, some jobs leave a GPU unused, and
    in a hang one GPU is often idle while the others spin for it.

    Returns:
        None where its GPUs show nothing that could be judged.
    """
    gpus = [gpu for gpu in look.gpus if basis_of(gpu) is not None]
    if not gpus:
        return None
    half = len(gpus) / 2
    if sum(has_context(gpu, limits) for gpu in gpus) == 0:
        return Moment.BARE
    working = [gpu for gpu in gpus if is_working(gpu, floors, limits)]
    for gpu in working:
        floors.worked(gpu, limits)
    if len(working) >= half:
        return Moment.WORKING
    busy = [gpu.busy_ratio or 0.0 for gpu in gpus]
    if sum(ratio >= limits.busy_ratio for ratio in busy) >= half:
        return Moment.SPINNING
    if sum(ratio < limits.idle_ratio for ratio in busy) > half:
        return _waiting_for(used, limits)
    return Moment.UNCLEAR


def _waiting_for(used: Rates, limits: Thresholds) -> Moment:
    """Say what a GPU that does nothing waits for, by what its container moves."""
    out = max(used.writing or 0.0, used.sending or 0.0)
    into = max(used.reading or 0.0, used.receiving or 0.0)
    if max(out, into) >= limits.moving_rate:
        return Moment.WRITING if out > into else Moment.READING
    if (used.cores or 0.0) >= limits.loading_cores:
        return Moment.READING
    return Moment.QUIET
