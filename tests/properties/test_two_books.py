"""The run book and the cluster book agree: what was asked, held, and paid for."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from goodput_exporter.analysis.energy_shares import (
    holder_of,
    lines_by_holder,
    not_booked,
    share_of,
)
from goodput_exporter.analysis.gpu_energy import gpu_energy
from goodput_exporter.analysis.holding import reconcile, usages_of, used
from goodput_exporter.analysis.money import charges, cost_by, verify_reconciles
from goodput_exporter.analysis.prices import PriceBook
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.energy import Energy, drawn
from goodput_exporter.domain.energy_totals import NOBODY, UNBOOKED, UNPLACED
from goodput_exporter.domain.gpu_bookings import GpuBooking, Kind
from goodput_exporter.domain.gpu_stands import Category
from goodput_exporter.domain.slots import WHOLE
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from tests.fakes.bills import H100, books, counter
from tests.fakes.gpus import LLAMA, stands

LONGEST_NS = 1_000_000
STATES = (RunState.PRODUCTIVE, RunState.DOWN, RunState.STALLED)


@st.composite
def histories(draw: st.DrawFn) -> list[GpuBooking]:
    """Draw what three GPUs were over time: each span of each GPU in whole parts."""
    lines: list[GpuBooking] = []
    for number in range(3):
        cuts = sorted(draw(st.sets(st.integers(0, LONGEST_NS), max_size=5)))
        for start_ns, end_ns in pairwise(cuts):
            gpu = draw(stands(number))
            lines += [
                GpuBooking(
                    Kind.LIVE,
                    "node-1",
                    Span(start_ns, end_ns),
                    H100,
                    None,
                    hold,
                    (gpu.uuid,),
                    slots,
                )
                for hold, slots in gpu.parts
            ]
    return lines


@st.composite
def segments(draw: st.DrawFn) -> list[Segment]:
    """Draw a run's book: one state after another, some of it with GPUs missing."""
    cuts = sorted(draw(st.sets(st.integers(0, LONGEST_NS), max_size=6)))
    found: list[Segment] = []
    for start_ns, end_ns in pairwise(cuts):
        span, asked = Span(start_ns, end_ns), draw(st.integers(0, 5))
        missing = draw(st.integers(0, asked))
        state = draw(st.sampled_from(STATES))
        found.append(Segment(span, state, asked - missing, Cause.GPU_LOST))
        found.append(Segment(span, RunState.DEGRADED, missing, Cause.GPU_LOST))
    return found


@st.composite
def windows(draw: st.DrawFn) -> Span:
    """Draw a window."""
    start_ns = draw(st.integers(0, LONGEST_NS))
    return Span(start_ns, draw(st.integers(start_ns, LONGEST_NS)))


def time_of(lines: list[GpuBooking], window: Span) -> int:
    """Return the GPU time of lines in a window."""
    return sum(line.within(window) for line in lines)


@given(histories(), segments(), windows())
def test_asked_and_held_meet_in_the_time_that_is_in_both(
    lines: list[GpuBooking], book: list[Segment], window: Span
) -> None:
    """Both and asked only is what was asked; both and held only is what was held."""
    held = [line for line in lines if line.hold.category is Category.HELD]
    found = reconcile(held, book, window)

    asked_ns = sum(
        part.length_ns * one.devices for one in book if (part := one.span.clip(window))
    )
    assert found.asked_gpu_ns == asked_ns
    assert found.held_gpu_ns == time_of(held, window)
    both = found.held_and_asked_ns
    assert asked_ns == both + sum(found.asked_not_held.values())
    assert found.held_gpu_ns == both + found.held_not_asked_ns
    assert all(gpu_ns > 0 for gpu_ns in found.asked_not_held.values())


@given(histories(), segments(), windows(), books())
def test_every_physical_gpu_hour_is_on_the_bill_once(
    lines: list[GpuBooking], book: list[Segment], window: Span, prices: PriceBook
) -> None:
    """Costs by state are about exactly the cluster book's GPU time."""
    usages = list(usages_of(used(lines, {LLAMA: book}, window)))
    costs = cost_by(charges(usages, prices), lambda charge: charge.usage.state)

    verify_reconciles(costs.values(), time_of(lines, window))


