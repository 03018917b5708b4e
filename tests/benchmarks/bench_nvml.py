"""
What reading 16 GPUs costs, on a driver that answers at once.

Prints CPU time per tick in interleaved rounds: our calls alone, the child as it
runs, the parent beside it; then the whole at 1 Hz, the child's memory, and by how
much a call that takes a second delays other GPUs. The fake driver's own cost, a few
microseconds a call, is in all of them.

With ``--peer`` nvitop-exporter runs on the same driver: all its values, and the nine
that both of us read (``equal fields``), where its own calls and gauges are used and
nothing else of it. It keeps answers for a second, so its ticks are a second apart;
its process list, which we do not read by default, is in the first figure only.
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
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from goodput_exporter.domain.observations import GpuSample
from goodput_exporter.sources.nvml.process import ChildProcess
from goodput_exporter.sources.nvml.source import NvmlSource
from goodput_exporter.sources.nvml.wire import Answered, Orders
from tests.fakes.nvml.driver import FakeDriver, compile_library, install

GPUS = 16
TICKS = 50
SLOW = 3
DELAY_ROUNDS = 7
MIB = 2**20

DIRECT = """
import sys, time
import pynvml
from goodput_exporter.sources.nvml.device import Device
from goodput_exporter.sources.nvml.wire import Orders, encode
pynvml.nvmlInit()
gpus, ticks = int(sys.argv[1]), int(sys.argv[2])
orders = Orders(1.0, events=False)
devices = [Device(i, time.monotonic_ns, orders, encode) for i in range(gpus)]
[encode(device.read()) for device in devices]
began = time.process_time()
for _ in range(ticks):
    [encode(device.read()) for device in devices]
print((time.process_time() - began) / ticks * 1e3)
began = time.process_time()
for _ in range(ticks):
    [encode(told) for device in devices for told in device.inspect()]
print((time.process_time() - began) / ticks * 1e3)
"""

NVITOP = """
import sys, time
from nvitop import Device, MiB
from nvitop_exporter.exporter import PrometheusExporter
from prometheus_client import CollectorRegistry
gpus, ticks = int(sys.argv[1]), 5
devices = Device.all()
assert len(devices) == gpus
exporter = PrometheusExporter(devices, registry=CollectorRegistry())

def equal(device):
    labels = dict(hostname=exporter.hostname, index=str(device.index),
                  devicename=device.name(), uuid=device.uuid())
    with device.oneshot():
        for gauge, value in (
            (exporter.gpu_utilization, float(device.gpu_utilization())),
            (exporter.gpu_memory_utilization, float(device.memory_utilization())),
            (exporter.gpu_memory_total, device.memory_total() / MiB),
            (exporter.gpu_memory_used, device.memory_used() / MiB),
            (exporter.gpu_clock_sm, float(device.clock_infos().sm)),
            (exporter.gpu_clock_memory, float(device.clock_infos().memory)),
            (exporter.gpu_power_usage, device.power_usage() / 1000.0),
            (exporter.gpu_power_limit, device.power_limit() / 1000.0),
            (exporter.gpu_temperature, float(device.temperature())),
        ):
            gauge.labels(**labels).set(value)

for update in (exporter.update_device, equal):
    spent = 0.0
    for tick in range(ticks + 1):
        time.sleep(1.05)
        began = time.process_time()
        for device in devices:
            update(device)
        spent += (time.process_time() - began) if tick else 0.0
    print(spent / ticks * 1e3)
"""


@dataclass(frozen=True, slots=True)
class Running:
    """CPU milliseconds per tick of the child and of the parent; bytes of the child."""

    child_ms: float
    parent_ms: float
    child_bytes: int


def main() -> None:
    """Measure in interleaved rounds; print medians and ranges."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer", help="a Python with nvitop-exporter installed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        driver = install(Path(folder), compile_library(Path(folder)))
        driver.play(f"count {GPUS}")
        spent: dict[str, list[float]] = {}
        for _ in range(options.rounds):
            measure(spent, driver, options.peer)
        report(spent)
        show_process(driver)
        show_delay(driver)


def measure(
    spent: dict[str, list[float]], driver: FakeDriver, peer: str | None
) -> None:
    """Add one round of figures, in milliseconds per tick."""
    environment = driver.environment()
    calls, inspection = script(sys.executable, DIRECT, environment)
    note(spent, "calls and encoding", calls)
    note(spent, "health, links and MIG, every 10 s", inspection)
    if peer:
        every, equal = script(peer, NVITOP, environment)
        note(spent, "nvitop-exporter, all its values", every)
        note(spent, "nvitop-exporter, equal fields", equal)
    run = running(driver, Orders(interval_seconds=0.05), TICKS)
    note(spent, "child, whole process at 20 Hz", run.child_ms)
    note(spent, "parent, its thread and one read", run.parent_ms)


