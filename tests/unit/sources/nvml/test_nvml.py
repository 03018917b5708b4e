"""The NVML source through NVIDIA's own binding, on a driver that misbehaves."""

from __future__ import annotations

import ctypes.util
import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from goodput_exporter.domain.observations import GpuSample
from goodput_exporter.sources.nvml.process import ChildProcess
from goodput_exporter.sources.nvml.source import NvmlSource
from goodput_exporter.sources.nvml.wire import Listed, Orders, encode
from tests.fakes.nvml.driver import FakeDriver, install
from tests.fakes.nvml.story import (
    PATIENCE_SECONDS,
    all_fresh,
    fresh,
    lost,
    renewed,
    source_on,
    until,
    uuid,
)

pytestmark = pytest.mark.real

OTHERS = (0, 1, 2, 4, 5, 6, 7)


def test_eight_healthy_gpus_are_told_in_our_units(source: NvmlSource) -> None:
    """Watts, joules, hertz, bytes and ratios; what NVML says in milli and mega."""
    until(lambda: all_fresh(source), source)
    gpu = fresh(source)[5]

    assert replace(gpu, took_ns=0, throttled=(), health=None) == GpuSample(
        index=5,
        uuid=uuid(5),
        name="NVIDIA H100 80GB HBM3",
        at_ns=gpu.at_ns,
        busy_ratio=0.9,
        memory_used_bytes=40_960 * 2**20,
        memory_total_bytes=81_559 * 2**20,
        power_watts=450.0,
        power_limit_watts=700.0,
        energy_joules=123_456.789,
        temperature_celsius=55,
        sm_clock_hertz=1_755_000_000,
        memory_clock_hertz=2_619_000_000,
        memory_busy_ratio=0.3,
        memory_temperature_celsius=gpu.memory_temperature_celsius,
        clock_reasons=frozenset(),
    )
    assert gpu.took_ns > 0
    assert source.state() == (True, "8 GPUs, driver 570.86.15")


def test_a_hanging_gpu_costs_only_itself_and_heals(
    driver: FakeDriver, source: NvmlSource
) -> None:
    """
    One call never returns: the seven others stay fresh, and nobody waits.

    When the call returns after all the GPU is back, without a new child.
    """
    until(lambda: all_fresh(source), source)
    driver.play("count 8", "gpu 3 fault nvmlDeviceGetPowerUsage hang")
    until(lambda: 3 in lost(source), source)
    began = time.perf_counter()
    gone = lost(source)[3]
    took_seconds = time.perf_counter() - began

    assert (gone.reason, gone.uuid, gone.code) == ("hanging", uuid(3), None)
    assert took_seconds < 0.1
    since_ns = time.monotonic_ns()
    until(lambda: renewed(source, since_ns, OTHERS), source)
    assert source.state()[0] is True
    assert "7 of 8 GPUs answer" in source.state()[1]

    driver.play("count 8")
    until(lambda: all_fresh(source), source)
    assert (source.children_started, source.children_abandoned) == (1, 0)


@pytest.mark.parametrize(
    ("function", "code", "reason"),
    [
        ("nvmlDeviceGetHandleByIndex_v2", 15, "lost"),
        ("nvmlDeviceGetTemperature", 15, "lost"),
        ("*", 999, "unknown"),
        ("nvmlDeviceGetUtilizationRates", 16, "reset_required"),
    ],
)
def test_a_lost_gpu_costs_only_itself_and_keeps_its_name(
    driver: FakeDriver, source: NvmlSource, function: str, code: int, reason: str
) -> None:
    """Off the bus, unknown or waiting for a reset: named by the UUID it had."""
    until(lambda: all_fresh(source), source)
    driver.play(
        "count 8",
        "gpu 3 fault nvmlDeviceGetUtilizationRates return 999",
        f"gpu 3 fault {function} return {code}",
    )
    until(lambda: 3 in lost(source), source)
    gone = lost(source)[3]

    assert (gone.uuid, gone.code, gone.reason) == (uuid(3), code, reason)
    since_ns = time.monotonic_ns()
    until(lambda: renewed(source, since_ns, OTHERS), source)
    driver.play("count 8")
    until(lambda: all_fresh(source), source)


