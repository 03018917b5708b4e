"""What sources saw, dated on the ledger's clock; nothing here judges."""

from __future__ import annotations

from dataclasses import dataclass, field

from goodput_exporter.domain.states import Phase
from goodput_exporter.domain.xids import XidClass


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


# Not frozen: nothing changes a report or hashes one, and freezing its 33 fields
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
        replica_group: A torchft replica group or a slice; the container where
            the phase is inferred, since nobody knows its rank.
        step: Last completed optimizer step.
        step_is_local: The numbering starts anew with every process.
        step_age_ns: Since when *step* is complete (or since the incarnation began).
            Where the phase is inferred: since when nothing has looked like training.
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
        pod: Whose pod the kernel or the network says it is: its uid, its
            ``NAMESPACE/NAME``, or its address where no more is known. Never what
            the sender says of itself; None leaves the run to *run_id*.
        namespace: Of its run, where its pod's owners name it; None else.
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
    pod: str | None = None
    namespace: str | None = None


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
class MigInstance:
    """
    One MIG device: a compute instance within a GPU instance.

    Args:
        uuid: Its own, ``MIG-...``; *parent_uuid* is the GPU's.
        gpu_instance, compute_instance: NVML's ids, which a new layout reuses.
        profile: Such as ``"1g.10gb"``; empty where the driver does not say.
        gpu_slices: Slices of its GPU instance, which others may share.
        compute_slices: Slices that are its own.
        memory_bytes: Memory of its GPU instance.
        memory_used_bytes: None where the driver does not say.
    """

    uuid: str
    parent_uuid: str
    gpu_instance: int
    compute_instance: int
    profile: str
    gpu_slices: int
    compute_slices: int
    memory_bytes: int
    memory_used_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class MigLayout:
    """
    How a GPU is partitioned; seen whole, never half of an old and a new one.

    Args:
        at_ns: When it was enumerated, on the ledger's clock.
        slices: The compute slices of the whole GPU, such as 7.
        instances: None of them while MIG is on and empty.
    """

    at_ns: int
    slices: int
    instances: tuple[MigInstance, ...] = ()

    def share(self, instance: MigInstance) -> float:
        """
        Return the fraction of the GPU that an instance is, by compute slices.

        By compute slices, because two compute instances in one GPU instance have
        its GPU slices in common: so the shares never sum to more than 1.
        """
        return instance.compute_slices / self.slices


@dataclass(frozen=True, slots=True)
class Throttled:
    """
    Time for which one reason held a GPU's clocks down.

    Args:
        reason: Such as ``"sw_power_cap"``; one of ``CLOCK_REASONS`` of the source.
        total_ns: A counter; NVML's own begins with the driver, ours with us.
        is_sampled: NVML has no counter for it: the sampled reasons were added up,
            each for the time since the sample before it.
    """

    reason: str
    total_ns: int
    is_sampled: bool


