"""
What one heartbeat costs the exporter, beside a FastAPI route that takes the same.

Prints medians and ranges of interleaved rounds of CPU time; asserts nothing.

Ours, each row with all of the one before it:

- socket + decode: recvmsg with the kernel's word on the sender, its token bucket,
  the queue, the strict typed pass and the checks between fields.
- whole path: then order, age and phases held against the incarnation's past, the
  limits, and the domain's report. All that is ever done for one heartbeat.
- whole source: the same in its process as it runs, with its thread, its epoll and
  its wake-ups, while another process sends as fast as the kernel lets it.

The route is measured twice: called as ASGI in this process, which is a parse and a
validation without a socket, HTTP or a past to hold anything against; and under
uvicorn over a kept-alive connection, which is what a user of it would run. So the
like of the whole source is the route on uvicorn, and the like of the route alone
would be our decode; its ratio to the whole path is the strictest there is.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from statistics import median
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from goodput_exporter.clock import LedgerClock
from goodput_exporter.sources.datagrams import decode
from goodput_exporter.sources.heartbeats import HeartbeatSource
from goodput_exporter.sources.intake import Intake
from goodput_exporter.sources.limits import Limits
from goodput_exporter.sources.reception import Reception
from goodput_exporter.sources.senders import Sender
from goodput_exporter.sources.sockets import UnixSocket
from tests.fakes.heartbeats import fields

US = 1e6
NO_LIMITS = Limits(
    rate_per_second=1e8, burst=1e8, queued_datagrams=10**7, queued_bytes=2**33
)
KERNEL_QUEUE = 8  # net.unix.max_dgram_qlen is 10 in a new network namespace

# A sender of its own, so that its time is not counted as ours.
FLOOD = """
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(sys.argv[1])
m = json.loads(sys.argv[3])
lines = []
for seq in range(int(sys.argv[2])):
    m["seq"] = seq
    lines.append(json.dumps(m, separators=(",", ":")).encode())
sys.stdin.readline()
for line in lines:
    s.send(line)
"""


class Beat(BaseModel):
    """The heartbeat as a pydantic model, as a FastAPI route would declare it."""

    v: int
    t: str
    inc: str
    seq: int
    up: float
    ph: str
    pa: float
    cum: dict[str, float]
    run: str | None = None
    rank: int = -1
    ws: int = -1
    role: str = "trainer"
    st: int | None = None
    sa: float | None = None
    sn: int | None = None
    ss: tuple[int, float, float, float] | None = None
    cs: int | None = None
    cd: int | None = None
    tk: int | None = None
    sc: str | None = None
    mo: float | None = None
    wa: float | None = None
    src: str | None = None


def sample() -> dict[str, object]:
    """Return a heartbeat of the usual size."""
    return fields(
        run="ml/llama3-8b", rank=0, ws=8, lr=0, lws=8, role="trainer", up=0.0,
        pa=0.0, cum={"init": 0.0, "compile": 0.0, "train_step": 0.0,
                     "data_loading": 0.0, "checkpoint_save": 0.0},
        st=1200, sa=0.0, sn=1200, ss=[3, 2.9, 0.9, 1.1], cs=1000, cd=1000,
        tk=838860800, sc="g", mo=time.monotonic(), wa=time.time(), src="sdk",
    )  # fmt: skip


def encoded(count: int) -> list[bytes]:
    """Return so many heartbeats of one incarnation."""
    beat = sample()
    return [
        json.dumps({**beat, "seq": seq}, separators=(",", ":")).encode()
        for seq in range(count)
    ]


def socket_and_decode(count: int) -> float:
    """Return microseconds to read, admit to the queue and decode one datagram."""
    return _read_and(lambda data, _sender, _now_ns: decode(data), count)


def whole_path(count: int) -> float:
    """Return microseconds from the socket to the domain's report, in one thread."""
    return _read_and(Reception(LedgerClock(), NO_LIMITS).accept, count)


def _read_and(take: Callable[[bytes, Sender, int], object], count: int) -> float:
    spent = 0.0
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock,
    ):
        unix = UnixSocket(Path(folder) / "s")
        intake = Intake(unix.socket, None, LedgerClock().now_ns, NO_LIMITS)
        sock.connect(str(unix.path))
        data = encoded(count)
        for start in range(0, count, KERNEL_QUEUE):
            for item in data[start : start + KERNEL_QUEUE]:
                sock.send(item)
            began = time.process_time()
            # The thread's own read, run here to time it without the thread.
            intake._read_unix(KERNEL_QUEUE)  # noqa: SLF001 - see above
            while intake.queue:
                take(*intake.queue.popleft())  # type: ignore[misc]  # no exits here
            spent += time.process_time() - began
        intake.start()
        intake.stop()
        unix.close()
    return spent / count * US


