"""Bookings as rows: nothing is lost between the fold and the disk."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.bookings import (
    Booking,
    EventKind,
    Reattribution,
    Restatement,
    RunEvent,
)
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import LedgerCorruptError
from goodput_exporter.ledger.entries import Entry, decode, encode
from tests.fakes.ledger import LLAMA, segment

INSTANTS = st.integers(-(2**63), 2**63 - 1)
COUNTS = st.integers(0, 2**63 - 1)
SPANS = st.tuples(INSTANTS, INSTANTS).map(lambda ends: Span(min(ends), max(ends)))
FACTS = st.dictionaries(
    st.text(),
    st.none()
    | st.text()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False),
)
AMOUNTS = st.dictionaries(st.sampled_from(RunState), COUNTS)
BOOKINGS: st.SearchStrategy[Booking] = st.one_of(
    st.builds(
        Segment,
        SPANS,
        st.sampled_from(RunState),
        COUNTS,
        st.sampled_from(Cause),
        incident=st.none() | COUNTS,
        first_step=st.none() | COUNTS,
        last_step=st.none() | COUNTS,
        kept_as=st.none() | st.sampled_from(RunState),
        bridged=st.booleans(),
        model_flops=st.none() | st.floats(0, allow_infinity=False),
    ),
    st.builds(
        Reattribution,
        INSTANTS,
        SPANS,
        COUNTS,
        st.sampled_from(Cause),
        st.sampled_from(Cause),
        st.none() | COUNTS,
        AMOUNTS,
        AMOUNTS,
        st.text(),
        st.text(),
        st.text(),
        st.text(),
    ),
    st.builds(
        Restatement,
        st.integers(),
        SPANS,
        st.text(),
        st.text(),
        st.integers(),
        st.sampled_from(Cause),
        st.text(),
    ),
    st.builds(RunEvent, INSTANTS, st.sampled_from(EventKind), FACTS),
)


@given(BOOKINGS)
def test_a_booking_survives_its_row(booking: Booking) -> None:
    """Whatever can be booked is read back equal, None and zero kept apart."""
    entry = decode(7, 8, LLAMA, encode(LLAMA, booking))

    assert entry == Entry(7, 8, LLAMA, booking)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (0, "rumour"),
        (3, "napping"),
        (3, None),
        (5, "gremlins"),
        (9, "gold"),
        (11, "many"),
    ],
)
def test_a_row_that_no_version_wrote_is_refused_by_number(
    column: int, value: str | None
) -> None:
    """An unknown word in a column is damage, never a new state."""
    row = list(encode(LLAMA, segment(0, 1)))
    row[column] = value

    with pytest.raises(LedgerCorruptError, match="llama: entry 42 cannot be read"):
        decode(42, 0, LLAMA, row)


@pytest.mark.parametrize(
    "detail", [None, "", "{", "[]", '{"event":"sung","detail":{}}']
)
def test_an_event_without_its_detail_is_refused(detail: str | None) -> None:
    """Half a JSON text, or another one, is damage."""
    row = [*encode(LLAMA, RunEvent(0, EventKind.ENDED))[:-1], detail]

    with pytest.raises(LedgerCorruptError, match="restore the ledger from a backup"):
        decode(1, 0, LLAMA, row)


def test_an_entry_of_an_earlier_version_names_no_preemptor() -> None:
    """Who took the place was not kept then: it is not known, and nothing breaks."""
    move = Reattribution(
        5, Span(1, 4), 1, Cause.UNKNOWN, Cause.PREEMPTED, 1, {}, {}, "r"
    )
    *columns, said = encode(LLAMA, move)
    known = json.loads(str(said))
    del known["preempted_by"]

    found = decode(1, 6, LLAMA, (*columns, json.dumps(known)))

    assert found.booking == move
