"""``goodput-exporter incidents export``: one record per interruption."""

from __future__ import annotations

import argparse
from contextlib import closing
from types import MappingProxyType
from typing import Final, TextIO

from goodput_exporter.analysis.histories import View
from goodput_exporter.analysis.incident_record import IncidentRecord
from goodput_exporter.analysis.incident_rows import incidents_csv, incidents_json
from goodput_exporter.clock import LedgerClock
from goodput_exporter.config import Settings
from goodput_exporter.ledger.ledger import Reader
from goodput_exporter.services.asked_reports import Asked, asked_of, pricing_of
from goodput_exporter.services.asked_windows import window_of
from goodput_exporter.services.ledger_places import cluster_reader_of
from goodput_exporter.services.new_files import write_text
from goodput_exporter.services.reading_runs import find_run, read_run, whole_of

TEXTS: Final = MappingProxyType({"csv": incidents_csv, "json": incidents_json})


def main(settings: Settings, chosen: argparse.Namespace, out: TextIO) -> int:
    """
    Write the incidents that are asked for.

    Raises:
        ConfigError: The command line or the price book is wrong.
        BadInputError: No run goes by the name.
        LedgerError: The ledger cannot be read, or the file not written.
    """
    asked = asked_of(chosen, "csv")
    with closing(cluster_reader_of(settings)) as ledger:
        found = incidents(ledger, asked, LedgerClock().now_ns())
    write_text(TEXTS[asked.format](found), asked.out, out)
    return 0


def incidents(ledger: Reader, asked: Asked, now_ns: int) -> list[IncidentRecord]:
    """Return the incidents of some runs in one window, oldest first."""
    known = ledger.runs()
    chosen = [find_run(known, name) for name in asked.names] or known
    whole = whole_of(chosen)
    if whole is None:
        return []
    times = asked.begins, asked.ends, asked.last
    window = window_of(*times, whole=whole, now_ns=now_ns)
    pricing = pricing_of(asked)
    found: list[IncidentRecord] = []
    for run in chosen:
        history = read_run(ledger, run, pricing=pricing)
        found += history.incidents(window, View(asked.view)).records
    return sorted(found, key=lambda one: (one.detected_ns, one.run, one.number))