@given(histories(), segments(), windows())
def test_energy_is_divided_over_exactly_the_time_of_the_cluster_book(
    lines: list[GpuBooking], book: list[Segment], window: Span
) -> None:
    """Its GPU time is the book's, and its parts sum to what the counters grew by."""
    metered = {
        gpu: drawn(counter((0, 0), (0.001, 777), gpu=gpu))
        for gpu in ("GPU-0", "GPU-1", "GPU-2")
    }
    whole = Span(0, LONGEST_NS)
    found = gpu_energy(metered, used(lines, {LLAMA: book}, window), window)

    gpu_ns = sum(energy.gpu_ns for energy in found.by_group.values())
    assert gpu_ns == time_of(lines, window)
    everything = gpu_energy(metered, used(lines, {LLAMA: book}, whole), whole)
    assert everything.total_millijoules == 3 * 777_000


@settings(max_examples=30)
@given(histories(), segments(), windows())
def test_what_others_do_with_other_gpus_changes_nobodys_share(
    lines: list[GpuBooking], book: list[Segment], window: Span
) -> None:
    """Each gets of its own lines, and those about parts of GPUs, what all say."""
    metered = {
        gpu: drawn(counter((0, 0), (0.0004, 333), (0.001, 777), gpu=gpu))
        for gpu in ("GPU-0", "GPU-1", "GPU-2")
    }
    told = lines_by_holder(lines)

    assert set(told) == set(map(holder_of, lines))
    for key, its in told.items():
        its_book = book if key == LLAMA else ()
        of_all = share_of(key, lines, its_book, metered, window)
        assert share_of(key, its, its_book, metered, window) == of_all


@given(histories(), windows())
def test_what_is_in_no_book_is_what_dividing_everything_leaves_over(
    lines: list[GpuBooking], window: Span
) -> None:
    """It can be read off without dividing what is in a book, to the millijoule."""
    metered = {
        gpu: drawn(
            counter((0, 0), (0.0002, 111), (0.0004, 333), (0.001, 777), gpu=gpu),
            longest_gap_ns=LONGEST_NS // 2,
        )
        for gpu in ("GPU-0", "GPU-1", "GPU-2")
    }
    rest = not_booked(lines, metered, window)
    divided = gpu_energy(metered, used(lines, {}, window), window)

    assert {state: energy.millijoules or 0 for (state, _), energy in rest.items()} == {
        state: millijoules
        for state, millijoules in (
            (UNBOOKED, divided.unbooked_millijoules),
            (UNPLACED, divided.unplaced_millijoules),
        )
        if millijoules
    }


@given(histories(), segments(), windows(), st.integers(0, LONGEST_NS))
def test_shares_of_energy_are_all_that_gpus_drew(
    lines: list[GpuBooking], book: list[Segment], window: Span, cut_ns: int
) -> None:
    """
    Every holder's share, nobody's, and what is in no book sum to the counters.

    So counters that go on from window to window neither lose nor repeat anything. Of
    a GPU that several hold, each cut may round a millijoule another way.
    """
    metered = {
        gpu: drawn(counter((0, 0), (0.0004, 333), (0.001, 777), gpu=gpu))
        for gpu in ("GPU-0", "GPU-1", "GPU-2")
    }
    holders = sorted({NOBODY, *map(holder_of, lines)})

    def shares(inside: Span) -> Energy:
        told = [
            share_of(key, lines, book if key == LLAMA else (), metered, inside)
            for key in holders
        ]
        told.append(not_booked(lines, metered, inside))
        every = (one for each in told for one in each.values())
        return sum(every, Energy(millijoules=0))

    cut_ns = min(max(cut_ns, window.start_ns), window.end_ns)
    parts = [
        shares(one)
        for one in (Span(window.start_ns, cut_ns), Span(cut_ns, window.end_ns))
    ]
    whole = shares(window)
    is_shared = any(line.slots != WHOLE for line in lines)
    rounded = (len(lines) + len(book) + 2) * len(holders) * 4 if is_shared else 0
    grown = sum(one.within(window) for each in metered.values() for one in each)
    assert abs((whole.millijoules or 0) - grown) <= rounded
    assert abs(sum(one.millijoules or 0 for one in parts) - grown) <= rounded
    assert whole.gpu_ns == time_of(lines, window)
