"""Connections to one PostgreSQL database: how they are made, and lent to readers."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Final

import psycopg
from psycopg import conninfo
from psycopg.rows import TupleRow

from goodput_exporter.errors import ConfigError, LedgerError
from goodput_exporter.ledger.queries import query

Connection = psycopg.Connection[TupleRow]

ENCODING: Final = "UTF8"
ROWS_FETCHED: Final = 5_000
"""Few enough to hold in memory, enough to forget the way to the server."""
IDLE_KEPT: Final = 4
"""A crowd of readers goes away again; the server's connections are for all clusters."""
NAME_BYTES: Final = 63
"""PostgreSQL cuts an application's name there."""


@dataclass(frozen=True, slots=True)
class Address:
    """
    Where a database is, as libpq reads it; ``str`` is fit for messages.

    Args:
        url: ``postgresql://USER@HOST:PORT/DATABASE``; what it leaves out comes
            from libpq's variables and files, and so does the password.

    Raises:
        ConfigError: It cannot be read, or holds a password.
    """

    url: str

    def __post_init__(self) -> None:
        """Check that the URL can be read, and shown."""
        if "password" in self._parts():
            msg = (
                f"ledger.url: {self} holds a password, which lists of processes and "
                "settings would show; give it in PGPASSWORD or in the file that "
                "PGPASSFILE names"
            )
            raise ConfigError(msg)

    def __str__(self) -> str:
        """Return the address without a password and without options."""
        parts = self._parts()
        user = f"{parts['user']}@" if "user" in parts else ""
        port = f":{parts['port']}" if "port" in parts else ""
        host, database = parts.get("host", ""), parts.get("dbname", "")
        return f"postgresql://{user}{host}{port}/{database}"

    def conninfo(self) -> str:
        """
        Return the connection string, with waits that end where it names none.

        Without them a server that vanished would hold a tick for a quarter of
        an hour, until TCP gives up.
        """
        pid = os.getpid()
        host = socket.gethostname()[: NAME_BYTES - len(f"goodput-exporter /{pid}")]
        usual = {
            "connect_timeout": "5",
            "keepalives_idle": "30",
            "tcp_user_timeout": "30000",
            "application_name": f"goodput-exporter {host}/{pid}",
        }
        return conninfo.make_conninfo("", **(usual | self._parts()))

    def _parts(self) -> dict[str, str]:
        try:
            parts = conninfo.conninfo_to_dict(self.url)
        except psycopg.ProgrammingError:
            # Its own words quote the URL, which may hold a password.
            msg = (
                "ledger.url: libpq cannot read it; "
                "use postgresql://USER@HOST:PORT/DATABASE"
            )
            raise ConfigError(msg) from None
        return {name: str(value) for name, value in parts.items() if value is not None}


def connect(address: Address) -> Connection:
    """
    Open a connection that sees the ledger's schema and commits for good.

    Raises:
        LedgerError: The database's text is not Unicode.
        psycopg.Error: It cannot be opened.
    """
    db = psycopg.connect(address.conninfo(), autocommit=True, client_encoding=ENCODING)
    try:
        row = db.execute(statement("session")).fetchone()
        encoding = row[-1] if row else None
        if encoding != ENCODING:
            msg = (
                f"{address}: the database's encoding is {encoding} and must be "
                f"{ENCODING}; create one WITH ENCODING '{ENCODING}' TEMPLATE template0"
            )
            raise LedgerError(msg)  # noqa: TRY301 - the except below closes, whatever it was
    except BaseException:
        db.close()
        raise
    return db


def statement(name: str) -> bytes:
    """Return a statement's text as psycopg takes what no program wrote out."""
    return query(name, "postgresql").encode()


class Readers:
    """
    Read-only transactions, lent to one reader at a time on pooled connections.

    Args:
        address: The database, with a migrated ledger.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._lock = Lock()
        self._idle: list[Connection] = []
        self._open = True

    @contextmanager
    def lend(self) -> Iterator[Connection]:
        """
        Lend a connection for the length of the block, which sees one snapshot.

        Raises:
            LedgerError: The pool is closed.
            psycopg.Error: The database cannot be read.
        """
        db = self._begun()
        try:
            yield db
        finally:
            self._give_back(db)

    def close(self) -> None:
        """Close what is idle now, and what is lent when it comes back."""
        with self._lock:
            self._open = False
            idle, self._idle = self._idle, []
        for db in idle:
            db.close()

    def _begun(self) -> Connection:
        while (db := self._take()) is not None:
            try:
                _begin(db)
            except psycopg.OperationalError:
                db.close()  # the server went while it was idle: perhaps it is back
            else:
                return db
        db = connect(self._address)
        _begin(db)
        return db

    def _take(self) -> Connection | None:
        with self._lock:
            if not self._open:
                msg = f"{self._address}: the ledger is closed"
                raise LedgerError(msg)
            return self._idle.pop() if self._idle else None

    def _give_back(self, db: Connection) -> None:
        if not db.closed:
            db.rollback()
        with self._lock:
            if self._open and not db.closed and len(self._idle) < IDLE_KEPT:
                self._idle.append(db)
                return
        db.close()


def _begin(db: Connection) -> None:
    db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")


@contextmanager
def snapshot(db: Connection) -> Iterator[None]:
    """Read the same batches throughout the block, whatever is written meanwhile."""
    _begin(db)
    try:
        yield
    finally:
        db.rollback()
