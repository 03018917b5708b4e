"""
`make run`: the exporter, a training job that crashes once, and what it cost.

Everything is on this machine and needs no GPU. Ends with Ctrl-C or after
RUN_FOR seconds. Leaves the ledger, the logs and the text in build/demo.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from demo_account import Answer
from demo_view import LiveView, PlainView, View, final

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "demo"
DEFAULT_PORT = "9909"
CRASH_AT_STEP = "47"
REDRAW_SECONDS = 0.5
READY_WITHIN_SECONDS = 30
LEAVE_WITHIN_SECONDS = 30


class DemoError(Exception):
    """Something that the person at the terminal has to know and can change."""


class Api:
    """
    The exporter's API, and the run that the demo watches.

    Args:
        port: Where the exporter listens.
        run: The run's id.
    """

    def __init__(self, port: int, run: str) -> None:
        self.page = f"http://127.0.0.1:{port}/"
        self._run = run

    def ready(self) -> bool:
        """Tell whether the exporter has completed a tick."""
        try:
            with urllib.request.urlopen(self.page + "readyz", timeout=5):  # noqa: S310  # loopback, ours
                return True
        except OSError:
            return False

    def run(self) -> Answer | None:
        """Return all that is known of the run; None before its first heartbeat."""
        url = f"{self.page}api/v1/runs/{self._run}"
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:  # noqa: S310  # loopback, ours
                answer: Answer = json.load(reply)
                return answer
        except (OSError, urllib.error.HTTPError):
            return None


def main() -> int:
    """Run the demo; returns 0 unless something that it needs is missing."""
    console = Console()
    asked_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_stop.set())
    try:
        with ExitStack() as cleanup:
            demo(console, asked_to_stop, os.environ, cleanup)
    except DemoError as exc:
        console.print(str(exc), style="red", highlight=False, soft_wrap=True)
        return 1
    return 0


def demo(
    console: Console,
    asked_to_stop: threading.Event,
    environ: Mapping[str, str],
    cleanup: ExitStack,
) -> None:
    """Start both programs, show the run until it is time, print the account."""
    ends_at = time.monotonic() + run_for(environ)
    port = free_port(environ.get("GOODPUT_EXPORTER_HTTP_PORT") or DEFAULT_PORT)
    run = f"charlm-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    workdir = BUILD / run
    workdir.mkdir(parents=True)
    socket_dir = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="goodput-"))
    env = environment(environ, port, run, Path(socket_dir) / "agent.sock")
    api = Api(port, run)

    exporter_log = BUILD / "exporter.log"
    exporter = start(
        [sys.executable, "-m", "goodput_exporter.cli", "standalone"], env, exporter_log
    )
    cleanup.callback(leave, exporter)
    wait_until_ready(api, exporter, exporter_log)
    console.print(f"page     {api.page}\nmetrics  {api.page}metrics", highlight=False)

    # Nobody resumes a demo; its checkpoints would pile up, 40 MB a time.
    cleanup.callback(shutil.rmtree, workdir / "checkpoints", ignore_errors=True)
    train_log = workdir / "train.log"
    training = start(training_command(workdir), env, train_log)
    cleanup.callback(leave, training)
    view: View = (
        LiveView(console, api.page) if console.is_terminal else PlainView(console)
    )
    watch(view, api, training, train_log, ends_at=ends_at, asked_to_stop=asked_to_stop)
    leave(training)
    account = last_account(api)
    view.close()
    if account is None:
        msg = (
            f"the exporter has not seen run {run}; read {exporter_log} and {train_log}"
        )
        raise DemoError(msg)
    final(console, account)


def run_for(environ: Mapping[str, str]) -> float:
    """Return how many seconds to run; for ever if RUN_FOR is not set."""
    wanted = environ.get("RUN_FOR") or "inf"
    try:
        return float(wanted)
    except ValueError:
        msg = f"RUN_FOR={wanted}: not a number of seconds, such as RUN_FOR=60"
        raise DemoError(msg) from None


def free_port(wanted: str) -> int:
    """Return the port to serve on, once it is known to be free."""
    if not wanted.isdigit() or not 0 < int(wanted) < 2**16:
        msg = f"port {wanted!r}: not a port number; use make run PORT={DEFAULT_PORT}"
        raise DemoError(msg)
    with socket.socket() as probe:
        # As the server will: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(wanted)))
        except OSError as exc:
            msg = (
                f"port {wanted} on 127.0.0.1 cannot be used ({exc.strerror}); choose "
                f"another: make run PORT={int(wanted) % 65535 + 1}, "
                "or set GOODPUT_EXPORTER_HTTP_PORT"
            )
            raise DemoError(msg) from exc
    return int(wanted)


def environment(
    environ: Mapping[str, str], port: int, run: str, unix_path: Path
) -> dict[str, str]:
    """Return the environment of both programs; what the user has set stays."""
    defaults = {
        "GOODPUT_EXPORTER_LEDGER_PATH": str(BUILD / "ledger.sqlite"),
        # The socket is enough here, and a port might be taken.
        "GOODPUT_EXPORTER_HEARTBEATS_UDP_PORT": "0",
        # On one machine evidence is late by one send interval, not by minutes.
        "GOODPUT_EXPORTER_BOOKS_SETTLE_SECONDS": "5",
        "GOODPUT_EXPORTER_BOOKS_SETTLE_AFTER_START_SECONDS": "10",
        # Steps take 0.1 to 0.5 s here, and those of the last interval before the
        # crash are told by nobody: the story would lose its interrupted step.
        "GOODPUT_INTERVAL_S": "0.1",
        # One core for the matrices leaves one for everything else.
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "VECLIB_MAXIMUM_THREADS": "1",
    }
    ours = {
        "GOODPUT_EXPORTER_HTTP_PORT": str(port),
        "GOODPUT_EXPORTER_HEARTBEATS_UNIX_PATH": str(unix_path),
        "GOODPUT_ADDR": f"unix://{unix_path}",
        "GOODPUT_RUN_ID": run,
        "PYTHONUNBUFFERED": "1",
    }
    return defaults | dict(environ) | ours


def training_command(workdir: Path) -> list[str]:
    """Return the supervisor with the training program behind it."""
    examples = ROOT / "examples"
    supervise = [sys.executable, str(examples / "supervise.py")]
    train = [sys.executable, str(examples / "train.py")]
    where = ["--workdir", str(workdir)]
    corpus = ["--data", str(BUILD / "corpus")]
    crash = ["--crash-at-step", CRASH_AT_STEP]
    return [*supervise, *where, "--", *train, *where, *corpus, *crash]


def start(
    command: list[str], env: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Start a program that writes to *log*, away from the terminal's Ctrl-C."""
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603  # our own programs
            command, env=env, stdout=output, stderr=output, start_new_session=True
        )