def whole_source(count: int) -> float:
    """Return our CPU microseconds per datagram from another process, all included."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s"
        source = HeartbeatSource(LedgerClock(), unix_path=path, limits=NO_LIMITS)
        command = [sys.executable, "-c", FLOOD, str(path), str(count)]
        with subprocess.Popen(
            [*command, json.dumps(sample())], stdin=subprocess.PIPE
        ) as flood:
            began = time.process_time()
            flood.communicate(b"go\n")
            seen = len(source.drain())
            while seen < count and source.wait(1):
                seen += len(source.drain())
            spent = time.process_time() - began
        source.close()
    return spent / max(1, seen) * US


app = FastAPI()
_taken: list[int] = []


@app.post("/heartbeat", status_code=204)
async def take(beat: Beat) -> None:
    """Take one heartbeat, as the simplest route would."""
    _taken.append(beat.seq)


@app.get("/cpu")
async def cpu() -> float:
    """Return the seconds of CPU that this process has used."""
    return time.process_time()


def fastapi_route(count: int) -> float:
    """Return microseconds for the route to take one heartbeat, without a server."""
    _taken.clear()
    spent = asyncio.run(_post_all(app, encoded(count)))
    assert len(_taken) == count
    return spent / count * US


def fastapi_server(count: int) -> float:
    """Return a uvicorn server's CPU microseconds per heartbeat."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "s")
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "tests.benchmarks.bench_heartbeats:app",
        ]
        options = ["--uds", path, "--no-access-log", "--log-level", "error"]
        with subprocess.Popen([*command, *options]) as server:
            try:
                return _server_cpu(_connected(path), encoded(count)) / count * US
            finally:
                server.terminate()


def _connected(path: str) -> http.client.HTTPConnection:
    """Connect as soon as the server listens, within half a minute."""
    deadline = time.monotonic() + 30
    while True:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if sock.connect_ex(path) == 0:
            connection = http.client.HTTPConnection("localhost")
            connection.sock = sock
            return connection
        sock.close()
        if time.monotonic() > deadline:
            msg = f"uvicorn does not listen on {path}"
            raise TimeoutError(msg)
        time.sleep(0.05)


def _server_cpu(connection: http.client.HTTPConnection, bodies: list[bytes]) -> float:
    def ask(method: str, path: str, body: bytes | None = None) -> bytes:
        headers = {"Content-Type": "application/json"}
        connection.request(method, path, body, headers)
        return connection.getresponse().read()

    before = float(ask("GET", "/cpu"))
    for body in bodies:
        ask("POST", "/heartbeat", body)
    spent = float(ask("GET", "/cpu")) - before
    connection.close()
    return spent


Asgi = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]


async def _post_all(app: Asgi, bodies: list[bytes]) -> float:
    async def send(_message: MutableMapping[str, Any]) -> None:
        pass

    began = time.process_time()
    for body in bodies:

        async def receive(body: bytes = body) -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/heartbeat",
            "raw_path": b"/heartbeat",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"content-type", b"application/json")],
        }
        await app(scope, receive, send)
    return time.process_time() - began


ROWS: dict[str, Callable[[int], float]] = {
    "socket + decode": socket_and_decode,
    "whole path": whole_path,
    "whole source": whole_source,
    "FastAPI route alone": fastapi_route,
    "FastAPI on uvicorn": fastapi_server,
}


def main() -> None:
    """Print one line per path, then the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=10_000)
    options = parser.parse_args()
    spent: dict[str, list[float]] = {name: [] for name in ROWS}
    for _ in range(options.rounds):
        for name, cost in ROWS.items():
            few = options.messages // (10 if name.startswith("FastAPI") else 1)
            spent[name].append(cost(max(few, 100)))
    for name, us in spent.items():
        middle = median(us)
        print(  # noqa: T201 - a benchmark prints
            f"{name:28}{middle:8.2f} us per message ({min(us):.2f} to {max(us):.2f})"
            f"{US / middle:12,.0f} a second and core"
        )
    for route, ours in (
        ("FastAPI route alone", "socket + decode"),
        ("FastAPI route alone", "whole path"),
        ("FastAPI on uvicorn", "whole source"),
    ):
        ratio = median(spent[route]) / median(spent[ours])
        print(f"{route} / {ours}: {ratio:.1f}x")  # noqa: T201 - see above


if __name__ == "__main__":
    main()
