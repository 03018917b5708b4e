"""
The faults that NVML really has, injected while 16 GPUs are being read.

One story per row of the fault table; each ends with the other GPUs fresh and
with a snapshot that did not wait.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from goodput_exporter.domain.observations import GpuLost
from goodput_exporter.sources.nvml.source import NvmlSource
from goodput_exporter.sources.nvml.wire import Orders
from tests.fakes.nvml.driver import FakeDriver, install
from tests.fakes.nvml.story import (
    all_fresh,
    fresh,
    lost,
    renewed,
    source_on,
    until,
    uuid,
)
from tests.fakes.nvml.stuck import StuckChild

pytestmark = pytest.mark.real

NODE = "count 16"
OTHERS = frozenset(range(16)) - {3}


@pytest.fixture
def node(tmp_path: Path, library: Path) -> FakeDriver:
    """Sixteen healthy GPUs."""
    driver = install(tmp_path, library)
    driver.play(NODE)
    return driver


@pytest.fixture
def source(node: FakeDriver) -> Iterator[NvmlSource]:
    """Return the source on that node, once every GPU has answered."""
    with closing(source_on(node)) as opened:
        until(lambda: all_fresh(opened, 16), opened)
        yield opened


def others_stay_fresh(source: NvmlSource, indices: Collection[int] = OTHERS) -> None:
    """Assert that these GPUs answer anew, and that asking for that waits for none."""
    since_ns = time.monotonic_ns()
    until(lambda: renewed(source, since_ns, indices), source)
    began = time.perf_counter()
    source.read()
    source.state()
    source.xids()
    source.inventory()
    source.capabilities()

    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize(("code", "reason"), [(15, "lost"), (999, "unknown")])
def test_row_1_a_gpu_that_fell_off_the_bus_is_lost_by_name(
    node: FakeDriver, source: NvmlSource, code: int, reason: str
) -> None:
    """The count stays, no XID ever comes: NVML's code alone says that it is lost."""
    node.play(NODE, f"gpu 3 fault * return {code}")
    until(lambda: 3 in lost(source), source)
    gone = lost(source)[3]

    assert (gone.uuid, gone.code, gone.reason) == (uuid(3), code, reason)
    assert source.xids() == ()
    assert source.inventory().missing == (uuid(3),)
    others_stay_fresh(source)


def test_row_1_a_gpu_that_crashes_its_reader_is_left_alone(
    node: FakeDriver, source: NvmlSource
) -> None:
    """A segmentation fault in the driver's library ends a child and no more."""
    node.play(NODE, "gpu 3 fault nvmlDeviceGetHandleByIndex_v2 segfault")
    until(lambda: 3 in lost(source), source)

    assert "SIGSEGV" in lost(source)[3].detail
    others_stay_fresh(source)


def test_row_2_a_gpu_that_needs_a_reset_is_not_idle(
    node: FakeDriver, source: NvmlSource
) -> None:
    """RESET_REQUIRED has a reason of its own; a pending recovery shows on a sample."""
    node.play(NODE, "gpu 3 fault * return 16", "gpu 5 field 230 4")
    until(lambda: 3 in lost(source), source)
    until(lambda: action(source, 5) == "drain_and_reset", source)

    assert lost(source)[3].reason == "reset_required"
    assert action(source, 0) == "none"
    others_stay_fresh(source)


def test_row_2_a_gpu_in_an_invalid_state_is_in_error(
    node: FakeDriver, source: NvmlSource
) -> None:
    """INVALID_STATE for every field is no sample with every field absent."""
    node.play(NODE, "gpu 3 fault * return 29")
    until(lambda: 3 in lost(source), source)

    assert (lost(source)[3].code, lost(source)[3].reason) == (29, "error")
    others_stay_fresh(source)


def action(source: NvmlSource, index: int) -> str | None:
    """Return what would recover one GPU."""
    health = fresh(source)[index].health if index in fresh(source) else None
    return None if health is None else health.recovery_action


def test_row_3_a_wedged_gpu_costs_nobody_a_deadline(
    node: FakeDriver, source: NvmlSource
) -> None:
    """Its call never returns; nobody else notices."""
    node.play(NODE, "gpu 3 fault nvmlDeviceGetUtilizationRates hang")
    until(lambda: 3 in lost(source), source)

    assert lost(source)[3].reason == "hanging"
    others_stay_fresh(source)


