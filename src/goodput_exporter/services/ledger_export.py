"""``ledger export``: a table of the ledger as CSV, JSON lines or Parquet."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Final, TextIO

from goodput_exporter.config.settings import Settings
from goodput_exporter.errors import ConfigError
from goodput_exporter.exposition.instants import rfc3339
from goodput_exporter.ledger.ledger import Reader
from goodput_exporter.ledger.parquet import write_parquet
from goodput_exporter.ledger.tabular import Cells, Column, write_csv, write_json
from goodput_exporter.services.ledger_places import cluster_reader_of
from goodput_exporter.services.ledger_tables import TABLES, Table
from goodput_exporter.services.new_files import new_file, new_path

Write = Callable[[Sequence[Column], Iterable[Cells], TextIO], None]
TEXT_FORMATS: Final = MappingProxyType[str, Write](
    {"csv": write_csv, "json": write_json}
)
FORMATS: Final = (*TEXT_FORMATS, "parquet")
OF_SEGMENTS: Final = ("segments", "entries")

_log = logging.getLogger(__name__)


def main(settings: Settings, chosen: Namespace, out: TextIO) -> int:
    """
    Write the table that was chosen to its file, or to *out*.

    Returns:
        0.

    Raises:
        ConfigError: There is no such table or format, or Parquet without a file.
        LedgerError: The file exists or cannot be written, or the ledger cannot
            be read.
    """
    table = TABLES[_known("table", chosen.table or "segments", TABLES)]
    style = _known("format", chosen.format or "csv", FORMATS)
    file = None if chosen.file is None else Path(chosen.file)
    with closing(cluster_reader_of(settings)) as ledger:
        if chosen.table in (None, *OF_SEGMENTS):
            _say_what_is_folded(ledger)
        if file is None:
            _write_text(ledger, table, style, out)
            return 0
        _write_file(ledger, table, style, file)
    return 0


def _write_file(ledger: Reader, table: Table, style: str, file: Path) -> None:
    if style == "parquet":
        with new_path(file) as partial:
            write_parquet(table.columns, table.rows(ledger), partial)
        return
    with new_file(file) as text:
        _write_text(ledger, table, style, text)


def _write_text(ledger: Reader, table: Table, style: str, out: TextIO) -> None:
    if style not in TEXT_FORMATS:
        msg = f"ledger export: {style} is not for a terminal; name a FILE"
        raise ConfigError(msg)
    TEXT_FORMATS[style](table.columns, table.rows(ledger), out)


def _say_what_is_folded(ledger: Reader) -> None:
    """Tell the reader of segments that some runs have days without any."""
    folded = [run.folded_ns for run in ledger.runs() if run.folded_ns is not None]
    if folded:
        _log.warning(
            "the segments of %d runs were folded into days, the latest before %s; "
            "`ledger export --table days` has them",
            len(folded),
            rfc3339(max(folded)),
        )


def _known(what: str, name: str, names: Iterable[str]) -> str:
    if name not in names:
        msg = f"ledger export: --{what} {name}: use one of {', '.join(names)}"
        raise ConfigError(msg)
    return name
