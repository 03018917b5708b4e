"""Rows in chunks: in order, of a bounded size, and kept where nothing changed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.exposition.chunks import LEAST, MOST, Chunk, regroup
from goodput_exporter.exposition.family import Labels

rosters = st.lists(st.integers(0, 99), unique=True, max_size=100)


def roster_of(names: list[int]) -> list[Labels]:
    """Return the label values of runs that are called by numbers."""
    return [(f"run-{name}", "default", "process") for name in names]


def labels_of(chunks: list[Chunk[object]]) -> list[Labels]:
    """Return the rows of all chunks in order."""
    return [labels for chunk in chunks for labels in chunk.labels]


@given(rosters, rosters)
def test_chunks_hold_every_row_once_and_in_order(
    before: list[int], now: list[int]
) -> None:
    """Whatever runs came, went and swapped, the page follows the snapshot."""
    chunks: list[Chunk[object]] = regroup(roster_of(before), [], 1)

    after = regroup(roster_of(now), chunks, 1)

    assert labels_of(after) == roster_of(now)
    assert all(len(chunk.labels) <= MOST for chunk in after)


@given(st.integers(0, 599))
def test_a_run_that_comes_costs_its_own_chunk(place: int) -> None:
    """Thousands of runs are not printed anew because one began."""
    names = list(range(600))
    chunks: list[Chunk[object]] = regroup(roster_of(names), [], 1)

    names.insert(place, 1000)
    after = regroup(roster_of(names), chunks, 1)

    new = [chunk for chunk in after if not any(chunk is old for old in chunks)]
    assert sum(len(chunk.labels) for chunk in new) <= MOST + 1


def test_chunks_do_not_crumble() -> None:
    """After every other run has gone, what is left is in chunks of a fair size."""
    names = list(range(600))
    chunks: list[Chunk[object]] = regroup(roster_of(names), [], 1)

    for gone in range(0, 600, 2):
        names.remove(gone)
        chunks = regroup(roster_of(names), chunks, 1)

    assert labels_of(chunks) == roster_of(names)
    assert len(chunks) <= len(names) / LEAST + 1