def test_row_3_children_that_cannot_be_killed_are_abandoned_and_counted(
    node: FakeDriver,
) -> None:
    """
    A process in uninterruptible sleep outlives SIGKILL: it is left where it is.

    At most four of them: after that none is added, and nobody waits for them.
    """
    host = replace(node.host(), start_child=StuckChild)
    with closing(source_on(node, host=host, deadline_seconds=0.02)) as source:
        until(lambda: source.children_stuck == 4, source)
        until(lambda: len(lost(source)) == 2, source)

        assert {gpu.reason for gpu in lost(source).values()} == {"hanging"}
        assert source.children_abandoned == 4
        assert source.children_started == 4
        assert source.release(timeout_seconds=0.05) is False


@pytest.mark.parametrize("code", [9, 12])
def test_row_4_a_driver_that_is_reloaded_comes_back_by_itself(
    node: FakeDriver, source: NvmlSource, code: int
) -> None:
    """All GPUs are missed by name while it is away, and sysfs knows how many."""
    node.play(NODE, "gpu * fault * return 1", f"fault nvmlInitWithFlags return {code}")
    until(lambda: len(lost(source)) == 16, source)
    outage = source.outage()

    assert outage is not None
    assert outage.kind == {9: "driver_not_loaded", 12: "library_not_found"}[code]
    assert source.inventory().expected == 16
    assert source.inventory().visible == 0
    node.play(NODE)
    until(lambda: all_fresh(source, 16), source)


def test_row_5_a_mismatch_does_not_take_a_running_handle_away(
    node: FakeDriver, source: NvmlSource
) -> None:
    """After an upgrade a new start would fail; what runs keeps running."""
    node.play(NODE, "fault nvmlInitWithFlags return 18")
    others_stay_fresh(source, range(16))

    assert source.children_started == 1
    assert source.outage() is None


def test_row_5_a_mismatch_at_the_start_is_named(node: FakeDriver) -> None:
    """The outage has a word that an alert can tell apart."""
    node.play(NODE, "fault nvmlInitWithFlags return 18")
    with closing(source_on(node)) as source:
        until(lambda: source.state()[0] is False, source)
        outage = source.outage()

        assert outage is not None
        assert outage.kind == "driver_mismatch"
        node.play(NODE)
        until(lambda: all_fresh(source, 16), source)


@pytest.mark.parametrize("code", [4, 999])
def test_row_6_a_revoked_cgroup_asks_for_a_new_container_once(
    node: FakeDriver, tmp_path: Path, code: int
) -> None:
    """Refused again and again with the nodes there: only a new container helps."""
    marker = tmp_path / "asked"
    node.play(NODE, f"fault nvmlInitWithFlags return {code}")
    host = replace(node.host(), marker=marker)
    with closing(source_on(node, host=host)) as source:
        until(lambda: source.wants_exit() is not None, source)

        assert "cgroup" in str(source.wants_exit())
        assert source.children_started >= 2
    with closing(source_on(node, host=host)) as again:
        until(lambda: again.children_started > 3, again)

        assert again.wants_exit() is None
        node.play(NODE)
        until(lambda: all_fresh(again, 16), again)
        until(lambda: not marker.exists(), again)


def test_row_6_without_device_nodes_a_new_container_would_not_help(
    node: FakeDriver, tmp_path: Path
) -> None:
    """A pod that was never given the devices is not restarted for it."""
    node.play(NODE, "fault nvmlInitWithFlags return 999")
    host = replace(node.host(), marker=tmp_path / "asked", nodes=lambda: ())
    with closing(source_on(node, host=host)) as source:
        until(lambda: source.children_started > 3, source)

        assert source.wants_exit() is None
        assert not (tmp_path / "asked").exists()


def test_row_7_what_an_old_driver_lacks_is_off_and_asked_for_once(
    node: FakeDriver, source: NvmlSource
) -> None:
    """FUNCTION_NOT_FOUND takes the field away, and the capabilities say so."""
    node.play(NODE, "gpu 3 fault nvmlDeviceGetPowerUsage return 13")
    until(lambda: "power_watts" in fresh(source)[3].unsupported, source)

    assert fresh(source)[3].power_watts is None
    assert "power_watts" in source.capabilities().gpus[3].unsupported
    assert "power_watts" not in source.capabilities().gpus[4].unsupported
    others_stay_fresh(source, range(16))


