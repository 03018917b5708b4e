"""The dense peak of a GPU for a dtype, or why there is none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from goodput_exporter.domain.peak_table import PEAK_TABLE, PeakRow

FLOPS_PER_TFLOP: Final = 1e12
GIB: Final = 2**30

DTYPE_ALIASES: Final = {
    "tf32": ("tf32", "tensorfloat32"),
    "bf16": ("bf16", "bfloat16", "bf16_mixed", "bf16_true"),
    "fp16": ("fp16", "float16", "half", "f16", "16_mixed", "16_true"),
    "fp8": (
        "fp8",
        "fp8_hybrid",
        *(
            f"{name}_{form}"
            for name in ("fp8", "float8")
            for form in ("e4m3", "e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz")
        ),
    ),
}
"""What jobs call a dtype, per column of the table; dashes read as underscores."""

_COLUMN_OF: Final = {
    alias: column for column, aliases in DTYPE_ALIASES.items() for alias in aliases
}

OTHER_PARTS: Final = frozenset({"LAPTOP", "MOBILE", "MAX", "D", "SUPER", "TI"})
"""Words that make a name another part, with figures of its own."""

VGPU_PROFILE: Final = re.compile(r"\d+[ABCQ]")


@dataclass(frozen=True, slots=True)
class Peak:
    """
    What one device can do at most.

    Args:
        flops: Dense FLOP/s.
        dtype: The table's name of the dtype: tf32, bf16, fp16 or fp8.
        source: Who says so, and when it was checked.
    """

    flops: float
    dtype: str
    source: str


def peak_of(
    name: str | None, dtype: str | None, memory_bytes: int | None = None
) -> Peak | None:
    """
    Return a device's dense peak for a dtype; None where nobody vouches for one.

    There is no fallback: a wrong peak makes every MFU of the run wrong, and
    nothing in the figure shows it. ``why_no_peak`` says what is missing.

    Args:
        name: NVML's name of the device.
        dtype: What the job computes in, in its own words, such as ``"torch.bfloat16"``.
        memory_bytes: The device's memory; where given it must fit the model.
    """
    found = _find(name, dtype, memory_bytes)
    return found if isinstance(found, Peak) else None


def why_no_peak(
    name: str | None, dtype: str | None, memory_bytes: int | None = None
) -> str | None:
    """Return why ``peak_of`` says None for the same arguments; None if it does not."""
    found = _find(name, dtype, memory_bytes)
    return found if isinstance(found, str) else None


def column_of(dtype: str) -> str | None:
    """Return the table's name of a dtype, in whatever words a job says it."""
    return _COLUMN_OF.get(dtype.lower().removeprefix("torch.").replace("-", "_"))


def row_of(name: str) -> PeakRow | None:
    """
    Return the row whose words are all in *name*, the longest one first.

    Whole words only: ``A10`` is not in ``A100`` or ``A10G``, ``L4`` not in
    ``L40S``, ``B200`` not in ``GB200``.
    """
    words = _words(name)
    if words & OTHER_PARTS:
        return None
    rows = sorted(PEAK_TABLE, key=lambda row: len(" ".join(row.words)), reverse=True)
    return next((row for row in rows if words.issuperset(row.words)), None)


def _words(name: str) -> set[str]:
    return set(re.findall(r"[A-Z0-9]+", name.upper()))


def _find(name: str | None, dtype: str | None, memory_bytes: int | None) -> Peak | str:
    if not name:
        return "no GPU name: the run's devices are not known to NVML"
    if dtype is None:
        return f"the job did not say its dtype, and {name} has a peak for each"
    words = _words(name)
    if "MIG" in words or any(VGPU_PROFILE.fullmatch(word) for word in words):
        return f"{name} is a slice of a GPU; the table lists whole ones"
    row = row_of(name)
    if row is None:
        return f"{name} is not in the table of peaks; set the job's peak_tflops"
    if memory_bytes is not None and not _fits(row, memory_bytes):
        low, high = row.memory_gib
        return (
            f"{name} has {memory_bytes / GIB:.0f} GiB, and {' '.join(row.words)} has "
            f"{low} to {high} GiB: another part, or a slice"
        )
    return _figure(row, name, dtype)


def _fits(row: PeakRow, memory_bytes: int) -> bool:
    low, high = row.memory_gib
    return low <= memory_bytes / GIB <= high


def _figure(row: PeakRow, name: str, dtype: str) -> Peak | str:
    figures = {"tf32": row.tf32, "bf16": row.bf16, "fp16": row.fp16, "fp8": row.fp8}
    column = column_of(dtype)
    tflops = None if column is None else figures[column]
    if column is None or tflops is None:
        return f"no dense {dtype} peak of {name} is listed"
    source = f"{row.source} (checked {row.checked})"
    return Peak(tflops * FLOPS_PER_TFLOP, column, source)
