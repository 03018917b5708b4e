"""One look at a container from outside: its GPUs, its cgroup, its network."""

from __future__ import annotations

from dataclasses import dataclass

from goodput_exporter.domain.observations import GpuSample
from goodput_exporter.domain.spans import NS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Usage:
    """
    Counters of one container; each only grows, and None is not measured.

    Args:
        at_ns: When they were read, on the ledger's clock.
        cpu_ns: CPU time of all its processes.
        read_bytes, written_bytes: Of block devices; network file systems are not in it.
        received_bytes, sent_bytes: Of its network namespace, loopback left out.
        processes: How many live in it now.
    """

    at_ns: int
    cpu_ns: int | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None
    received_bytes: int | None = None
    sent_bytes: int | None = None
    processes: int | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """
    What was seen of a container at one instant.

    Args:
        at_ns: On the ledger's clock.
        gpus: The newest sample of each of its GPUs; empty where none answered.
        usage: None where its cgroup could not be read.
    """

    at_ns: int
    gpus: tuple[GpuSample, ...]
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Rates:
    """
    What a container used per second between two looks; None is not measured.

    Args:
        cores: CPU seconds per second.
        reading, writing, receiving, sending: Bytes per second.
    """

    cores: float | None = None
    reading: float | None = None
    writing: float | None = None
    receiving: float | None = None
    sending: float | None = None


def rates(before: Usage | None, now: Usage | None) -> Rates:
    """Return what was used between two readings; a counter that went back says None."""
    if before is None or now is None or now.at_ns <= before.at_ns:
        return Rates()
    grew_ns = now.at_ns - before.at_ns
    cores = _rate(before.cpu_ns, now.cpu_ns, grew_ns)
    return Rates(
        None if cores is None else cores / NS_PER_SECOND,
        _rate(before.read_bytes, now.read_bytes, grew_ns),
        _rate(before.written_bytes, now.written_bytes, grew_ns),
        _rate(before.received_bytes, now.received_bytes, grew_ns),
        _rate(before.sent_bytes, now.sent_bytes, grew_ns),
    )


def _rate(before: int | None, now: int | None, grew_ns: int) -> float | None:
    if before is None or now is None or now < before:
        return None
    return (now - before) * NS_PER_SECOND / grew_ns
