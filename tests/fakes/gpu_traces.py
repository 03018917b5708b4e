"""
Containers seen from outside whose doings are known, made up from published behaviour.

Written before the thresholds were, from what others measured, so that the numbers
here are not the numbers there. Where nobody published one, the range is wide and a
seed picks from it. What each figure rests on:

- Power of an H100 that does nothing, without a context: 69-71 W of 700 (NVIDIA/nccl
  issue 1967); with one, 129-137 W at 0 % utilization, and 152 W at 100 % in a hung
  all-gather (issue 1550). A100: 100 % at about 70 W in a hang (issue 968). GB10:
  96 % at about 20 W (vllm-project/vllm issue 41725).
- Power at work: 8 GPUs and their node drew at most 82 % of the rated 10.2 kW (arXiv
  2412.08602); large models run near the limit with swings between computation and
  communication (arXiv 2308.12908, 2508.14318); poorly fed jobs far below it.
- A collective alone keeps some 15 % of the SMs active (NVIDIA/nccl issue 1432).
- Tensor activity at work: MFU of 30-55 % is what people report, tensor cores are
  active for longer than that; training in FP32 shows almost none.
- NVML's power is the mean over a second, its utilization a share of 1/6 to 1 s
  (nvml.h); three quarters of the time are not sampled (arXiv 2312.02741).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from goodput_exporter.domain.observations import GpuSample
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.sources.inference.looks import Look, Usage

GIB = 2**30
START_NS = 1_700_000_000 * NS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Board:
    """
    A generation of GPUs as NVML shows it.

    Args:
        bare_watts, context_watts, spin_watts: Ranges: without a context, idle with
            one, in a collective that never ends.
        work_ratio: Range of power at work, as a share of the limit.
    """

    name: str
    memory_bytes: int
    limit_watts: float
    bare_watts: tuple[float, float]
    context_watts: tuple[float, float]
    spin_watts: tuple[float, float]
    work_ratio: tuple[float, float]
    has_gpm: bool = False
    has_power: bool = True


AMPERE = Board(
    "NVIDIA A100-SXM4-80GB",
    80 * GIB,
    400,
    (46, 62),
    (58, 88),
    (66, 120),
    (0.42, 0.98),
)
HOPPER = Board(
    "NVIDIA H100 80GB HBM3",
    80 * GIB,
    700,
    (66, 78),
    (105, 140),
    (125, 195),
    (0.38, 0.97),
    has_gpm=True,
)
CONSUMER = Board(
    "NVIDIA GeForce RTX 4090",
    24 * GIB,
    450,
    (8, 30),
    (18, 60),
    (55, 140),
    (0.45, 0.98),
    has_power=False,
)
HOT_HANGS = replace(AMPERE, spin_watts=(120, 190))
WEAK_WORK = replace(AMPERE, work_ratio=(0.15, 0.4))
HARSHER = {
    "ampere, hangs at twice the published power": HOT_HANGS,
    "ampere, jobs at a fraction of the limit": WEAK_WORK,
}
"""Beyond what was published: where the thresholds must begin to fail."""
BOARDS = {"ampere": AMPERE, "hopper": HOPPER, "consumer": CONSUMER}


@dataclass(frozen=True, slots=True)
class Doing:
    """
    What a GPU and its container do in one second.

    Args:
        truth: The word for it: ``init``, ``restore``, ``train``, ``save``, ``data``,
            ``eval``, ``hang`` or ``idle``.
        busy, memory_busy, sm, tensor, dram: Ratios.
        power: Share of the way from *context_watts* to the limit; -1 for spinning.
        memory: Share of the GPU's memory in use.
        cores, reading, writing, receiving, sending: Of the container, per second.
    """

    truth: str
    busy: float = 0.0
    memory_busy: float = 0.0
    sm: float = 0.0
    tensor: float = 0.0
    dram: float = 0.0
    power: float = 0.0
    memory: float = 0.0
    cores: float = 0.2
    reading: float = 0.0
    writing: float = 0.0
    receiving: float = 0.0
    sending: float = 0.0


@dataclass(frozen=True, slots=True)
class Job:
    """
    How one training job behaves; drawn once per seed.

    Args:
        step_s, collective, fetching: Length of a step, and shares of it that are
            spent in collectives and waiting for data.
        work: Power at work, as a share of the way to the limit.
        tensor, dram: Activity while it computes; FP32 jobs have almost no tensor.
        cores: What the container's loaders and threads use while it steps.
        remote: Its checkpoints and data pass the network, not a block device.
        writing: Bytes per second of a blocking save.
    """

    step_s: float
    collective: float
    fetching: float
    work: float
    tensor: float
    dram: float
    cores: float
    remote: bool
    writing: float
    reading: float
    memory: float


def job_of(dice: random.Random, board: Board) -> Job:
    """Draw a job from what people run."""
    tensor = dice.uniform(0.12, 0.7)
    if dice.random() < 0.1:
        tensor = dice.uniform(0.0, 0.01)
    return Job(
        step_s=10 ** dice.uniform(-0.8, 1.3),
        collective=dice.uniform(0.03, 0.4),
        fetching=dice.choice((0.0, 0.0, 0.05, 0.15, 0.3)),
        work=dice.uniform(*board.work_ratio),
        tensor=tensor,
        dram=dice.uniform(0.12, 0.65),
        cores=10 ** dice.uniform(-0.3, 1.3),
        remote=dice.random() < 0.5,
        writing=10 ** dice.uniform(7.7, 9.7),
        reading=10 ** dice.uniform(7.5, 9.3),
        memory=dice.uniform(0.35, 0.97),
    )


def script(job: Job, dice: random.Random, length_s: int) -> Iterator[Doing]:
    """Yield what the container does, second by second, from its first one on."""
    begun = [*_start_up(job, dice)]
    yield from begun
    left_s, hung = length_s - len(begun), dice.random() < 0.35
    while left_s > 0:
        part = [*_train(job, dice, dice.randint(60, 400))]
        part += [*_between(job, dice)]
        yield from part[:left_s]
        left_s -= len(part)
        if hung and left_s > 0 and dice.random() < 0.5:
            stuck = [*_hang(job, dice, dice.randint(90, 420))]
            yield from stuck[:left_s]
            left_s -= len(stuck)


def _start_up(job: Job, dice: random.Random) -> Iterator[Doing]:
    for _ in range(dice.randint(4, 50)):
        reading = dice.choice((0.0, 2e6, 6e7))
        yield Doing("init", cores=dice.uniform(0.4, 3), reading=reading)
    for _ in range(dice.randint(2, 25)):
        yield Doing("init", memory=0.02, cores=dice.uniform(0.5, 4), power=0.02)
    if dice.random() < 0.7:
        whole = dice.randint(5, 90)
        for second in range(whole):
            filled = 0.02 + (job.memory * 0.7 - 0.02) * second / whole
            yield _reads(job, Doing("restore", busy=dice.uniform(0, 0.08)), filled)
    for _ in range(dice.choice((0, 0, 20, 90))):
        # Compilers try kernels now and then.
        tries = dice.random() < 0.15
        yield Doing(
            "init",
            memory=job.memory * 0.7,
            cores=dice.uniform(2, 24),
            busy=0.5 if tries else 0.0,
            sm=0.2 if tries else 0.0,
            tensor=0.04 if tries else 0.0,
            dram=0.08 if tries else 0.0,
            memory_busy=0.08 if tries else 0.0,
            power=0.1 if tries else 0.02,
        )


def _reads(job: Job, doing: Doing, memory: float) -> Doing:
    rate = job.reading
    return replace(
        doing,
        memory=memory,
        cores=job.cores / 2 + 0.5,
        reading=0.0 if job.remote else rate,
        receiving=rate if job.remote else 0.0,
        power=0.03,
    )


def _train(
    job: Job, dice: random.Random, seconds: int, truth: str = "train"
) -> Iterator[Doing]:
    place_s = 0.0
    for _ in range(seconds):
        # Averages over the second: long steps show their parts, short ones do not.
        spent = {"fetch": 0.0, "collective": 0.0, "compute": 0.0}
        for tenth in range(10):
            part = ((place_s + tenth / 10) / job.step_s) % 1.0
            if part < job.fetching:
                spent["fetch"] += 0.1
            elif part > 1 - job.collective:
                spent["collective"] += 0.1
            else:
                spent["compute"] += 0.1
        place_s += 1
        compute, collective = spent["compute"], spent["collective"]
        forward = 0.75 if truth == "eval" else 1.0
        yield Doing(
            truth,
            busy=compute + collective,
            memory_busy=min(1.0, job.dram * 1.1) * compute + 0.02 * collective,
            sm=0.8 * compute + 0.15 * collective,
            tensor=job.tensor * compute,
            dram=job.dram * compute + 0.02 * collective,
            power=forward * job.work * compute + 0.25 * collective,
            memory=job.memory,
            cores=job.cores,
            reading=0.0 if job.remote else dice.uniform(0, 3e7),
            receiving=dice.uniform(0, 6e7) if job.remote else dice.uniform(0, 1e6),
            sending=dice.uniform(0, 2e6),
        )


def _between(job: Job, dice: random.Random) -> Iterator[Doing]:
    pick = dice.random()
    if pick < 0.45:
        for _ in range(dice.randint(3, 50)):
            yield Doing(
                "save",
                busy=dice.uniform(0, 0.05),
                memory=job.memory,
                cores=dice.uniform(0.8, 4),
                writing=0.0 if job.remote else job.writing * dice.uniform(0.6, 1.2),
                sending=job.writing * dice.uniform(0.6, 1.2) if job.remote else 0.0,
                power=0.03,
            )
    elif pick < 0.7:
        for _ in range(dice.randint(4, 60)):
            doing = Doing("data", busy=dice.uniform(0, 0.03))
            yield _reads(job, doing, job.memory)
    elif pick < 0.8:
        for _ in range(dice.randint(30, 300)):
            # A debugger, a barrier on a dead file system: nothing moves.
            yield Doing("idle", memory=job.memory, cores=dice.uniform(0, 0.1))
    else:
        yield from _train(job, dice, dice.randint(8, 60), truth="eval")


def _hang(job: Job, dice: random.Random, seconds: int) -> Iterator[Doing]:
    for _ in range(seconds):
        yield Doing(
            "hang",
            busy=dice.uniform(0.97, 1.0),
            memory_busy=dice.uniform(0, 0.015),
            sm=dice.uniform(0.05, 0.2),
            dram=dice.uniform(0, 0.015),
            power=-1.0,
            memory=job.memory,
            # The waiting threads spin as well: CPU is no sign of life.
            cores=dice.uniform(0.5, 9),
            sending=dice.uniform(0, 2e5),
            receiving=dice.uniform(0, 2e5),
        )


@dataclass(frozen=True, slots=True)
class Trace:
    """What was seen of a container, and the truth of every second of it."""

    looks: tuple[Look, ...]
    truth: tuple[str, ...]


def trace(
    board: Board, seed: int, *, gpus: int = 4, length_s: int = 1800, noise: float = 1.0
) -> Trace:
    """Return one container's life as NVML and its cgroup showed it, at 1 Hz."""
    dice = random.Random(f"{board.name} {seed}")  # noqa: S311  # a story, no secret
    job = job_of(dice, board)
    watts = [
        (dice.uniform(*board.bare_watts), dice.uniform(*board.context_watts))
        for _ in range(gpus)
    ]
    spinning = [dice.uniform(*board.spin_watts) for _ in range(gpus)]
    odd_one = dice.randrange(gpus) if dice.random() < 0.5 else -1
    usage = Usage(START_NS, 0, 0, 0, 0, 0, 12)
    looks, truth = [], []
    for second, doing in enumerate(script(job, dice, length_s)):
        at_ns = START_NS + second * NS_PER_SECOND + int(dice.gauss(0, 2e7) * noise)
        usage = _used(usage, doing, at_ns)
        if dice.random() < 0.01 * noise:
            continue  # a tick that came too late
        seen = []
        for index in range(gpus):
            own = doing
            if doing.truth == "hang" and index == odd_one:
                own = Doing("hang", memory=doing.memory)
            bare, context = watts[index]
            power = _watts(own, board, bare, context, spinning[index])
            seen.append(_sample(board, index, at_ns, own, power, dice, noise))
        looks.append(Look(at_ns, tuple(seen), usage))
        truth.append(doing.truth)
    return Trace(tuple(looks), tuple(truth))