def leave(program: subprocess.Popen[bytes]) -> None:
    """Ask a program to end, and wait for it; kill it only if it does not."""
    if program.poll() is None:
        program.terminate()
    try:
        program.wait(LEAVE_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


def wait_until_ready(api: Api, exporter: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for the exporter's first tick, or say why there is none."""
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while not api.ready():
        ended = exporter.poll() is not None
        if ended or time.monotonic() > deadline:
            what = "ended" if ended else f"is not ready after {READY_WITHIN_SECONDS} s"
            msg = f"the exporter {what}; it says:\n{last_lines(log, 5)}"
            raise DemoError(msg)
        time.sleep(0.1)


def watch(  # noqa: PLR0913  # what to watch, where to show it, and two ways to end
    view: View,
    api: Api,
    training: subprocess.Popen[bytes],
    log: Path,
    *,
    ends_at: float,
    asked_to_stop: threading.Event,
) -> None:
    """Show the run until it ends, the time is over, or somebody asks to stop."""
    began = time.monotonic()
    while training.poll() is None and time.monotonic() < ends_at:
        view.show(time.monotonic() - began, api.run(), last_lines(log, 1))
        if asked_to_stop.wait(REDRAW_SECONDS):
            return


def last_account(api: Api) -> Answer | None:
    """Return the run's account, once the exporter knows that the run is over."""
    deadline = time.monotonic() + LEAVE_WITHIN_SECONDS
    run = api.run()
    while run and run["outcome"] == "running" and time.monotonic() < deadline:
        time.sleep(0.2)
        run = api.run()
    return run


def last_lines(log: Path, count: int) -> str:
    """Return the end of a log file."""
    text = log.read_text(encoding="utf-8", errors="replace")
    return "\n".join(text.splitlines()[-count:])


if __name__ == "__main__":
    sys.exit(main())
