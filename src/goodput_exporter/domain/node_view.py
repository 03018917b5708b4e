"""What a program knows of its node and of its own pipes now; exposition reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from goodput_exporter.domain.allocations import PodName
from goodput_exporter.domain.holdings import Attributed
from goodput_exporter.domain.observations import GpuInventory, XidCount


@dataclass(frozen=True, slots=True)
class ReaderView:
    """
    The child processes that read GPUs.

    Args:
        outage: Why none of them answers, in a word; None where one does.
        started, abandoned: Since the program started.
        stuck: Of the abandoned, those that do not die.
    """

    outage: str | None = None
    started: int = 0
    abandoned: int = 0
    stuck: int = 0


@dataclass(frozen=True, slots=True)
class AttributionView:
    """
    Who holds which GPU.

    Args:
        now: The newest answer; None is not known, which is not nobody.
        results: Looked-up devices by what came of them, since the start.
        conflicts: Devices that an older pod had as well, since the start.
        trouble: Why the kubelet cannot be asked; None while it can.
    """

    now: Attributed | None = None
    results: Mapping[str, int] = field(default_factory=dict)
    conflicts: int = 0
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """What a spool has given up: batches, and their bytes."""

    batches: int
    bytes: int


@dataclass(frozen=True, slots=True)
class PushView:
    """
    The way to the aggregator.

    Args:
        batches: By what became of them, since the start.
        failures: Exchanges that did not end well.
        lost: Observations lost before they were in a batch, by reason.
        delivered_ns: When nothing was left to send; None before.
        offset_ns: What takes our clock to the aggregator's; None not measured.
        waiting_batches, waiting_bytes: In the spool.
        oldest_ns: When the oldest of them was made; None where none waits.
        is_durable: All that waits would survive our death.
        dropped: By reason, since the start.
    """

    batches: Mapping[str, int] = field(default_factory=dict)
    failures: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)
    delivered_ns: int | None = None
    offset_ns: int | None = None
    waiting_batches: int = 0
    waiting_bytes: int = 0
    oldest_ns: int | None = None
    is_durable: bool = True
    dropped: Mapping[str, Dropped] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HangSuspicion:
    """
    How much a container that reports nothing looks like a hang at full load.

    Args:
        pod, container: Which one.
        confidence: How far its GPUs let one see: high, medium or low.
        ratio: From 0 to 1.
        odd_ones: UUIDs of its GPUs that do nothing while the others spin.
    """

    pod: PodName
    container: str
    confidence: str
    ratio: float
    odd_ones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InferenceView:
    """
    What is made of containers that report nothing.

    Args:
        suspicions: Of those that can be judged.
        refused: How often one was not watched because there were too many.
    """

    suspicions: tuple[HangSuspicion, ...] = ()
    refused: int = 0


@dataclass(frozen=True, slots=True)
class KernelLogView:
    """
    The kernel's log.

    Args:
        is_up: It can be read.
        records: By what became of them, since the start.
    """

    is_up: bool
    records: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IngestView:
    """
    What agents have pushed to us.

    Args:
        refused: Whole requests, by reason.
        batches: By what became of them.
        missing: Sequence numbers that never came.
        skipped: Left out of batches that were taken, by why.
    """

    refused: Mapping[str, int] = field(default_factory=dict)
    batches: Mapping[str, int] = field(default_factory=dict)
    missing: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NodeView:
    """
    One node beside its GPUs' samples; None is not looked at by this program.

    Args:
        xids: What GPUs reported since we listened.
        inventory: Which GPUs there should be.
    """

    xids: tuple[XidCount, ...] = ()
    inventory: GpuInventory | None = None
    reader: ReaderView | None = None
    attribution: AttributionView | None = None
    push: PushView | None = None
    ingest: IngestView | None = None
    inference: InferenceView | None = None
    kernel_log: KernelLogView | None = None
