"""Heartbeats over real sockets, from this process and from children that die."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from goodput_exporter.clock import LedgerClock
from goodput_exporter.domain.observations import (
    RankExited,
    RankReport,
    RunObservation,
)
from goodput_exporter.errors import SourceUnavailableError
from goodput_exporter.sources.heartbeats import HeartbeatSource
from goodput_exporter.sources.intake import Intake
from goodput_exporter.sources.limits import Limits
from goodput_exporter.sources.processes import ProcessExit, start_ticks_of
from goodput_exporter.sources.sockets import UnixSocket
from tests.fakes.heartbeats import INC, StillClock, drain_until, heartbeat

Open = Callable[..., HeartbeatSource]

# Sends what it is given on the command line, then waits to be killed.
CHILD = """
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(sys.argv[1])
for text in sys.argv[2:]:
    s.send(text.encode())
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the socket goes; its directory does not exist yet."""
    return tmp_path / "goodput" / "agent.sock"


@pytest.fixture
def open_source(path: Path) -> Iterator[Open]:
    """Open sources that are closed after the test."""
    with ExitStack() as stack:

        def opened(**kwargs: object) -> HeartbeatSource:
            source = HeartbeatSource(
                LedgerClock(),
                unix_path=path,
                **kwargs,  # type: ignore[arg-type]  # each test passes what is declared
            )
            stack.callback(source.close)
            return source

        yield opened


def send(path: Path, *datagrams: bytes) -> None:
    """Send as a job does: one connected socket, one datagram a message."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(str(path))
        for data in datagrams:
            sock.send(data)


def child(path: Path, *datagrams: bytes) -> subprocess.Popen[bytes]:
    """Start a process that sends and then lives on."""
    texts = [data.decode() for data in datagrams]
    command = [sys.executable, "-S", "-c", CHILD, str(path), *texts]
    return subprocess.Popen(command, stdin=subprocess.PIPE)


def count(number: int) -> Callable[[list[RunObservation]], bool]:
    """Return a test for enough observations."""
    return lambda seen: len(seen) >= number


def test_the_kernel_vouches_for_a_sender_on_the_unix_socket(
    path: Path, open_source: Open
) -> None:
    """A report carries the pid that sent it, whatever it says of itself."""
    source = open_source()
    send(path, heartbeat(up=0.5, pa=0.1, cum={"init": 0.5}, pid=1))

    [report] = drain_until(source, count(1))

    assert isinstance(report, RankReport)
    assert (report.verified, report.pid) == (True, os.getpid())
    assert source.identity(INC) == (os.getpid(), start_ticks_of(os.getpid()))
    assert source.counts().accepted == {"unix": 1, "udp": 0}


def test_nobody_vouches_for_a_sender_on_udp(open_source: Open) -> None:
    """An address is no identity."""
    source = open_source(udp=("127.0.0.1", 0))
    assert source.udp_address is not None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(heartbeat(), source.udp_address)

    [report] = drain_until(source, count(1))

    assert isinstance(report, RankReport)
    assert (report.verified, report.pid) == (False, None)
    assert source.identity(INC) is None
    assert source.counts().accepted == {"unix": 0, "udp": 1}


def test_a_kill_is_seen_at_once_and_after_the_last_words(
    path: Path, open_source: Open
) -> None:
    """Everything that a process sent comes before its end, with its signal."""
    source = open_source()
    words = [
        heartbeat(seq=i, up=i / 100, pa=0, cum={"init": i / 100}) for i in range(5)
    ]
    with child(path, *words) as rank:
        drain_until(source, count(1))
        before = drain_until(source, lambda _: source.counts().accepted["unix"] == 5)
        killed_ns = time.time_ns()
        rank.send_signal(signal.SIGKILL)
        [exited] = [
            seen
            for seen in before + drain_until(source, count(1))
            if isinstance(seen, RankExited)
        ]

    assert (exited.incarnation, exited.exit_code) == (INC, -9)
    assert exited.detail == f"pid {rank.pid} killed by SIGKILL"
    assert exited.since_ns is None
    assert 0 <= exited.at_ns - killed_ns < 5_000_000_000


def test_a_process_that_was_gone_before_its_words_were_read(path: Path) -> None:
    """Its words are queued, and then its end, which nobody saw."""
    unix = UnixSocket(path)
    intake = Intake(unix.socket, None, time.time_ns, Limits())
    with child(path, b"one", b"two") as rank:
        rank.communicate()

    intake.start()
    intake.stop()
    unix.close()

    one, two, exited = intake.queue
    assert isinstance(one, tuple)
    assert isinstance(two, tuple)
    assert (one[0], two[0]) == (b"one", b"two")
    assert isinstance(exited, ProcessExit)
    assert (exited.pid, exited.exit_code, exited.witnessed) == (rank.pid, None, False)


