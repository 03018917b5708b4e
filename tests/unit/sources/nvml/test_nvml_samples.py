"""What is read besides the basics: health, links, throttling, GPM, PCIe, processes."""

from __future__ import annotations

from contextlib import closing

import pytest

from goodput_exporter.domain.observations import GpuHealth
from goodput_exporter.sources.nvml.source import NvmlSource
from goodput_exporter.sources.nvml.wire import Orders
from tests.fakes.nvml.driver import FakeDriver
from tests.fakes.nvml.story import all_fresh, fresh, source_on, until

pytestmark = pytest.mark.real

SECOND = 1_000_000_000


def health(source: NvmlSource, index: int = 0) -> GpuHealth | None:
    """Return what is known of one GPU's errors and wear."""
    return fresh(source)[index].health if index in fresh(source) else None


def test_errors_and_wear_are_counters_as_the_board_keeps_them(
    driver: FakeDriver,
) -> None:
    """ECC of this driver's life and of the board's, remapped rows, replays, action."""
    driver.play(
        "count 1",
        "gpu 0 field 3 7",
        "gpu 0 field 4 1",
        "gpu 0 field 5 70",
        "gpu 0 field 6 10",
        "gpu 0 field 142 2",
        "gpu 0 field 143 3",
        "gpu 0 field 144 1",
        "gpu 0 field 94 12",
        "gpu 0 field 230 1",
    )
    with closing(source_on(driver)) as source:
        until(lambda: health(source) is not None, source)
        seen = health(source)

    assert seen is not None
    assert (seen.ecc_corrected, seen.ecc_uncorrected) == (7, 1)
    assert (seen.ecc_corrected_lifetime, seen.ecc_uncorrected_lifetime) == (70, 10)
    assert (seen.rows_remapped_corrected, seen.rows_remapped_uncorrected) == (2, 3)
    assert (seen.row_remap_pending, seen.row_remap_failed) == (True, False)
    assert seen.pcie_replays == 12
    assert seen.recovery_action == "gpu_reset"


def test_pages_are_retired_before_ampere_and_rows_remapped_since(
    driver: FakeDriver,
) -> None:
    """Each board has one of the two; the other is absent and named as such."""
    driver.play("count 1", "gpu 0 field 29 4", "gpu 0 field_return 142 3")
    with closing(source_on(driver)) as source:
        until(lambda: health(source) is not None, source)
        seen = health(source)

    assert seen is not None
    assert (seen.pages_retired_corrected, seen.pages_retired_uncorrected) == (4, None)
    assert seen.rows_remapped_corrected is None
    assert {"pages_retired_uncorrected", "rows_remapped_corrected"} <= seen.unsupported


def test_links_are_counted_up_and_their_errors_added_up(driver: FakeDriver) -> None:
    """18 links of which one is down; replays of two links are one number."""
    driver.play(
        "count 1",
        "gpu 0 field 165/2 0",
        "gpu 0 field 161/0 3",
        "gpu 0 field 161/17 4",
    )
    with closing(source_on(driver)) as source:
        until(lambda: health(source) is not None, source)
        seen = health(source)

    assert seen is not None
    assert (seen.nvlinks, seen.nvlinks_active) == (18, 17)
    assert (seen.nvlink_replays, seen.nvlink_recoveries) == (7, 0)


def test_older_links_tell_a_total_and_some_tell_no_state(driver: FakeDriver) -> None:
    """Before Hopper there is one field for all links; a board without links has 0."""
    driver.play(
        "count 2",
        "gpu 0 field 91 6",
        "gpu 0 field_return 165 3",
        "gpu 0 field_return 161 3",
        "gpu 0 field 52 9",
        "gpu 1 field 91 0",
    )
    with closing(source_on(driver)) as source:
        until(lambda: None not in (health(source), health(source, 1)), source)
        older, none = health(source), health(source, 1)

    assert older is not None
    assert none is not None
    assert (older.nvlinks, older.nvlinks_active, older.nvlink_replays) == (6, None, 9)
    assert (none.nvlinks, none.nvlinks_active, none.nvlink_replays) == (0, None, None)


def test_a_counter_beyond_belief_is_not_taken(driver: FakeDriver) -> None:
    """A field whose number means something else in this driver tells nonsense."""
    driver.play("count 1", "gpu 0 field 3 18446744073709551615", "gpu 0 field 144 77")
    with closing(source_on(driver)) as source:
        until(lambda: health(source) is not None, source)
        seen = health(source)

    assert seen is not None
    assert (seen.ecc_corrected, seen.row_remap_pending) == (None, None)
    assert seen.ecc_uncorrected == 0


