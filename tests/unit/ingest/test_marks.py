"""A batch is applied once, however often and in whatever order it comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.errors import LedgerCorruptError
from goodput_exporter.ingest.marks import (
    MOST_EPOCHS,
    MOST_HOLES,
    Mark,
    Marks,
    decode_marks,
    encode_marks,
    mark_of,
    with_mark,
)


@given(st.lists(st.integers(1, 30), max_size=60))
def test_each_sequence_is_taken_exactly_once(arrivals: list[int]) -> None:
    """Duplicates and latecomers: what was taken is exactly what came."""
    mark, taken = Mark("e"), []
    for sequence in arrivals:
        if not mark.has(sequence):
            taken.append(sequence)
            mark = mark.with_taken(sequence)

    assert sorted(taken) == sorted(set(arrivals))


def test_a_gap_stays_open_for_a_latecomer() -> None:
    """A batch that overtook another does not make it a duplicate."""
    mark = Mark("e").with_taken(1).with_taken(5)

    assert mark.holes == ((2, 5),)
    assert mark.with_taken(3).holes == ((2, 3), (4, 5))
    assert mark.with_taken(2).with_taken(4).with_taken(3).holes == ()


def test_gaps_are_remembered_within_bounds() -> None:
    """A sender that counts by twos fills no memory; its oldest gaps close."""
    mark = Mark("e")
    for sequence in range(2, 200, 2):
        mark = mark.with_taken(sequence)

    assert len(mark.holes) == MOST_HOLES
    assert mark.has(1)
    assert not mark.has(197)


def test_the_epochs_last_heard_of_are_remembered() -> None:
    """An old spool that is sent again keeps its epoch in mind."""
    marks: Marks = ()
    for number in range(MOST_EPOCHS):
        marks = with_mark(marks, Mark(str(number), 9))
    marks = with_mark(marks, mark_of(marks, "0"))
    marks = with_mark(marks, Mark("new", 1))

    assert mark_of(marks, "0").high == 9
    assert mark_of(marks, "1").high == 0
    assert len(marks) == MOST_EPOCHS


@given(
    st.lists(
        st.builds(Mark, st.text(max_size=5), st.integers(0, 2**62)), max_size=4
    ).map(tuple)
)
def test_marks_are_read_back_as_they_were_written(marks: Marks) -> None:
    """A restart knows what was taken before it."""
    assert decode_marks(encode_marks(marks)) == marks


def test_marks_that_somebody_changed_are_an_error() -> None:
    """A guess would apply a batch twice or never."""
    with pytest.raises(LedgerCorruptError, match="outside this program"):
        decode_marks('[["e", "many", []]]')