def test_last_words_come_before_the_end_also_without_a_pause(
    path: Path, open_source: Open
) -> None:
    """A process that speaks and dies at once is heard out first."""
    source = open_source()
    words = [heartbeat(seq=i, up=0.01, pa=0, cum={"init": 0.01}) for i in range(20)]
    with child(path, *words) as rank:
        rank.communicate()

    seen = drain_until(source, count(21))

    assert [s.seq for s in seen if isinstance(s, RankReport)] == list(range(20))
    assert isinstance(seen[-1], RankExited)


def test_a_new_exporter_finds_the_processes_of_the_old_one(
    path: Path, open_source: Open
) -> None:
    """A pid and a start time name a process across our own restart."""
    with child(path) as rank:
        ticks = start_ticks_of(rank.pid)
        assert ticks is not None
        source = open_source()

        assert not source.watch(INC, rank.pid, ticks + 1)
        assert source.watch(INC, rank.pid, ticks)
        assert source.identity(INC) == (rank.pid, ticks)
        rank.kill()
        [exited] = drain_until(source, count(1))

    assert isinstance(exited, RankExited)
    assert (exited.incarnation, exited.exit_code) == (INC, -9)
    assert not source.watch(INC, rank.pid, ticks)


def test_a_remembered_incarnation_goes_on_reporting(
    path: Path, open_source: Open
) -> None:
    """What we knew of a process is tied to what it says next, and to its end."""
    with child(path) as rank:
        ticks = start_ticks_of(rank.pid)
        assert ticks is not None
        source = open_source()
        assert source.watch("f" * 16, rank.pid, ticks)
        send(path, heartbeat(inc="f" * 16, up=0.5, pa=0, cum={"init": 0.5}))

        drain_until(source, lambda _: source.counts().rejected["sender"] == 1)
        rank.kill()
        [exited] = drain_until(source, count(1))

    assert isinstance(exited, RankExited)
    assert exited.incarnation == "f" * 16


def test_an_end_just_before_ours_is_delivered(path: Path, open_source: Open) -> None:
    """A process that dies while we stop is still seen to die."""
    source = open_source()
    with child(path, heartbeat(up=0.1, pa=0, cum={"init": 0.1})) as rank:
        drain_until(source, count(1))
        rank.kill()

    source.close()

    assert [type(seen) for seen in source.drain()] == [RankExited]


def test_closing_loses_nothing(path: Path, open_source: Open) -> None:
    """What was sent before the end is still drained; the socket file is gone."""
    source = open_source()
    send(path, heartbeat(up=0.5, pa=0.1, cum={"init": 0.5}))

    source.close()
    source.close()

    assert len(source.drain()) == 1
    assert source.udp_address is None
    assert not path.exists()


def test_jobs_of_any_user_can_send(path: Path, open_source: Open) -> None:
    """The socket is open to all; its directory can be listed and not changed."""
    open_source()

    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755


def test_a_dead_exporters_socket_is_replaced(path: Path, open_source: Open) -> None:
    """A socket file that nobody answers on is in nobody's way."""
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(path))

    source = open_source()
    send(path, heartbeat(up=0.5, pa=0.1, cum={"init": 0.5}))

    assert len(drain_until(source, count(1))) == 1


def test_a_living_exporters_socket_is_left_alone(path: Path, open_source: Open) -> None:
    """Two exporters cannot share one socket; the second says which."""
    first = open_source()

    with pytest.raises(SourceUnavailableError, match=r"agent\.sock.*answers there"):
        open_source()

    send(path, heartbeat(up=0.5, pa=0.1, cum={"init": 0.5}))
    assert len(drain_until(first, count(1))) == 1


def test_a_file_that_is_no_socket_is_left_alone(path: Path, open_source: Open) -> None:
    """Nothing that somebody may want is removed."""
    path.parent.mkdir()
    path.write_text("precious")

    with pytest.raises(SourceUnavailableError, match="no socket is in the way"):
        open_source()
    assert path.read_text() == "precious"


def test_another_ones_socket_survives_our_end(path: Path, open_source: Open) -> None:
    """Only the file that we made is removed."""
    source = open_source()
    path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(path))
        source.close()

        assert path.is_socket()


def test_a_path_that_cannot_be_bound_is_named(tmp_path: Path) -> None:
    """Unix socket paths end at 107 bytes."""
    long = tmp_path / ("x" * 120)

    with pytest.raises(SourceUnavailableError, match=r"xxx cannot be bound.*107"):
        HeartbeatSource(LedgerClock(), unix_path=long)


