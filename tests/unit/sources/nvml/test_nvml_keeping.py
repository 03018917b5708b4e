"""What is kept over time: throttled time, UUIDs, replaced GPUs, what we asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.domain.observations import GpuSample
from goodput_exporter.sources.nvml.memory import recall, remember
from goodput_exporter.sources.nvml.readings import CLOCK_REASONS, reasons
from goodput_exporter.sources.nvml.revocation import Revocation, hold_seconds
from goodput_exporter.sources.nvml.roster import Roster
from goodput_exporter.sources.nvml.throttle import ThrottleClock

SECOND = 1_000_000_000
POWER, THERMAL, IDLE = 0x4, 0x20, 0x1


def sampled(clock: ThrottleClock) -> dict[str, int]:
    """Return the seconds by reason that are not 0."""
    return {
        one.reason: one.total_ns // SECOND for one in clock.totals() if one.total_ns
    }


def test_a_sampled_reason_is_booked_since_the_sample_before() -> None:
    """Two reasons at once are both booked; being idle is no throttling."""
    clock = ThrottleClock(longest_ns=3 * SECOND)
    for at, bits in ((0, POWER), (1, POWER), (2, POWER | THERMAL), (3, IDLE), (4, 0)):
        clock.sampled(bits, at * SECOND)

    assert sampled(clock) == {"sw_power_cap": 2, "sw_thermal": 1}
    assert "gpu_idle" not in {one.reason for one in clock.totals()}


def test_time_without_samples_is_booked_for_nobody() -> None:
    """A driver that hung for a minute did not tell what the clocks did."""
    clock = ThrottleClock(longest_ns=3 * SECOND)
    for at in (0, 1, 61, 62):
        clock.sampled(POWER, at * SECOND)

    assert sampled(clock) == {"sw_power_cap": 2}


def test_a_device_that_tells_no_reasons_has_no_throttled_time() -> None:
    """Absent, not 0 for every reason."""
    clock = ThrottleClock(longest_ns=3 * SECOND)
    clock.sampled(None, 0)

    assert clock.totals() == ()


def test_a_counter_that_outruns_time_is_let_go_and_sampled() -> None:
    """A field that was renumbered tells another quantity, faster than seconds pass."""
    clock = ThrottleClock(longest_ns=3 * SECOND)
    for at in range(4):
        clock.sampled(POWER, at * SECOND)
        told = {"sw_power_cap": at * 100 * SECOND, "sw_thermal": at * SECOND}
        clock.told(told, at * SECOND)

    seen = {one.reason: one for one in clock.totals()}
    assert (seen["sw_power_cap"].total_ns, seen["sw_power_cap"].is_sampled) == (
        3 * SECOND,
        True,
    )
    assert (seen["sw_thermal"].total_ns, seen["sw_thermal"].is_sampled) == (
        3 * SECOND,
        False,
    )


def test_a_counter_that_begins_anew_with_the_driver_is_taken() -> None:
    """A reload sets it to 0; whoever reads counters knows what that is."""
    clock = ThrottleClock(longest_ns=3 * SECOND)
    clock.told({"sw_thermal": 50 * SECOND}, 0)
    clock.told({"sw_thermal": 1 * SECOND}, 10 * SECOND)

    assert sampled(clock) == {"sw_thermal": 1}


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 0xFFFF)), max_size=30))
def test_no_reason_is_booked_for_longer_than_time_went_by(
    steps: list[tuple[int, int]],
) -> None:
    """Whatever the samples, in any pace."""
    clock = ThrottleClock(longest_ns=3 * SECOND)
    at = 0
    for seconds, bits in steps:
        at += seconds
        clock.sampled(bits, at * SECOND)

    assert all(0 <= one.total_ns <= at * SECOND for one in clock.totals())


def test_a_bit_without_a_name_is_not_dropped() -> None:
    """A reason that a newer driver invents is still a reason."""
    assert reasons(0x4 | 0x4000) == {"sw_power_cap", "other"}
    assert reasons(0) == frozenset()
    assert len(reasons(sum(CLOCK_REASONS))) == len(CLOCK_REASONS)


def test_what_was_remembered_is_recalled(tmp_path: Path) -> None:
    """Written whole; nothing else is left in the folder."""
    path = tmp_path / "gpus.json"
    remember(path, {"GPU-a": 0, "GPU-b": 1})

    assert recall(path) == {"GPU-a": 0, "GPU-b": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["gpus.json"]
    assert recall(tmp_path / "absent") == {}
    assert recall(None) == {}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"gpus": 3}', '{"gpus": {"a": "b"}}'])
def test_a_memory_that_cannot_be_read_is_none_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    """Half a file costs the memory of GPUs that are gone, and nothing else."""
    path = tmp_path / "gpus.json"
    path.write_text(text)

    assert recall(path) == {}
    assert str(path) in caplog.text


def test_a_memory_that_cannot_be_written_costs_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that is full or read-only is a line in the log."""
    remember(tmp_path / "absent" / "gpus.json", {"GPU-a": 0})

    assert "cannot be remembered" in caplog.text


