"""
What reading 16 GPUs once costs, on a driver that answers at once.

Prints CPU time per tick in interleaved rounds: our calls alone, the child as it
runs, the parent beside it, and nvitop-exporter where a Python with it is named.
The fake driver's own cost, a few microseconds a call, is in all of them. The peer
asks for more fields, some of which the fake driver lacks, and it keeps answers for
a second, so that most of its ticks are cheaper here than at 1 Hz.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from statistics import median

from goodput_exporter.sources.nvml import NvmlSource
from tests.fakes.nvml.driver import compile_library, install

GPUS = 16
TICKS = 50

DIRECT = """
import sys, time
import pynvml
from goodput_exporter.sources.nvml_device import Device
from goodput_exporter.sources.nvml_wire import Orders, encode
pynvml.nvmlInit()
gpus, ticks = int(sys.argv[1]), int(sys.argv[2])
orders = Orders(1.0, events=False)
devices = [Device(i, time.monotonic_ns, orders, encode) for i in range(gpus)]
[encode(device.read()) for device in devices]
began = time.process_time()
for _ in range(ticks):
    [encode(device.read()) for device in devices]
print((time.process_time() - began) / ticks * 1e3)
"""

NVITOP = """
import sys, time
from nvitop import Device
from nvitop_exporter.exporter import PrometheusExporter
from prometheus_client import CollectorRegistry
gpus, ticks = int(sys.argv[1]), int(sys.argv[2])
devices = Device.all()
assert len(devices) == gpus
exporter = PrometheusExporter(devices, registry=CollectorRegistry())
spent = 0.0
for tick in range(ticks + 1):
    began = time.process_time()
    for device in devices:
        exporter.update_device(device)
    spent += (time.process_time() - began) if tick else 0.0
print(spent / ticks * 1e3)
"""


def main() -> None:
    """Measure in interleaved rounds; print medians and ranges."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer", help="a Python with nvitop-exporter installed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        driver = install(Path(folder), compile_library(Path(folder)))
        driver.play(f"count {GPUS}")
        environment = driver.environment()
        spent: dict[str, list[float]] = {}
        for _ in range(options.rounds):
            note(
                spent, "calls and encoding", script(sys.executable, DIRECT, environment)
            )
            if options.peer:
                peer = script(options.peer, NVITOP, environment)
                note(spent, "nvitop-exporter, one collection", peer)
            child, parent = running(environment)
            note(spent, "child, whole process", child)
            note(spent, "parent, its thread and one read", parent)
    for name, values in spent.items():
        low, high = min(values), max(values)
        print(  # noqa: T201  # a benchmark prints
            f"{name:34} {median(values):8.3f} ms CPU per tick of {GPUS} GPUs "
            f"({low:.3f} to {high:.3f})"
        )


def note(spent: dict[str, list[float]], name: str, milliseconds: float) -> None:
    """Add one round's figure."""
    spent.setdefault(name, []).append(milliseconds)


def script(python: str, text: str, environment: dict[str, str]) -> float:
    """Run a script in an interpreter of its own; return what it prints."""
    command = [python, "-c", text, str(GPUS), str(TICKS)]
    told = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True, timeout=60
    )
    return float(told.stdout)


def running(environment: dict[str, str]) -> tuple[float, float]:
    """Return milliseconds of CPU per tick of the child, and of this process."""
    interval_seconds = 0.05
    source = NvmlSource(
        time.monotonic_ns, interval_seconds=interval_seconds, environment=environment
    )
    with closing(source):
        pause = threading.Event()
        while len(source.read()) < GPUS:
            pause.wait(0.01)
        (pid,) = children()
        child_began, parent_began = cpu_seconds(pid), time.process_time()
        for _ in range(TICKS):
            pause.wait(interval_seconds)
            source.read()
        child = cpu_seconds(pid) - child_began
        parent = time.process_time() - parent_began
    return child / TICKS * 1e3, parent / TICKS * 1e3


def children() -> list[int]:
    """Return the process ids of our children."""
    tasks = Path("/proc/self/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, user and system."""
    text = Path(f"/proc/{pid}/stat").read_text()
    user, system = text.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