@dataclass(frozen=True, slots=True)
class GpuHealth:
    """
    Counters of errors and wear, read more rarely; what is not supported is None.

    Args:
        at_ns: When they were read, on the ledger's clock.
        ecc_corrected, ecc_uncorrected: Since the driver was loaded.
        ecc_corrected_lifetime, ecc_uncorrected_lifetime: Of the board.
        rows_remapped_corrected, rows_remapped_uncorrected: After errors of a kind.
        row_remap_pending: A reset will remap a row. *row_remap_failed*: replace it.
        pages_retired_corrected, pages_retired_uncorrected: Before Ampere.
        page_retirement_pending: A reset will retire a page.
        pcie_replays: Packets sent again.
        nvlinks, nvlinks_active: Links that the GPU has, and that are up.
        nvlink_replays, nvlink_recoveries, nvlink_crc_errors: Over all links.
        recovery_action: What would recover it, such as ``"none"``, ``"gpu_reset"``.
        unsupported: Fields that this device or driver does not have.
    """

    at_ns: int
    ecc_corrected: int | None = None
    ecc_uncorrected: int | None = None
    ecc_corrected_lifetime: int | None = None
    ecc_uncorrected_lifetime: int | None = None
    rows_remapped_corrected: int | None = None
    rows_remapped_uncorrected: int | None = None
    row_remap_pending: bool | None = None
    row_remap_failed: bool | None = None
    pages_retired_corrected: int | None = None
    pages_retired_uncorrected: int | None = None
    page_retirement_pending: bool | None = None
    pcie_replays: int | None = None
    nvlinks: int | None = None
    nvlinks_active: int | None = None
    nvlink_replays: int | None = None
    nvlink_recoveries: int | None = None
    nvlink_crc_errors: int | None = None
    recovery_action: str | None = None
    unsupported: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class GpuReading:
    """
    What the books of a cluster are made of, of one GPU that answers.

    Args:
        index: NVML's index, which may change over a reboot; *uuid* does not.
        energy_joules: Since the driver was loaded; None where it is not known.
        unsupported: Fields of a ``GpuSample`` that this device or driver lacks.
    """

    index: int
    uuid: str
    name: str
    at_ns: int
    power_watts: float | None = None
    energy_joules: float | None = None
    unsupported: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class GpuSample(GpuReading):
    """
    One GPU at one instant; what the device does not support is None.

    Args:
        busy_ratio: Share of the sample period with at least one kernel resident.
        memory_busy_ratio: Share of it in which memory was read or written.
        memory_temperature_celsius: Of its memory; None on most boards.
        pcie_sent_rate, pcie_received_rate: Bytes per second; read by opt-in only.
        sm_active_ratio, tensor_active_ratio, dram_active_ratio: GPM's, by opt-in:
            means since the sample before, Hopper and newer.
        clock_reasons: Why the clocks are as they are now; empty is unhindered.
        throttled: Time by reason, each a counter.
        processes: Host pids of compute processes; read by opt-in only.
        health: The newest counters of errors and wear.
        mig: None where MIG is off or unknown.
        refused: Fields whose value cannot be, so that it was not taken.
        took_ns: How long the driver took to answer this sample.
    """

    busy_ratio: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    power_limit_watts: float | None = None
    temperature_celsius: int | None = None
    sm_clock_hertz: int | None = None
    memory_clock_hertz: int | None = None
    memory_busy_ratio: float | None = None
    memory_temperature_celsius: int | None = None
    pcie_sent_rate: int | None = None
    pcie_received_rate: int | None = None
    sm_active_ratio: float | None = None
    tensor_active_ratio: float | None = None
    dram_active_ratio: float | None = None
    clock_reasons: frozenset[str] | None = None
    throttled: tuple[Throttled, ...] = ()
    processes: tuple[int, ...] | None = None
    health: GpuHealth | None = None
    mig: MigLayout | None = None
    refused: frozenset[str] = field(default_factory=frozenset)
    took_ns: int = 0


@dataclass(frozen=True, slots=True)
class GpuLost:
    """
    One GPU that did not answer, with the NVML code that said so.

    Args:
        uuid: Remembered from earlier samples; None if it never answered.
        code: The NVML return code, or None when the call outlived its deadline.
        reason: ``"lost"``, ``"hanging"``, ``"unknown"``, ``"reset_required"`` or
            ``"error"``; ``"replaced"`` by another GPU at its index; ``"paused"``
            while we were asked to let go of the driver, which is no fault.
    """

    index: int
    at_ns: int
    uuid: str | None
    code: int | None
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class XidCount:
    """
    How often one GPU reported one XID while we listened.

    Args:
        uuid: The GPU; under MIG too, where NVML reports on the parent.
        xid: NVIDIA's code. *xid_class*: whose fault it is, or ``"unknown"``.
        total: A counter that survives a restart of the driver, not of us.
        last_at_ns: When the newest one came, on the ledger's clock.
    """

    uuid: str
    xid: int
    xid_class: XidClass
    total: int
    last_at_ns: int


@dataclass(frozen=True, slots=True)
class GpuInventory:
    """
    Which GPUs there should be and which answer.

    Args:
        on_bus: NVIDIA GPUs that sysfs lists, driver or not; None where unknown.
        visible: How many answer.
        missing: UUIDs seen earlier that do not answer now, in order.
        replaced: UUIDs at whose index another GPU has appeared, in order.
    """

    on_bus: int | None
    visible: int
    missing: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()

    @property
    def expected(self) -> int:
        """How many there should be, by the bus or by memory, whichever is more."""
        return max(self.on_bus or 0, self.visible + len(self.missing))


GpuObservation = GpuReading | GpuLost
RunObservation = RankReport | RankExited
