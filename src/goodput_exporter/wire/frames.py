"""
One batch of an agent's observations as bytes that tell where they end.

A frame is ``gpw``, one byte of format version, the lengths of header and body as
two big-endian 32-bit numbers, a header in MessagePack, and the packed tables. The
header is small and plain, so that who sends, and whether it was here before, is
known before anything is unpacked. For editors: a new field of the header with a
default needs nothing; any other change needs a new ``VERSION``.

What fits into three packets or so goes as it is, which is what a node's GPUs make every
five seconds: 2,000 such a second took 2 % of one core to unpack, and saved nobody
anything. More is packed by zlib at level 1, from the standard library: 6.5 kB of many
ranks came to 2.8 kB; zstd to 2.6 kB, which is not worth a package more on every node.
Frames that are not packed are of version 2, so that an aggregator which cannot read
them says so and their agents keep them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from goodput_exporter.errors import BadInputError
from goodput_exporter.wire.kinds import Observation
from goodput_exporter.wire.tables import (
    UNREADABLE,
    Read,
    decode_tables,
    encode_tables,
)

CONTENT_TYPE: Final = "application/vnd.goodput.observations"
MARK: Final = b"gpw"
VERSION: Final = 1
PLAIN_VERSION: Final = 2
READ: Final = frozenset({VERSION, PLAIN_VERSION})
MOST_PLAIN_BYTES: Final = 4_096
"""Of tables that are not packed."""
LEVEL: Final = 1
PREFIX: Final = Struct(">3sBII")

MOST_HEADER_BYTES: Final = 4_096
MOST_BODY_BYTES: Final = 2**19
MOST_UNPACKED_BYTES: Final = 2**23

Name = Annotated[
    str, Meta(min_length=1, max_length=253, pattern=r"\A[A-Za-z0-9._:-]+\Z")
]
"""A node or an agent: a DNS name, a label or an address, nothing to be escaped."""

Number = Annotated[int, Meta(ge=1, le=2**62)]
Instant = Annotated[int, Meta(ge=0, le=2**62)]
Offset = Annotated[int, Meta(ge=-(2**61), le=2**61)]
Size = Annotated[int, Meta(ge=0, le=MOST_UNPACKED_BYTES)]
Checksum = Annotated[int, Meta(ge=0, lt=2**32)]


class VersionError(BadInputError):
    """A newer agent wrote it; it becomes readable when this program is upgraded."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """
    Who sends what.

    Args:
        agent: The agent's name, unique on its node. *node*: where it runs.
        epoch: The life of the agent that saw it; drawn anew at each start.
        sequence: The batch's number within the epoch, from 1.
        made_ns: When the batch was made, on the agent's clock.
        offset_ns: What takes the agent's clock to the reader's, as measured when
            the batch was made; None before the first answer.
        size: Bytes of the tables, unpacked. *packing*: how they are packed, if so.
        crc: The checksum (CRC-32) of tables that are not packed; zlib has its own.
        count: Of observations, at most, for who reads them later; older agents do not
            say it.
    """

    agent: Name
    node: Name
    epoch: Name
    sequence: Number
    made_ns: Instant
    offset_ns: Offset | None = None
    size: Size
    packing: Literal["zlib", "none"] = "zlib"
    crc: Checksum | None = None
    count: Size | None = None

    @property
    def sender(self) -> str:
        """Return the name under which its batches are counted."""
        return f"{self.node}/{self.agent}"


class Frame(NamedTuple):
    """One batch whose observations were not looked at yet."""

    header: Header
    body: bytes


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Header)


def encode_frame(  # noqa: PLR0913 - a header's fields, each named at the call
    observations: Sequence[Observation],
    *,
    agent: str,
    node: str,
    epoch: str,
    sequence: int,
    made_ns: int,
    offset_ns: int | None = None,
    is_needed_only: bool = False,
) -> bytes:
    """
    Write one batch down; with *is_needed_only*, without what no aggregator reads.

    Raises:
        BadInputError: It holds what cannot be sent, or is too large for one frame.
    """
    tables = encode_tables(observations, is_needed_only=is_needed_only)
    is_plain = len(tables) <= MOST_PLAIN_BYTES
    body = tables if is_plain else zlib.compress(tables, LEVEL)
    if len(tables) > MOST_UNPACKED_BYTES or len(body) > MOST_BODY_BYTES:
        msg = (
            f"{len(observations)} observations make {len(tables)} bytes, packed "
            f"{len(body)}; a frame takes {MOST_UNPACKED_BYTES} and {MOST_BODY_BYTES}: "
            "send them in several"
        )
        raise BadInputError(msg)
    header = _encoder.encode(
        Header(
            agent=agent,
            node=node,
            epoch=epoch,
            sequence=sequence,
            made_ns=made_ns,
            offset_ns=offset_ns,
            size=len(tables),
            packing="none" if is_plain else "zlib",
            crc=zlib.crc32(body) if is_plain else None,
            count=len(observations),
        )
    )
    version = PLAIN_VERSION if is_plain else VERSION
    return PREFIX.pack(MARK, version, len(header), len(body)) + header + body


def split(data: bytes) -> Iterator[Frame]:
    """
    Yield the frames that lie one behind the other in *data*.

    Raises:
        VersionError: Another version of the format begins here.
        BadInputError: What begins here is no frame, or ends too early.
    """
    start = 0
    while start < len(data):
        header_bytes, body_bytes = _lengths(data, start)
        header_start = start + PREFIX.size
        body_start = header_start + header_bytes
        end = body_start + body_bytes
        if end > len(data):
            msg = (
                f"a frame of {end - start} bytes begins at byte {start} of "
                f"{len(data)}; it was cut off under way"
            )
            raise BadInputError(msg)
        header = _header(data[header_start:body_start], start)
        yield Frame(header, data[body_start:end])
        start = end


def read_frame(frame: Frame, *, shift_ns: int = 0) -> Read:
    """
    Unpack a frame and read what it holds.

    Args:
        frame: As ``split`` found it.
        shift_ns: Added to every instant, to bring it onto the reader's clock.

    Raises:
        BadInputError: The body is not what its header says.
    """
    read = decode_tables(_unpacked(frame), shift_ns=shift_ns)
    count = frame.header.count
    if count is not None and len(read.observations) > count:
        msg = (
            f"a frame of {frame.header.sender} holds {len(read.observations)} "
            f"observations, and its header announces {count}"
        )
        raise BadInputError(msg)
    return read


def _unpacked(frame: Frame) -> bytes:
    header, body = frame
    if header.packing == "none":
        tables, is_whole = body, True
    else:
        tables, is_whole = _inflated(header, body)
    if len(tables) != header.size or not is_whole:
        msg = (
            f"the body of a frame of {header.sender} is not the {header.size} bytes "
            "that its header announces"
        )
        raise BadInputError(msg)
    if header.packing == "none" and zlib.crc32(body) != header.crc:
        msg = (
            f"the body of a frame of {header.sender} cannot be unpacked: its checksum "
            f"is {zlib.crc32(body)}, and its header says {header.crc}"
        )
        raise BadInputError(msg)
    return tables


def _inflated(header: Header, body: bytes) -> tuple[bytes, bool]:
    """Unpack no more than was announced; tell whether that was all of it."""
    opened = zlib.decompressobj()
    try:
        # One byte more than announced: zero would mean "without bound".
        tables = opened.decompress(body, header.size + 1)
    except zlib.error as exc:
        msg = f"the body of a frame of {header.sender} cannot be unpacked: {exc}"
        raise BadInputError(msg) from exc
    return tables, opened.eof and not opened.unused_data


def _lengths(data: bytes, start: int) -> tuple[int, int]:
    if len(data) - start < PREFIX.size:
        msg = f"{len(data) - start} bytes at byte {start} are too few for a frame"
        raise BadInputError(msg)
    mark, version, header_bytes, body_bytes = PREFIX.unpack_from(data, start)
    if mark != MARK:
        msg = f"no frame begins at byte {start}: expected {MARK!r}, found {mark!r}"
        raise BadInputError(msg)
    if version not in READ:
        msg = (
            f"a frame of format {version}, and this program reads {VERSION} and "
            f"{PLAIN_VERSION}: upgrade the aggregator before the agents"
        )
        raise VersionError(msg)
    if header_bytes > MOST_HEADER_BYTES or body_bytes > MOST_BODY_BYTES:
        msg = (
            f"a frame at byte {start} announces {header_bytes} and {body_bytes} bytes; "
            f"{MOST_HEADER_BYTES} and {MOST_BODY_BYTES} are taken"
        )
        raise BadInputError(msg)
    return header_bytes, body_bytes


def _header(data: bytes, start: int) -> Header:
    try:
        return _decoder.decode(data)
    except UNREADABLE as exc:
        msg = f"the header of the frame at byte {start} cannot be read: {exc}"
        raise BadInputError(msg) from exc
