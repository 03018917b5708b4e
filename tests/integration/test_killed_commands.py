"""Commands on a database that are killed in the midst of a transaction of theirs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import pytest

from goodput_exporter.cli import main
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.ledger.days import DAY_NS
from goodput_exporter.ledger.opening import open_ledger, read_ledger
from goodput_exporter.ledger.postgresql.connections import Address, Connection, connect
from goodput_exporter.ledger.postgresql.migrations import migrate, stand
from goodput_exporter.ledger.queries import migrations
from tests.fakes.ledger import booked, segment
from tests.fakes.postgresql import Cluster
from tests.fakes.station import until

pytestmark = pytest.mark.real

HOUR_NS: Final = DAY_NS // 24
HOURS: Final = 72
RUNS: Final = (RunKey("local", "default", "a"), RunKey("local", "default", "b"))
WITHIN_S: Final = 60.0
OTHERS: Final = """
    SELECT count(*) FILTER (WHERE wait_event_type = 'Lock'), count(*)
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_type = 'client backend'
"""


@dataclass(frozen=True)
class Books:
    """
    A database of its own, and how a person looks after it.

    Args:
        server: Where it is.
        database: Its name.
    """

    server: Cluster
    database: str

    @property
    def url(self) -> str:
        """Return the ledger's address."""
        return self.server.url(self.database)

    def session(self) -> Connection:
        """Open a connection that holds what it locks until it is closed."""
        return self.server.session(self.database)

    def do(self, *words: str) -> int:
        """Carry out a command; return its exit status."""
        return main([*words, "--ledger-url", self.url, "--identity-cluster", "local"])

    def kill(self, held: str, *words: str) -> None:
        """
        Kill a command with -9 while it waits for what another session holds.

        Args:
            held: The statement by which that session holds it.
            words: The command.
        """
        command = [sys.executable, "-m", "goodput_exporter.cli", *words]
        flags = ["--ledger-url", self.url, "--identity-cluster", "local"]
        kept = {k: v for k, v in os.environ.items() if not k.startswith("GOODPUT_")}
        with closing(self.session()) as holder, closing(self.session()) as watcher:
            holder.execute("BEGIN")
            holder.execute(held.encode())
            process = subprocess.Popen(
                [*command, *flags], env=kept, stdout=subprocess.DEVNULL
            )
            try:
                until(
                    lambda: _others(watcher)[0] == 1,
                    f"{' '.join(words)} that waits for a lock",
                    within_s=WITHIN_S,
                )
            finally:
                process.send_signal(signal.SIGKILL)
                process.wait(WITHIN_S)
            holder.execute("ROLLBACK")
            until(
                lambda: _others(watcher)[1] == 1,
                "the server to notice",
                within_s=WITHIN_S,
            )


def _others(session: Connection) -> tuple[int, int]:
    """Return how many other sessions wait for a lock, and how many there are."""
    waiting, every = session.execute(OTHERS.encode()).fetchone() or (0, 0)
    return waiting, every


@pytest.fixture
def books(postgresql: Cluster) -> Books:
    """Give an empty database."""
    return Books(postgresql, postgresql.database())


def train(books: Books) -> None:
    """Book two runs of three days, hour by hour."""
    with closing(open_ledger(books.url)) as ledger:
        for key in RUNS:
            hours = range(HOURS)
            each = [segment(at * HOUR_NS, (at + 1) * HOUR_NS) for at in hours]
            ledger.append(booked(*each, key=key))


def kept(books: Books) -> list[int]:
    """Return how many segments are kept of each run; no law is broken."""
    with closing(read_ledger(books.url)) as ledger:
        assert ledger.verify() == []
        totals = [ledger.account(key).total_gpu_ns for key in RUNS]
        assert totals == [8 * HOURS * HOUR_NS] * len(RUNS)
        return [len(list(ledger.segments(key))) for key in RUNS]


def test_a_killed_compaction_leaves_whole_runs_and_goes_on_later(
    books: Books,
) -> None:
    """What it had deleted of a run is there again; the runs before stay compacted."""
    train(books)
    held = "SELECT FROM goodput.runs WHERE run = 'b' FOR UPDATE"
    books.kill(held, "ledger", "compact", "--before", "1970-01-03")

    before = kept(books)
    assert books.do("ledger", "compact", "--before", "1970-01-03") == 0

    assert before == [1, HOURS]
    assert kept(books) == [1, 1]


def test_a_killed_migration_leaves_the_schema_and_is_done_by_the_next(
    books: Books,
) -> None:
    """Its step is whole or was never begun; whoever reads meanwhile is told."""
    steps = migrations("postgresql")
    with closing(connect(Address(books.url))) as db:
        migrate(db, books.database, steps[:-2])
    before = books.server.schema_of(books.database)
    books.kill("LOCK goodput.schema_versions IN EXCLUSIVE MODE", "ledger", "migrate")

    cut_off = books.server.schema_of(books.database)
    told = books.do("ledger", "verify")
    assert books.do("ledger", "migrate") == 0

    fresh = Books(books.server, books.server.database())
    open_ledger(fresh.url).close()
    assert cut_off == before
    assert told == 1
    assert books.server.schema_of(books.database) == fresh.server.schema_of(
        fresh.database
    )
    with closing(connect(Address(books.url))) as db:
        assert stand(db, books.database)[0] == len(steps)


def test_daily_accounts_that_a_killed_migration_left_out_are_added_once(
    books: Books,
) -> None:
    """An older program booked without them; half of them is none."""
    train(books)
    with closing(books.session()) as session:
        session.execute("DELETE FROM goodput.days")
        session.execute("UPDATE goodput.books SET days_through = 0")
    books.kill("LOCK goodput.days IN EXCLUSIVE MODE", "ledger", "migrate")

    with closing(books.session()) as session:
        row = session.execute("SELECT count(*) FROM goodput.days").fetchone()
    assert books.do("ledger", "migrate") == 0

    assert row == (0,)
    assert kept(books) == [HOURS] * len(RUNS)
