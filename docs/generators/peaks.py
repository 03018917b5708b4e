"""Renders docs/reference/peaks.md from the table that the exporter uses."""

from __future__ import annotations

from goodput_exporter.domain.peak_table import PEAK_TABLE, PeakRow
from goodput_exporter.domain.peaks import DTYPE_ALIASES

HEAD = """\
# Peak FLOP/s per GPU

<!-- Generated from the code; run `make docs`, do not edit. -->

Dense TFLOP/s per GPU, with FP32 accumulation. Data sheets since Ampere print the
figure for 2:4 sparsity, which training does not use; it is twice the dense one.

A row matches when all its words are whole words of the name that NVML reports; the
longest row wins. The device's memory must fit too. There is no fallback: a GPU that
is not listed, a MIG or vGPU slice, and a dtype without a figure have no MFU, and the
run says why. A job can bring its own figure with `peak_tflops`.
"""


def render() -> str:
    """Return the whole page, its last newline included."""
    lines = [
        HEAD.rstrip("\n"),
        "",
        "| Name contains | Memory, GiB | TF32 | BF16 | FP16 | FP8 | Source | Checked |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- | --- |",
        *map(_row, PEAK_TABLE),
        "",
        "## Dtypes",
        "",
        "What a job may call its dtype; case, `torch.` and dashes do not matter.",
        "",
        "| Column | Names |",
        "| --- | --- |",
        *(
            f"| {column.upper()} | {', '.join(f'`{name}`' for name in names)} |"
            for column, names in DTYPE_ALIASES.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def _row(row: PeakRow) -> str:
    low, high = row.memory_gib
    figures = (row.tf32, row.bf16, row.fp16, row.fp8)
    cells = [
        " ".join(row.words),
        f"{low}-{high}",
        *("-" if tflops is None else f"{tflops:,.1f}" for tflops in figures),
        row.source,
        row.checked,
    ]
    return f"| {' | '.join(cells)} |"
