"""
What reporting costs a training loop, beside the ways it could have been done.

Prints medians and ranges of interleaved rounds; asserts nothing, because a
shared machine is no place to fail a build over a microsecond.
"""

from __future__ import annotations

import argparse
import http.client
import http.server
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import goodput_sdk
from tests.sdk.agent import SDK_PATH, Agent, environment

STEPS = 50_000
PAYLOAD = b"x" * 420
FRESH_INTERPRETERS = 20
TIMED_IMPORT = (
    "import time; t = time.perf_counter(); import goodput_sdk; "
    "print(time.perf_counter() - t)"
)
# One program, so that the pairs differ in the agent alone: 1 ms steps of real work.
PAIRED_LOOP = """
import time, goodput_sdk as gp
hb = gp.init()
took = []
for step in hb.data(range(3000)):
    began = time.perf_counter()
    with hb.step(step):
        total = 0
        for number in range(20_000):
            total += number
    took.append(time.perf_counter() - began)
took.sort()
print(took[len(took) // 2], took[len(took) * 99 // 100])
"""


def main() -> None:
    """Print the cost of a step, of an import, and of a sick agent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print_steps(options.rounds)
    print_memory()
    print_imports()
    print_agents(options.rounds)


def say(line: str) -> None:
    """Print a line."""
    print(line, flush=True)  # noqa: T201  # a benchmark prints


def print_steps(rounds: int) -> None:
    """Compare one step of ours with its rivals, in the same rounds."""
    spent: dict[str, list[float]] = {}
    with rivals() as ways:
        for _ in range(rounds):
            for name, (act, times) in ways.items():
                spent.setdefault(name, []).append(cost_s(act, times))
    ours = median(spent["goodput_sdk step"])
    say("one step of a training loop (median, range of rounds; ours = 1)")
    for name, seconds in spent.items():
        micro = [s * 1e6 for s in seconds]
        say(
            f"  {name:28}{median(micro):9.2f} us  x{median(seconds) / ours:8.2f}"
            f"   ({min(micro):.2f} .. {max(micro):.2f})"
        )


def cost_s(act: Callable[[int], None], times: int) -> float:
    """Return the seconds that one of *times* calls takes, in the loop they are in."""
    began = time.perf_counter()
    act(times)
    return (time.perf_counter() - began) / times


@contextmanager
def rivals() -> Iterator[dict[str, tuple[Callable[[int], None], int]]]:
    """Set up each way to report a step, and how often to do it."""
    with tempfile.TemporaryDirectory(prefix="gp") as folder, web_server() as port:
        agent = Agent(Path(folder) / "a.sock")
        os.environ["GOODPUT_ADDR"] = agent.address
        hb = goodput_sdk.init(run_id="bench")
        idle = goodput_sdk.Heartbeat()
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        client = http.client.HTTPConnection("127.0.0.1", port)
        yield {
            "two reads of the clock": (read_clock, STEPS),
            "goodput_sdk, not reporting": (lambda n: step_with(idle, n), STEPS),
            "goodput_sdk step": (lambda n: step_with(hb, n), STEPS),
            "goodput_sdk data + step": (lambda n: data_and_step(hb, n), STEPS),
            "goodput_sdk step_end": (lambda n: callbacks(hb, n), STEPS),
            "Unix datagram every step": (
                lambda n: send_each(sock, str(agent.path), n),
                STEPS // 10,
            ),
            "HTTP POST, connection kept": (lambda n: post_each(client, n), 500),
            "HTTP POST, urllib": (lambda n: post_with_urllib(port, n), 100),
        }
        hb.close()
        sock.close()
        client.close()
        agent.die()


def read_clock(times: int) -> None:
    """Do what the cheapest conceivable timer does."""
    now = time.monotonic_ns
    for _ in range(times):
        now()
        now()


def step_with(hb: goodput_sdk.Heartbeat, times: int) -> None:
    """Take empty steps."""
    for step in range(times):
        with hb.step(step):
            pass


def data_and_step(hb: goodput_sdk.Heartbeat, times: int) -> None:
    """Take empty steps on data that is there."""
    for step in hb.data(range(times)):
        with hb.step(step):
            pass


def callbacks(hb: goodput_sdk.Heartbeat, times: int) -> None:
    """Take empty steps in callback form."""
    hb.enter("train_step")
    for step in range(times):
        hb.step_end(step)
    hb.enter("idle")


def send_each(sock: socket.socket, path: str, times: int) -> None:
    """Send a datagram for each step to an agent that reads."""
    for _ in range(times):
        sock.sendto(PAYLOAD, path)


def post_each(client: http.client.HTTPConnection, times: int) -> None:
    """Post each step over a connection that is kept."""
    for _ in range(times):
        client.request("POST", "/", PAYLOAD)
        client.getresponse().read()


def post_with_urllib(port: int, times: int) -> None:
    """Post each step the way that takes one line."""
    for _ in range(times):
        urllib.request.urlopen(
            f"http://127.0.0.1:{port}/", PAYLOAD
        ).close()  # our own server


class Sink(http.server.BaseHTTPRequestHandler):
    """A web server that takes everything and says nothing of it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # the name that the base class looks for
        """Read the body and answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the base class has it
        """Keep quiet."""


@contextmanager
def web_server() -> Iterator[int]:
    """Serve on a free port of the loopback, from a process's thread of its own."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def print_memory() -> None:
    """Tell what a million steps leave behind."""
    with tempfile.TemporaryDirectory(prefix="gp") as folder:
        os.environ["GOODPUT_ADDR"] = f"unix://{folder}/none.sock"
        hb = goodput_sdk.init()
        step_with(hb, STEPS)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        step_with(hb, 1_000_000)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        hb.close()
    say(f"memory: {grown} KiB more after 1,000,000 steps")


