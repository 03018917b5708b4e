"""How long nodes held GPUs of runs: what failures per node-day are divided by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.analysis.exposure import LATE_NS, Exposure, exposure_of
from goodput_exporter.analysis.records import NodeTime
from goodput_exporter.domain.gpu_bookings import GpuBooking, Kind
from goodput_exporter.domain.gpu_stands import Category, Hold, Reason
from goodput_exporter.domain.slots import Slots
from goodput_exporter.domain.spans import Span
from tests.fakes.failures import DAY, HOUR, interruption, key

LLAMA, QWEN = key("llama"), key("qwen")
WHOLE = Span(0, 10 * DAY)


def held(  # noqa: PLR0913 - a story names the facts that matter to it
    begins_h: int,
    ends_h: int,
    *,
    node: str = "n1",
    run: str | None = "llama",
    gpus: int = 8,
    kind: Kind = Kind.LIVE,
    model: str = "H100",
    category: Category = Category.HELD,
) -> GpuBooking:
    """Return a line: some GPUs of a node in a run's hold, from one hour to another."""
    hold = Hold(category, Reason.NONE, None if run is None else key(run))
    uuids = tuple(f"GPU-{number}" for number in range(gpus))
    span = Span(begins_h * HOUR, ends_h * HOUR)
    return GpuBooking(kind, node, span, model, None, hold, uuids)


def of(
    *lines: GpuBooking, window: Span = WHOLE, settled: bool = True
) -> dict[str, float]:
    """Return the hours of each node, of both runs."""
    found = exposure_of(lines, window, runs={LLAMA, QWEN}, settled=settled)
    return {one.node: one.node_ns / HOUR for one in found.nodes}


def test_a_node_counts_once_however_many_runs_and_gpus_it_holds() -> None:
    """Two runs share a node for two hours: five hours in all, not seven."""
    lines = held(0, 4, gpus=4), held(2, 5, run="qwen", gpus=4), held(1, 3, node="n2")

    assert of(*lines) == {"n1": 5, "n2": 2}


def test_a_window_cuts_what_reaches_beyond_it() -> None:
    """Half a day of three; a node that only other windows saw is not there."""
    lines = held(0, 72), held(60, 72, node="n2")

    assert of(*lines, window=Span(12 * HOUR, 24 * HOUR)) == {"n1": 12}


@pytest.mark.parametrize(
    "line",
    [
        held(0, 4, category=Category.TERMINATING),
        held(0, 4, category=Category.UNAVAILABLE, run=None),
        held(0, 4, category=Category.OTHER_WORKLOAD, run=None),
        held(0, 4, run="somebody-elses"),
        held(4, 4, kind=Kind.LEFT),
    ],
)
def test_time_in_which_no_run_of_ours_was_there_is_no_exposure(
    line: GpuBooking,
) -> None:
    """A failure then would have interrupted none of them."""
    assert of(line) == {}


def test_what_later_words_took_back_counts_in_the_live_view_only() -> None:
    """An agent's late word: from hour 2 on, half of the GPUs were free, then all."""
    lines = (
        held(0, 6),
        held(2, 6, kind=Kind.REVERSAL),
        held(2, 4, gpus=4, kind=Kind.RESTATED),
    )

    assert of(*lines, settled=True) == {"n1": 4}
    assert of(*lines, settled=False) == {"n1": 6}


def test_what_was_moved_in_folded_days_is_no_exposure() -> None:
    """Their live lines are gone; what undid them, and took their place, is not."""
    moved = held(0, 6, kind=Kind.REVERSAL), held(0, 6, run="qwen", kind=Kind.RESTATED)
    idle = held(24, 48, node="n2", run=None, category=Category.UNALLOCATED)

    assert of(*moved, idle, held(30, 40)) == {"n1": 10}
    assert of(*moved) == {}


