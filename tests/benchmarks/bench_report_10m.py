"""
A 90-day report over many entries, and what booking one more costs among them.

The entries are made in SQL and laid into the ledger's own tables; what the daily
accounts hold is what the ledger's catching up makes of them. Each way is asked in a
process of its own, so that its memory is its own. The first argument is the number
of entries, 10^7 unless said.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

import duckdb
import pytest

from goodput_exporter.analysis.histories import View
from goodput_exporter.analysis.stretches import Pricing
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.domain.states import RunState
from goodput_exporter.ledger.days import DAY_NS, day_of
from goodput_exporter.ledger.ledger import Batch
from goodput_exporter.ledger.opening import open_ledger, read_ledger
from goodput_exporter.ledger.store import open_ledger as open_file
from goodput_exporter.report.drawing_up import sheet
from goodput_exporter.services.reading_days import read_runs
from tests.fakes.postgresql import Cluster, cluster

ENTRIES: Final = 10_000_000
RUNS: Final = 100
DAYS: Final = 90
FIRST_DAY: Final = 20_000
ROUNDS: Final = 5
FEWER: Final = 100_000
"""Where every entry is read: more would take minutes."""
BATCH: Final = 100
"""Entries of one tick, where booking is measured."""
RUN: Final = RunKey("local", "default", "run-7")
START_NS: Final = FIRST_DAY * DAY_NS
TARGET_S, TARGET_MB = 1.0, 500
LONG_S: Final = 3.0
"""What takes longer is asked once."""

SEGMENTS: Final = """
WITH RECURSIVE numbers (n) AS (
    SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < :entries - 1)
INSERT INTO entries (booked_ns, run_id, kind, start_ns, end_ns, state, devices, cause,
                     bridged)
SELECT 1, n % :runs + 1, 'segment',
       :start_ns + (n / :runs) * :length_ns, :start_ns + (n / :runs + 1) * :length_ns,
       CASE (n * 7919 / :runs) % 8 WHEN 0 THEN 'down' WHEN 1 THEN 'checkpointing'
            WHEN 2 THEN 'recomputing' ELSE 'productive' END,
       16,
       CASE (n * 7919 / :runs) % 8
            WHEN 0 THEN CASE n % 3 WHEN 0 THEN 'gpu_error' WHEN 1 THEN 'preempted'
                        ELSE 'unknown' END
            ELSE 'none' END,
       0
