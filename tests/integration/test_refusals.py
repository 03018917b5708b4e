"""What the exporter says when it cannot start, and what it does on a full disk."""

from __future__ import annotations

import re
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.station import PATIENCE_S, Page, Station, station, until, went_back
from tests.integration.jobs import job

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]

FAILED, USAGE = 1, 2
MORE_STEPS = 100


def refusal(folder: Path, **settings: str) -> tuple[int, str]:
    """Start an exporter that cannot start; return its status and its last words."""
    folder.mkdir(exist_ok=True)
    with station(folder, **settings) as one:
        status = one.launch().wait(PATIENCE_S)
        assert not [line for line in one.lines() if line.startswith("Traceback")]
        return status, one.lines()[-1]


@contextmanager
def listener(kind: socket.SocketKind) -> Iterator[int]:
    """Hold a port of the loopback; give its number."""
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            holder.listen()
        yield holder.getsockname()[1]


def test_a_taken_http_port_is_named_with_a_way_out(tmp_path: Path) -> None:
    """Somebody listens there already."""
    with listener(socket.SOCK_STREAM) as port:
        status, said = refusal(tmp_path, HTTP_PORT=str(port))

    assert status == FAILED
    assert re.search(rf"http.port: 127.0.0.1:{port} cannot be bound", said)
    assert "GOODPUT_EXPORTER_HTTP_PORT" in said


def test_an_address_of_another_machine_is_not_called_a_taken_port(
    tmp_path: Path,
) -> None:
    """192.0.2.0/24 is kept for examples (RFC 5737): no machine has one of them."""
    status, said = refusal(tmp_path, HTTP_HOST="192.0.2.1", HTTP_PORT="0")

    assert status == FAILED
    assert "http.port: 192.0.2.1:0 cannot be bound ([Errno" in said
    assert "check that http.host is an address of this machine" in said


def test_a_taken_udp_port_is_named_with_a_way_out(tmp_path: Path) -> None:
    """Another program takes datagrams there."""
    with listener(socket.SOCK_DGRAM) as port:
        status, said = refusal(tmp_path, HEARTBEATS_UDP_PORT=str(port))

    assert status == FAILED
    assert f"udp 127.0.0.1:{port} cannot be bound" in said
    assert "set another heartbeats.udp_port" in said


def test_a_second_exporter_takes_no_socket_and_no_ledger(
    exporter: Station, tmp_path: Path
) -> None:
    """What one exporter holds another cannot have; the first one does not notice."""
    ledger = str(exporter.ledger)
    same_socket = refusal(tmp_path / "second", HEARTBEATS_UNIX_PATH=str(exporter.unix))
    same_ledger = refusal(tmp_path / "third", LEDGER_PATH=ledger)

    assert same_socket[0] == same_ledger[0] == FAILED
    assert f"{exporter.unix}: another program answers there" in same_socket[1]
    assert f"process {exporter.pid} writes this ledger already" in same_ledger[1]
    assert ledger in same_ledger[1]
    assert exporter.is_ready()
    assert exporter.unix.exists()


@pytest.mark.parametrize("where", ["file/ledger.sqlite", "file/below/ledger.sqlite"])
def test_a_ledger_where_no_folder_can_be_is_named(tmp_path: Path, where: str) -> None:
    """A file is in the way, which stops even root."""
    (tmp_path / "file").touch()
    status, said = refusal(tmp_path, LEDGER_PATH=str(tmp_path / where))

    assert status == FAILED
    assert str(tmp_path / where) in said
    assert "GOODPUT_EXPORTER_LEDGER_PATH" in said


def test_a_ledger_that_is_none_is_left_as_it_is(tmp_path: Path) -> None:
    """A wrong path must not cost anybody a file."""
    notes = tmp_path / "ledger.sqlite"
    notes.write_text("my notes\n" * 1_000)
    status, said = refusal(tmp_path)

    assert status == FAILED
    assert f"{notes}" in said
    assert "no SQLite database" in said
    assert notes.read_text() == "my notes\n" * 1_000


def test_a_wrong_setting_is_another_status(tmp_path: Path) -> None:
    """Status 2 is the operator's to mend, and the message says where."""
    status, said = refusal(tmp_path, BOOKS_TICK_SECONDS="soon")

    assert status == USAGE
    assert "GOODPUT_EXPORTER_BOOKS_TICK_SECONDS" in said


def files_may_grow_to(pid: int, most_bytes: int) -> None:
    """Let a process write no file beyond a size: a full disk that is only its own."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (most_bytes, hard))


def test_a_full_disk_costs_freshness_and_nothing_else(
    exporter: Station, tmp_path: Path
) -> None:
    """
    While nothing can be written, nothing is published, and the page is answered.

    Once there is space again the book is whole, and no counter has gone back.
    """
    with job(tmp_path, exporter) as toy:
        toy.start()
        toy.seen(5)
        log = exporter.ledger.with_name("ledger.sqlite-wal")
        files_may_grow_to(exporter.pid, log.stat().st_size)
        until(lambda: not exporter.is_ready(), "the disk to be full")
        status, why = exporter.get("readyz")
        full = exporter.page()
        toy.passes(toy.step() + MORE_STEPS)
        later = exporter.page()

        files_may_grow_to(exporter.pid, resource.RLIM_INFINITY)
        until(exporter.is_ready, "the ledger to be written again")
        toy.seen(toy.step())
        assert toy.finish() == [0]
        last = exporter.ended("toy")

    assert (status, "the ledger refused the last commit" in why) == (503, True)
    assert full.one("goodput_ledger_up") == 0
    assert frozen(full) == frozen(later)
    assert went_back(later, exporter.page()) == []
    assert last["adds_up"]["exact"]
    assert last["progress"]["steps_first_time"] == toy.step()
    assert last["interruptions"] == 0


def frozen(page: Page) -> dict[str, float]:
    """Return what may not move while nothing is committed."""
    return page.states("toy")
