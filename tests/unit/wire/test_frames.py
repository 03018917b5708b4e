"""A frame tells whose it is, where it ends, and when it is not what it claims."""

from __future__ import annotations

import zlib
from typing import Any

import msgspec
import pytest

from goodput_exporter.domain.observations import Delivered
from goodput_exporter.errors import BadInputError
from goodput_exporter.wire import frames
from goodput_exporter.wire.answers import (
    Answer,
    Outcome,
    decode_answer,
    decode_refusal,
    encode_answer,
)
from goodput_exporter.wire.frames import Frame, VersionError, read_frame, split
from tests.fakes.observations import node


def frame(sequence: int = 1, **changes: str) -> bytes:
    """Return one batch of a node."""
    said: dict[str, Any] = {"agent": "agent-1", "node": "node-1", "epoch": "0a1b"}
    return frames.encode_frame(
        node(sequence),
        sequence=sequence,
        made_ns=5,
        offset_ns=-3,
        **{**said, **changes},
    )


def test_frames_one_behind_the_other_come_apart_again() -> None:
    """A push carries as many batches as wait."""
    found = list(split(frame(1) + frame(2)))

    assert [each.header.sequence for each in found] == [1, 2]
    assert found[0].header.sender == "node-1/agent-1"
    assert (found[0].header.made_ns, found[0].header.offset_ns) == (5, -3)
    assert [read_frame(each).observations for each in found] == [node(1), node(2)]


@pytest.mark.parametrize("left", [1, 11, 12, 60, -1])
def test_a_frame_that_was_cut_off_is_an_error(left: int) -> None:
    """Where the rest is missing nothing is guessed."""
    with pytest.raises(BadInputError, match=r"too few for a frame|cut off"):
        list(split(frame()[:left]))


def test_another_version_says_whom_to_upgrade() -> None:
    """The aggregator goes first; its operator reads this line in the agent's log."""
    data = bytearray(frame())
    data[3] = 9

    with pytest.raises(VersionError, match=r"format 9.*reads 1.*aggregator before"):
        list(split(bytes(data)))


def test_lengths_beyond_the_bounds_are_refused_before_anything_is_read() -> None:
    """Nobody makes the aggregator wait for 4 GB."""
    data = frames.PREFIX.pack(frames.MARK, frames.VERSION, 10, 2**32 - 1)

    with pytest.raises(BadInputError, match="announces 10 and 4294967295 bytes"):
        list(split(data))


def test_a_body_that_unpacks_to_more_than_it_says_is_refused() -> None:
    """A kilobyte of zlib may hold a megabyte; the announced size is the bound."""
    header = next(split(frame())).header
    bomb = Frame(header, zlib.compress(bytes(2**20)))

    with pytest.raises(BadInputError, match=f"not the {header.size} bytes"):
        read_frame(bomb)


@pytest.mark.parametrize("body", [b"", b"no zlib", zlib.compress(b"short")])
def test_a_body_that_is_not_what_the_header_says_is_refused(body: bytes) -> None:
    """Truncated, junk, or of another length."""
    header = next(split(frame())).header

    with pytest.raises(BadInputError, match=r"node-1/agent-1"):
        read_frame(Frame(header, body))


def test_a_small_batch_goes_as_it_is_and_a_large_one_packed() -> None:
    """An aggregator that reads version 1 only has to say so of what it cannot read."""
    small = frames.encode_frame(
        [Delivered("a", 7)], agent="a", node="n", epoch="e", sequence=1, made_ns=1
    )
    large = frames.encode_frame(
        [Delivered("a", at) for at in range(2_000)],
        agent="a", node="n", epoch="e", sequence=1, made_ns=1,
    )  # fmt: skip
    (plain,), (packed,) = split(small), split(large)

    assert (small[3], plain.header.packing) == (2, "none")
    assert (large[3], packed.header.packing) == (1, "zlib")
    assert read_frame(plain).observations == [Delivered("a", 7)]
    assert len(read_frame(packed).observations) == 2_000
    assert len(large) < packed.header.size


@pytest.mark.parametrize("at", range(-12, 0))
def test_a_bit_that_has_flipped_is_found_in_what_is_not_packed(at: int) -> None:
    """A number that is off by one would be believed."""
    data = bytearray(
        frames.encode_frame(
            [Delivered("a", 7)], agent="a", node="n", epoch="e", sequence=1, made_ns=1
        )
    )
    data[at] ^= 1
    (found,) = split(bytes(data))

    with pytest.raises(BadInputError, match=r"of n/a cannot be unpacked: its checksum"):
        read_frame(found)


@pytest.mark.parametrize("name", ["", "a/b", "a b", "a\nb", "ä", "x" * 254])
def test_a_name_that_could_be_mistaken_is_refused(name: str) -> None:
    """Names stand in logs and in the ledger's meta, divided by a slash."""
    with pytest.raises(BadInputError, match="header of the frame at byte 0"):
        list(split(frame(node=name)))


def test_a_header_may_gain_fields() -> None:
    """A newer agent says more; an older aggregator reads what it knows."""
    _, _, header_bytes, body_bytes = frames.PREFIX.unpack_from(frame())
    start = frames.PREFIX.size
    header = msgspec.msgpack.decode(frame()[start : start + header_bytes])
    longer = msgspec.msgpack.encode({**header, "mood": "good"})
    prefix = frames.PREFIX.pack(frames.MARK, frames.VERSION, len(longer), body_bytes)

    (found,) = split(prefix + longer + frame()[start + header_bytes :])

    assert read_frame(found).observations == node(1)


def test_more_than_a_frame_holds_is_refused_where_it_is_made() -> None:
    """The sender cuts it up; the receiver would refuse it for ever."""
    much = [Delivered("x" * 90_000, n) for n in range(100)]

    with pytest.raises(BadInputError, match="send them in several"):
        frames.encode_frame(much, agent="a", node="n", epoch="e", sequence=1, made_ns=1)


def test_an_answer_is_read_back_as_it_was_given() -> None:
    """The agent lets go of what an answer names, so it has to be exact."""
    answer = Answer(1, 2, [Outcome("0a1b", 7, "refused", "why", 3)], "later")

    assert decode_answer(encode_answer(answer)) == answer


def test_a_proxys_page_is_no_answer() -> None:
    """A captive portal answers 200, too."""
    with pytest.raises(BadInputError, match="look for a proxy"):
        decode_answer(b"<html>Welcome</html>")

    assert decode_refusal(b"<html>413</html>").reason == ""
