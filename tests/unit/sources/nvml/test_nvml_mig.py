"""MIG: which instances there are, also when somebody repartitions under us."""

from __future__ import annotations

from contextlib import closing

import pytest

from goodput_exporter.domain.observations import MigLayout
from goodput_exporter.sources.nvml.source import NvmlSource
from goodput_exporter.sources.nvml.wire import Orders
from tests.fakes.nvml.driver import FakeDriver
from tests.fakes.nvml.story import QUICK, all_fresh, fresh, source_on, until, uuid

pytestmark = pytest.mark.real

GIB = 2**30
SEVEN = "gpu 0 mig " + " ".join(["1:1:9856"] * 7)
TWO = "gpu 0 mig 3:3:40192 3:3:40192"


def layout(source: NvmlSource, index: int = 0) -> MigLayout | None:
    """Return how one GPU is partitioned."""
    return fresh(source)[index].mig if index in fresh(source) else None


def profiles(source: NvmlSource) -> list[str]:
    """Return what the first GPU is partitioned into."""
    seen = layout(source)
    return [] if seen is None else [one.profile for one in seen.instances]


def test_instances_have_a_parent_slices_and_memory(driver: FakeDriver) -> None:
    """Seven of one slice each; the whole GPU has seven."""
    driver.play("count 2", SEVEN)
    with closing(source_on(driver)) as source:
        until(lambda: len(profiles(source)) == 7 and 1 in fresh(source), source)
        seen = layout(source)

        assert layout(source, 1) is None
    assert seen is not None
    assert seen.slices == 7
    one = seen.instances[2]
    assert one.uuid.startswith("MIG-")
    assert one.parent_uuid == uuid(0)
    assert (one.gpu_instance, one.compute_instance) == (3, 0)
    assert (one.profile, one.gpu_slices, one.compute_slices) == ("1g.10gb", 1, 1)
    assert one.memory_bytes == 9856 * 2**20
    assert one.memory_used_bytes == one.memory_bytes // 4
    assert len({instance.uuid for instance in seen.instances}) == 7


def test_a_switch_of_the_layout_while_running_is_seen_whole(
    driver: FakeDriver, source: NvmlSource
) -> None:
    """
    From seven of 1g to two of 3g: never a mixture, and never more than one GPU.

    Utilization is not supported under MIG, so that it is absent, not 0.
    """
    driver.play("count 8", SEVEN)
    until(lambda: len(profiles(source)) == 7, source)
    shapes = set()

    def switched() -> bool:
        seen = layout(source)
        assert seen is not None
        assert sum(seen.share(one) for one in seen.instances) <= 1
        shapes.add(tuple(profiles(source)))
        return profiles(source) == ["3g.39gb"] * 2

    driver.play("count 8", TWO)
    until(switched, source)

    assert shapes <= {("1g.10gb",) * 7, ("3g.39gb",) * 2}
    assert fresh(source)[0].busy_ratio is None
    assert "busy_ratio" in fresh(source)[0].unsupported
    assert source.children_started == 1
    assert all_fresh(source)


def test_the_event_of_a_new_layout_is_enough(driver: FakeDriver) -> None:
    """Where NVML tells of it nobody waits for the next look, minutes away."""
    driver.play("count 1", SEVEN)
    orders = Orders(QUICK.interval_seconds, health_seconds=600.0)
    with closing(source_on(driver, orders=orders)) as source:
        until(lambda: len(profiles(source)) == 7 and hears(source), source)
        driver.play("count 1", TWO, "gpu 0 mig_event 1")
        until(lambda: profiles(source) == ["3g.39gb"] * 2, source)

        assert source.xids() == ()


def hears(source: NvmlSource) -> bool:
    """Return whether the first GPU's events are listened for."""
    return source.capabilities().gpus[0].xids_not_heard is None


def test_what_mig_took_away_is_back_without_mig(driver: FakeDriver) -> None:
    """Not supported is remembered for a layout, not for ever."""
    driver.play("count 1", TWO)
    with closing(source_on(driver)) as source:
        until(lambda: len(profiles(source)) == 2, source)
        until(lambda: "busy_ratio" in fresh(source)[0].unsupported, source)
        driver.play("count 1")
        until(lambda: fresh(source)[0].busy_ratio == 0.9, source)
        until(lambda: layout(source) is None, source)

        assert fresh(source)[0].unsupported == frozenset()


@pytest.mark.parametrize("code", [2, 6])
def test_an_instance_that_goes_while_we_look_leaves_the_last_layout(
    driver: FakeDriver, source: NvmlSource, code: int
) -> None:
    """Three tries, then the next look; half a layout is never shown."""
    driver.play("count 8", SEVEN)
    until(lambda: len(profiles(source)) == 7, source)
    driver.play("count 8", TWO, f"gpu 0 fault nvmlDeviceGetAttributes_v2 return {code}")
    seen = layout(source)
    at_ns = fresh(source)[0].at_ns
    until(lambda: fresh(source)[0].at_ns > at_ns + 500_000_000, source)

    assert seen is not None
    assert len(profiles(source)) == 7
    driver.play("count 8", TWO)
    until(lambda: len(profiles(source)) == 2, source)


def test_two_compute_instances_share_one_gpu_instance(driver: FakeDriver) -> None:
    """They have its GPU slices in common; their shares are what is their own."""
    driver.play("count 1", "gpu 0 mig 3:1:40192 3:2:40192")
    with closing(source_on(driver)) as source:
        until(lambda: len(profiles(source)) == 2, source)
        seen = layout(source)

    assert seen is not None
    assert [seen.share(one) for one in seen.instances] == [1 / 7, 2 / 7]


def test_mig_that_is_on_and_empty_is_not_mig_that_is_off(driver: FakeDriver) -> None:
    """A GPU in MIG mode without instances can run nothing."""
    driver.play("count 1", "gpu 0 mig none")
    with closing(source_on(driver)) as source:
        until(lambda: layout(source) is not None, source)
        seen = layout(source)

    assert seen is not None
    assert (seen.slices, seen.instances) == (7, ())
