"""A database that several clusters share: its deaths, lost wires and migrations."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from decimal import Decimal
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier, Thread
from uuid import uuid4

import psycopg
import pytest

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.errors import LedgerError, LedgerTooNewError
from goodput_exporter.ledger.ledger import Batch, Ledger
from goodput_exporter.ledger.opening import open_ledger
from goodput_exporter.ledger.postgresql.connections import IDLE_KEPT, Address, connect
from goodput_exporter.ledger.postgresql.migrations import migrate, runs_from
from goodput_exporter.ledger.queries import migrations
from tests.fakes.heartbeats import heartbeat
from tests.fakes.ledger import LLAMA, booked, segment
from tests.fakes.postgresql import Cluster, Wire
from tests.fakes.station import Station, station, until

pytestmark = pytest.mark.real

SQL = Path(__file__).parents[2] / "src/goodput_exporter/ledger/sql/postgresql"
OTHER = RunKey("local", "default", "mistral")
ROWS = 7
DAY_NS = 86_400 * NS_PER_SECOND
APPENDER = """
import sys
from itertools import count

from goodput_exporter.ledger.ledger import Batch
from goodput_exporter.ledger.opening import open_ledger
from tests.fakes.heartbeats import heartbeat
from tests.fakes.ledger import LLAMA, segment

ledger = open_ledger(sys.argv[1], cluster=sys.argv[2])
rows = int(sys.argv[3])
for tick in count():
    start = tick * rows
    bookings = [(LLAMA, segment(start + i, start + i + 1)) for i in range(rows)]
    ledger.append(Batch(tick, bookings, {LLAMA: b"%d" % (tick + 1)}))
    print(tick + 1, flush=True)
"""


@pytest.fixture
def name() -> str:
    """Name a cluster that has no book yet."""
    return f"cluster-{uuid4().hex}"


@pytest.fixture
def wire(postgresql: Cluster) -> Iterator[tuple[Wire, str]]:
    """Give a way to the server that can be cut, and the address of its near end."""
    with (
        TemporaryDirectory(prefix="goodput-wire-") as folder,
        closing(Wire(Path(folder), postgresql.folder)) as one,
    ):
        yield one, postgresql.url(host=folder)


def end_sessions(cluster: Cluster) -> None:
    """Let the server drop every exporter's connection, as a restart does."""
    with closing(cluster.session()) as db:
        db.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE application_name LIKE 'goodput-exporter%'"
        )


def sessions(cluster: Cluster) -> int:
    """Count the connections that exporters hold."""
    with closing(cluster.session()) as db:
        row = db.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE application_name LIKE 'goodput-exporter%'"
        ).fetchone()
    assert row is not None
    count: int = row[0]
    return count


def appended(ledger: Ledger, batch: Batch) -> int:
    """Append as the service does: the same batch again and again until it is taken."""

    def attempt() -> int | None:
        with suppress(LedgerError):
            return ledger.append(batch)
        return None

    return until(attempt, "the database to take the batch")


# Migrations.


def test_the_migrations_end_at_the_schema(postgresql: Cluster) -> None:
    """The schema that people read is, table by table, the one that steps lead to."""
    stepped, whole = postgresql.database(), postgresql.database()
    open_ledger(postgresql.url(stepped)).close()
    with closing(postgresql.session(whole)) as db:
        db.execute("CREATE SCHEMA goodput; SET search_path = goodput")
        db.execute((SQL / "schema.sql").read_bytes())

    assert postgresql.schema_of(stepped) == postgresql.schema_of(whole)
    assert "CREATE TABLE goodput.entries" in postgresql.schema_of(whole)


