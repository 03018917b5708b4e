"""Where energy went: what counters vouch for, divided by time, and what they do not."""

from __future__ import annotations

from decimal import Decimal

import pytest

from goodput_exporter.analysis.energy import (
    Held,
    energy_book,
    energy_by_state,
    kwh,
)
from goodput_exporter.analysis.usage import Category
from goodput_exporter.domain.energy import Energy, Reading, drawn, reading_of
from goodput_exporter.domain.observations import GpuSample
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import AccountingError, BadInputError
from tests.fakes.bills import counter, seconds

MINUTE = seconds(0, 60)


def held(
    start: float,
    end: float,
    state: RunState | Category = RunState.PRODUCTIVE,
    cause: Cause = Cause.NONE,
    gpu: str = "GPU-0",
) -> Held:
    """Return one GPU in one state, in seconds."""
    return Held(gpu, seconds(start, end), state, cause)


def energy(joules: int | None, measured_s: int, unknown_s: int = 0) -> Energy:
    """Return the energy of some time, in joules and seconds."""
    millijoules = None if joules is None else joules * 1_000
    return Energy(millijoules, measured_s * NS_PER_SECOND, unknown_s * NS_PER_SECOND)


def test_a_sample_shows_the_counter_in_millijoules() -> None:
    """NVML counts millijoules; the division by 1,000 is undone without rounding."""
    sample = GpuSample(0, "GPU-0", "H100", 5, energy_joules=987_654_321.123)

    assert reading_of(sample) == Reading("GPU-0", 5, 987_654_321_123)


def test_a_device_without_a_counter_has_no_reading() -> None:
    """Not measured is absent, not a counter at zero."""
    assert reading_of(GpuSample(0, "GPU-0", "P4", 5)) is None


def test_energy_is_divided_by_time_between_two_readings() -> None:
    """700 W over a minute of which 20 s were down: 14 kJ of 42."""
    readings = counter((0, 1_000), (60, 43_000))
    states = [held(0, 40), held(40, 60, RunState.DOWN, Cause.HANG)]

    found = energy_book(readings, states, MINUTE)

    assert energy_by_state(found) == {
        RunState.PRODUCTIVE: energy(28_000, 40),
        RunState.DOWN: energy(14_000, 20),
    }
    assert set(found.by_group) == {
        (RunState.PRODUCTIVE, Cause.NONE),
        (RunState.DOWN, Cause.HANG),
    }


def test_a_long_gap_is_unknown_and_not_interpolated() -> None:
    """The counter grew over ten minutes; nobody knows in which of them."""
    readings = counter((0, 0), (30, 300), (630, 9_300), (660, 9_600))
    window = seconds(0, 660)

    found = energy_book(readings, [held(0, 660)], window)

    assert energy_by_state(found) == {RunState.PRODUCTIVE: energy(600, 60, 600)}
    assert found.unplaced_millijoules == 9_000_000
    assert found.total_millijoules == 9_600_000


def test_the_limit_of_interpolation_is_a_choice() -> None:
    """Who samples once in ten minutes says so and gets it divided."""
    readings = counter((0, 0), (600, 9_000))

    found = energy_book(
        readings,
        [held(0, 600)],
        seconds(0, 600),
        longest_gap_ns=600 * NS_PER_SECOND,
    )

    assert energy_by_state(found) == {RunState.PRODUCTIVE: energy(9_000, 600)}


def test_a_reload_of_the_driver_hides_what_came_before_it() -> None:
    """The new counter's 50 J were drawn at least, at an unknown part of the span."""
    readings = counter((0, 5_000), (20, 6_000), (40, 50), (60, 1_050))

    found = energy_book(readings, [held(0, 60)], MINUTE)

    assert energy_by_state(found) == {RunState.PRODUCTIVE: energy(2_000, 40, 20)}
    assert found.unplaced_millijoules == 50_000


def test_a_gpu_that_nobody_read_is_unknown() -> None:
    """No counter, no zero: the time is there, the energy is not."""
    found = energy_book([], [held(0, 60)], MINUTE)

    assert energy_by_state(found) == {RunState.PRODUCTIVE: energy(None, 0, 60)}
    assert kwh(energy_by_state(found)) == {RunState.PRODUCTIVE: None}


def test_a_counter_that_stands_still_is_a_measured_zero() -> None:
    """A device that reports no growth was measured."""
    found = energy_book(counter((0, 7), (60, 7)), [held(0, 60)], MINUTE)

    assert energy_by_state(found) == {RunState.PRODUCTIVE: energy(0, 60)}


def test_the_edges_of_a_window_need_a_reading_beyond_them() -> None:
    """What lies before the first reading is unknown, even inside the window."""
    found = energy_book(counter((10, 0), (50, 400)), [held(0, 60)], MINUTE)

    assert energy_by_state(found) == {RunState.PRODUCTIVE: energy(400, 40, 20)}


def test_energy_that_no_book_explains_has_a_line_of_its_own() -> None:
    """A GPU draws power before anything holds it; that is nobody's state."""
    found = energy_book(counter((0, 0), (60, 600)), [held(20, 50)], MINUTE)

    assert energy_by_state(found) == {RunState.PRODUCTIVE: energy(300, 30)}
    assert found.unbooked_millijoules == 300_000
    assert found.total_millijoules == 600_000


def test_idle_gpus_draw_energy_in_the_cluster_book() -> None:
    """What stands unallocated is not switched off."""
    states = [held(0, 60, Category.UNALLOCATED)]

    found = energy_book(counter((0, 0), (60, 6_000)), states, MINUTE)

    assert energy_by_state(found) == {Category.UNALLOCATED: energy(6_000, 60)}


def test_gpus_add_up() -> None:
    """Two GPUs in one state are one line."""
    readings = counter((0, 0), (60, 600)) + counter((0, 0), (60, 900), gpu="GPU-1")
    states = [held(0, 60), held(0, 60, gpu="GPU-1")]

    found = energy_book(readings, states, MINUTE)

    assert energy_by_state(found) == {RunState.PRODUCTIVE: energy(1_500, 120)}


def test_one_gpu_in_two_states_at_once_is_refused() -> None:
    """Its energy would be counted twice."""
    with pytest.raises(AccountingError, match="each instant is booked once"):
        energy_book([], [held(0, 40), held(30, 60)], MINUTE)


def test_two_readings_of_one_instant_must_agree() -> None:
    """A repeated report is harmless, a contradiction is not."""
    repeated = counter((0, 5), (0, 5), (60, 9))

    assert [one.millijoules for one in drawn(repeated)] == [4_000]
    with pytest.raises(BadInputError, match="shows both 5000 and 6000 mJ"):
        drawn(counter((0, 5), (0, 6)))


def test_kilowatt_hours_sum_to_their_total() -> None:
    """A third of a kWh three times is 0.334 + 0.333 + 0.333."""
    third = Energy(1_200_000_000, 1, 0)

    found = kwh({"a": third, "b": third, "c": third, "d": Energy()})

    assert found == {
        "a": Decimal("0.334"),
        "b": Decimal("0.333"),
        "c": Decimal("0.333"),
        "d": None,
    }