def test_a_taken_udp_port_is_named_and_nothing_is_left_behind(
    path: Path, open_source: Open
) -> None:
    """The message says which port; the Unix socket is given back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]

        with pytest.raises(SourceUnavailableError, match=f"127.0.0.1:{port}.*another"):
            open_source(udp=("127.0.0.1", port))
    assert not path.exists()


def test_a_flood_from_one_process_is_cut_and_counted(
    path: Path, open_source: Open
) -> None:
    """One sender gets its burst; the rest is refused before it is queued."""
    source = open_source(limits=Limits(burst=10, rate_per_second=0.001))
    send(path, *[heartbeat(seq=i) for i in range(300)])

    drain_until(source, lambda _: source.counts().rejected["rate"] == 290)

    assert source.counts().accepted["unix"] == 10


def test_a_full_queue_drops_the_newest(path: Path, open_source: Open) -> None:
    """Memory is bounded while nobody drains; what is dropped is counted."""
    source = open_source(limits=Limits(queued_datagrams=5))
    data = [heartbeat(seq=i, up=0.5, pa=0, cum={"init": 0.5}) for i in range(20)]
    send(path, *data)
    source.close()

    seen = source.drain()

    assert [r.seq for r in seen if isinstance(r, RankReport)] == [0, 1, 2, 3, 4]
    assert source.counts().rejected["overflow"] == 15


def test_a_full_queue_is_full_by_bytes_too(path: Path, open_source: Open) -> None:
    """A few large datagrams are as much as many small ones."""
    source = open_source(limits=Limits(queued_bytes=8000))
    send(path, *[b" " * 4000] * 5)
    source.close()

    source.drain()

    assert source.counts().rejected["overflow"] == 3
    assert source.counts().rejected["malformed"] == 2


def test_a_sender_cannot_fill_our_descriptor_table(
    path: Path, open_source: Open
) -> None:
    """Descriptors attached to a datagram are dropped by the kernel."""
    source = open_source()
    sent = path.with_name("sent")
    with (
        sent.open("wb") as file,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock,
    ):
        sock.connect(str(path))
        for seq in range(9):
            data = heartbeat(seq=seq, up=0.5, pa=0, cum={"init": 0.5})
            socket.send_fds(sock, [data], [file.fileno()] * 3)
        drain_until(source, lambda _: source.counts().accepted["unix"] == 9)
        # Of 27 that were sent only the one that we hold ourselves is open.
        here = Path("/proc/self/fd")
        # Not Path.resolve: a descriptor that somebody closes meanwhile is no error.
        links = [os.path.realpath(link) for link in list(here.iterdir())]

    assert links.count(str(sent.resolve())) == 1


def test_a_datagram_over_the_bound_is_refused_whole(
    path: Path, open_source: Open
) -> None:
    """8193 bytes are one too many, on either transport."""
    source = open_source(udp=("127.0.0.1", 0))
    assert source.udp_address is not None
    send(path, heartbeat() + b" " * 8192)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(heartbeat() + b" " * 8192, source.udp_address)

    drain_until(source, lambda _: source.counts().rejected["too_big"] == 2)

    assert source.counts().accepted == {"unix": 0, "udp": 0}


class BrokenClock(StillClock):
    """A clock with a bug."""

    def now_ns(self) -> int:
        """Fail."""
        raise ZeroDivisionError


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_reader_is_an_error_and_not_silence(path: Path) -> None:
    """A source that cannot read any more says so at the next drain."""
    with closing(HeartbeatSource(BrokenClock(), unix_path=path)) as source:
        send(path, b"{}")

        with pytest.raises(SourceUnavailableError, match="thread has died"):
            drain_until(source, lambda _: False)


def test_a_run_is_its_users_again_after_our_restart(
    path: Path, open_source: Open
) -> None:
    """What /proc says of a process is what the kernel puts on its words."""
    source = open_source(udp=("127.0.0.1", 0))
    assert source.udp_address is not None
    with child(path) as rank:
        ticks = start_ticks_of(rank.pid)
        assert ticks is not None
        assert source.watch(INC, rank.pid, ticks, "ml/victim")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            hello = heartbeat(t="hello", inc="e" * 16, run="ml/victim", st=999_999)
            sock.sendto(hello, source.udp_address)
        seen = drain_until(source, lambda _: source.counts().rejected["owner"] == 1)

        send(path, heartbeat(inc="f" * 16, run="ml/victim"))
        seen += drain_until(source, count(1))
        rank.kill()

    [report] = seen
    assert isinstance(report, RankReport)
    assert (report.incarnation, report.verified) == ("f" * 16, True)
