"""A run's account in words and percentages that add up; from the API's answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Answer = dict[str, Any]
"""One JSON object of the exporter's API."""

TENTHS_OF_PERCENT = 1000

IN_WORDS = {
    "productive": "new training progress",
    "recomputing": "redoing lost steps",
    "checkpointing": "waiting for checkpoints",
    "restoring": "restoring the checkpoint",
    "initializing": "starting up",
    "interrupted": "the step that the crash cut off",
    "down": "the outage",
    "data_wait": "waiting for data",
    "evaluating": "evaluation",
    "slow": "steps slower than usual",
    "stalled": "standing still",
    "unobserved": "time nobody saw",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One state of an account."""

    state: str
    layer: str
    seconds: float
    percent: float


def lines(run: Answer) -> list[Line]:
    """Return the states that took time, the largest first."""
    shares = [s for s in run["live"]["states"] if int(s["gpu_ns"]) > 0]
    shares.sort(key=lambda share: -int(share["gpu_ns"]))
    tenths = apportion([int(share["gpu_ns"]) for share in shares], TENTHS_OF_PERCENT)
    return [
        Line(share["name"], share["layer"] or "", share["gpu_seconds"], tenth / 10)
        for share, tenth in zip(shares, tenths, strict=True)
    ]


def apportion(parts: Sequence[int], whole: int) -> list[int]:
    """
    Round shares of *whole* to integers that still sum to it.

    By largest remainder; rounding each by itself would show 99.9 % or 100.1 %.
    """
    total = sum(parts)
    if total == 0:
        return [0] * len(parts)
    floors = [part * whole // total for part in parts]
    by_remainder = sorted(
        range(len(parts)), key=lambda i: parts[i] * whole % total, reverse=True
    )
    for index in by_remainder[: whole - sum(floors)]:
        floors[index] += 1
    return floors


def unit(run: Answer) -> str:
    """Return what the seconds are of: a rank without a GPU is one device."""
    return "GPU-seconds" if run["devices"]["are_gpus"] else "device-seconds"


def sentence(run: Answer) -> str:
    """Say where the time went, the largest part first."""
    shown = [line for line in lines(run) if line.percent >= 1]
    total = int(run["live"]["total_gpu_ns"]) / 1e9
    if not shown:
        return "Nothing has been booked."
    parts = [
        f"{line.percent:.1f} % to {IN_WORDS.get(line.state, line.state)}"
        for line in shown
    ]
    parts[0] = parts[0].replace(" to ", " went to ", 1)
    rest = 100 - sum(line.percent for line in shown)
    tail = f"; the rest, {rest:.1f} %, is small" if rest >= 0.05 else ""  # noqa: PLR2004  # shows as 0.1
    return f"Of {total:.1f} {unit(run)}, {', '.join(parts)}{tail}."


def proof(run: Answer) -> str:
    """Say whether the states sum to time x devices, to the nanosecond."""
    adds_up = run["adds_up"]
    sign = "=" if adds_up["exact"] else "!="
    return (
        f"{adds_up['sum_gpu_ns']} ns booked {sign} "
        f"{adds_up['devices_x_wall_gpu_ns']} ns of wall time x devices"
    )


def percent(ratio: float | None) -> str:
    """Return a ratio for people; what was not measured is a dash, not a zero."""
    return "-" if ratio is None else f"{100 * ratio:.1f} %"
