"""The parent's end of the NVML child: start it, read it, and let it go."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from goodput_exporter.sources.nvml.wire import Message, Orders, decode

CHILD: Final = (sys.executable, "-m", "goodput_exporter.sources.nvml.child")
LONGEST_LINE: Final = 65_536


class ChildProcess:
    """
    One NVML child; it ends by itself when we close its standard input or die.

    Args:
        orders: What it reads, and how often.
        environment: Its environment; None is ours.
        command: The program, without its arguments.
    """

    def __init__(
        self,
        orders: Orders,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = CHILD,
    ) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # our own module, no user input
            [*command, msgspec.json.encode(orders).decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=environment,
            start_new_session=True,  # Ctrl-C in a terminal is for the parent
        )
        if self._process.stdin is None or self._process.stdout is None:
            msg = "the NVML child has no pipes, though both were asked for"
            raise AssertionError(msg)
        self._stdin = self._process.stdin
        self._stdout = self._process.stdout
        self._pending = b""
        self.garbled = 0

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def receive(self, timeout_seconds: float, wake_fd: int) -> list[Message] | None:
        """
        Return what it has said, waiting at most *timeout_seconds*.

        Returns:
            Messages, none of them after a timeout or when *wake_fd* is readable;
            None once the child has closed its end.
        """
        out_fd = self._stdout.fileno()
        readable, _, _ = select.select([out_fd, wake_fd], [], [], timeout_seconds)
        if out_fd not in readable:
            return []
        chunk = os.read(out_fd, LONGEST_LINE)
        if not chunk:
            return None
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        self._pending = self._pending[:LONGEST_LINE]
        return [message for line in lines if (message := self._decode(line))]

    def _decode(self, line: bytes) -> Message | None:
        try:
            return decode(line)
        except msgspec.DecodeError:
            self.garbled += 1
            return None

    def abandon(self) -> None:
        """
        Kill it and close its pipes, without waiting.

        A process in uninterruptible sleep does not die of SIGKILL; waiting for
        it would hand its hang to us.
        """
        self._process.kill()
        self._stdin.close()
        self._stdout.close()

    def is_alive(self) -> bool:
        """Return whether it still exists; reaps it when it does not."""
        return self._process.poll() is None

    def ending(self, timeout_seconds: float) -> str | None:
        """
        Return how it ended, in words, once it has.

        Returns:
            Such as ``"SIGSEGV"`` or ``"exit code 1"``; None for a normal end, or
            when it has not ended after *timeout_seconds*.
        """
        try:
            code = self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return None
        if code == 0:
            return None
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"
