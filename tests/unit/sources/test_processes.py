"""Ends of real processes, seen through the kernel."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from goodput_exporter.sources.processes import (
    ProcessWatch,
    describe_exit,
    exit_code_of,
    start_ticks_of,
)

WAITS = [sys.executable, "-S", "-c", "import sys; sys.exit(int(sys.stdin.read()))"]


@pytest.fixture
def epoll() -> Iterator[select.epoll]:
    """An epoll that the watch registers with."""
    with select.epoll() as poll:
        yield poll


def start() -> subprocess.Popen[bytes]:
    """Start a process that waits to be told its exit code."""
    return subprocess.Popen(WAITS, stdin=subprocess.PIPE)


def kill(child: subprocess.Popen[bytes]) -> None:
    """End a child as the kernel's memory killer would."""
    child.send_signal(signal.SIGKILL)


def leave_with_3(child: subprocess.Popen[bytes]) -> None:
    """Let a child end by itself."""
    assert child.stdin is not None
    child.stdin.write(b"3")
    child.stdin.close()


@pytest.mark.parametrize(
    ("end", "code", "words"),
    [(kill, -9, "killed by SIGKILL"), (leave_with_3, 3, "exited with code 3")],
)
def test_the_kernel_tells_how_a_process_ended(
    epoll: select.epoll,
    end: Callable[[subprocess.Popen[bytes]], None],
    code: int,
    words: str,
) -> None:
    """A signal is a negative exit code, as subprocess says it."""
    watch = ProcessWatch(epoll, lambda: 42, limit=10)
    with start() as child:
        watch.open(child.pid)
        end(child)
        [(fd, _)] = epoll.poll(10)
        seen = watch.collect(fd)

    assert seen is not None
    assert (seen.pid, seen.at_ns, seen.exit_code) == (child.pid, 42, code)
    assert seen.detail == f"pid {child.pid} {words}"
    assert len(watch) == 0


@pytest.mark.skipif(
    tuple(map(int, os.uname().release.split(".")[:2])) < (6, 15),
    reason="a pidfd tells the exit code of a reaped process since Linux 6.15",
)
def test_a_reaped_process_still_tells_its_exit_code() -> None:
    """Whoever reaps a child does not take its end away from us."""
    with start() as child:
        fd = os.pidfd_open(child.pid)
        kill(child)
        child.wait(10)

    assert exit_code_of(fd, child.pid) == -9
    os.close(fd)


def test_a_process_that_is_gone_cannot_be_watched(epoll: select.epoll) -> None:
    """There is no such process, and no guess at one."""
    watch = ProcessWatch(epoll, lambda: 0, limit=10)
    with start() as child:
        kill(child)

    with pytest.raises(ProcessLookupError):
        watch.open(child.pid)
    assert start_ticks_of(child.pid) is None


def test_descriptors_are_bounded(epoll: select.epoll) -> None:
    """Beyond the limit a process is not watched, and that is counted."""
    watch = ProcessWatch(epoll, lambda: 0, limit=1)

    watched = [watch.open(os.getpid()), watch.open(os.getppid())]

    assert [p is not None for p in watched] == [True, False]
    assert (len(watch), watch.unwatched) == (1, 1)
    watch.close()


def test_a_process_is_watched_once(epoll: select.epoll) -> None:
    """Asking again gives the same process and opens nothing."""
    watch = ProcessWatch(epoll, lambda: 0, limit=10)

    assert watch.open(os.getpid()) is watch.open(os.getpid())
    assert watch.get(os.getpid()) is not None
    assert watch.collect(10**6) is None
    watch.close()


def test_a_start_lies_before_now(epoll: select.epoll) -> None:
    """This process began in the past, less than a day ago."""
    watch = ProcessWatch(epoll, lambda: 10**18, limit=10)

    process = watch.open(os.getpid())

    assert process is not None
    assert process.started_ns is not None
    assert 0 < 10**18 - process.started_ns < 86_400 * 10**9
    watch.close()


def test_what_is_not_known_is_said() -> None:
    """No exit code is no zero."""
    assert describe_exit(7, None) == "pid 7 is gone; how it ended is not known"
    assert describe_exit(7, -64) == "pid 7 killed by SIGRTMAX"
    assert describe_exit(7, -99) == "pid 7 killed by signal 99"
