"""Few straight lines say of a counter what all its readings say."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.domain.energy import Drawn
from goodput_exporter.domain.energy_line import (
    LONGEST_LINE_NS,
    TOLERANCE_MILLIJOULES,
)
from goodput_exporter.domain.energy_meter import EnergyPart, NodeMeter
from goodput_exporter.domain.observations import GpuSample
from goodput_exporter.domain.spans import NS_PER_SECOND, Span

NODE = "node-0"
GPU = "GPU-0"


def sample(at_seconds: int, millijoules: int) -> GpuSample:
    """Build a sample of a device that has a counter."""
    return GpuSample(
        0, GPU, "H100", at_seconds * NS_PER_SECOND, energy_joules=millijoules / 1000
    )


@st.composite
def counters(draw: st.DrawFn) -> list[GpuSample]:
    """Draw a counter that is read unevenly, stands, leaps and begins anew."""
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from([1, 5, 5, 5, 10, 60, 61, 700]),
                st.sampled_from([0, 1, 100, 690, 700, 710, -1]),
            ),
            max_size=60,
        )
    )
    at_seconds, millijoules = draw(st.integers(0, 1_000)), 10_000_000
    found = [sample(at_seconds, millijoules)]
    for seconds, watts in steps:
        at_seconds += seconds
        millijoules = 5 if watts < 0 else millijoules + watts * seconds * 1000
        found.append(sample(at_seconds, millijoules))
    return found


def grown(samples: list[GpuSample]) -> int:
    """Return what a counter grew by, restarts counted from zero, in millijoules."""
    counted = [shown(one) for one in samples]
    return sum(b - a if b >= a else b for a, b in pairwise(counted))


def shown(one: GpuSample) -> int:
    """Return what a sample's counter shows, in millijoules."""
    return round((one.energy_joules or 0) * 1000)


def kept(meter: NodeMeter, shelf: dict[int, EnergyPart]) -> None:
    """Write a meter's changed parts, each in the place of its earlier state."""
    for part in meter.written():
        shelf[part.start_ns] = part


def lines(shelf: dict[int, EnergyPart]) -> list[Drawn]:
    """Return all that is kept of the one GPU, in time order."""
    return [
        line
        for start_ns in sorted(shelf)
        for line in shelf[start_ns].drawn().get(GPU, [])
    ]


def shown_at(drawn: list[Drawn], at_ns: int) -> int:
    """Return what lines say was drawn up to an instant, in millijoules."""
    before = (one.millijoules for one in drawn if one.span.end_ns <= at_ns)
    inside = (
        one.within(Span(one.span.start_ns, at_ns))
        for one in drawn
        if one.span.start_ns < at_ns < one.span.end_ns
    )
    return sum(before) + sum(inside)


@given(counters(), st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)))
def test_lines_hold_exactly_what_the_counter_grew_by(
    samples: list[GpuSample], writes: set[int], deaths: set[int]
) -> None:
    """
    Whenever they are written, and however often the program is killed in between.

    After a kill the agent's samples come again, or do not: the next reading has them.
    """
    meter, shelf = NodeMeter(NODE), dict[int, EnergyPart]()
    for number, one in enumerate(samples):
        meter.hear([one, one])
        if number in writes:
            kept(meter, shelf)
        if number in deaths:
            meter = NodeMeter(NODE)
            meter.go_on(shelf[start_ns] for start_ns in sorted(shelf))
    meter.hear(samples[-1:])
    kept(meter, shelf)

    found = lines(shelf)
    assert all(a.span.end_ns <= b.span.start_ns for a, b in pairwise(found))
    if not deaths:
        assert sum(one.millijoules for one in found) == grown(samples)
    seen = [one for one in samples if found and one.at_ns >= found[0].span.start_ns]
    is_even = bool(seen) and grown(seen) == shown(seen[-1]) - shown(seen[0])
    if found and is_even:
        assert sum(one.millijoules for one in found) == grown(seen)


@given(counters())
def test_every_reading_is_near_the_lines(samples: list[GpuSample]) -> None:
    """A reading that is in no line's end is off by the tolerance at most."""
    meter, shelf = NodeMeter(NODE), dict[int, EnergyPart]()
    meter.hear(samples)
    kept(meter, shelf)
    found = lines(shelf)

    for number, one in enumerate(samples):
        off = shown_at(found, one.at_ns) - grown(samples[: number + 1])
        assert abs(off) <= TOLERANCE_MILLIJOULES + 1
    assert all(one.span.length_ns <= LONGEST_LINE_NS for one in found if one.placed)
