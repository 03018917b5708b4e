"""An account report as Markdown for people and as CSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from goodput_exporter.analysis.money import NS_PER_HOUR
from goodput_exporter.analysis.rounding import nearest
from goodput_exporter.domain.ratios import LayerRatios
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import RunState
from goodput_exporter.report.account import HOURS_DECIMALS, AccountReport, Line

ABSENT: Final = "–"
"""In Markdown, where a figure is not known; a CSV field is empty instead."""

CSV_COLUMNS: Final = (
    "run",
    "view",
    "from",
    "to",
    "table",
    "name",
    "layer",
    "gpu_ns",
    "gpu_hours",
    "percent",
    "currency",
    "cost",
    "unpriced_gpu_ns",
)


def account_csv(report: AccountReport) -> str:
    """
    Return the report's lines, by state and by cause, as one CSV table.

    Totals are left out: whoever sums a column would count everything twice.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for table, lines in (("state", report.states), ("cause", report.causes)):
        for line in lines:
            writer.writerow(_fields(report, table, line))
    return text.getvalue()


def account_markdown(report: AccountReport) -> str:
    """Return the report as a page of Markdown."""
    return "\n".join(_page(report)) + "\n"


def _fields(report: AccountReport, table: str, line: Line) -> list[str]:
    return [
        str(report.run),
        report.view,
        _instant(report.window.start_ns),
        _instant(report.window.end_ns),
        table,
        line.name,
        line.layer or "",
        str(line.gpu_ns),
        f"{line.gpu_hours:f}",
        "" if line.percent is None else f"{line.percent:f}",
        "" if line.cost is None else report.currency or "",
        "" if line.cost is None else f"{line.cost:f}",
        str(line.unpriced_gpu_ns),
    ]


def _page(report: AccountReport) -> Iterator[str]:
    window = report.window
    yield f"# {_cell(str(report.run))}"
    yield ""
    yield (
        f"From {_instant(window.start_ns)} to {_instant(window.end_ns)}, "
        f"{report.view} view."
    )
    yield ""
    yield "| Ratio | Value |"
    yield "| --- | ---: |"
    for field in fields(LayerRatios):
        yield f"| {field.name} | {_percent(getattr(report.ratios, field.name))} |"
    yield ""
    yield "## Where the time went"
    yield ""
    yield from _table("State", report.states, report.total, report.currency)
    yield ""
    yield "## What lost time was lost to"
    yield ""
    yield from _table("Cause", report.causes, report.lost, report.currency)
    yield from _remarks(report)


def _table(
    what: str, lines: tuple[Line, ...], total: Line, currency: str | None
) -> Iterator[str]:
    yield f"| {what} | GPU-hours | % | Cost, {currency or ABSENT} |"
    yield "| --- | ---: | ---: | ---: |"
    for line in (*lines, total):
        yield (
            f"| {line.name} | {line.gpu_hours:,f} | {_amount(line.percent)} "
            f"| {_amount(line.cost)} |"
        )


def _remarks(report: AccountReport) -> Iterator[str]:
    unpriced_ns = report.total.unpriced_gpu_ns
    if unpriced_ns:
        hours = nearest(unpriced_ns, per_unit=NS_PER_HOUR, decimals=HOURS_DECIMALS)
        yield ""
        yield f"{hours:,f} GPU-hours have no price and are in no cost."
    if any(line.name == RunState.QUEUED.value for line in report.states):
        yield ""
        yield (
            "Queued GPUs are asked for and not held: "
            "their cost is their worth, and on no invoice."
        )


def _amount(value: Decimal | None) -> str:
    return ABSENT if value is None else f"{value:,f}"


def _percent(ratio: float | None) -> str:
    return ABSENT if ratio is None else f"{100 * ratio:.2f} %"


def _cell(text: str) -> str:
    # A run's name is its owner's; it must not draw tables or begin lines.
    return " ".join(text.split()).replace("|", "\\|")


def _instant(at_ns: int) -> str:
    seconds, fraction_ns = divmod(at_ns, NS_PER_SECOND)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{fraction_ns:09d}".rstrip("0").rstrip(".")
    return f"{whole}{fraction}Z"