def test_a_gpu_that_crashes_the_library_costs_only_itself(
    driver: FakeDriver, source: NvmlSource
) -> None:
    """The child dies; the next one leaves that GPU alone for a while."""
    until(lambda: all_fresh(source), source)
    driver.play("count 8", "gpu 3 fault nvmlDeviceGetPowerUsage segfault")
    until(lambda: source.children_started > 1 and 3 in lost(source), source)
    gone = lost(source)[3]
    since_ns = time.monotonic_ns()

    assert (gone.uuid, gone.reason) == (uuid(3), "error")
    assert "SIGSEGV" in gone.detail
    until(lambda: renewed(source, since_ns, OTHERS), source)
    driver.play("count 8")
    until(lambda: all_fresh(source), source)


def test_two_hanging_gpus_cost_the_child_and_nobody_else(
    driver: FakeDriver, source: NvmlSource
) -> None:
    """
    When a second GPU hangs, a new child is started without the first one.

    The driver may share a lock: so it shows that the six others are well.
    """
    until(lambda: all_fresh(source), source)
    driver.play("count 8", "gpu 2 fault * hang", "gpu 5 fault * hang")
    until(lambda: source.children_abandoned > 0, source)
    since_ns = time.monotonic_ns()
    until(lambda: renewed(source, since_ns, (0, 1, 3, 4, 6, 7)), source)

    assert {2, 5} >= set(lost(source))
    driver.play("count 8")
    until(lambda: all_fresh(source), source)


def test_a_wedged_driver_loses_every_gpu_and_blocks_nobody(
    driver: FakeDriver, source: NvmlSource
) -> None:
    """All calls hang: children are abandoned, not waited for, until it heals."""
    until(lambda: all_fresh(source), source)
    driver.play("count 8", "gpu * fault * hang")
    until(lambda: len(lost(source)) == 8, source)
    began = time.perf_counter()
    up, detail = source.state()

    assert time.perf_counter() - began < 0.1
    assert up is False
    assert "0 of 8 GPUs answer" in detail
    assert {gpu.uuid for gpu in lost(source).values()} == {uuid(i) for i in range(8)}
    driver.play("count 8")
    until(lambda: all_fresh(source), source)


def test_nvml_that_never_comes_up_is_a_fault(driver: FakeDriver) -> None:
    """A driver that hangs in its initialisation is unresponsive, and heals."""
    driver.play("count 8", "fault nvmlInitWithFlags hang")
    with closing(source_on(driver, init_seconds=1.0)) as source:
        until(lambda: source.state()[0] is False, source)

        assert "driver unresponsive" in source.state()[1]
        assert source.read() == []
        driver.play("count 8")
        until(lambda: all_fresh(source), source)


@pytest.mark.parametrize("code", [3, 13])
@pytest.mark.parametrize(
    ("function", "field"),
    [
        ("nvmlDeviceGetPowerUsage", "power_watts"),
        ("nvmlDeviceGetTotalEnergyConsumption", "energy_joules"),
        ("nvmlDeviceGetTemperature", "temperature_celsius"),
    ],
)
def test_what_a_board_lacks_is_absent_and_never_zero(
    driver: FakeDriver, code: int, function: str, field: str
) -> None:
    """Not supported, or not in this driver: None, named once, the rest goes on."""
    driver.play("count 1", f"gpu 0 fault {function} return {code}")
    with closing(source_on(driver)) as source:
        until(lambda: all_fresh(source, 1), source)
        gpu = fresh(source)[0]

    assert gpu.unsupported == {field}
    assert getattr(gpu, field) is None
    assert gpu.sm_clock_hertz == 1_755_000_000


