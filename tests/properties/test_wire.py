"""Whatever an agent sees arrives as it was; whatever else arrives does no harm."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.domain.observations import RankReport
from goodput_exporter.errors import BadInputError
from goodput_exporter.wire.frames import encode_frame, read_frame, split
from goodput_exporter.wire.kinds import INSTANTS, Observation
from goodput_exporter.wire.tables import decode_tables, encode_tables
from tests.fakes.observations import node, observations

SHIFT_NS = 3_600_000_000_000
FRAME = encode_frame(
    node(1), agent="a", node="n", epoch="e", sequence=1, made_ns=1, offset_ns=2
)

junk = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=9)
    | st.floats() | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(st.lists(observations, max_size=8))
def test_any_observations_arrive_as_they_were_in_their_order(
    seen: list[Observation],
) -> None:
    """Nothing is rounded, defaulted, reordered or left out."""
    read = decode_tables(encode_tables(seen))

    assert read.observations == seen
    assert [type(each) for each in read.observations] == [type(each) for each in seen]
    assert read.skipped.detail == ""


@given(observations)
def test_an_offset_moves_every_instant_and_nothing_else(seen: Observation) -> None:
    """What a clock was wrong by is added to what it dated, however deep that lies."""
    data = encode_tables([seen])

    (moved,) = decode_tables(data, shift_ns=SHIFT_NS).observations

    assert instants(moved) == [each + SHIFT_NS for each in instants(seen)]
    assert without_instants(moved) == without_instants(seen)


@given(st.binary(max_size=200))
def test_random_bytes_are_an_error_and_never_more(data: bytes) -> None:
    """A port that is open to the network hears everything."""
    try:
        frames = list(split(data))
    except BadInputError:
        return

    assert frames == []
    assert data == b""


@given(st.integers(0, len(FRAME) - 1), st.integers(1, 255))
def test_a_frame_with_one_byte_changed_is_read_right_or_not_at_all(
    at: int, by: int
) -> None:
    """A bad byte never makes an observation that was not sent, but in the header."""
    damaged = bytearray(FRAME)
    damaged[at] ^= by
    try:
        read = [read_frame(frame).observations for frame in split(bytes(damaged))]
    except BadInputError:
        return

    assert read == [node(1)]


@given(junk)
def test_any_message_at_all_is_read_skipped_or_refused(message: object) -> None:
    """What was well packed and means nothing is an error, or counted."""
    for data in (msgspec.msgpack.encode(message), junk_rows(message)):
        try:
            read = decode_tables(data)
        except BadInputError:
            continue
        if read.observations:
            again = decode_tables(encode_tables(read.observations)).observations
            assert again == read.observations


def junk_rows(message: object) -> bytes:
    """Return a table of reports whose rows are anything."""
    names = [each.name for each in fields(RankReport)]
    rows = message if isinstance(message, list) else [message]
    return msgspec.msgpack.encode([["report", names, rows]])


def instants(value: Any) -> list[int]:  # noqa: ANN401 - any part of an observation
    """Return every instant within a value, in the order of its fields."""
    if isinstance(value, tuple):
        return [each for part in value for each in instants(part)]
    if not is_dataclass(value):
        return []
    found: list[int] = []
    for each in fields(value):
        inner = getattr(value, each.name)
        if each.name in INSTANTS and inner is not None:
            found.append(inner)
        else:
            found += instants(inner)
    return found


def without_instants(value: Any) -> Any:  # noqa: ANN401 - see above
    """Return a value with every instant set to 0."""
    if isinstance(value, tuple):
        return tuple(without_instants(each) for each in value)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changes: dict[str, Any] = {}
    for each in fields(value):
        inner = getattr(value, each.name)
        is_dated = each.name in INSTANTS and inner is not None
        changes[each.name] = 0 if is_dated else without_instants(inner)
    return replace(value, **changes)