def report(spent: dict[str, list[float]]) -> None:
    """Print medians, ranges, and how much more the peer takes."""
    for name, values in spent.items():
        low, high = min(values), max(values)
        print(  # noqa: T201  # a benchmark prints
            f"{name:34} {median(values):8.3f} ms CPU per tick of {GPUS} GPUs "
            f"({low:.3f} to {high:.3f})"
        )
    equal = spent.get("nvitop-exporter, equal fields")
    if equal:
        ours = median(spent["calls and encoding"])
        print(  # noqa: T201  # see above
            f"nvitop-exporter at equal fields takes {median(equal) / ours:.1f} times "
            "our calls (target: 5)"
        )


def show_process(driver: FakeDriver) -> None:
    """Print what the whole takes at its own pace, once a second."""
    run = running(driver, Orders(interval_seconds=1.0), 20)
    percent = (run.child_ms + run.parent_ms) / 10
    print(  # noqa: T201  # see above
        f"at 1 Hz: {percent:.2f} % of a core (child {run.child_ms:.2f} ms, parent "
        f"{run.parent_ms:.2f} ms a second; target: 1 % for the whole agent), child "
        f"RSS {run.child_bytes / MIB:.1f} MiB"
    )


def show_delay(driver: FakeDriver) -> None:
    """Print how late the others' samples come while one GPU takes a second."""
    hung = f"gpu {SLOW} fault nvmlDeviceGetPowerUsage delay_ms 1000"
    quiet_ms: list[float] = []
    hung_ms: list[float] = []
    with closing(Ear(driver)) as ear:
        ear.listen(2.0)  # starting up is not service
        for _ in range(DELAY_ROUNDS):
            for rules, found in (((), quiet_ms), ((hung,), hung_ms)):
                driver.play(f"count {GPUS}", *rules)
                ear.listen(1.0)  # calls of the round before come back
                found.append(ear.listen(2.0))
    pairs = zip(quiet_ms, hung_ms, strict=True)
    later = [with_it - without for without, with_it in pairs]
    print(  # noqa: T201  # see above
        f"99 of 100 samples of the other GPUs at 10 Hz come within "
        f"{median(quiet_ms):.1f} ms, with one call hung for 1 s "
        f"{median(hung_ms):.1f} ms: {median(later):+.1f} ms in the median of "
        f"{DELAY_ROUNDS} pairs ({min(later):+.1f} to {max(later):+.1f}; at most 5)"
    )


class Ear:
    """Hears every sample of a child itself, before the parent gathers them."""

    def __init__(self, driver: FakeDriver) -> None:
        self._child = ChildProcess(Orders(0.1), driver.environment())
        self._wake_read_fd, self._wake_write_fd = os.pipe()
        self._last_ns: dict[int, int] = {}

    def listen(self, seconds: float) -> float:
        """Return the 99th percentile of the gaps between samples, without one GPU."""
        gaps_ns: list[int] = []
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            for one in self._child.receive(0.05, self._wake_read_fd) or ():
                if not isinstance(one, Answered) or one.index == SLOW:
                    continue
                before_ns = self._last_ns.get(one.index, one.mono_ns)
                self._last_ns[one.index] = one.mono_ns
                gaps_ns += [one.mono_ns - before_ns] if one.mono_ns > before_ns else []
        return sorted(gaps_ns)[len(gaps_ns) * 99 // 100] / 1e6 if gaps_ns else 0.0

    def close(self) -> None:
        """End the child."""
        self._child.abandon()
        self._child.ending(5.0)
        os.close(self._wake_read_fd)
        os.close(self._wake_write_fd)


def note(spent: dict[str, list[float]], name: str, milliseconds: float) -> None:
    """Add one round's figure."""
    spent.setdefault(name, []).append(milliseconds)


def script(python: str, text: str, environment: dict[str, str]) -> list[float]:
    """Run a script in an interpreter of its own; return what it prints."""
    command = [python, "-c", text, str(GPUS), str(TICKS)]
    told = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True, timeout=60
    )
    return [float(line) for line in told.stdout.split()]


def wait_for(source: NvmlSource, count: int) -> None:
    """Wait until so many GPUs have answered."""
    pause = threading.Event()
    while sum(isinstance(gpu, GpuSample) for gpu in source.read()) < count:
        pause.wait(0.01)


def running(driver: FakeDriver, orders: Orders, ticks: int) -> Running:
    """Return what the child and this process take while GPUs are read."""
    source = NvmlSource(time.monotonic_ns, orders=orders, host=driver.host())
    with closing(source):
        wait_for(source, GPUS)
        pause = threading.Event()
        (pid,) = children()
        child_began, parent_began = cpu_seconds(pid), time.process_time()
        for _ in range(ticks):
            pause.wait(orders.interval_seconds)
            source.read()
        child = cpu_seconds(pid) - child_began
        parent = time.process_time() - parent_began
        resident = resident_bytes(pid)
    return Running(child / ticks * 1e3, parent / ticks * 1e3, resident)


def children() -> list[int]:
    """Return the process ids of our children."""
    tasks = Path("/proc/self/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, user and system, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def resident_bytes(pid: int) -> int:
    """Return the memory that a process has in RAM."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
