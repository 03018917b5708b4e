"""What sources saw, dated on the ledger's clock; nothing here judges."""

from __future__ import annotations

from dataclasses import dataclass, field

from goodput_exporter.domain.states import Phase


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """
    What a job says of its model once; None is not said.

    Args:
        framework: Free text, such as ``"pytorch"``.
        params: All parameters. *active_params*: those a token passes through (MoE).
        layers, hidden, heads, head_dim, seq_len: The transformer's shape.
        flops_per_token: The framework's own figure, in model FLOPs.
        tokens_per_step: Tokens in one optimizer step of the whole run.
        dtype: The training dtype, such as ``"bf16"``.
        gpu_uuids: The GPUs that this rank uses.
        peak_tflops: The user's own peak per device, in TFLOP/s.
        sdk: The version of the sender.
    """

    framework: str | None = None
    params: float | None = None
    active_params: float | None = None
    layers: int | None = None
    hidden: int | None = None
    heads: int | None = None
    head_dim: int | None = None
    seq_len: int | None = None
    flops_per_token: float | None = None
    tokens_per_step: int | None = None
    dtype: str | None = None
    gpu_uuids: tuple[str, ...] = ()
    peak_tflops: float | None = None
    sdk: str | None = None


# Not frozen: nothing changes a report or hashes one, and freezing its 31 fields
# costs ten times as much as making it, for every heartbeat of every rank.
@dataclass(slots=True)
class RankReport:
    """
    One heartbeat: the cumulative state of one incarnation of one rank.

    State, not an event: a later report replaces an earlier one, so loss,
    duplicates and reordering cost resolution and never time.

    Args:
        incarnation: 16 hex digits, new for every life of a rank.
        seq: The sender's own count of attempted sends.
        at_ns: When it was sent, on the ledger's clock, in nanoseconds.
        up_ns: Age of the incarnation, in nanoseconds.
        phase, phase_age_ns: What the rank does now, and since how long.
        cum_ns: Exclusive time per phase since the incarnation began; sums to *up_ns*.
        run_id: What the sender calls its run; None leaves it to the owner chain.
        rank, world_size: -1 where unknown.
        role: ``"trainer"`` takes part in the run's book, others do not.
        replica_group: A torchft replica group or a slice.
        step: Last completed optimizer step.
        step_is_local: The numbering starts anew with every process.
        step_age_ns: Since when *step* is complete (or since the incarnation began).
        steps_done: Steps completed in this incarnation.
        step_spread_ns: (count, sum, min, max) of step durations since the last report.
        restored_step: The step resumed from; -1 is a fresh start, None unknown.
        saved_step, durable_step: Last checkpoint returned, and committed.
        tokens, samples: Cumulative in this incarnation.
        tokens_are_global: They count the whole run, not this rank.
        flops: Cumulative model FLOPs of the whole run in this incarnation.
        main_thread_age_ns: Since when the main thread has not moved.
        is_bye, ok: The incarnation said goodbye, and whether it ended well.
        facts: Static facts, on hello messages.
        source: ``"sdk"``, ``"auto"``, ``"log"`` or ``"inferred"``.
        verified: The kernel or the network vouches for the sender.
        pid: The sender's process id in our namespace, or None.
    """

    incarnation: str
    seq: int
    at_ns: int
    up_ns: int
    phase: Phase
    phase_age_ns: int
    cum_ns: dict[Phase, int]
    run_id: str | None = None
    rank: int = -1
    world_size: int = -1
    role: str = "trainer"
    replica_group: str | None = None
    step: int | None = None
    step_is_local: bool = False
    step_age_ns: int | None = None
    steps_done: int | None = None
    step_spread_ns: tuple[int, int, int, int] | None = None
    restored_step: int | None = None
    saved_step: int | None = None
    durable_step: int | None = None
    tokens: int | None = None
    samples: int | None = None
    tokens_are_global: bool = True
    flops: float | None = None
    main_thread_age_ns: int | None = None
    is_bye: bool = False
    ok: bool = False
    facts: ModelFacts | None = None
    source: str = "sdk"
    verified: bool = True
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class RankExited:
    """
    The process of an incarnation is gone; the kernel said so.

    Args:
        incarnation: Which one.
        at_ns: When its end was seen, on the ledger's clock.
        exit_code: What it returned, or minus the signal that killed it; None unknown.
        detail: What was seen, for the evidence, such as ``"pid 4711: SIGKILL"``.
        since_ns: Set when the end fell into our own downtime: it ended at some
            instant in ``[since_ns, at_ns)``.
    """

    incarnation: str
    at_ns: int
    exit_code: int | None = None
    detail: str = ""
    since_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """An agent has delivered all that it saw before *through_ns*."""

    agent: str
    through_ns: int


@dataclass(frozen=True, slots=True)
class GpuSample:
    """
    One GPU at one instant; what the device does not support is None.

    Args:
        index: NVML's index, which may change over a reboot; *uuid* does not.
        busy_ratio: Share of the sample period with at least one kernel resident.
        energy_joules: Since the driver was loaded.
    """

    index: int
    uuid: str
    name: str
    at_ns: int
    busy_ratio: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    power_watts: float | None = None
    power_limit_watts: float | None = None
    energy_joules: float | None = None
    temperature_celsius: int | None = None
    sm_clock_hertz: int | None = None
    memory_clock_hertz: int | None = None
    unsupported: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class GpuLost:
    """
    One GPU that did not answer, with the NVML code that said so.

    Args:
        uuid: Remembered from earlier samples; None if it never answered.
        code: The NVML return code, or None when the call outlived its deadline.
        reason: ``"lost"``, ``"hanging"``, ``"unknown"`` or ``"error"``.
    """

    index: int
    at_ns: int
    uuid: str | None
    code: int | None
    reason: str
    detail: str = ""


GpuObservation = GpuSample | GpuLost
RunObservation = RankReport | RankExited