def test_throttled_time_is_nvmls_counter_where_it_has_one(driver: FakeDriver) -> None:
    """The power cap is counted by NVML, a hardware slowdown by our samples."""
    driver.play("count 1", f"gpu 0 field 74 {5 * SECOND}", "gpu 0 clock_reasons 0x0c")
    with closing(source_on(driver)) as source:
        until(lambda: totals(source).get("hw_slowdown", (0, True))[0] > 0, source)
        until(lambda: "sw_power_cap" in totals(source), source)
        gpu, seen = fresh(source)[0], totals(source)
        sampled = source.capabilities().gpus[0].throttle_sampled

    assert gpu.clock_reasons == frozenset({"sw_power_cap", "hw_slowdown"})
    assert seen["sw_power_cap"] == (5 * SECOND, False)
    assert seen["hw_slowdown"][1] is True
    assert seen["sw_thermal"] == (0, False)
    assert "gpu_idle" not in seen
    assert set(sampled) == {"applications_clocks", "display_clocks", "hw_slowdown"}


def totals(source: NvmlSource) -> dict[str, tuple[int, bool]]:
    """Return throttled nanoseconds and whether they were sampled, by reason."""
    if 0 not in fresh(source):
        return {}
    throttled = fresh(source)[0].throttled
    return {one.reason: (one.total_ns, one.is_sampled) for one in throttled}


def test_gpm_is_asked_for_by_opt_in_and_compares_with_the_sample_before(
    driver: FakeDriver,
) -> None:
    """The first sample has no ratio, the next one has; nothing waits in between."""
    driver.play("count 1", "gpu 0 gpm_sm 81", "gpu 0 gpm_tensor 42", "gpu 0 gpm_dram 0")
    with closing(source_on(driver, orders=Orders(0.05, gpm=True))) as source:
        until(
            lambda: (
                all_fresh(source, 1) and fresh(source)[0].sm_active_ratio is not None
            ),
            source,
        )
        gpu = fresh(source)[0]

        assert source.capabilities().gpus[0].gpm is True
    assert (gpu.sm_active_ratio, gpu.tensor_active_ratio) == (0.81, 0.42)
    assert gpu.dram_active_ratio == 0.0


def test_gpm_is_not_asked_for_without_the_switch(source: NvmlSource) -> None:
    """It stays None, which is no claim that the SMs were idle."""
    until(lambda: all_fresh(source), source)

    assert fresh(source)[0].sm_active_ratio is None
    assert "sm_active_ratio" not in fresh(source)[0].unsupported
    assert source.capabilities().gpus[0].gpm is None


def test_before_hopper_there_is_no_gpm(driver: FakeDriver) -> None:
    """The device says so itself; it is asked once."""
    driver.play("count 1", "gpu 0 gpm_supported 0")
    with closing(source_on(driver, orders=Orders(0.05, gpm=True))) as source:
        until(lambda: all_fresh(source, 1), source)
        gpu = fresh(source)[0]

        assert source.capabilities().gpus[0].gpm is False
    assert gpu.sm_active_ratio is None
    assert gpu.unsupported == {
        "sm_active_ratio",
        "tensor_active_ratio",
        "dram_active_ratio",
    }
    assert gpu.busy_ratio == 0.9


def test_pcie_throughput_costs_milliseconds_and_is_asked_for_by_opt_in(
    driver: FakeDriver,
) -> None:
    """KiB per second become bytes per second; without the switch they are absent."""
    driver.play("count 1")
    with closing(source_on(driver, orders=Orders(0.05, pcie=True))) as source:
        until(lambda: all_fresh(source, 1), source)
        asked = fresh(source)[0]
    with closing(source_on(driver)) as source:
        until(lambda: all_fresh(source, 1), source)
        unasked = fresh(source)[0]

    assert (asked.pcie_sent_rate, asked.pcie_received_rate) == (2_048_000, 3_072_000)
    assert (unasked.pcie_sent_rate, unasked.processes) == (None, None)


def test_a_pid_that_linux_cannot_have_spoils_the_list(driver: FakeDriver) -> None:
    """A struct of another size shifts the pids; none of them is taken."""
    driver.play("count 1", "gpu 0 processes 17 4294967295")
    with closing(source_on(driver, orders=Orders(0.05, processes=True))) as source:
        until(lambda: all_fresh(source, 1), source)
        gpu = fresh(source)[0]

    assert gpu.processes is None
    assert gpu.refused == {"processes"}


def test_capabilities_name_the_versions_and_the_way_to_the_library(
    source: NvmlSource,
) -> None:
    """For whoever asks why a series is missing."""
    until(lambda: all_fresh(source), source)
    seen = source.capabilities()

    assert (seen.driver, seen.nvml) == ("570.86.15", "12.570.86.15")
    assert (seen.library.place, seen.library.path) == ("loader", None)
    assert [gpu.index for gpu in seen.gpus] == list(range(8))
    assert seen.nodes[0].names == ("nvidia0", "nvidia1", "nvidiactl")
    assert (seen.gpm, seen.pcie, seen.processes, seen.events) == (
        False,
        False,
        False,
        True,
    )