def print_imports() -> None:
    """Time the import in fresh interpreters that have its bytecode, as installed."""
    with tempfile.TemporaryDirectory(prefix="gp") as cache:
        env = environment("", PYTHONPYCACHEPREFIX=cache)
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        run_for_floats(TIMED_IMPORT, env)
        times = [
            run_for_floats(TIMED_IMPORT, env)[0] * 1e3
            for _ in range(FRESH_INTERPRETERS)
        ]
    say(
        f"import: {median(times):.2f} ms ({min(times):.2f} .. {max(times):.2f}), "
        f"{FRESH_INTERPRETERS} fresh interpreters"
    )


def print_agents(rounds: int) -> None:
    """Pair runs that differ only in how the agent is."""
    spent: dict[str, list[list[float]]] = {}
    with tempfile.TemporaryDirectory(prefix="gp") as folder:
        reading = Agent(Path(folder) / "r.sock")
        frozen = Agent(Path(folder) / "f.sock", frozen=True)
        hole = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        hole.bind(("127.0.0.1", 0))
        addresses = {
            "no agent configured": "",
            "agent reads": reading.address,
            "agent frozen": frozen.address,
            "agent absent": f"unix://{folder}/none.sock",
            "UDP, never read": f"udp://127.0.0.1:{hole.getsockname()[1]}",
        }
        for _ in range(rounds):
            for name, address in addresses.items():
                spent.setdefault(name, []).append(timed_run(address))
        reading.die()
        frozen.die()
        hole.close()
    print_pairs(spent)


def timed_run(address: str) -> list[float]:
    """Return a program's median and 99th percentile step, and its whole time."""
    began = time.perf_counter()
    steps = run_for_floats(PAIRED_LOOP, environment(address, GOODPUT_INTERVAL_S="2"))
    return [*steps, time.perf_counter() - began]


def print_pairs(spent: dict[str, list[list[float]]]) -> None:
    """Print each agent's ratios to the run beside it that reported nothing."""
    say("3,000 steps of about 1 ms, beside the same without an agent (median of pairs)")
    alone = spent["no agent configured"]
    for name, runs in spent.items():
        pairs = list(zip(runs, alone, strict=True))
        p50, p99 = (median(a[i] / b[i] for a, b in pairs) for i in (0, 1))
        longer_ms = median((a[2] - b[2]) * 1e3 for a, b in pairs)
        say(
            f"  {name:22} p50 x{p50:.3f}   p99 x{p99:.3f}   "
            f"whole program {longer_ms:+6.1f} ms"
        )


def run_for_floats(program: str, env: dict[str, str]) -> list[float]:
    """Run a program and return the numbers that it prints."""
    found = subprocess.run(
        [sys.executable, "-c", program],
        env=env,
        cwd=SDK_PATH.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(word) for word in found.stdout.split()]


if __name__ == "__main__":
    main()
