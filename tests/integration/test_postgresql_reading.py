"""A shared database, read beside its exporters: rights, versions, old programs."""

from __future__ import annotations

from contextlib import closing
from uuid import uuid4

import psycopg
import pytest

from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import LedgerError, LedgerTooNewError
from goodput_exporter.ledger.days import DAY_NS
from goodput_exporter.ledger.ledger import Archive
from goodput_exporter.ledger.opening import compact_ledger, open_ledger, read_ledger
from goodput_exporter.ledger.postgresql.connections import Address, connect
from goodput_exporter.ledger.postgresql.migrations import migrate
from goodput_exporter.ledger.queries import migrations
from tests.fakes.ledger import LLAMA, booked, segment
from tests.fakes.postgresql import Cluster

pytestmark = pytest.mark.real

HOUR_NS = DAY_NS // 24


def hours(ledger: Archive, first: int, last: int) -> None:
    """Book a run hour by hour."""
    many = [segment(i * HOUR_NS, (i + 1) * HOUR_NS) for i in range(first, last)]
    ledger.append(booked(*many))


@pytest.fixture
def url(postgresql: Cluster) -> str:
    """Return the address of an empty database."""
    return postgresql.url(postgresql.database())


def test_two_clusters_and_two_shards_share_a_database(url: str) -> None:
    """Each book has its own numbers, days, folds and findings; readers see one."""
    books = [("east", 0), ("east", 1), ("west", 0)]
    opened = [open_ledger(url, cluster=c, shard=s) for c, s in books]
    for number, ledger in enumerate(opened):
        hours(ledger, 0, 24 * (number + 1))

    compact_ledger(url, (1, 1), cluster="east", shards=[1])
    for ledger in opened:
        hours(ledger, 72, 73)
        ledger.close()

    found = []
    for cluster, shard in books:
        with closing(read_ledger(url, cluster=cluster, shard=shard)) as book:
            kept = len(list(book.segments(LLAMA)))
            whole = book.account(LLAMA).total_gpu_ns // HOUR_NS
            found.append((kept, whole, [each.seq for each in book.verify()]))
    # The hour that was booked far behind the others leaves a hole but in the last.
    assert found == [(25, 200, [25]), (25, 392, [49]), (73, 584, [])]


def test_whoever_may_only_read_can_verify_and_not_compact(url: str) -> None:
    """The role of an analyst is enough to read, and is told what it lacks to write."""
    role = f"analyst_{uuid4().hex}"
    with closing(open_ledger(url)) as ledger:
        hours(ledger, 0, 30)
    with closing(psycopg.connect(url, autocommit=True)) as db:
        db.execute(f"CREATE ROLE {role} LOGIN".encode())
        db.execute(f"GRANT USAGE ON SCHEMA goodput TO {role}".encode())
        db.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA goodput TO {role}".encode())
    theirs = url.replace("goodput@", f"{role}@")

    with closing(read_ledger(theirs)) as book:
        assert book.verify() == []
        assert book.account(LLAMA, Span(0, DAY_NS)).total_gpu_ns == 8 * DAY_NS
    with pytest.raises(LedgerError, match=r"cannot compact .*permission denied"):
        compact_ledger(theirs, (1, 1))


def test_a_book_that_is_not_there_is_not_made(url: str) -> None:
    """Neither a schema nor a book: a wrong name must not look like an empty ledger."""
    with pytest.raises(LedgerError, match="has schema 0 and this program reads"):
        read_ledger(url)

    open_ledger(url, cluster="east").close()

    with pytest.raises(LedgerError, match="no book west/0 is there"):
        read_ledger(url, cluster="west")
    with closing(psycopg.connect(url)) as db:
        row = db.execute("SELECT count(*) FROM goodput.books").fetchone()
    assert row == (1,)


def test_a_later_schema_is_not_guessed_at(url: str) -> None:
    """A reader refuses what needs a later program, and reads what does not."""
    open_ledger(url).close()
    known = len(migrations("postgresql"))
    with closing(psycopg.connect(url, autocommit=True)) as db:
        put = "INSERT INTO goodput.schema_versions (version, runs_from) VALUES (%s, %s)"
        db.execute(put, (known + 1, known))
        read_ledger(url).close()
        db.execute(put, (known + 2, known + 2))

    with pytest.raises(LedgerTooNewError, match=f"has schema {known + 2}, which needs"):
        read_ledger(url)


def test_what_an_older_program_booked_gets_its_days(url: str) -> None:
    """It writes no daily accounts; readers do without them until the next start."""
    with closing(open_ledger(url)) as ledger:
        hours(ledger, 0, 30)
    with closing(psycopg.connect(url, autocommit=True)) as db:
        db.execute("SET search_path = goodput")
        db.execute(
            "INSERT INTO entries SELECT book_id, 31, booked_ns, run_id, kind, "
            "end_ns, end_ns + %s, state, devices, cause FROM entries WHERE seq = 30",
            (HOUR_NS,),
        )
        db.execute("UPDATE books SET last_seq = 31")
        db.execute("UPDATE runs SET last_ns = last_ns + %s", (HOUR_NS,))

    with closing(read_ledger(url)) as book:
        assert book.account(LLAMA).total_gpu_ns == 31 * 8 * HOUR_NS
        assert book.verify() == []
    (found,) = compact_ledger(url, (1, 1)).findings
    assert "lack what an older program booked" in found.what
    with closing(open_ledger(url)) as ledger:
        assert sum(each.gpu_ns for each in ledger.days(0, 9)) == 31 * 8 * HOUR_NS
        assert ledger.verify() == []


def test_a_book_from_before_there_were_days_gets_them(url: str) -> None:
    """The first exporter of this version adds up what the one before booked."""
    steps = migrations("postgresql")
    address = Address(url)
    with closing(connect(address)) as db:
        migrate(db, address, steps[:2])
        db.execute("INSERT INTO books (cluster, shard, last_seq) VALUES ('e', 0, 30)")
        db.execute(
            "INSERT INTO runs (book_id, cluster, namespace, run, first_ns, last_ns, "
            "longest_ns) VALUES (1, 'local', 'default', %s, 0, %s, %s)",
            (r"l\\lama", 30 * HOUR_NS, HOUR_NS),
        )
        db.execute(
            "INSERT INTO entries (book_id, seq, booked_ns, run_id, kind, start_ns, "
            "end_ns, state, devices, cause, bridged) SELECT 1, n, 1, 1, 'segment', "
            "(n - 1) * %(hour)s, n * %(hour)s, 'productive', 8, 'none', false "
            "FROM generate_series(1, 30) AS n",
            {"hour": HOUR_NS},
        )

    with closing(open_ledger(url, cluster="e")) as ledger:
        assert [(a.key.run, a.gpu_ns // HOUR_NS) for a in ledger.days(0, 9)] == [
            ("l\\lama", 192),
            ("l\\lama", 48),
        ]
        assert ledger.verify() == []
