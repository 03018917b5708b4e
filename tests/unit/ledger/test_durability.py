"""What was acknowledged is there after any death of the exporter."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from goodput_exporter.ledger.connections import connect_writer, write_ahead
from goodput_exporter.ledger.ledger import Batch
from goodput_exporter.ledger.store import open_ledger
from tests.fakes.ledger import LLAMA, segment

FULL = 2
ROWS = 7
BATCHES = 12
WAL_HEADER = 32
APPENDER = """
import sys
from itertools import count
from pathlib import Path

from goodput_exporter.ledger.ledger import Batch
from goodput_exporter.ledger.store import open_ledger
from tests.fakes.ledger import LLAMA, segment

ledger = open_ledger(Path(sys.argv[1]))
rows = int(sys.argv[2])
for tick in count():
    start = tick * rows
    bookings = [(LLAMA, segment(start + i, start + i + 1)) for i in range(rows)]
    ledger.append(Batch(tick, bookings, {LLAMA: b"%d" % (tick + 1)}))
    print(tick + 1, flush=True)
"""


def test_a_commit_waits_for_the_disk(path: Path) -> None:
    """The write-ahead log is synced on every commit, or a power cut would cost rows."""
    with closing(connect_writer(path)) as db:
        write_ahead(db)

        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (FULL,)


@pytest.mark.parametrize("acknowledged", [1, 13, 150])
def test_every_acknowledged_batch_survives_a_kill(
    path: Path, acknowledged: int
) -> None:
    """After ``kill -9`` whole batches are there, no fewer than were acknowledged."""
    last = kill_after(acknowledged, path)

    with closing(open_ledger(path)) as ledger:
        state = ledger.state_of(LLAMA)
        entries = sum(1 for _ in ledger.bookings(LLAMA))
        findings = ledger.verify()
    batches, half = divmod(entries, ROWS)
    assert half == 0
    assert last <= batches <= last + 1
    assert state == b"%d" % batches
    assert findings == []


def test_a_write_that_was_torn_costs_only_its_own_batch(
    path: Path, tmp_path: Path
) -> None:
    """Wherever a power cut ends the log, whole batches in order are left."""
    with closing(open_ledger(path)) as ledger:
        for tick in range(BATCHES):
            ledger.append(numbered(tick))
        database, log = path.read_bytes(), path.with_name("ledger.db-wal").read_bytes()
    left = [
        batches_in(tmp_path / f"torn-{cut}.db", database, log[:cut])
        for cut in range(WAL_HEADER, len(log), len(log) // 20)
    ]

    assert len(set(left)) > 3
    assert left == sorted(left)
    assert left[-1] < BATCHES


def numbered(tick: int) -> Batch:
    """Build a batch whose state says how many batches there are up to it."""
    bookings = [
        (LLAMA, segment(start_ns, start_ns + 1))
        for start_ns in range(tick * ROWS, (tick + 1) * ROWS)
    ]
    return Batch(tick, bookings, {LLAMA: b"%d" % (tick + 1)})


def batches_in(path: Path, database: bytes, log: bytes) -> int:
    """Count the batches of a ledger as a power cut left it; each must be whole."""
    path.write_bytes(database)
    path.with_name(path.name + "-wal").write_bytes(log)
    with closing(open_ledger(path)) as ledger:
        entries = sum(1 for _ in ledger.bookings(LLAMA))
        state = ledger.state_of(LLAMA)
        assert ledger.verify() == []
    assert entries % ROWS == 0
    assert int(state or 0) == entries // ROWS
    return entries // ROWS


def kill_after(acknowledged: int, path: Path) -> int:
    """Kill an appending process, and return the last batch that it acknowledged."""
    with subprocess.Popen(
        [sys.executable, "-c", APPENDER, str(path), str(ROWS)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as child:
        assert child.stdout is not None
        lines = list(islice(child.stdout, acknowledged))
        child.kill()
        return int([*lines, *child.stdout][-1])
