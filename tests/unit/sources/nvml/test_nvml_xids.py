"""XIDs: heard, counted, classed; also after the driver was away."""

from __future__ import annotations

from contextlib import closing

import pytest

from goodput_exporter.domain.xids import XidClass
from goodput_exporter.sources.nvml.source import NvmlSource
from goodput_exporter.sources.nvml.wire import Happened, Watching
from goodput_exporter.sources.nvml.xids import MOST_ROWS, XidLog
from tests.fakes.nvml.driver import FakeDriver
from tests.fakes.nvml.story import all_fresh, fresh, lost, source_on, until, uuid

NO_INIT = "fault nvmlInitWithFlags return 9"


def hears(source: NvmlSource, *indices: int) -> bool:
    """Return whether the XIDs of these GPUs are listened for."""
    deaf = {gpu.index: gpu.xids_not_heard for gpu in source.capabilities().gpus}
    return all(index in deaf and deaf[index] is None for index in indices)


def counts(source: NvmlSource) -> dict[tuple[str, int], int]:
    """Return how often which GPU reported which XID."""
    return {(one.uuid, one.xid): one.total for one in source.xids()}


@pytest.mark.real
def test_the_same_xid_twice_counts_two(driver: FakeDriver, source: NvmlSource) -> None:
    """A gauge of the last value would not move; a counter does, and is dated."""
    until(lambda: hears(source, *range(8)), source)
    driver.play("count 8", "gpu 3 xid 1 31")
    until(lambda: counts(source) == {(uuid(3), 31): 1}, source)
    (first,) = source.xids()
    driver.play("count 8", "gpu 3 xid 1 31", "gpu 3 xid 2 31", "gpu 5 xid 3 79")
    until(lambda: counts(source) == {(uuid(3), 31): 2, (uuid(5), 79): 1}, source)
    second, fatal = source.xids()

    assert (second.xid_class, fatal.xid_class) == (XidClass.APP, XidClass.HW_FATAL)
    assert second.last_at_ns > first.last_at_ns


@pytest.mark.real
def test_xids_are_heard_again_after_the_driver_was_away(
    driver: FakeDriver, source: NvmlSource
) -> None:
    """Counters go on where they were; nothing is told twice."""
    until(lambda: hears(source, 3), source)
    driver.play("count 8", "gpu 3 xid 1 31")
    until(lambda: counts(source) == {(uuid(3), 31): 1}, source)
    driver.play("count 8", "gpu 3 xid 1 31", "gpu * fault * return 9", NO_INIT)
    until(lambda: len(lost(source)) == 8, source)
    driver.play("count 8", "gpu 3 xid 1 31")
    until(lambda: all_fresh(source) and hears(source, 3), source)
    driver.play("count 8", "gpu 3 xid 1 31", "gpu 3 xid 2 31")
    until(lambda: counts(source) != {(uuid(3), 31): 1}, source)

    assert counts(source) == {(uuid(3), 31): 2}


@pytest.mark.real
def test_xids_are_heard_again_after_one_gpu_was_away(
    driver: FakeDriver, source: NvmlSource
) -> None:
    """A GPU that is lost fails its own wait, and is asked again when it is back."""
    until(lambda: hears(source, 3), source)
    driver.play("count 8", "gpu 3 fault * return 15")
    until(lambda: 3 in lost(source) and not hears(source, 3), source)
    assert hears(source, 2, 4)
    driver.play("count 8")
    until(lambda: all_fresh(source) and hears(source, 3), source)
    driver.play("count 8", "gpu 3 xid 1 48")
    until(lambda: counts(source) == {(uuid(3), 48): 1}, source)

    assert source.children_started == 1


@pytest.mark.real
def test_a_wait_that_hangs_does_not_stop_the_samples(
    driver: FakeDriver, source: NvmlSource
) -> None:
    """Events have a thread of their own, for each GPU."""
    until(lambda: hears(source, *range(8)), source)
    driver.play("count 8", "gpu 3 fault nvmlEventSetWait_v2 hang", "gpu 4 xid 1 13")
    until(lambda: counts(source) == {(uuid(4), 13): 1}, source)
    at_ns = fresh(source)[3].at_ns
    until(lambda: fresh(source)[3].at_ns > at_ns, source)

    assert all_fresh(source)


@pytest.mark.real
def test_a_device_without_events_is_read_and_says_that_it_is_deaf(
    driver: FakeDriver,
) -> None:
    """No XID counter is no claim that there was no XID."""
    driver.play("count 1", "gpu 0 fault nvmlDeviceRegisterEvents return 3")
    with closing(source_on(driver)) as source:
        until(lambda: all_fresh(source, 1), source)
        deaf = source.capabilities().gpus[0].xids_not_heard

    assert deaf == "Not Supported"


def test_an_unknown_code_is_counted_as_unknown() -> None:
    """A code that came after our table is evidence all the same."""
    log = XidLog()
    log.happened(Happened(0, 1, "GPU-a", 9999), 1)

    (seen,) = log.counts()

    assert (seen.xid, seen.xid_class, seen.total) == (9999, XidClass.UNKNOWN, 1)


def test_a_driver_that_invents_codes_does_not_fill_the_memory() -> None:
    """Beyond a thousand rows only those that are there go on counting."""
    log = XidLog()
    for code in range(1, MOST_ROWS + 11):
        log.happened(Happened(0, 1, "GPU-a", code), 1)
    log.happened(Happened(0, 2, "GPU-a", 1), 2)

    assert len(log.counts()) == MOST_ROWS
    assert log.overflowed == 10
    assert log.counts()[0].total == 2


def test_a_new_child_listens_to_nothing_until_it_says_so() -> None:
    """What the old one heard stays counted; that it listened is over."""
    log = XidLog()
    log.watching(Watching(0, "GPU-a", is_on=True))
    log.happened(Happened(0, 1, "GPU-a", 31), 1)
    assert log.deaf("GPU-a") is None

    log.restart()

    assert log.deaf("GPU-a") == "not asked for yet"
    assert log.counts()[0].total == 1
