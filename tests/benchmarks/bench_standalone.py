"""Print what the whole exporter costs: memory and CPU, idle and with real ranks."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from tests.fakes.heartbeats import heartbeat
from tests.fakes.station import PATIENCE_S, Station, station, until
from tests.sdk.agent import environment

# Ten steps a second, paced: the ranks must not compete for the cores with what is
# measured, so this is the one place where a step waits instead of working.
RANK: Final = """
import sys, time
import goodput_sdk as gp
hb = gp.init()
ends, step, due = time.monotonic() + float(sys.argv[1]), 0, time.monotonic()
while time.monotonic() < ends:
    step, due = step + 1, due + 0.1
    with hb.step(step):
        time.sleep(max(0.0, due - time.monotonic()))
hb.close()
"""
RANKS: Final = 8
AS_SHIPPED: Final = {
    "BOOKS_TICK_SECONDS": "1",
    "BOOKS_GRACE_SECONDS": "5",
    "BOOKS_SETTLE_SECONDS": "60",
    "BOOKS_SETTLE_AFTER_START_SECONDS": "300",
}
SETTLING_S: Final = 3.0
PROBES: Final = 20


def main() -> None:
    """Measure an idle exporter, then the same one at work, then its delay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        station(Path(folder), **AS_SHIPPED) as exporter,
    ):
        exporter.start()
        time.sleep(SETTLING_S)
        say("one exporter as shipped (a tick a second), no GPU")
        print_cost("idle", exporter, options.seconds)
        with ranks(exporter, SETTLING_S + options.seconds):
            time.sleep(SETTLING_S)
            print_cost(f"{RANKS} ranks x 10 steps/s", exporter, options.seconds)
        print_delay(exporter)


def say(line: str) -> None:
    """Print a line."""
    print(line, flush=True)  # noqa: T201  # a benchmark prints


def print_cost(name: str, exporter: Station, seconds: float) -> None:
    """Watch the process for a while; print its memory and its CPU."""
    began_s, used_s = time.monotonic(), cpu_seconds(exporter.pid)
    sizes: list[int] = []
    while time.monotonic() < began_s + seconds:
        sizes.append(exporter.resident_bytes())
        time.sleep(1.0)
    share = (cpu_seconds(exporter.pid) - used_s) / (time.monotonic() - began_s)
    mib = [size / 2**20 for size in sizes]
    say(
        f"  {name:22} RSS {median(mib):6.1f} MiB (at most {max(mib):.1f})   "
        f"CPU {100 * share:5.2f} % of a core   over {seconds:.0f} s"
    )


def cpu_seconds(pid: int) -> float:
    """Return the user and system time that a process has used."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def ranks(exporter: Station, seconds: float) -> Iterator[None]:
    """Run one job of several real ranks, which end by themselves."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(seconds)],
            env=environment(
                exporter.address,
                GOODPUT_RUN_ID="bench",
                RANK=str(rank),
                WORLD_SIZE=str(RANKS),
                GOODPUT_INTERVAL_S="2",
            ),
        )
        for rank in range(RANKS)
    ]
    try:
        yield
    finally:
        for process in running:
            process.wait(PATIENCE_S + seconds)


def print_delay(exporter: Station) -> None:
    """
    Send a step, and wait until ``/metrics`` shows it.

    Each but the first is sent right after a tick, which is the longest way.
    """
    delays_s: list[float] = []
    born_s = time.monotonic()
    for step in range(1, PROBES + 1):
        began_s = time.monotonic()
        up = began_s - born_s
        sent = heartbeat(
            run="probe",
            seq=step,
            up=up,
            pa=0.0,
            cum={"train_step": up},
            st=step,
            sn=step,
            rank=0,
            ws=1,
        )
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
            door.sendto(sent, str(exporter.unix))
        until(partial(shows, exporter, step), f"step {step} on the page")
        delays_s.append(time.monotonic() - began_s)
    say(
        f"  datagram to /metrics   median {median(delays_s):.2f} s   "
        f"({min(delays_s):.2f} .. {max(delays_s):.2f}), {PROBES} probes, tick 1 s"
    )


def shows(exporter: Station, step: int) -> bool:
    """Tell whether the page is as new as *step* of the probe."""
    return exporter.page().one("goodput_run_step", run="probe") == step


if __name__ == "__main__":
    main()