FROM numbers
"""
RAW: Final = """
SELECT start_ns / 86400000000000 AS day, state, cause, devices, sum(end_ns - start_ns)
FROM entries WHERE kind = 'segment' GROUP BY day, state, cause, devices
"""
RAW_RUN: Final = """
SELECT state, cause, devices, sum(end_ns - start_ns)
FROM entries WHERE kind = 'segment' AND run_id = 8 GROUP BY state, cause, devices
"""


def main() -> None:
    """Make the entries, ask each way in turn, and print the costs of booking."""
    if sys.argv[1:2] == ["--ask"]:
        print(json.dumps(asked(sys.argv[2], sys.argv[3])))  # noqa: T201 - for the parent
        return
    if sys.argv[1:2] == ["--sheet"]:
        print(json.dumps(one_sheet(sys.argv[2], sys.argv[3])))  # noqa: T201 - see above
        return
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES
    with TemporaryDirectory() as directory, ExitStack() as started:
        folder = Path(directory)
        path = folder / "ledger.sqlite"
        say(f"making {entries:,} entries of {RUNS} runs over {DAYS} days")
        took = seconds(lambda: make(path, entries))
        size = path.stat().st_size / 1e9
        say(f"made and added up by day in {took:,.0f} s; {size:.2f} GB")
        parquet = folder / "entries.parquet"
        to_parquet(path, parquet)
        places = {
            "SQLite, scan of the entries": ("scan", str(path)),
            "SQLite, daily accounts": ("days", str(path)),
            "DuckDB over Parquet": ("duckdb", str(parquet)),
        }
        server = postgresql(started)
        if server is not None:
            say(f"copied to PostgreSQL in {seconds(lambda: copy(server, path)):,.0f} s")
            places["PostgreSQL, scan of the entries"] = ("pg-scan", server.url())
            places["PostgreSQL, daily accounts"] = ("days", server.url())
        report(places)
        sheets(folder, path)
        booking(folder, path, entries)


def make(path: Path, entries: int) -> None:
    """Lay entries into a ledger, and let it add them up by day as after an upgrade."""
    open_file(path).close()
    length_ns = DAYS * DAY_NS * RUNS // entries
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA synchronous = OFF")
        for number in range(RUNS):
            names = ("local", "default", f"run-{number}")
            db.execute(
                "INSERT INTO runs (cluster, namespace, run, first_ns, last_ns, "
                "longest_ns) VALUES (?, ?, ?, ?, ?, ?)",
                (*names, START_NS, START_NS + entries // RUNS * length_ns, length_ns),
            )
        values = {"entries": entries, "runs": RUNS, "start_ns": START_NS}
        db.execute(SEGMENTS, {**values, "length_ns": length_ns})
    open_file(path).close()


def to_parquet(path: Path, parquet: Path) -> None:
    """Lay the entries into Parquet as DuckDB writes it, from the same file."""
    with closing(duckdb.connect()) as db:
        db.execute("SET threads = 2; SET memory_limit = '1GB'")
        rows = f"""
            COPY (SELECT run_id, start_ns, end_ns, state, cause, devices
                  FROM sqlite_scan('{path}', 'entries') WHERE kind = 'segment')
            TO '{parquet}' (FORMAT parquet, COMPRESSION zstd)
        """  # noqa: S608 - paths of this benchmark
        try:
            db.execute("LOAD sqlite")
            db.execute(rows)
        except duckdb.Error:  # the extension is fetched, and this machine may not
            through_arrow(path, parquet)


def through_arrow(path: Path, parquet: Path) -> None:
    """Write the same columns batch by batch."""
    import pyarrow as pa  # noqa: PLC0415 - only without DuckDB's extension
    from pyarrow import parquet as writer  # noqa: PLC0415 - see above

    schema = pa.schema(
        [
            ("run_id", pa.int64()),
            ("start_ns", pa.int64()),
            ("end_ns", pa.int64()),
            ("state", pa.string()),
            ("cause", pa.string()),
            ("devices", pa.int64()),
        ]
    )
    with (
        closing(sqlite3.connect(path)) as db,
        writer.ParquetWriter(parquet, schema, compression="zstd") as out,
    ):
        rows = db.execute(
            "SELECT run_id, start_ns, end_ns, state, cause, devices FROM entries"
        )
        while some := rows.fetchmany(500_000):
            columns = [pa.array(column) for column in zip(*some, strict=True)]
            out.write_table(pa.Table.from_arrays(columns, schema=schema))


def postgresql(started: ExitStack) -> Cluster | None:
    """Start a server, or return None where there is none."""
    try:
        return started.enter_context(cluster(is_durable=True))
    except pytest.skip.Exception as exc:
        say(f"PostgreSQL is left out: {exc}")
        return None


def copy(server: Cluster, path: Path) -> None:
    """Copy runs, entries and days into a book of the server's."""
    open_ledger(server.url()).close()
    entries = (
        "seq, booked_ns, run_id, kind, start_ns, end_ns, state, devices, cause, bridged"
    )
    days = "run_id, day, part, state, cause, devices, length_ns"
    runs = "id, cluster, namespace, run, first_ns, last_ns, longest_ns"
    with closing(sqlite3.connect(path)) as db, closing(server.session()) as there:
        there.execute("SET search_path = goodput; SET synchronous_commit = off")
        for table, names, book in (
            ("runs", runs, "book_id, "),
            ("entries", entries, "book_id, "),
            ("days", days, ""),
        ):
            rows = db.execute(f"SELECT {names} FROM {table}")  # noqa: S608 - see above
            into = f"COPY {table} ({book}{names}) FROM STDIN".encode()
            with there.cursor() as cursor, cursor.copy(into) as out:
                for row in rows:
                    out.write_row((1, *row) if book else row)
        there.execute(
            "UPDATE books SET last_seq = (SELECT max(seq) FROM entries), "
            "days_through = (SELECT max(seq) FROM entries)"
        )
        there.execute("ANALYZE")


def asked(way: str, where: str) -> dict[str, float]:
    """Ask for the fleet's days and for one run's account; return times and memory."""
    fleet, run = WAYS[way](where)
    first = seconds(fleet)
    report_s = [seconds(fleet) for _ in range(ROUNDS)] if first < LONG_S else [first]
    run_s = [seconds(run) for _ in range(ROUNDS)] if first < LONG_S else [seconds(run)]
    return {"report": median(report_s), "run": median(run_s), "mb": peak_mb()}


def peak_mb() -> float:
    """Return the most memory that this process has had, in megabytes."""
    # Not getrusage: its figure begins at what the parent had when it forked.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (each for each in status.splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) * 1_024 / 1e6


Ask = Callable[[], object]


def scan(where: str) -> tuple[Ask, Ask]:
    """Add the entries up in SQLite."""
    db = sqlite3.connect(where)
    return lambda: db.execute(RAW).fetchall(), lambda: db.execute(RAW_RUN).fetchall()


def by_days(where: str) -> tuple[Ask, Ask]:
    """Add daily amounts up as a report does, exactly, through the ledger's reader."""
    ledger = read_ledger(where)
    return (
        lambda: ledger.summed_days(FIRST_DAY, FIRST_DAY + DAYS),
        lambda: ledger.account(RUN),
    )


