"""What the NVML child is told and tells: one JSON message a line, each under 4 KiB."""

from __future__ import annotations

from typing import Final

import msgspec

DETAIL_CHARS: Final = 200
"""Keeps a line under PIPE_BUF, so that threads may write without a lock."""


class Orders(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    What the parent asks of a new child; its only argument.

    Args:
        interval_seconds: Time between two samples of one GPU.
        health_seconds: Time between two readings of errors, wear and MIG.
        delays: Seconds for which it leaves a GPU alone at first, by index.
        library: The NVML library to load; None leaves it to the loader.
        gpm: Read GPM's activity where the device has it.
        pcie: Read PCIe throughput, which costs some 40 ms a GPU.
        processes: Read the host pids of compute processes.
        events: Listen for XIDs.
    """

    interval_seconds: float
    health_seconds: float = 10.0
    delays: dict[int, float] = {}
    library: str | None = None
    gpm: bool = False
    pcie: bool = False
    processes: bool = False
    events: bool = True


class Listed(msgspec.Struct, frozen=True, tag="listed", omit_defaults=True):
    """NVML is up and lists *count* GPUs; sent again when the count changes."""

    driver: str
    count: int
    nvml: str = ""


class Unavailable(msgspec.Struct, frozen=True, tag="unavailable"):
    """NVML as a whole does not answer; the child ends after this message."""

    code: int
    detail: str


class Began(msgspec.Struct, frozen=True, tag="began"):
    """Calls on one GPU are under way; names the culprit if nothing follows."""

    index: int
    mono_ns: int


class Answered(msgspec.Struct, frozen=True, tag="answered", omit_defaults=True):
    """
    One GPU answered; what it does not support or did not tell is None.

    Args:
        mono_ns: CLOCK_MONOTONIC when the last field was read.
        clock_reasons: NVML's bits.
        unsupported: Fields that this device or driver does not have.
        refused: Fields whose value cannot be.
        took_ns: From the first call to the last.
    """

    index: int
    mono_ns: int
    uuid: str
    name: str
    busy_ratio: float | None = None
    memory_busy_ratio: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    power_watts: float | None = None
    power_limit_watts: float | None = None
    energy_joules: float | None = None
    temperature_celsius: int | None = None
    sm_clock_hertz: int | None = None
    memory_clock_hertz: int | None = None
    clock_reasons: int | None = None
    pcie_sent_rate: int | None = None
    pcie_received_rate: int | None = None
    sm_active_ratio: float | None = None
    tensor_active_ratio: float | None = None
    dram_active_ratio: float | None = None
    processes: tuple[int, ...] | None = None
    unsupported: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    took_ns: int = 0


class Counted(msgspec.Struct, frozen=True, tag="counted", omit_defaults=True):
    """
    The counters of one GPU that change rarely.

    Args:
        values: By field of ``GpuHealth``; absent is not supported or not told.
        throttled_ns: NVML's own counters, by reason.
        memory_temperature_celsius: Read with them, as a field of NVML too.
        unsupported: Fields that this device or driver does not have.
    """

    index: int
    mono_ns: int
    uuid: str
    values: dict[str, int] = {}
    throttled_ns: dict[str, int] = {}
    memory_temperature_celsius: int | None = None
    unsupported: tuple[str, ...] = ()


class Rested(msgspec.Struct, frozen=True, tag="rested"):
    """The calls on one GPU have come back, whether or not they told anything."""

    index: int


class Instance(msgspec.Struct, frozen=True, array_like=True):
    """One MIG device; as ``MigInstance``, whose parent the message names."""

    uuid: str
    gpu_instance: int
    compute_instance: int
    profile: str
    gpu_slices: int
    compute_slices: int
    memory_bytes: int
    memory_used_bytes: int | None = None


class Partitioned(msgspec.Struct, frozen=True, tag="partitioned", omit_defaults=True):
    """The whole MIG layout of one GPU; *slices* is None where MIG is off."""

    index: int
    mono_ns: int
    uuid: str
    slices: int | None = None
    instances: tuple[Instance, ...] = ()


class Watching(msgspec.Struct, frozen=True, tag="watching", omit_defaults=True):
    """Whether XIDs of one GPU are listened for, and why not."""

    index: int
    uuid: str
    is_on: bool
    detail: str = ""


class Happened(msgspec.Struct, frozen=True, tag="happened"):
    """One GPU reported one XID."""

    index: int
    mono_ns: int
    uuid: str
    xid: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """One GPU returned an error instead of a sample."""

    index: int
    mono_ns: int
    uuid: str | None
    code: int
    detail: str


Message = (
    Listed
    | Unavailable
    | Began
    | Answered
    | Counted
    | Partitioned
    | Rested
    | Watching
    | Happened
    | Failed
)

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final[msgspec.json.Decoder[Message]] = msgspec.json.Decoder(Message)


def encode(message: Message) -> bytes:
    """Return one line, its newline included."""
    return _ENCODER.encode(message) + b"\n"


def decode(line: bytes) -> Message:
    """
    Return the message of one line.

    Raises:
        msgspec.DecodeError: It is no message of ours.
    """
    return _DECODER.decode(line)