def test_row_8_a_struct_that_is_misread_is_refused_and_counted(
    node: FakeDriver, source: NvmlSource
) -> None:
    """Garbage and a version mismatch cost that field; a number is never repaired."""
    node.play(
        NODE,
        "gpu 3 memory_used_mib 4000000000",
        "gpu 4 fault nvmlDeviceGetUtilizationRates return 25",
    )
    until(lambda: "memory_used_bytes" in fresh(source)[3].refused, source)
    until(lambda: "busy_ratio" in fresh(source)[4].unsupported, source)

    assert fresh(source)[3].memory_used_bytes is None
    assert fresh(source)[4].busy_ratio is None
    assert source.capabilities().refused["memory_used_bytes"] > 0
    others_stay_fresh(source, range(16))


def test_row_9_what_a_board_does_not_have_is_absent_and_never_zero(
    node: FakeDriver, source: NvmlSource
) -> None:
    """Unified memory, no power meter, no ECC: None, and the rest goes on."""
    node.play(
        NODE,
        "gpu 3 fault nvmlDeviceGetMemoryInfo return 3",
        "gpu 3 fault nvmlDeviceGetMemoryInfo_v2 return 3",
        "gpu 3 fault nvmlDeviceGetCurrentClocksEventReasons return 3",
        "gpu 3 field_return 3 3",
    )
    until(lambda: ecc(source, 3) is None and ecc(source, 4) == 0, source)
    until(lambda: "memory_used_bytes" in fresh(source)[3].unsupported, source)
    gpu = fresh(source)[3]

    assert (gpu.memory_used_bytes, gpu.memory_total_bytes) == (None, None)
    assert gpu.clock_reasons is None
    assert gpu.health is not None
    assert "ecc_corrected" in gpu.health.unsupported
    assert gpu.temperature_celsius == 55
    others_stay_fresh(source, range(16))


def ecc(source: NvmlSource, index: int) -> int | None:
    """Return one GPU's corrected errors; -1 before they were read."""
    health = fresh(source)[index].health
    return -1 if health is None else health.ecc_corrected


@pytest.mark.parametrize("code", [2, 6])
def test_row_10_a_handle_that_became_invalid_is_asked_for_again(
    node: FakeDriver, source: NvmlSource, code: int
) -> None:
    """INVALID_ARGUMENT and NOT_FOUND mean: look again what there is."""
    node.play(NODE, f"gpu 3 fault * return {code}")
    until(lambda: 3 in lost(source), source)
    others_stay_fresh(source)
    node.play(NODE, "gpu 3 uuid GPU-another")
    until(lambda: 3 in fresh(source), source)

    assert fresh(source)[3].uuid == "GPU-another"


def test_row_10_the_last_index_is_not_blamed_for_the_gpu_that_went(
    node: FakeDriver, source: NvmlSource
) -> None:
    """
    When GPU 3 falls off the bus the others move up, and index 15 is invalid.

    Nobody says that the GPU that was there is in error: it has moved to 14.
    """
    moved = [f"gpu {i} uuid {uuid(i + 1)}" for i in range(3, 15)]
    slow = "fault nvmlDeviceGetCount_v2 delay_ms 300"
    node.play("count 15", slow, *moved)
    blamed = set()

    def is_named() -> bool:
        seen = source.read()
        gone = {gpu.uuid for gpu in seen if isinstance(gpu, GpuLost)}
        blamed.update(gone)
        return len(seen) == 16 and gone == {uuid(3)}

    until(is_named, source)

    assert blamed == {uuid(3)}