def test_exporters_that_start_together_migrate_once(postgresql: Cluster) -> None:
    """Four clusters' exporters meet an empty database and all of them run."""
    url, together = postgresql.url(postgresql.database()), Barrier(4)
    lasts: list[int] = []

    def start(number: int) -> None:
        together.wait(timeout=10)
        with closing(open_ledger(url, cluster=f"c{number}")) as ledger:
            lasts.append(ledger.append(booked(segment(0, 1))))

    threads = [Thread(target=start, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert lasts == [1, 1, 1, 1]


NEXT = """-- runs-from: {oldest}
ALTER TABLE entries ADD COLUMN evidence JSON;
ALTER TABLE runs ADD COLUMN team TEXT NOT NULL DEFAULT 'nobody';
CREATE INDEX entries_by_cause ON entries (cause) WHERE cause <> 'none';
"""


def test_this_program_runs_on_the_next_schema(postgresql: Cluster) -> None:
    """One cluster upgrades; the exporters of the others go on, and may restart."""
    database = postgresql.database()
    url = postgresql.url(database)
    with closing(open_ledger(url)) as ledger:
        for tick in range(8):  # often enough that the driver prepares its statements
            ledger.append(booked(segment(tick, tick + 1)))
            assert ledger.account(LLAMA).total_gpu_ns == 8 * (tick + 1)
        with closing(connect(Address(url))) as db:
            migrate(db, database, [*migrations("postgresql"), NEXT.format(oldest=1)])
        ledger.append(booked(segment(8, 9)))
        assert ledger.account(LLAMA).total_gpu_ns == 72

    with closing(open_ledger(url)) as ledger:
        last = ledger.append(Batch(3, [(OTHER, segment(0, 1))], {OTHER: b"s"}))

        assert last == 10
        assert ledger.account(LLAMA).total_gpu_ns == 72
        assert ledger.verify() == []


STEPS = migrations("postgresql")


@pytest.mark.parametrize("known", range(max(map(runs_from, STEPS)), len(STEPS) + 1))
def test_every_program_that_a_step_allows_runs_on_the_last_schema(
    postgresql: Cluster, known: int
) -> None:
    """A program that knows fewer steps finds the schema newer, and leaves it."""
    database = postgresql.database()
    url = postgresql.url(database)
    open_ledger(url).close()
    before = postgresql.schema_of(database)

    with closing(connect(Address(url))) as db:
        migrate(db, database, STEPS[:known])

    assert postgresql.schema_of(database) == before


def test_a_schema_that_needs_a_later_program_is_refused(postgresql: Cluster) -> None:
    """A step that changes a meaning says so, and earlier programs stop at the start."""
    database, steps = postgresql.database(), migrations("postgresql")
    url, later = postgresql.url(database), len(steps) + 1
    with closing(connect(Address(url))) as db:
        migrate(db, database, [*steps, NEXT.format(oldest=later)])

    with pytest.raises(LedgerTooNewError, match=f"has schema {later}, which needs"):
        open_ledger(url)


def test_a_step_that_fails_leaves_the_schema_as_it_was(postgresql: Cluster) -> None:
    """Half a step is no schema: the next start finds the one before, and goes on."""
    database = postgresql.database()
    url = postgresql.url(database)
    open_ledger(url).close()
    before = postgresql.schema_of(database)
    broken = "-- runs-from: 1\nCREATE TABLE half (); SELECT 1 / 0;"

    with (
        closing(connect(Address(url))) as db,
        pytest.raises(psycopg.errors.DivisionByZero),
    ):
        migrate(db, database, [*migrations("postgresql"), broken])

    assert postgresql.schema_of(database) == before
    open_ledger(url).close()


def test_another_programs_schema_is_left_alone(postgresql: Cluster) -> None:
    """Tables that we did not make are not ours to change."""
    database = postgresql.database()
    with closing(postgresql.session(database)) as db:
        db.execute("CREATE SCHEMA goodput; CREATE TABLE goodput.songs ()")

    with pytest.raises(LedgerError, match="holds 1 tables of another program"):
        open_ledger(postgresql.url(database))


def test_a_database_that_holds_no_unicode_is_refused(postgresql: Cluster) -> None:
    """A run's name that cannot be stored would stop its cluster's book later."""
    with closing(postgresql.session()) as db:
        db.execute("DROP DATABASE IF EXISTS latin")
        db.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")

    with pytest.raises(LedgerError, match="encoding is LATIN1 and must be UTF8"):
        open_ledger(postgresql.url("latin"))


def test_a_user_without_rights_is_told_which(postgresql: Cluster) -> None:
    """The first start needs the right to make the schema; the message says so."""
    database = postgresql.database()
    with closing(postgresql.session()) as db:
        db.execute("DROP ROLE IF EXISTS guest")
        db.execute("CREATE ROLE guest LOGIN")
    url = postgresql.url(database).replace("goodput@", "guest@")

    with pytest.raises(LedgerError, match="grant the user CREATE"):
        open_ledger(url)


def test_a_database_that_is_not_there_is_named(postgresql: Cluster) -> None:
    """A mistyped name must not look like a new start, so no database is made."""
    with pytest.raises(LedgerError, match=r"\"nowhere\" does not exist.*check"):
        open_ledger(postgresql.url("nowhere"))


def test_a_standby_is_not_written_to(postgresql: Cluster) -> None:
    """A server that only reads refuses at the start, and the primary is asked for."""
    database = postgresql.database()
    open_ledger(postgresql.url(database)).close()
    with closing(postgresql.session()) as db:
        setting = "SET default_transaction_read_only = on"
        db.execute(f"ALTER DATABASE {database} {setting}".encode())

    with pytest.raises(LedgerError, match="name the primary"):
        open_ledger(postgresql.url(database))


# Several clusters.


def test_clusters_share_a_database_and_not_a_book(
    postgresql: Cluster, name: str
) -> None:
    """The same run's name in two clusters is two runs, each numbered from one."""
    with (
        closing(open_ledger(postgresql.url(), cluster=name)) as first,
        closing(open_ledger(postgresql.url(), cluster=name, shard=1)) as second,
    ):
        first.append(Batch(1, [(LLAMA, segment(0, 5))], {LLAMA: b"1"}, meta={"m": "1"}))
        last = second.append(Batch(1, [(LLAMA, segment(0, 7))], {LLAMA: b"2"}))

        assert last == 1
        assert first.account(LLAMA).total_gpu_ns == 40
        assert second.account(LLAMA).total_gpu_ns == 56
        assert first.resume().states == {LLAMA: b"1"}
        assert second.resume().meta == {}
        assert second.verify() == []


def test_the_fleet_is_added_up_exactly_in_sql(postgresql: Cluster) -> None:
    """Two clusters of 100,000 GPUs over 90 days: 1.6e21 GPU-ns, to the last one."""
    url = postgresql.url(postgresql.database())
    for cluster, devices in (("a", 100_000), ("b", 99_999)):
        with closing(open_ledger(url, cluster=cluster)) as ledger:
            ledger.append(booked(segment(0, 90 * DAY_NS, devices=devices)))

    with closing(psycopg.connect(url)) as db:
        row = db.execute(
            "SELECT sum(gpu_ns), count(DISTINCT book), max(ended_at)::text "
            "FROM goodput.segments WHERE state = 'productive'"
        ).fetchone()

    assert row is not None
    assert row[0] == Decimal(199_999) * 90 * DAY_NS
    assert row[1] == 2
    assert row[2].startswith("1970-04-01")


def test_a_second_writer_is_told_who_the_first_is(
    postgresql: Cluster, name: str
) -> None:
    """Two exporters would book the same time twice; the later one does not start."""
    with closing(open_ledger(postgresql.url(), cluster=name)) as ledger:
        holder = f"process {os.getpid()} on .* since .* writes book {name}/0 already"
        with pytest.raises(LedgerError, match=holder):
            open_ledger(postgresql.url(), cluster=name)
        ledger.append(booked(segment(0, 1)))

    with closing(open_ledger(postgresql.url(), cluster=name)) as ledger:
        assert ledger.account(LLAMA).total_gpu_ns == 8


def test_a_database_tool_that_holds_the_book_is_an_error_not_a_wait(
    postgresql: Cluster, name: str
) -> None:
    """A foreign transaction refuses the batch, which is taken once it ends."""
    url = postgresql.url() + "&options=-c%20lock_timeout%3D20ms"
    with (
        closing(open_ledger(url, cluster=name)) as ledger,
        closing(psycopg.connect(postgresql.url())) as tool,
    ):
        tool.execute("SELECT * FROM goodput.books FOR UPDATE")

        with pytest.raises(LedgerError, match="another session holds it"):
            ledger.append(booked(segment(0, 1)))

        tool.rollback()
        assert ledger.append(booked(segment(0, 1))) == 1


def test_many_readers_share_one_server(postgresql: Cluster, name: str) -> None:
    """Readers that stopped half-way each see whole batches, and leave few sessions."""
    with closing(open_ledger(postgresql.url(), cluster=name)) as ledger:
        ledger.append(booked(*[segment(i, i + 1) for i in range(9)]))
        readings = [ledger.bookings(LLAMA) for _ in range(9)]
        assert [next(reading).seq for reading in readings] == [1] * 9
        ledger.append(booked(segment(9, 10)))

        assert [sum(1 for _ in reading) for reading in readings] == [8] * 9
        until(lambda: sessions(postgresql) <= IDLE_KEPT + 1, "the crowd to leave")


# What was booked stays.


@pytest.mark.parametrize("acknowledged", [1, 40])
def test_every_acknowledged_batch_survives_a_kill(
    postgresql: Cluster, name: str, acknowledged: int
) -> None:
    """After ``kill -9`` whole batches are there, no fewer than were acknowledged."""
    last = kill_after(acknowledged, postgresql.url(), name)

    ledger = until(lambda: opened(postgresql.url(), name), "the server to let go")
    with closing(ledger):
        state = ledger.state_of(LLAMA)
        entries = sum(1 for _ in ledger.bookings(LLAMA))
        assert ledger.verify() == []
    batches, half = divmod(entries, ROWS)
    assert half == 0
    assert last <= batches <= last + 1
    assert state == b"%d" % batches


def test_a_commit_waits_for_the_disk_whatever_the_server_prefers(
    postgresql: Cluster,
) -> None:
    """A server that answers before it writes does not do so for a ledger."""
    database = postgresql.database()
    with closing(postgresql.session()) as db:
        db.execute(f"ALTER DATABASE {database} SET synchronous_commit = off".encode())

    with closing(connect(Address(postgresql.url(database)))) as db:
        assert db.execute("SHOW synchronous_commit").fetchone() == ("on",)


@pytest.mark.parametrize("change", ["UPDATE entries SET seq = 9", "TRUNCATE entries"])
def test_an_entry_is_never_changed(postgresql: Cluster, change: str) -> None:
    """Whoever has psql and the rights of the owner is stopped all the same."""
    with closing(postgresql.book()) as ledger:
        ledger.append(booked(segment(0, 1)))

    with (
        closing(connect(Address(postgresql.url()))) as db,
        pytest.raises(psycopg.errors.RaiseException, match="append-only"),
    ):
        db.execute(change.encode())


def test_what_a_person_did_to_the_tables_is_found(postgresql: Cluster) -> None:
    """Entries that are gone, lines that no version wrote and changed states show."""
    url = postgresql.url(postgresql.database())
    with closing(open_ledger(url)) as ledger:
        bookings = [(LLAMA, segment(i, i + 1)) for i in range(4)]
        ledger.append(Batch(1, bookings, {LLAMA: b"good", OTHER: b"kept"}))
        with closing(connect(Address(url))) as db:
            db.execute("SET session_replication_role = replica")  # no triggers
            db.execute("DELETE FROM entries WHERE seq = 4")
            db.execute("UPDATE entries SET state = 'asleep' WHERE seq = 2")
            db.execute("UPDATE states SET state = 'bad' WHERE state = 'good'")

        found = [finding.what for finding in ledger.verify()]
        resumed = ledger.resume()

    assert "4 entries were numbered and 3 are there; some were removed" in found
    assert any("entry 2 cannot be read" in what for what in found)
    assert resumed.states == {OTHER: b"kept"}
    assert "llama" in str(resumed.damaged[0])


# Lost connections.


def test_the_server_restarts_and_the_book_goes_on(postgresql: Cluster) -> None:
    """Every connection is gone; the batch is refused once, and taken after that."""
    with closing(postgresql.book()) as ledger:
        ledger.append(booked(segment(0, 1)))
        assert ledger.account(LLAMA).total_gpu_ns == 8
        end_sessions(postgresql)

        assert ledger.account(LLAMA).total_gpu_ns == 8  # a reader takes a new one
        with pytest.raises(LedgerError, match="cannot append"):
            ledger.append(booked(segment(1, 2)))

        assert appended(ledger, booked(segment(1, 2))) == 2
        assert ledger.verify() == []


@pytest.mark.parametrize("delivered", [False, True])
@pytest.mark.parametrize("word", [b"COPY", b"COMMIT"])
def test_a_batch_is_booked_once_wherever_the_wire_breaks(
    wire: tuple[Wire, str], name: str, word: bytes, *, delivered: bool
) -> None:
    """Whether or not the server got it, the same batch appended again is one batch."""
    cut, url = wire
    batch = Batch(2, [(OTHER, segment(0, 1)), (LLAMA, segment(1, 2))], {OTHER: b"2"})
    with closing(open_ledger(url, cluster=name)) as ledger:
        ledger.append(booked(segment(0, 1)))
        cut.cut_at(word, delivered=delivered)
        with pytest.raises(LedgerError, match="cannot append"):
            ledger.append(batch)

        assert appended(ledger, batch) == 3
        assert ledger.append(booked(segment(1, 2), key=OTHER)) == 4
        assert [run.last_ns for run in ledger.runs()] == [2, 2]
        assert ledger.account(LLAMA).total_gpu_ns == 16
        assert ledger.verify() == []


def test_a_batch_that_is_there_is_not_followed_by_another_unnoticed(
    wire: tuple[Wire, str], name: str
) -> None:
    """If its answer was lost, it has to be asked for again before anything else."""
    cut, url = wire
    batch, other = booked(segment(0, 1), booked_ns=5), booked(segment(1, 2))
    with closing(open_ledger(url, cluster=name)) as ledger:
        cut.cut_at(b"COMMIT", delivered=True)
        with pytest.raises(LedgerError):
            ledger.append(batch)

        until(lambda: "batch of 5 ns was committed" in refusal(ledger, other))
        assert ledger.append(batch) == 1
        assert ledger.append(other) == 2


def test_an_exporter_that_was_cut_off_does_not_write_over_its_successor(
    postgresql: Cluster, name: str
) -> None:
    """Its folds know nothing of what the other booked: it has to start again."""
    with closing(open_ledger(postgresql.url(), cluster=name)) as first:
        first.append(booked(segment(0, 1)))
        end_sessions(postgresql)
        with closing(open_ledger(postgresql.url(), cluster=name)) as second:
            second.append(booked(segment(1, 2)))
            second.append(Batch(3, [], {LLAMA: b"second"}))
        with pytest.raises(LedgerError):
            first.append(booked(segment(1, 2)))

        with pytest.raises(LedgerError, match=f"went on with book {name}/0"):
            first.append(booked(segment(1, 2)))

        assert first.state_of(LLAMA) == b"second"
        assert first.verify() == []


def test_a_closed_ledger_says_so(postgresql: Cluster) -> None:
    """Reading after the end is an error of ours, not an empty book."""
    ledger = postgresql.book()
    ledger.close()
    ledger.close()

    with pytest.raises(LedgerError, match="the ledger is closed"):
        ledger.runs()
    with pytest.raises(LedgerError, match="the ledger is closed"):
        ledger.append(booked(segment(0, 1)))


# The exporter.


def test_an_exporter_keeps_its_book_in_the_database(
    postgresql: Cluster, name: str, tmp_path: Path
) -> None:
    """Through a restart of the server and of itself, a run's book goes on."""
    database = postgresql.database()
    settings = {"LEDGER_URL": postgresql.url(database), "IDENTITY_CLUSTER": name}
    with station(tmp_path, **settings) as exporter:
        exporter.start()
        say(exporter, run="shared", seq=1, st=1, sn=1, rank=0, ws=1)
        until(lambda: exporter.run("shared"), "the run")
        end_sessions(postgresql)
        until(lambda: "the ledger takes entries again" in exporter.log.read_text())
        assert exporter.stop() == 0
        exporter.start()
        again = exporter.run("shared")
        assert exporter.stop() == 0

    assert again is not None
    assert not exporter.ledger.exists()
    with closing(open_ledger(postgresql.url(database), cluster=name)) as ledger:
        assert [run.key.run for run in ledger.runs()] == ["shared"]
        assert ledger.verify() == []


def say(exporter: Station, **fields: object) -> None:
    """Send one datagram."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.sendto(heartbeat(**fields), str(exporter.unix))


def refusal(ledger: Ledger, batch: Batch) -> str:
    """Return what the ledger says to a batch that it must not take."""
    with pytest.raises(LedgerError) as refused:
        ledger.append(batch)
    return str(refused.value)


def opened(url: str, name: str) -> Ledger | None:
    """Open a book, or return None while the server still holds a dead writer's lock."""
    try:
        return open_ledger(url, cluster=name)
    except LedgerError:
        return None


def kill_after(acknowledged: int, url: str, name: str) -> int:
    """Kill an appending process, and return the last batch that it acknowledged."""
    with subprocess.Popen(
        [sys.executable, "-c", APPENDER, url, name, str(ROWS)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as child:
        assert child.stdout is not None
        lines = list(islice(child.stdout, acknowledged))
        child.kill()
        return int([*lines, *child.stdout][-1])