def test_unified_memory_has_no_memory_figure(driver: FakeDriver) -> None:
    """Boards that share the host's memory report none of their own."""
    driver.play(
        "count 1",
        "gpu 0 fault nvmlDeviceGetMemoryInfo return 3",
        "gpu 0 fault nvmlDeviceGetMemoryInfo_v2 return 3",
    )
    with closing(source_on(driver)) as source:
        until(lambda: all_fresh(source, 1), source)
        gpu = fresh(source)[0]

    assert gpu.unsupported == {"memory_used_bytes", "memory_total_bytes"}
    assert gpu.memory_used_bytes is None


@pytest.mark.parametrize("code", [13, 25])
def test_an_old_driver_tells_memory_the_old_way(driver: FakeDriver, code: int) -> None:
    """Without the newer call the older one answers."""
    driver.play("count 1", f"gpu 0 fault nvmlDeviceGetMemoryInfo_v2 return {code}")
    with closing(source_on(driver)) as source:
        until(lambda: all_fresh(source, 1), source)
        gpu = fresh(source)[0]

    assert gpu.memory_used_bytes == 40_960 * 2**20
    assert gpu.unsupported == frozenset()


def test_a_field_that_fails_once_is_missing_once(
    driver: FakeDriver, source: NvmlSource
) -> None:
    """Any other error on one field costs that field of that sample."""
    driver.play("count 8", "gpu 3 fault nvmlDeviceGetPowerUsage return 999")
    until(lambda: 3 in fresh(source) and not fresh(source)[3].power_watts, source)
    gpu = fresh(source)[3]

    assert gpu.power_watts is None
    assert gpu.unsupported == frozenset()
    driver.play("count 8")
    until(lambda: fresh(source)[3].power_watts == 450.0, source)


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ("utilization_percent 4000000", "busy_ratio"),
        ("memory_used_mib 90000", "memory_used_bytes"),
        ("power_mw 4000000000", "power_watts"),
        ("temperature_c 65000", "temperature_celsius"),
    ],
)
def test_a_figure_that_cannot_be_is_refused(
    driver: FakeDriver, rule: str, field: str
) -> None:
    """A struct misread by an older binding gives nonsense, which is not repaired."""
    driver.play("count 1", f"gpu 0 {rule}")
    with closing(source_on(driver)) as source:
        until(lambda: all_fresh(source, 1), source)
        gpu = fresh(source)[0]

    assert getattr(gpu, field) is None
    assert gpu.unsupported == frozenset()
    assert field in gpu.refused
    assert gpu.sm_clock_hertz == 1_755_000_000


