"""The sources of one node, made of settings: for standalone and for the agent."""

from __future__ import annotations

from goodput_exporter.clock import LedgerClock
from goodput_exporter.config import Settings
from goodput_exporter.sources.nvml.host import Host
from goodput_exporter.sources.nvml.source import NvmlSource
from goodput_exporter.sources.nvml.wire import Orders


def udp_of(settings: Settings) -> tuple[str, int] | None:
    """Return where UDP heartbeats are taken, or None if nowhere."""
    beats = settings.heartbeats
    return (beats.udp_host, beats.udp_port) if beats.udp_port else None


def nvml_of(
    settings: Settings, clock: LedgerClock, host: Host | None = None
) -> NvmlSource | None:
    """
    Open the GPU source, unless the settings say not to look.

    Args:
        settings: What is read of a GPU, and how patiently.
        clock: The ledger's.
        host: The doors to the machine; None keeps nothing over a restart.
    """
    wanted = settings.nvml
    if wanted.enabled == "no":
        return None
    orders = Orders(1.0, gpm=wanted.gpm == "yes", pcie=wanted.pcie == "yes")
    return NvmlSource(
        clock.now_ns, deadline_seconds=wanted.deadline_seconds, orders=orders, host=host
    )
