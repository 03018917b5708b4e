"""The page of inference's thresholds, from the table that the exporter uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from goodput_exporter.sources.inference.thresholds import TABLE, Threshold
from goodput_exporter.sources.inference.windows import AFTER_WORK, BEFORE_WORK

HEAD: Final = """\
# Thresholds of inference

<!-- Generated from the code; run `make docs`, do not edit. -->

What tells one look at a GPU from another, where no rank reports. How they are used, and
how true the result is, is told in [inference](../explanation/inference.md). A number
without a source was chosen on made-up traces only.
"""

MOMENTS: Final = """\
## What a window is called

Where fewer looks than `active_share` show work, the most frequent of the others names
the window. `train_step` without work is open time: it is credited when work is seen
again, and `stalled` when a minute has passed.
"""


def render() -> str:
    """Return the whole page, its last newline included."""
    lines = [
        HEAD.rstrip("\n"),
        "",
        "| Name | Value | Unit | Why | Source |",
        "| --- | ---: | --- | --- | --- |",
        *map(_row, TABLE),
        "",
        MOMENTS.rstrip("\n"),
        "",
        *_moments(),
    ]
    return "\n".join(lines) + "\n"


def _row(row: Threshold) -> str:
    value = f"{row.value:,.0f}" if row.value >= 1 else f"{row.value:g}"
    return (
        f"| `{row.name}` | {value} | {row.unit} | {row.why} | {row.source or 'tuned'} |"
    )


def _moments() -> Iterator[str]:
    yield "| Most looks are | Before the first work | After it |"
    yield "| --- | --- | --- |"
    for moment, before in BEFORE_WORK.items():
        yield f"| {moment} | `{before}` | `{AFTER_WORK[moment]}` |"