def test_no_driver_is_no_gpu_and_one_line(
    tmp_path: Path, library: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Without a library there are 0 GPUs and no fault, said once.

    When the driver is loaded its GPUs appear without a restart.
    """
    if ctypes.util.find_library("nvidia-ml"):
        pytest.skip("this machine has a real driver, which the loader would find")
    caplog.set_level("INFO")
    driver = install(tmp_path, library, loaded=False)
    with closing(source_on(driver)) as source:
        until(lambda: source.children_started > 2, source)
        up, detail = source.state()

        assert (up, source.read()) == (None, [])
        assert "no NVIDIA driver" in detail
        assert caplog.messages == [detail]
        driver.load()
        until(lambda: all_fresh(source), source)
        assert source.state()[0] is True


def test_a_driver_that_is_not_loaded_yet_is_no_fault(driver: FakeDriver) -> None:
    """The library without its kernel module says 9, until the module is there."""
    driver.play("count 8", "fault nvmlInitWithFlags return 9")
    with closing(source_on(driver)) as source:
        until(lambda: "code 9" in source.state()[1], source)

        assert source.state()[0] is None
        driver.play("count 8")
        until(lambda: all_fresh(source), source)


def test_a_library_that_does_not_fit_its_driver_is_a_fault(driver: FakeDriver) -> None:
    """After an upgrade without a reboot NVML refuses with 18; the hint says so."""
    driver.play("count 8", "fault nvmlInitWithFlags return 18")
    with closing(source_on(driver)) as source:
        until(lambda: source.state()[0] is False, source)

        assert "upgraded" in source.state()[1]
        driver.play("count 8")
        until(lambda: all_fresh(source), source)


@pytest.mark.parametrize("code", [1, 9])
def test_a_driver_unloaded_under_us_loses_all_and_comes_back(
    driver: FakeDriver, source: NvmlSource, code: int
) -> None:
    """The GPUs are remembered while the driver is away, and resume with it."""
    until(lambda: all_fresh(source), source)
    driver.play(
        "count 8",
        f"gpu * fault * return {code}",
        "fault nvmlInitWithFlags return 9",
    )
    until(lambda: len(lost(source)) == 8, source)

    assert {gpu.uuid for gpu in lost(source).values()} == {uuid(i) for i in range(8)}
    # The library says what it said last until it is asked to start again.
    until(lambda: source.state()[0] is None, source)
    driver.play("count 8")
    until(lambda: all_fresh(source), source)


def test_a_gpu_that_vanishes_from_the_count_is_lost_by_name(
    driver: FakeDriver, source: NvmlSource
) -> None:
    """The others move up one index, and keep their identity."""
    until(lambda: all_fresh(source), source)
    moved = [f"gpu {i} uuid {uuid(i + 1)}" for i in range(3, 7)]
    driver.play("count 7", *moved)
    until(lambda: len(fresh(source)) == 7 and len(lost(source)) == 1, source)
    (gone,) = lost(source).values()

    assert gone.uuid == uuid(3)
    assert {gpu.uuid for gpu in fresh(source).values()} == {
        uuid(i) for i in range(8) if i != 3
    }
    driver.play("count 8")
    until(lambda: all_fresh(source), source)


def test_a_driver_without_gpus_is_up_with_none(driver: FakeDriver) -> None:
    """NVML may well list 0 devices; that is an answer."""
    driver.play("count 0")
    with closing(source_on(driver)) as source:
        until(lambda: source.state()[0] is True, source)

        assert source.state() == (True, "0 GPUs, driver 570.86.15")
        assert source.read() == []


def test_closing_waits_for_no_driver(driver: FakeDriver) -> None:
    """A hung GPU does not keep the exporter from stopping."""
    source = source_on(driver)
    until(lambda: all_fresh(source), source)
    driver.play("count 8", "gpu * fault * hang")
    began = time.monotonic()

    source.close()
    source.close()

    assert time.monotonic() - began < 2.5
    assert "nvml" not in {thread.name for thread in threading.enumerate()}


PARENT = """
import os, sys
from goodput_exporter.sources.nvml.process import ChildProcess
from goodput_exporter.sources.nvml.wire import Orders
read_fd, _ = os.pipe()
child = ChildProcess(Orders(0.05))
while not child.receive(10.0, read_fd):
    pass
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_the_child_dies_with_a_parent_that_is_killed(driver: FakeDriver) -> None:
    """After kill -9 of the exporter nothing of it is left, not even a hung reader."""
    driver.play("count 2", "gpu 1 fault * hang")
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=driver.environment(),
    ) as parent:
        assert parent.stdout is not None
        pid_fd = os.pidfd_open(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
    try:
        ended, _, _ = select.select([pid_fd], [], [], PATIENCE_SECONDS)
    finally:
        os.close(pid_fd)

    assert ended == [pid_fd]


def test_noise_between_messages_is_counted_and_skipped() -> None:
    """A library that prints into the pipe spoils no message."""
    message = encode(Listed("570", 8))
    says = f"import os; os.write(1, b'NVRM: hello\\n' + {message!r})"
    read_fd, write_fd = os.pipe()
    child = ChildProcess(Orders(1.0), command=[sys.executable, "-c", says])

    heard = child.receive(PATIENCE_SECONDS, read_fd)

    assert heard == [Listed("570", 8)]
    assert child.garbled == 1
    assert child.receive(PATIENCE_SECONDS, read_fd) is None
    child.abandon()
    child.ending(PATIENCE_SECONDS)
    os.close(read_fd)
    os.close(write_fd)
