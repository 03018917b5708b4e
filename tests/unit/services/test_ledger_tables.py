"""Tables that leave the ledger, and its compaction, from the command line."""

from __future__ import annotations

import csv
import io
import json
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet
import pytest

from goodput_exporter.config.places import load
from goodput_exporter.config.settings import Settings
from goodput_exporter.domain.bookings import (
    Booking,
    EventKind,
    Reattribution,
    Restatement,
    RunEvent,
)
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import ConfigError, LedgerError
from goodput_exporter.ledger.days import DAY_NS, day_of
from goodput_exporter.ledger.ledger import Archive, Batch
from goodput_exporter.ledger.opening import open_ledger
from goodput_exporter.services import (
    ledger_commands,
    ledger_compact,
    ledger_export,
)
from goodput_exporter.services.ledger_tables import TABLES
from tests.fakes.ledger import LLAMA, booked, segment
from tests.fakes.postgresql import Cluster

HOUR_NS = DAY_NS // 24

Home = tuple[Settings, Callable[[], Archive]]


def today() -> int:
    """Return the day's number, asked anew by each test: a suite may see midnight."""
    return day_of(int(datetime.now(UTC).timestamp()) * 10**9)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    """Give the settings of a ledger of each kind, and how to open it."""
    if request.param == "sqlite":
        path = str(tmp_path / "ledger.sqlite")
        settings = load(environ={}, flags={"ledger.path": path})
        yield settings, lambda: open_ledger(path)
        return
    shared: Cluster = request.getfixturevalue("postgresql")
    url = shared.url(shared.database())
    flags = {"ledger.url": url, "identity.cluster": "east"}
    yield (
        load(environ={}, flags=flags),
        lambda: open_ledger(url, cluster="east"),
    )


def written(home: Home) -> None:
    """Book ten days of hours, one of each other kind, and let go."""
    long_ago = (today() - 10) * DAY_NS
    down = replace(
        segment(long_ago, long_ago + HOUR_NS, RunState.DOWN), cause=Cause.UNKNOWN
    )
    hours = [
        segment(long_ago + i * HOUR_NS, long_ago + (i + 1) * HOUR_NS)
        for i in range(1, 240)
    ]
    others: list[Booking] = [
        RunEvent(long_ago, EventKind.INTERRUPTED, {"cause": "unknown", "node": "ü"}),
        Restatement(
            7, hours[0].span, "productive", "lost", 8 * HOUR_NS, Cause.NONE, "rule 4", 1
        ),
        Reattribution(
            8,
            down.span,
            1,
            Cause.UNKNOWN,
            Cause.GPU_ERROR,
            1,
            {RunState.DOWN: 8 * HOUR_NS},
            {RunState.DOWN: 8 * HOUR_NS},
            "person",
            "ada",
            "saw it",
        ),
    ]
    with closing(home[1]()) as ledger:
        ledger.append(booked(down, *hours))
        ledger.append(Batch(2, [(LLAMA, each) for each in others]))


def export(home: Home, table: str, style: str, file: Path | None = None) -> str:
    """Return what an export writes to the screen, or to its file."""
    out = io.StringIO()
    asked = Namespace(table=table, format=style, file=file)
    assert ledger_export.main(home[0], asked, out) == 0
    return out.getvalue() if file is None else ""


def compact(home: Home, before: str | None = None) -> tuple[int, str]:
    """Return the exit status of a compaction, and what it says."""
    out = io.StringIO()
    status = ledger_compact.main(home[0], Namespace(before=before), out)
    return status, out.getvalue()


def verify(home: Home) -> tuple[int, str]:
    """Return what verify says."""
    out = io.StringIO()
    status = ledger_commands.main(home[0], ledger_commands.Asked("verify"), out)
    return status, out.getvalue()


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_the_same_in_every_format(
    home: Home, table: str, tmp_path: Path
) -> None:
    """CSV, JSON lines and Parquet hold the same rows, exact ones exactly."""
    written(home)
    file = tmp_path / "table.parquet"

    as_csv = list(csv.DictReader(io.StringIO(export(home, table, "csv"))))
    as_json = [json.loads(line) for line in export(home, table, "json").splitlines()]
    export(home, table, "parquet", file)
    as_parquet = pyarrow.parquet.read_table(file).to_pylist()

    assert len(as_csv) == len(as_json) == len(as_parquet) > 0
    for one, two, three in zip(as_csv, as_json, as_parquet, strict=True):
        assert one.keys() == two.keys() == three.keys()
        for name, text in one.items():
            assert text == plain(two[name])
            assert text == plain(three[name])


