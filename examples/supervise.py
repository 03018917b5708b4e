"""
Start a training program, and start it again when it dies.

After a crash the supervisor does what a careful operator does before using a
machine again: it reads the newest checkpoint back and checks its hash, and it
lets the processor compute one thing several times and compares the results. That
work is the outage.

    python examples/supervise.py --workdir build/train -- \
        python examples/train.py --workdir build/train --crash-at-step 50
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import numpy as np

from charlm import checkpoints

SELF_TEST_ROUNDS = 40
SELF_TEST_SIZE = 1200


class Supervisor:
    """
    One training program across restarts.

    Args:
        command: What to start.
        workdir: Where it keeps its checkpoints.
        restarts: How many times to start it again.
    """

    def __init__(self, command: list[str], workdir: Path, restarts: int) -> None:
        self._command = command
        self._workdir = workdir
        self._restarts = restarts
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def run(self) -> int:
        """Return the program's last exit status, 128 + signal if one killed it."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._pass_on)
        status = 0
        for attempt in range(self._restarts + 1):
            status = self._attempt(attempt)
            if status == 0 or self._stopping:
                break
            say(f"attempt {attempt + 1} ended: {in_words(status)}")
            if attempt < self._restarts:
                self._check_machine()
        return status if status >= 0 else 128 - status

    def _attempt(self, attempt: int) -> int:
        """Start the program as rank 0 of 1, and return its status once it ends."""
        env = os.environ | {
            "RANK": "0",
            "LOCAL_RANK": "0",
            "WORLD_SIZE": "1",
            "LOCAL_WORLD_SIZE": "1",
            "TORCHELASTIC_RESTART_COUNT": str(attempt),
        }
        say(f"attempt {attempt + 1} starts")
        # A session of its own: Ctrl-C reaches the program once, through us.
        self._child = subprocess.Popen(  # noqa: S603  # the operator's own command
            self._command, env=env, start_new_session=True
        )
        return self._child.wait()

    def _pass_on(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)

    def _check_machine(self) -> None:
        began = time.monotonic()
        found = checkpoints.saved(self._workdir / "checkpoints")
        if found:
            size = len(checkpoints.unpack(found[-1]))
            say(f"{found[-1].name} is whole: {size} bytes match their hash")
        differing = self_test()
        say(
            f"self test: {SELF_TEST_ROUNDS} rounds, {differing} differ; "
            f"back after {time.monotonic() - began:.1f} s"
        )


def self_test() -> int:
    """Multiply the same matrices again and again; return how many results differ."""
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((2, SELF_TEST_SIZE, SELF_TEST_SIZE))
    digests = [
        hashlib.sha256((left @ right).tobytes()).digest()
        for _ in range(SELF_TEST_ROUNDS)
    ]
    return sum(digest != digests[0] for digest in digests)


def in_words(status: int) -> str:
    """Return what an exit status means."""
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"


def say(line: str) -> None:
    """Print one line of the supervisor's own."""
    print(f"supervisor: {line}", flush=True)


def main() -> int:
    """Read the command line and supervise."""
    options = argparse.ArgumentParser(description="Restart a program when it dies.")
    options.add_argument("--workdir", type=Path, default=Path("build/train"))
    options.add_argument("--max-restarts", type=int, default=3)
    options.add_argument("command", nargs="+", help="the program, after --")
    chosen = options.parse_args()
    return Supervisor(chosen.command, chosen.workdir, chosen.max_restarts).run()


if __name__ == "__main__":
    sys.exit(main())
