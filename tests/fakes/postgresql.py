"""A throw-away PostgreSQL server on a socket of its own, and a wire that can be cut."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from threading import Thread
from typing import Final
from urllib.parse import quote
from uuid import uuid4

import psycopg

from goodput_exporter.ledger.ledger import Archive
from goodput_exporter.ledger.opening import open_ledger
from goodput_exporter.ledger.postgresql.connections import Connection
from tests.parts import miss, require_postgresql

PATIENCE_S: Final = 30
USER: Final = "goodput"
PIECE_BYTES: Final = 65_536


@dataclass(frozen=True)
class Cluster:
    """
    A running server that only this machine's user and root can reach.

    Args:
        folder: Where its socket and its data are.
        programs: Where ``pg_dump`` and the like are.
    """

    folder: Path
    programs: Path

    def url(self, database: str = "postgres", host: str | None = None) -> str:
        """Return the address of a database, through the socket or by another way."""
        where = quote(host or str(self.folder), safe="")
        return f"postgresql://{USER}@/{database}?host={where}"

    def database(self) -> str:
        """Make an empty database, and return its name."""
        name = f"t{uuid4().hex}"
        with closing(self.session()) as db:
            db.execute(f"CREATE DATABASE {name}".encode())
        return name

    def session(self, database: str = "postgres") -> Connection:
        """Open a connection as a person with psql has one."""
        return psycopg.connect(self.url(database), autocommit=True)

    def book(self) -> Archive:
        """Open an empty book beside all others."""
        return open_ledger(self.url(), cluster=f"cluster-{uuid4().hex}")

    def schema_of(self, database: str) -> str:
        """Return what ``pg_dump`` says of a database's schema, without its comments."""
        dump = [f"{self.programs}/pg_dump", "--schema-only", self.url(database)]
        done = subprocess.run(
            dump, capture_output=True, text=True, check=True, timeout=PATIENCE_S
        )
        # \restrict and \unrestrict carry a random word in newer versions.
        lines = done.stdout.splitlines()
        return "\n".join(line for line in lines if line and line[:1] not in "-\\")


@contextmanager
def cluster(*, is_durable: bool = False) -> Iterator[Cluster]:
    """
    Make and start a server; stop it and remove it in the end.

    Args:
        is_durable: It waits for the disk, as one in service does. Without that
            a power cut would cost data, which no test can tell.
    """
    programs = require_postgresql()
    # Not pytest's folder: a socket's path is short, and the server's user goes there.
    folder = Path(mkdtemp(prefix="goodput-pg-"))
    owner = _owner()
    try:
        if owner is not None:
            shutil.chown(folder, owner.pw_uid, owner.pw_gid)
        data, log = folder / "data", folder / "log"
        _run(owner, programs / "initdb", f"--pgdata={data}", *INITDB)
        fsync = "on" if is_durable else "off"
        options = f"{SERVER} -c fsync={fsync} -c unix_socket_directories={folder}"
        control = (programs / "pg_ctl", f"--pgdata={data}", "--wait", TIMEOUT)
        _run(owner, *control, f"--log={log}", f"--options={options}", "start")
        try:
            yield Cluster(folder, programs)
        finally:
            _run(owner, *control, "--mode=immediate", "stop")
    finally:
        shutil.rmtree(folder)


INITDB: Final = (
    f"--username={USER}",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--no-sync",
)
SERVER: Final = "-c listen_addresses='' -c max_connections=60"
TIMEOUT: Final = f"--timeout={PATIENCE_S}"


def _owner() -> pwd.struct_passwd | None:
    """Return whom the server runs as, for it refuses root; None: whoever we are."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        miss("PostgreSQL refuses to run as root, and there is no user called postgres")


def _run(owner: pwd.struct_passwd | None, *command: str | Path) -> None:
    done = subprocess.run(
        command,
        user=None if owner is None else owner.pw_uid,
        group=None if owner is None else owner.pw_gid,
        extra_groups=None if owner is None else [],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=2 * PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout}"


class Wire:
    """
    A socket of its own that passes bytes on to a server's, until it is cut.

    Args:
        folder: Where the socket is made.
        server: The folder of the server's socket.
    """

    NAME: Final = ".s.PGSQL.5432"

    def __init__(self, folder: Path, server: Path) -> None:
        self._server = str(server / self.NAME)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / self.NAME))
        self._listener.listen()
        self._asks: Callable[[bytes], bool] = lambda _: False
        self._delivers = False
        Thread(target=self._accept, daemon=True).start()

    def cut_at(self, word: bytes, *, delivered: bool) -> None:
        """Cut the connection that next says *word*, with it *delivered* or not."""
        self._delivers = delivered
        self._asks = lambda piece: word in piece

    def close(self) -> None:
        """Take no more connections."""
        # Closing alone leaves accept() waiting.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._server)
                Thread(target=self._ask, args=(near, far), daemon=True).start()

    def _ask(self, near: socket.socket, far: socket.socket) -> None:
        """Pass on what the client says; what it is answered has a thread of its own."""
        answers = Thread(target=_answer, args=(far, near), daemon=True)
        answers.start()
        with closing(near), closing(far), suppress(OSError):
            while piece := near.recv(PIECE_BYTES):
                if self._asks(piece):
                    self._asks = lambda _: False
                    self._cut(piece, near, far)
                    break
                far.sendall(piece)
            _hang_up(far)
            answers.join(timeout=PATIENCE_S)

    def _cut(self, piece: bytes, near: socket.socket, far: socket.socket) -> None:
        _hang_up(near)  # first: no answer gets through
        if self._delivers:
            far.sendall(piece)


def _answer(far: socket.socket, near: socket.socket) -> None:
    with suppress(OSError):
        while piece := far.recv(PIECE_BYTES):
            with suppress(OSError):  # read on: the server must get rid of its answer
                near.sendall(piece)
    _hang_up(near)


def _hang_up(side: socket.socket) -> None:
    with suppress(OSError):
        side.shutdown(socket.SHUT_RDWR)