def plain(cell: object) -> str:
    """Write a cell as CSV does."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    return f"{cell:.9f}" if isinstance(cell, Decimal) else str(cell)


def test_the_days_add_up_to_the_segments(home: Home) -> None:
    """Live days are the live account; a restatement and a correction are beside."""
    written(home)

    rows = list(csv.DictReader(io.StringIO(export(home, "days", "csv"))))

    live = sum(Decimal(row["gpu_seconds"]) for row in rows if row["part"] == "live")
    beside = {
        (row["state"], row["cause"], row["gpu_seconds"])
        for row in rows
        if row["part"] != "live"
    }
    assert live == 240 * 8 * 3_600
    assert beside == {
        ("productive", "none", "-28800.000000000"),
        ("lost", "none", "28800.000000000"),
        ("down", "unknown", "-28800.000000000"),
        ("down", "gpu_error", "28800.000000000"),
    }


def test_what_was_folded_is_exported_as_days(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    """Segments that are no more are said to be missing, and where they went."""
    written(home)
    first_kept = datetime.fromtimestamp((today() - 5) * 86_400, UTC).date().isoformat()
    days = export(home, "days", "csv")

    status, said = compact(home, first_kept)

    assert (status, said) == (
        0,
        f"120 segments folded into days before {first_kept}, 92 joined\n",
    )
    assert export(home, "days", "csv") == days
    assert len(export(home, "segments", "csv").splitlines()) == 1 + 28
    assert "the segments of 1 runs were folded into days" in caplog.text
    assert verify(home)[0] == 0


def test_compaction_keeps_the_days_that_are_set(home: Home) -> None:
    """Without a date `ledger.keep_days` decides; without both nothing is folded."""
    written(home)
    settings, opened = home

    assert "0 segments folded, 206 joined" in compact(home)[1]
    kept = replace(settings, ledger=replace(settings.ledger, keep_days=3))
    assert compact((kept, opened))[1].startswith("8 segments folded into days before")
    assert verify(home)[1].endswith("1 run; every law holds\n")


def test_today_and_yesterday_are_not_folded(home: Home) -> None:
    """A page and a restart read them; a word that is no date is refused."""
    written(home)

    for before in ("9999-01-01", "last week"):
        with pytest.raises(ConfigError, match=f"--before {before}"):
            compact(home, before)


def test_a_compaction_beside_a_running_exporter(home: Home) -> None:
    """It needs no lock: the exporter books on, and both are whole."""
    written(home)
    with closing(home[1]()) as ledger:
        assert compact(home)[0] == 0
        now_ns = today() * DAY_NS
        ledger.append(booked(segment(now_ns, now_ns + 1)))

        assert ledger.verify() == []
        assert ledger.account(LLAMA).total_gpu_ns == 8 * (10 * DAY_NS + 1)


def test_a_broken_run_is_left_and_named(home: Home) -> None:
    """Exit status 1, from compact as from verify."""
    with closing(home[1]()) as ledger:
        ledger.append(booked(segment(0, 10), segment(11, 20)))
        ledger.append(booked(segment(0, 10), key=RunKey("a", "b", "c")))

    status, said = compact(home, "2024-01-01")

    assert status == 1
    assert "1 segments folded" in said
    assert "left as it is: run local/default/llama: entry 2 breaks the tiling" in said
    assert verify(home)[0] == 1


def test_a_ledger_that_is_not_there_is_not_made(home: Home) -> None:
    """Neither a file nor a schema nor a book."""
    with pytest.raises(LedgerError, match=r"no ledger is there|has schema 0"):
        verify(home)
    with pytest.raises(LedgerError):
        compact(home, "2024-01-01")
    with pytest.raises(LedgerError):
        export(home, "days", "csv")


def test_a_wrong_word_is_answered_with_the_right_ones(
    home: Home, tmp_path: Path
) -> None:
    """An unknown table or format, Parquet on a terminal, and a file that exists."""
    written(home)
    with pytest.raises(ConfigError, match="use one of segments, entries"):
        export(home, "segment", "csv")
    with pytest.raises(ConfigError, match="use one of csv, json, parquet"):
        export(home, "days", "xml")
    with pytest.raises(ConfigError, match="name a FILE"):
        export(home, "days", "parquet")
    for style in ("csv", "parquet"):
        there = tmp_path / "there"
        there.write_text("mine")
        with pytest.raises(LedgerError, match="name a new file"):
            export(home, "days", style, there)
        assert there.read_text() == "mine"
