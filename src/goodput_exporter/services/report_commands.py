"""``goodput-exporter report``: what fraction, where it went, and what would help."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Final, TextIO

from goodput_exporter.analysis.energy_used import EnergyUsed
from goodput_exporter.analysis.histories import History, View
from goodput_exporter.analysis.prices import PriceBook, parse_prices
from goodput_exporter.analysis.stretches import Pricing
from goodput_exporter.analysis.usage import Place
from goodput_exporter.clock import LedgerClock
from goodput_exporter.config import Settings
from goodput_exporter.domain.rollups import GroupKind
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import (
    AccountingError,
    BadInputError,
    ConfigError,
    LedgerError,
)
from goodput_exporter.exposition.addresses import full_name
from goodput_exporter.exposition.instants import rfc3339
from goodput_exporter.ledger.ledger import BookedRun, Reader
from goodput_exporter.ledger.one_run import RunReader
from goodput_exporter.ledger.parquet import write_parquet
from goodput_exporter.ledger.tabular import Column, Type
from goodput_exporter.report.comparing import Comparison, compare, side
from goodput_exporter.report.drawing_up import sheet
from goodput_exporter.report.markdown import markdown
from goodput_exporter.report.rows import COLUMNS, rows, rows_csv
from goodput_exporter.report.sheet import Sheet
from goodput_exporter.services.asked_windows import window_of
from goodput_exporter.services.ledger_places import reader_of
from goodput_exporter.services.new_files import explained, write_text
from goodput_exporter.services.reading_days import read_runs
from goodput_exporter.services.reading_energy import read_energy
from goodput_exporter.services.reading_exposure import read_exposure
from goodput_exporter.services.reading_runs import find_run, read_run, whole_of

READINGS: Final = 3
"""How often a run is read anew because the exporter booked it meanwhile."""
TWO: Final = 2

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


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What a report is asked to say; texts as they stand on the command line.

    Args:
        names: Runs; none is every run of the ledger.
        format: One of ``FORMATS``. *out*: a new file; None is standard output.
        prices: A price book's file. *gpu_model*, *node_pool*: what it is asked for.
        compare: Another run, to stand beside the only one.
        attempts: Two attempts of the only run, likewise.
        group_by: What to group the runs by; one of ``GroupKind``.
        energy: Read what the GPUs of several runs drew, too: of a fleet it takes as
            long as pricing it. Of one run it is always there.
    """

    names: tuple[str, ...] = ()
    begins: str | None = None
    ends: str | None = None
    last: str | None = None
    format: str = "html"
    out: Path | None = None
    view: str = View.SETTLED.value
    prices: Path | None = None
    gpu_model: str | None = None
    node_pool: str | None = None
    compare: str | None = None
    attempts: tuple[str, ...] = ()
    group_by: str | None = None
    energy: bool = False


def main(settings: Settings, chosen: argparse.Namespace, out: TextIO) -> int:
    """
    Write the report that is asked for.

    Raises:
        ConfigError: The command line or the price book is wrong.
        BadInputError: No run goes by the name.
        LedgerError: The ledger cannot be read, or the file not written.
    """
    said = vars(chosen)
    asked = Asked(
        names=tuple(said["run"] or ()),
        begins=said["from"],
        ends=said["to"],
        last=said["last"],
        format=said["format"] or "html",
        out=None if said["out"] is None else Path(said["out"]),
        view=said["view"] or View.SETTLED.value,
        prices=None if said["prices"] is None else Path(said["prices"]),
        gpu_model=said["gpu_model"],
        node_pool=said["node_pool"],
        compare=said["compare"],
        attempts=tuple(said["attempts"] or ()),
        group_by=said["group_by"],
        energy=bool(said.get("energy")),
    )
    with closing(reader_of(settings)) as ledger:
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
                every_entry=len(inside) == 1 or _compares(asked),
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
                comparison=_comparison(ledger, asked, runs, window),
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


def pricing_of(asked: Asked) -> Pricing:
    """
    Read the price book, and find out which of its prices hold.

    Raises:
        ConfigError: The file cannot be read, or it cannot be told which GPUs the
            runs have.
    """
    if asked.prices is None:
        return Pricing()
    book = price_book_of(asked.prices)
    models = sorted({model for model, _ in book.shelves})
    model = asked.gpu_model
    if model is None and len(models) == 1:
        model = models[0]
    if model is None or model not in models:
        wrong = (
            "which of them do the runs have?"
            if model is None
            else f"none of them is --gpu-model {model!r};"
        )
        msg = (
            f"{asked.prices} has prices of {', '.join(models) or 'nothing'}: {wrong} "
            "name one with --gpu-model"
        )
        raise ConfigError(msg)
    return Pricing(book, Place(model, asked.node_pool))


def price_book_of(path: Path) -> PriceBook:
    """
    Read a price book from its file.

    Raises:
        ConfigError: It cannot be read, or is none.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        msg = f"--prices: {path} cannot be read ({exc}); check path and rights"
        raise ConfigError(msg) from exc
    return parse_prices(text, origin=str(path))


def has_statistics() -> bool:
    """Tell whether SciPy is there; without it the report has no limits."""
    return find_spec("scipy") is not None


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
    with explained(asked.out, "--out: "):
        write_parquet(TABLE, map(astuple, rows(made)), asked.out)


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


def _compares(asked: Asked) -> bool:
    return asked.compare is not None or bool(asked.attempts)


def _comparison(
    ledger: Reader, asked: Asked, runs: Sequence[History], window: Span
) -> Comparison | None:
    if not _compares(asked):
        return None
    if len(asked.names) != 1 or not runs:
        flag = "--compare" if asked.compare is not None else "--attempts"
        msg = f"{flag}: name one run to compare, as in: report RUN {flag} ..."
        raise ConfigError(msg)
    if asked.compare is not None:
        return _with_run(ledger, asked, runs[0], window)
    return _of_attempts(asked, runs[0])


def _with_run(ledger: Reader, asked: Asked, run: History, window: Span) -> Comparison:
    other = read_run(ledger, find_run(ledger.runs(), asked.compare or ""))
    view, is_open = View(asked.view), (asked.begins, asked.ends, asked.last)
    # Without a window each run is compared over its own life.
    theirs = window if any(is_open) else other.life or window
    with_statistics = has_statistics()
    return compare(
        side(run.key.run, run, window, view, with_statistics=with_statistics),
        side(other.key.run, other, theirs, view, with_statistics=with_statistics),
    )


def _of_attempts(asked: Asked, run: History) -> Comparison:
    known = run.attempts()
    if len(asked.attempts) != TWO:
        msg = (
            f"--attempts {' '.join(asked.attempts)}: two numbers are needed; "
            f"{run.key} has attempts 1 to {max(known, default=0)}"
        )
        raise ConfigError(msg)
    sides = []
    for text in asked.attempts:
        window = known.get(int(text)) if text.isdecimal() else None
        if window is None:
            msg = (
                f"--attempts {text}: {run.key} has no such attempt; it has "
                f"{', '.join(str(number) for number in known) or 'none'}"
            )
            raise BadInputError(msg)
        view, with_statistics = View(asked.view), has_statistics()
        sides.append(
            side(f"attempt {text}", run, window, view, with_statistics=with_statistics)
        )
    return compare(*sides)