def test_row_11_a_process_list_that_grows_is_asked_for_again(
    tmp_path: Path, library: Path
) -> None:
    """Twice too small and then it fits; a list that always grows costs itself."""
    driver = install(tmp_path, library)
    driver.play(
        "count 2",
        "gpu 0 processes 4711 17",
        "gpu 0 process_growth 2",
        "gpu 1 processes 1",
        "gpu 1 process_growth 1000000",
    )
    orders = Orders(0.05, health_seconds=0.1, processes=True)
    with closing(source_on(driver, orders=orders)) as source:
        until(lambda: all_fresh(source, 2), source)
        for _ in range(5):
            at_ns = fresh(source)[0].at_ns
            assert fresh(source)[0].processes == (17, 4711)
            until(partial(is_newer, source, at_ns), source)
        assert fresh(source)[1].processes is None
        assert fresh(source)[1].busy_ratio == 0.9


def is_newer(source: NvmlSource, than_ns: int) -> bool:
    """Return whether the first GPU has answered since."""
    return fresh(source)[0].at_ns > than_ns


def test_row_12_an_idle_wait_and_an_xid_of_zero_are_nothing(
    node: FakeDriver, source: NvmlSource
) -> None:
    """A time-out is how every quiet second ends; XID 0 is no XID."""
    until(lambda: heard(source, 3), source)
    node.play(NODE, "gpu 3 xid 1 0", "gpu 3 xid 2 31")
    until(lambda: len(source.xids()) > 0, source)

    assert [(one.xid, one.total) for one in source.xids()] == [(31, 1)]
    others_stay_fresh(source, range(16))


def heard(source: NvmlSource, index: int) -> bool:
    """Return whether XIDs of one GPU are listened for."""
    gpus = source.capabilities().gpus
    return len(gpus) > index and gpus[index].xids_not_heard is None


def test_row_13_two_gpus_that_swap_places_keep_their_names(
    node: FakeDriver, tmp_path: Path
) -> None:
    """After a reboot an index means another GPU; a UUID never does."""
    host = replace(node.host(), memory=tmp_path / "gpus.json")
    with closing(source_on(node, host=host)) as before:
        until(lambda: all_fresh(before, 16), before)
    node.play(NODE, f"gpu 3 uuid {uuid(4)}", f"gpu 4 uuid {uuid(3)}")
    with closing(source_on(node, host=host)) as after:
        until(lambda: all_fresh(after, 16), after)

        assert fresh(after)[3].uuid == uuid(4)
        assert after.inventory().replaced == ()
        assert after.inventory().missing == ()


def test_row_13_a_gpu_that_was_exchanged_is_replaced_not_lost(
    node: FakeDriver, tmp_path: Path
) -> None:
    """A repair puts another UUID at the index; the old one is remembered."""
    host = replace(node.host(), memory=tmp_path / "gpus.json")
    with closing(source_on(node, host=host)) as before:
        until(lambda: all_fresh(before, 16), before)
    node.play(NODE, "gpu 3 uuid GPU-new")
    with closing(source_on(node, host=host)) as after:
        until(lambda: len(fresh(after)) == 16 and len(lost(after)) == 1, after)
        (old,) = lost(after).values()

        assert (old.uuid, old.reason, old.index) == (uuid(3), "replaced", 3)
        assert "GPU-new" in old.detail
        assert after.inventory().replaced == (uuid(3),)
        assert after.inventory().expected == 16


def test_a_gpu_that_was_gone_before_we_started_is_missed_by_name(
    node: FakeDriver, tmp_path: Path
) -> None:
    """Hide 1 of 16 over a restart: its UUID is remembered, the bus still has it."""
    host = replace(node.host(), memory=tmp_path / "gpus.json", gpus_on_bus=lambda: 16)
    with closing(source_on(node, host=host)) as before:
        until(lambda: all_fresh(before, 16), before)
    node.play("count 15")
    with closing(source_on(node, host=host)) as after:
        until(lambda: len(fresh(after)) == 15 and len(lost(after)) == 1, after)
        inventory = after.inventory()

        assert inventory.missing == (uuid(15),)
        assert (inventory.expected, inventory.visible) == (16, 15)


def test_one_slow_gpu_delays_no_other(node: FakeDriver, source: NvmlSource) -> None:
    """A driver that takes 100 ms a call for one GPU leaves the others their pace."""
    node.play(NODE, "gpu 3 fault nvmlDeviceGetPowerUsage delay_ms 100")
    until(lambda: 3 in fresh(source) and fresh(source)[3].took_ns > 10**8, source)

    others_stay_fresh(source, range(16))