def test_a_shared_gpu_is_held_until_its_last_part_is_taken_back() -> None:
    """Parts are exact fractions: a third and two thirds are nothing left."""
    parts = [replace(held(0, 6, gpus=1), slots=Slots(0, 3, 3))]
    parts += [
        replace(held(2, 6, gpus=1, kind=Kind.REVERSAL), slots=Slots(0, 1, 3)),
        replace(held(3, 6, gpus=1, kind=Kind.REVERSAL), slots=Slots(1, 3, 3)),
    ]

    assert of(*parts) == {"n1": 3}


def test_a_node_with_two_models_is_of_a_kind_of_its_own() -> None:
    """It is compared with neither; what nobody told the model of says nothing."""
    lines = held(0, 2, model="H100"), held(2, 4, model="A100"), held(4, 6, model="")
    unknown = held(0, 1, node="n2", model="")
    found = exposure_of((*lines, unknown), WHOLE, runs={LLAMA}, settled=False)

    assert found.nodes == (
        NodeTime("n1", "A100 + H100", 6 * HOUR),
        NodeTime("n2", None, HOUR),
    )


def test_an_interruption_counts_where_its_runs_nodes_were_known() -> None:
    """A cluster book that began later does not divide earlier failures."""
    found = exposure_of([held(24, 48)], WHOLE, runs={LLAMA}, settled=True)

    assert found.holds(interruption(at_hours=24))
    assert found.holds(interruption(at_hours=48))
    assert not found.holds(interruption(at_hours=23))
    assert not found.holds(interruption(at_hours=48 + LATE_NS / HOUR))
    assert not found.holds(interruption(run="qwen", at_hours=30))
    assert not Exposure().holds(interruption())


@st.composite
def books(draw: st.DrawFn) -> list[GpuBooking]:
    """Draw lines of some nodes and runs; a part of some is reversed later."""
    found: list[GpuBooking] = []
    for _ in range(draw(st.integers(1, 8))):
        begins, ends = sorted(draw(st.tuples(st.integers(0, 99), st.integers(0, 99))))
        node = draw(st.sampled_from(["n1", "n2", "n3"]))
        run = draw(st.sampled_from(["llama", "qwen"]))
        line = held(begins, ends + 1, node=node, run=run, gpus=draw(st.integers(1, 8)))
        found.append(line)
        if draw(st.booleans()):
            cut = draw(st.integers(begins, ends + 1))
            span = Span(cut * HOUR, line.span.end_ns)
            found.append(replace(line, kind=Kind.REVERSAL, span=span))
    return found


@given(
    lines=books(),
    cuts=st.lists(st.integers(0, 100 * HOUR), max_size=4),
    settled=st.booleans(),
)
def test_windows_that_tile_a_longer_one_add_up_to_it(
    lines: Sequence[GpuBooking], cuts: list[int], *, settled: bool
) -> None:
    """To the nanosecond, node by node, in either view."""
    edges = sorted({0, 100 * HOUR, *cuts})
    whole = Span(edges[0], edges[-1])
    runs = {LLAMA, QWEN}

    parts: dict[str, int] = {}
    for begins, ends in pairwise(edges):
        tile = exposure_of(lines, Span(begins, ends), runs=runs, settled=settled)
        for one in tile.nodes:
            parts[one.node] = parts.get(one.node, 0) + one.node_ns

    found = exposure_of(lines, whole, runs=runs, settled=settled)
    assert parts == {one.node: one.node_ns for one in found.nodes}


@given(books())
def test_a_node_is_never_exposed_for_longer_than_the_clock(
    lines: Sequence[GpuBooking],
) -> None:
    """However many lines overlap; and never before the first of them."""
    found = exposure_of(lines, WHOLE, runs={LLAMA, QWEN}, settled=False)

    for one in found.nodes:
        spans = [line.span for line in lines if line.node == one.node]
        first, last = min(s.start_ns for s in spans), max(s.end_ns for s in spans)
        assert 0 < one.node_ns <= last - first
