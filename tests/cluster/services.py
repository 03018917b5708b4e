"""Programs that run beside the tests, and that no test outlives."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")

TURN_S: Final = 0.05
STOP_S: Final = 10.0
TAIL: Final = 3_000


def wait_for(holds: Callable[[], T | None], seconds: float, what: str) -> T:
    """
    Return the first true answer of *holds*.

    Raises:
        AssertionError: There was none in time.
    """
    ends_at = time.monotonic() + seconds
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < ends_at, f"{what}: not within {seconds:.0f} s"
        time.sleep(TURN_S)


def free_port() -> int:
    """Return a port of the loopback that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(slots=True)
class Service:
    """
    One program, in a process group of its own.

    Args:
        name: For messages and its log's name.
        command: The program and its arguments.
        folder: Where it writes its log.
        environ: Its whole environment.
    """

    name: str
    command: tuple[str | Path, ...]
    folder: Path
    environ: Mapping[str, str]
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it; when this process dies, however it does, so does the program."""
        # No hook runs between fork and exec: the tests have threads. Outside of
        # Linux a killed test leaves its programs to the person who killed it.
        setpriv = shutil.which("setpriv")
        bound = () if setpriv is None else (setpriv, "--pdeathsig", "KILL", "--")
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                (*bound, *self.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self.environ),
                cwd=self.folder,
                start_new_session=True,
            )

    @property
    def is_running(self) -> bool:
        """Tell whether it lives."""
        return self._process is not None and self._process.poll() is None

    def until(self, holds: Callable[[], bool], seconds: float) -> None:
        """
        Wait until it is ready.

        Raises:
            AssertionError: It ended, or was not ready in time; with its last words.
        """

        def is_ready() -> bool:
            assert self.is_running, f"{self.name} ended: {self.last_words}"
            return holds()

        try:
            wait_for(is_ready, seconds, f"{self.name} is ready")
        except AssertionError as error:
            msg = f"{error}\n{self.last_words}"
            raise AssertionError(msg) from None

    @property
    def last_words(self) -> str:
        """Return the end of its log."""
        log = self.folder / f"{self.name}.log"
        return log.read_text(encoding="utf-8", errors="replace")[-TAIL:]

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, and insist."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        for each in (how, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, each)
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S)
                return
