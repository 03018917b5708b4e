"""How a program itself is doing, put together from the parts that it has."""

from __future__ import annotations

from dataclasses import replace

from goodput_exporter.clock import LedgerClock
from goodput_exporter.domain.snapshot import ExporterHealth
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.services.lifecycle import Pace
from goodput_exporter.services.witness import Witness
from goodput_exporter.sources.heartbeats import HeartbeatSource
from goodput_exporter.sources.nvml.source import NvmlSource


def of_ticks(started_ns: int, pace: Pace, clock: LedgerClock) -> ExporterHealth:
    """Return what every program can say of itself: its ticks and its clock."""
    return ExporterHealth(
        started_ns=started_ns,
        tick_lag_seconds=pace.lag_seconds,
        tick_seconds=pace.took_seconds,
        ticks=pace.ticks,
        clock_skew_seconds=clock.skew_ns() / NS_PER_SECOND,
    )


def with_senses(
    health: ExporterHealth,
    heartbeats: HeartbeatSource,
    witness: Witness,
    nvml: NvmlSource | None,
) -> ExporterHealth:
    """Add what a program says that hears ranks and reads GPUs."""
    counts = heartbeats.counts()
    up, detail = (None, "not asked") if nvml is None else nvml.state()
    return replace(
        health,
        datagrams_accepted=counts.accepted,
        datagrams_rejected=counts.rejected,
        datagrams_lost=counts.lost,
        evidence_failures=witness.failures(),
        gpu_source_up=up,
        gpu_source_detail=detail,
    )