def pg_scan(where: str) -> tuple[Ask, Ask]:
    """Add the entries up in PostgreSQL."""
    import psycopg  # noqa: PLC0415 - only where there is a server

    db = psycopg.connect(where)
    db.execute("SET search_path = goodput")
    return (
        lambda: db.execute(RAW.encode()).fetchall(),
        lambda: db.execute(RAW_RUN.encode()).fetchall(),
    )


def duck(where: str) -> tuple[Ask, Ask]:
    """Add the rows up in DuckDB, from Parquet."""
    db = duckdb.connect()
    db.execute("SET threads = 2")
    rows = f"read_parquet('{where}')"
    fleet = RAW.replace("entries WHERE kind = 'segment'", rows).replace(
        " / 86", " // 86"
    )
    run = RAW_RUN.replace("entries WHERE kind = 'segment' AND", f"{rows} WHERE")
    return lambda: db.execute(fleet).fetchall(), lambda: db.execute(run).fetchall()


WAYS: Final = {"scan": scan, "days": by_days, "pg-scan": pg_scan, "duckdb": duck}


def report(places: dict[str, tuple[str, str]]) -> None:
    """Ask each way in a process of its own, and print what it took."""
    say(f"\n90-day report by day, state and cause; target {TARGET_S} s, {TARGET_MB} MB")
    took: dict[str, dict[str, float]] = {}
    for name, (way, where) in places.items():
        command = [sys.executable, __file__, "--ask", way, where]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        took[name] = json.loads(done.stdout)
    slowest = took["SQLite, scan of the entries"]
    for name, cost in took.items():
        say(
            f"{name:34}{cost['report']:9.3f} s "
            f" ({slowest['report'] / cost['report']:7.1f}x)"
            f"   one run {1e3 * cost['run']:10.2f} ms"
            f" ({slowest['run'] / cost['run']:7.1f}x)   {cost['mb']:6.0f} MB"
        )


def sheets(folder: Path, path: Path) -> None:
    """Print what the report command's sheet takes by days, and by every entry."""
    say("\nthe report command's sheet of the fleet, settled view")
    fewer = folder / "fewer.sqlite"
    make(fewer, FEWER)
    for name, way, where in (
        ("by days", "sheet", path),
        (f"by days, {FEWER:,} entries", "sheet", fewer),
        (f"by every entry, {FEWER:,} entries", "entries", fewer),
    ):
        command = [sys.executable, __file__, "--sheet", way, str(where)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        cost = json.loads(done.stdout)
        say(f"{name:42}{cost['seconds']:9.3f} s {cost['mb']:8.0f} MB")


def one_sheet(way: str, where: str) -> dict[str, float]:
    """Put the fleet's sheet together; return the time and the memory that it took."""
    window = Span(START_NS, START_NS + DAYS * DAY_NS)
    with closing(read_ledger(where)) as ledger:

        def act() -> None:
            read = read_runs(
                ledger,
                ledger.runs(),
                window=window,
                view=View.SETTLED,
                pricing=Pricing(),
                every_entry=way == "entries",
            )
            sheet(list(read), subject="fleet", window=window, view=View.SETTLED)

        took = seconds(act)
    return {"seconds": took, "mb": peak_mb()}


def booking(folder: Path, path: Path, entries: int) -> None:
    """Print what a tick of entries costs among few and among many others."""
    say(f"\nbooking a tick of {BATCH} entries of {BATCH} runs, durably")
    few = {count: folder / f"{count}.sqlite" for count in (1_000, 100_000)}
    for count, other in few.items():
        make(other, count)
    costs = {count: ticks(other) for count, other in {**few, entries: path}.items()}
    least = median(costs[1_000])
    for count, took in costs.items():
        middle = median(took)
        say(
            f"after {count:>12,}{1e3 * middle:9.2f} ms ({1e3 * min(took):.2f} .. "
            f"{1e3 * max(took):.2f})   {middle / least:5.2f}x"
        )
    for other in few.values():
        shutil.rmtree(other, ignore_errors=True)


def ticks(path: Path) -> list[float]:
    """Return how long each of some ticks takes."""
    took: list[float] = []
    with closing(open_file(path)) as ledger:
        known = {run.key: run.last_ns or 0 for run in ledger.runs()}
        for number in range(40):
            batch = Batch(1, [(key, after(end, number)) for key, end in known.items()])
            took.append(seconds(partial(ledger.append, batch)))
    return took[5:]


def after(end_ns: int, number: int) -> Segment:
    """Build the *number*-th second after a run's end."""
    start_ns = end_ns + number * NS_PER_SECOND
    span = Span(start_ns, start_ns + NS_PER_SECOND)
    assert day_of(start_ns) >= FIRST_DAY
    return Segment(span, RunState.PRODUCTIVE, 16)


def seconds(act: Ask) -> float:
    """Return how long *act* takes."""
    began = perf_counter()
    act()
    return perf_counter() - began


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201 - a benchmark prints


if __name__ == "__main__":
    main()