def test_a_replaced_gpu_is_named_for_an_hour_and_known_for_ever() -> None:
    """It is no alarm that never ends."""
    roster = Roster({"GPU-old": 3})
    roster.settle("GPU-new", 3, {"GPU-new"}, mono_ns=0)

    soon = roster.gone({"GPU-new"}, 3600 * SECOND, 1, "not listed")
    later = roster.gone({"GPU-new"}, 3601 * SECOND, 1, "not listed")

    assert [(gpu.uuid, gpu.reason) for gpu in soon] == [("GPU-old", "replaced")]
    assert later == []
    sample = GpuSample(3, "GPU-new", "H100", 1)
    assert roster.inventory([sample], 8).replaced == ("GPU-old",)


def test_a_replaced_gpu_that_comes_back_is_not_replaced_any_more() -> None:
    """Somebody put it into another slot."""
    roster = Roster({"GPU-old": 3})
    roster.settle("GPU-new", 3, {"GPU-new"}, mono_ns=0)
    roster.settle("GPU-old", 5, {"GPU-new", "GPU-old"}, mono_ns=1)

    assert roster.gone({"GPU-new", "GPU-old"}, 2, 1, "not listed") == []
    assert roster.home == {"GPU-old": 5, "GPU-new": 3}


def asked(path: Path | None, at_ns: int, *codes: int) -> bool:
    """Return whether a new life of ours, refused so often, asks for a container."""
    revocation = Revocation(2, path, lambda: at_ns)
    for code in codes:
        revocation.refused(code, has_nodes=True)
    return revocation.request is not None


def test_a_new_container_is_asked_for_ever_more_rarely(tmp_path: Path) -> None:
    """Ten minutes after the first time, twenty after the second; never in a loop."""
    marker = tmp_path / "asked"

    assert asked(marker, 0, 999, 999)
    assert not asked(marker, 599 * SECOND, 999, 999)
    assert asked(marker, 600 * SECOND, 999, 999)
    assert not asked(marker, 1799 * SECOND, 999, 999)
    assert asked(marker, 1800 * SECOND, 999, 999)
    assert hold_seconds(1000) == 86_400


def test_only_refusals_in_a_row_count(tmp_path: Path) -> None:
    """A driver that is not loaded is another story, and heals by itself."""
    marker = tmp_path / "asked"

    assert not asked(marker, 0, 999)
    assert not asked(marker, 0, 999, 9, 999)
    assert not asked(marker, 0, 9, 9, 9)
    assert asked(marker, 0, 4, 999)


def test_without_a_memory_of_having_asked_nobody_asks(tmp_path: Path) -> None:
    """Else a fault that a new container does not heal restarts us for ever."""
    assert not asked(None, 0, 999, 999)
    assert not asked(tmp_path / "absent" / "asked", 0, 999, 999)


def test_a_marker_that_cannot_be_read_holds_back_once(tmp_path: Path) -> None:
    """We did ask; since when is anew from now on."""
    marker = tmp_path / "asked"
    marker.write_text("half a li")

    assert not asked(marker, 0, 999, 999)
    assert asked(marker, 600 * SECOND, 999, 999)
