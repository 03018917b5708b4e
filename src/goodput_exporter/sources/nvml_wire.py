"""What the NVML child tells its parent: one JSON message a line, each under 4 KiB."""

from __future__ import annotations

from typing import Final

import msgspec

DETAIL_CHARS: Final = 200
"""Keeps a line under PIPE_BUF, so that threads may write without a lock."""


class Listed(msgspec.Struct, frozen=True, tag="listed"):
    """NVML is up and lists *count* GPUs; sent again when the count changes."""

    driver: str
    count: int


class Unavailable(msgspec.Struct, frozen=True, tag="unavailable"):
    """NVML as a whole does not answer; the child ends after this message."""

    code: int
    detail: str


class Began(msgspec.Struct, frozen=True, tag="began"):
    """Calls on one GPU are under way; names the culprit if nothing follows."""

    index: int
    mono_ns: int


class Answered(msgspec.Struct, frozen=True, tag="answered"):
    """
    One GPU answered; what it does not support or did not tell is None.

    Args:
        mono_ns: CLOCK_MONOTONIC when the last field was read.
        unsupported: Fields that this device or driver does not have.
    """

    index: int
    mono_ns: int
    uuid: str
    name: str
    busy_ratio: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    power_watts: float | None = None
    power_limit_watts: float | None = None
    energy_joules: float | None = None
    temperature_celsius: int | None = None
    sm_clock_hertz: int | None = None
    memory_clock_hertz: int | None = None
    unsupported: tuple[str, ...] = ()


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """One GPU returned an error instead of a sample."""

    index: int
    mono_ns: int
    uuid: str | None
    code: int
    detail: str


Message = Listed | Unavailable | Began | Answered | Failed

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
