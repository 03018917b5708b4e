"""What an agent's parts say of themselves, as the page and the probes read it."""

from __future__ import annotations

from collections.abc import Sequence

from goodput_exporter.domain.holdings import Attributed
from goodput_exporter.domain.node_view import (
    AttributionView,
    Dropped,
    PushView,
    ReaderView,
)
from goodput_exporter.domain.observations import GpuInventory
from goodput_exporter.exposition.agent_app import Verdict
from goodput_exporter.services.agent_parts import Pushing
from goodput_exporter.services.onlooker import Onlooker
from goodput_exporter.sources.nvml.source import NvmlSource
from goodput_exporter.sources.podresources.attributor import Attributor
from goodput_exporter.sources.podresources.listing import Look

QUIET = frozenset({"driver_not_loaded", "library_not_found"})
"""Outages that are none on a machine without GPUs."""


def reader_view(nvml: NvmlSource | None) -> ReaderView | None:
    """Return how the children fare that read GPUs."""
    if nvml is None:
        return None
    outage = nvml.outage()
    return ReaderView(
        None if outage is None else outage.kind,
        nvml.children_started,
        nvml.children_abandoned,
        nvml.children_stuck,
    )


def attribution_view(
    attributor: Attributor, look: Look | None, now: Attributed | None
) -> AttributionView | None:
    """Return who holds what, and how sure that is; None where nobody is asked."""
    if look is None:
        return None
    return AttributionView(
        now,
        {result.value: count for result, count in attributor.results.items()},
        attributor.conflicts,
        None if look.trouble is None else look.detail,
    )


def push_view(pushing: Pushing | None) -> PushView | None:
    """
    Return what has become of what was seen.

    With several shards counts are sums over them, and the rest is of the one that
    is furthest behind: what it lacks is not delivered.
    """
    if pushing is None:
        return None
    counts = [way.pusher.counts for way in pushing.ways]
    waiting = [way.spool.waiting() for way in pushing.ways]
    losses = [way.spool.losses for way in pushing.ways]
    delivered = [one.delivered_ns for one in counts]
    oldest = [one.oldest_ns for one in waiting if one.oldest_ns is not None]
    offsets = [one.offset.ns for one in counts if one.offset is not None]
    return PushView(
        batches={
            "applied": sum(one.applied for one in counts),
            "duplicate": sum(one.duplicates for one in counts),
            "refused": sum(one.refused for one in counts),
        },
        failures=sum(one.failures for one in counts),
        lost={
            "overflow": sum(one.overflow for one in counts),
            "unsendable": sum(one.unsendable for one in counts),
        },
        delivered_ns=_last_of_all(delivered),
        offset_ns=max(offsets, key=abs, default=None),
        waiting_batches=sum(one.records for one in waiting),
        waiting_bytes=sum(one.bytes for one in waiting),
        oldest_ns=min(oldest, default=None),
        is_durable=all(one.is_durable for one in waiting),
        dropped={
            reason.value: Dropped(
                sum(one[reason].records for one in losses),
                sum(one[reason].bytes for one in losses),
            )
            for reason in losses[0]
        },
    )


def _last_of_all(instants: Sequence[int | None]) -> int | None:
    """Return until when all have everything; None where one never had."""
    known = [one for one in instants if one is not None]
    return min(known) if len(known) == len(instants) else None


def said_of_guessing(onlooker: Onlooker | None, now_ns: int) -> str:
    """Say in a sentence whom the agent guesses at, or why at nobody."""
    if onlooker is not None:
        return onlooker.state(now_ns)
    return "off: inference.enabled is no, or the kubelet is not asked for its pods"


def suspects(onlooker: Onlooker | None) -> list[dict[str, object]]:
    """Return the containers that look like a hang at all, as they are shown."""
    seen = () if onlooker is None else onlooker.view().suspicions
    return [
        {
            "pod": "/".join(one.pod),
            "container": one.container,
            "ratio": one.ratio,
            "confidence": one.confidence,
            "gpus_that_do_nothing": one.odd_ones,
        }
        for one in seen
        if one.ratio > 0
    ]


def readiness(reader: ReaderView | None, gpus: GpuInventory | None) -> Verdict:
    """
    Tell whether all GPUs of the PCI bus are seen; a node without any is ready.

    A GPU that vanished from the bus is not waited for: it is missed on the page, and
    heartbeats go on. While somebody has the driver to himself we are well, too.
    """
    if reader is None or gpus is None:
        return Verdict(is_well=True, detail="GPUs are not looked at")
    if reader.outage == "paused":
        return Verdict(is_well=True, detail="NVML was let go of on request")
    on_bus = gpus.on_bus or 0
    if gpus.visible < on_bus:
        why = "" if reader.outage is None else f"; NVML: {reader.outage}"
        detail = f"{gpus.visible} of {on_bus} GPUs on the PCI bus answer{why}"
        return Verdict(is_well=False, detail=detail)
    if reader.outage not in {None, "starting", *QUIET}:
        return Verdict(is_well=False, detail=f"NVML does not answer: {reader.outage}")
    return Verdict(is_well=True, detail=f"{gpus.visible} GPUs")
