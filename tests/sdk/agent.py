"""A real socket for a real program to report to, and the programs that do."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import goodput_sdk

SDK_PATH = Path(goodput_sdk.__file__).parents[1]
ENDS_WITHIN_S = 30
LAST = b""

Message = dict[str, Any]


class Agent:
    """
    A Unix datagram socket that keeps what it is sent.

    Args:
        path: Where to bind.
        frozen: Never read, so that the kernel's short queue fills up.
    """

    def __init__(self, path: Path, *, frozen: bool = False) -> None:
        self.path = path
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(str(path))
        self._datagrams: list[bytes] = []
        # The queue holds eleven datagrams: a slow machine would lose a goodbye.
        self._reader = threading.Thread(target=self._read)
        if not frozen:
            self._reader.start()

    @property
    def address(self) -> str:
        """Return what GOODPUT_ADDR should be."""
        return f"unix://{self.path}"

    def received(self) -> list[Message]:
        """Return all that was sent up to now, oldest first, and listen no more."""
        self._stop()
        return [json.loads(datagram) for datagram in self._datagrams]

    def fill(self) -> None:
        """Fill the queue, so that the kernel refuses what comes next."""
        with self._door() as door, suppress(BlockingIOError):
            while True:
                door.send(b"{}")

    def die(self) -> None:
        """Stop listening and leave the socket's file behind."""
        self._stop()
        self._sock.close()

    def _read(self) -> None:
        while (datagram := self._sock.recv(65_536)) != LAST:
            self._datagrams.append(datagram)

    def _stop(self) -> None:
        if self._reader.is_alive():
            with self._door() as door:
                door.setblocking(True)  # noqa: FBT003  # positional only
                door.send(LAST)
            self._reader.join()

    def _door(self) -> socket.socket:
        door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        door.setblocking(False)  # noqa: FBT003  # positional only
        door.connect(str(self.path))
        return door


@contextmanager
def agent(*, frozen: bool = False) -> Iterator[Agent]:
    """Run an agent on a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="gp") as folder:
        listening = Agent(Path(folder) / "a.sock", frozen=frozen)
        try:
            yield listening
        finally:
            listening.die()


def run(program: str, address: str, *launch: str, **env: str) -> int:
    """
    Run a Python program that reports to *address*; return its exit code.

    Args:
        program: Its source; ``gp`` is the SDK.
        address: Its GOODPUT_ADDR; empty for none.
        launch: What to start it under, such as strace.
        env: More of its environment.
    """
    source = "import goodput_sdk as gp\n" + textwrap.dedent(program)
    with tempfile.TemporaryDirectory(prefix="gp") as folder:
        script = Path(folder) / "train.py"  # a file, because spawn imports it again
        script.write_text(source)
        return subprocess.run(
            [*launch, sys.executable, str(script)],
            env=environment(address, **env),
            stderr=subprocess.DEVNULL,
            timeout=ENDS_WITHIN_S,
            check=False,
        ).returncode


def environment(address: str, **env: str) -> dict[str, str]:
    """Return the environment of a program that can import the SDK."""
    ours = {"PYTHONPATH": str(SDK_PATH), "GOODPUT_ADDR": address, **env}
    return {**os.environ, "GOODPUT_INTERVAL_S": "0.05", **ours}
