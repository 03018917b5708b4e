"""``goodput-exporter report``: what fraction, where it went, and what would help."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import astuple
from types import MappingProxyType
from typing import Final, TextIO

from goodput_exporter.analysis.energy_used import EnergyUsed
from goodput_exporter.analysis.histories import History, View
from goodput_exporter.clock import LedgerClock
from goodput_exporter.config import Settings
from goodput_exporter.domain.rollups import GroupKind
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import AccountingError, ConfigError, LedgerError
from goodput_exporter.exposition.addresses import full_name
from goodput_exporter.exposition.instants import rfc3339
from goodput_exporter.ledger.ledger import BookedRun
from goodput_exporter.ledger.one_run import RunReader
from goodput_exporter.ledger.parquet import write_parquet
from goodput_exporter.ledger.tabular import Column, Type
from goodput_exporter.report.drawing_up import sheet
from goodput_exporter.report.markdown import markdown
from goodput_exporter.report.rows import COLUMNS, rows, rows_csv
from goodput_exporter.report.sheet import Sheet
from goodput_exporter.services.asked_reports import Asked, asked_of, pricing_of
from goodput_exporter.services.asked_windows import window_of
from goodput_exporter.services.ledger_places import cluster_reader_of
from goodput_exporter.services.new_files import new_path, write_text
from goodput_exporter.services.reading_days import read_runs
from goodput_exporter.services.reading_energy import read_energy
from goodput_exporter.services.reading_exposure import read_exposure
from goodput_exporter.services.reading_runs import find_run, whole_of
from goodput_exporter.services.side_by_side import (
    compares,
    comparison_of,
    has_statistics,
)

READINGS: Final = 3
"""How often a run is read anew because the exporter booked it meanwhile."""

_log = logging.getLogger(__name__)


def _html(made: Sheet) -> str:
    # Loaded only here: the other formats do without templates.
    from goodput_exporter.report.page import html  # noqa: PLC0415 - see above

    return html(made)


TEXTS: Final = MappingProxyType[str, Callable[[Sheet], str]](
    {"html": _html, "md": markdown, "csv": rows_csv}
)
FORMATS: Final = (*TEXTS, "parquet")

TYPES: Final = MappingProxyType(
    {
        "gpu_ns": Type.WHOLE,
        "gpu_hours": Type.DECIMAL,
        "cost": Type.DECIMAL,
        "unpriced_gpu_ns": Type.WHOLE,
    }
)
TABLE: Final = tuple(Column(name, TYPES.get(name, Type.TEXT)) for name in COLUMNS)
"""The columns of Parquet are those of CSV, by the same names."""


def main(settings: Settings, chosen: argparse.Namespace, out: TextIO) -> int:
    """
    Write the report that is asked for.

    Raises:
        ConfigError: The command line or the price book is wrong.
        BadInputError: No run goes by the name.
        LedgerError: The ledger cannot be read, or the file not written.
    """
    asked = asked_of(chosen, "html")
    _require_reader(asked, out)
    with closing(cluster_reader_of(settings)) as ledger:
        made = report(ledger, asked, LedgerClock().now_ns())
    write(made, asked, out)
    return 0


def report(ledger: RunReader, asked: Asked, now_ns: int) -> Sheet:
    """Read the runs that are asked about and put the report together."""
    known = ledger.runs()
    chosen = [find_run(known, name) for name in asked.names] or known
    chosen = [run for run in chosen if run.first_ns is not None]
    whole = whole_of(chosen)
    if whole is None:
        msg = "the ledger holds no booked time of any run; nothing can be reported"
        raise LedgerError(msg)
    whole = Span(whole.start_ns, max(whole.end_ns, whole.start_ns + 1))
    times = asked.begins, asked.ends, asked.last
    window = window_of(*times, whole=whole, now_ns=now_ns)
    pricing, view = pricing_of(asked), View(asked.view)
    inside = [run for run in chosen if _touches(run, window)]
    if not inside:
        _log.warning(
            "no run was booked from %s to %s; the ledger has runs from %s to %s: "
            "choose another window with --from, --to or --last",
            *map(rfc3339, (window.start_ns, window.end_ns)),
            *map(rfc3339, (whole.start_ns, whole.end_ns)),
        )
    for left in reversed(range(READINGS)):
        read = list(
            read_runs(
                ledger,
                inside,
                window=window,
                view=view,
                pricing=pricing,
                every_entry=len(inside) == 1 or compares(asked),
            )
        )
        runs = [run for run, _ in read]
        try:
            return sheet(
                read,
                subject=_subject(chosen, inside, asked),
                window=window,
                view=view,
                exposure=read_exposure(ledger, (run.key for run in runs), window, view),
                comparison=comparison_of(ledger, asked, runs, window),
                with_statistics=has_statistics(),
                group_by=None if asked.group_by is None else GroupKind(asked.group_by),
                energy=_energy(ledger, asked, runs, window),
            )
        except AccountingError:
            if not left:
                raise
    raise AssertionError


def _energy(
    ledger: RunReader, asked: Asked, runs: Sequence[History], window: Span
) -> EnergyUsed | None:
    """Read what the runs' GPUs drew, if it is asked for and anything is known."""
    if len(runs) != 1 and not asked.energy:
        return None
    found = read_energy(ledger, window, {run.key for run in runs})
    return None if found.total.millijoules is None else found


def write(made: Sheet, asked: Asked, out: TextIO) -> None:
    """
    Write a report to a new file, or to *out*.

    Raises:
        ConfigError: Parquet has no file to go to.
        LedgerError: The file exists, or cannot be written.
    """
    if asked.format != "parquet":
        write_text(TEXTS[asked.format](made), asked.out, out)
        return
    if asked.out is None:
        msg = "--format parquet: name a new file with --out FILE"
        raise ConfigError(msg)
    with new_path(asked.out, "--out: ") as partial:
        write_parquet(TABLE, map(astuple, rows(made)), partial)


def _require_reader(asked: Asked, out: TextIO) -> None:
    """Refuse to fill a person's terminal with what a browser is to read."""
    if asked.format == "html" and asked.out is None and out.isatty():
        msg = (
            "report: HTML is not for a terminal; write it to a new file with "
            "--out FILE, or choose --format md"
        )
        raise ConfigError(msg)


def _touches(run: BookedRun, window: Span) -> bool:
    if run.first_ns is None or run.last_ns is None:
        return False
    return run.first_ns < window.end_ns and run.last_ns > window.start_ns


def _subject(
    chosen: Sequence[BookedRun], inside: Sequence[BookedRun], asked: Asked
) -> str:
    if asked.names and len(chosen) == 1:
        return full_name(chosen[0].key)
    clusters = sorted({run.key.cluster for run in chosen})
    word = "run" if len(inside) == 1 else "runs"
    return f"{len(inside)} {word} of {', '.join(clusters)}"
