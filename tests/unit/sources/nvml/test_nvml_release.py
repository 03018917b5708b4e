"""Letting go of NVML: nothing of ours holds a device, and it comes back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from goodput_exporter.sources.nvml.source import NvmlSource
from tests.fakes.nvml.driver import FakeDriver
from tests.fakes.nvml.story import all_fresh, fresh, lost, until, uuid

pytestmark = pytest.mark.real


def holders(folder: Path) -> set[int]:
    """Return the processes that hold a file below a folder open."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            target = os.readlink(link)  # noqa: PTH115  # a target like "pipe:[7]" is no path
        except OSError:
            continue  # ended or closed while we looked
        if target.startswith(f"{folder}/"):
            found.add(int(link.parts[2]))
    return found


def test_after_a_release_nobody_holds_a_device_until_it_is_resumed(
    driver: FakeDriver, source: NvmlSource
) -> None:
    """A GPU can be reset then; meanwhile GPUs are paused, which is no fault."""
    until(lambda: all_fresh(source), source)
    assert holders(driver.devices) != set()

    assert source.release()

    assert holders(driver.devices) == set()
    assert source.state()[0] is None
    assert {gpu.reason for gpu in lost(source).values()} == {"paused"}
    assert {gpu.uuid for gpu in lost(source).values()} == {uuid(i) for i in range(8)}
    source.resume()
    until(lambda: all_fresh(source), source)


def test_a_release_that_everybody_forgot_ends_by_itself(source: NvmlSource) -> None:
    """A node is not blind for ever because of a script that died."""
    until(lambda: all_fresh(source), source)

    assert source.release(pause_seconds=0.3)

    until(lambda: all_fresh(source), source)
    assert source.children_started == 2


def test_a_release_while_a_gpu_hangs_lets_go_too(
    driver: FakeDriver, source: NvmlSource
) -> None:
    """The call that hangs dies with its process."""
    until(lambda: all_fresh(source), source)
    driver.play("count 8", "gpu 3 fault * hang")
    until(lambda: 3 in lost(source), source)

    assert source.release()

    assert holders(driver.devices) == set()


def test_a_release_while_there_is_no_driver_is_one_too(
    driver: FakeDriver, source: NvmlSource
) -> None:
    """Nothing is started meanwhile, so a driver can be installed in peace."""
    driver.play("count 8", "fault nvmlInitWithFlags return 9")
    until(lambda: "code 9" in source.state()[1], source)

    assert source.release()
    started = source.children_started
    assert source.release()

    assert source.children_started == started
    driver.play("count 8")
    source.resume()
    until(lambda: all_fresh(source), source)
    assert fresh(source)[0].busy_ratio == 0.9