def _watts(
    doing: Doing, board: Board, bare: float, context: float, spinning: float
) -> float:
    if doing.memory < 0.01:
        return bare
    if doing.power < 0:
        return max(spinning, context)
    return context + doing.power * (board.limit_watts - context)


def _used(usage: Usage, doing: Doing, at_ns: int) -> Usage:
    return Usage(
        at_ns,
        (usage.cpu_ns or 0) + int(doing.cores * NS_PER_SECOND),
        (usage.read_bytes or 0) + int(doing.reading),
        (usage.written_bytes or 0) + int(doing.writing),
        (usage.received_bytes or 0) + int(doing.receiving),
        (usage.sent_bytes or 0) + int(doing.sending),
        12,
    )


def _sample(  # noqa: PLR0913, PLR0917 - each is a part of what NVML shows
    board: Board,
    index: int,
    at_ns: int,
    doing: Doing,
    watts: float,
    dice: random.Random,
    noise: float,
) -> GpuSample:
    def ratio(value: float, spread: float) -> float:
        return min(1.0, max(0.0, value + dice.gauss(0, spread) * noise))

    busy = doing.busy
    if 0.1 < busy < 0.9:
        # A share of a sixth of a second only, at its end.
        busy = ratio(busy, 0.25)
    gpm = board.has_gpm
    measured = max(5.0, watts * (1 + dice.gauss(0, 0.03) * noise))
    return GpuSample(
        index=index,
        uuid=f"GPU-{index}",
        name=board.name,
        at_ns=at_ns,
        busy_ratio=round(busy, 2),
        memory_busy_ratio=round(ratio(doing.memory_busy, 0.01), 2),
        memory_used_bytes=int(doing.memory * board.memory_bytes) + 4 * 2**20,
        memory_total_bytes=board.memory_bytes,
        power_watts=measured if board.has_power else None,
        power_limit_watts=board.limit_watts if board.has_power else None,
        sm_active_ratio=ratio(doing.sm, 0.01) if gpm else None,
        tensor_active_ratio=ratio(doing.tensor, 0.003) if gpm else None,
        dram_active_ratio=ratio(doing.dram, 0.005) if gpm else None,
    )
