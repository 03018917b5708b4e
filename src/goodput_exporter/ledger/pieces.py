"""Observations of any kind as bytes and back; and frames, which show damage."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final
from zlib import crc32

import msgspec

from goodput_exporter.domain.fold import Observation
from goodput_exporter.domain.placement import Placement
from goodput_exporter.wire.tables import decode_tables, encode_tables

FRAME: Final = struct.Struct(">II")
"""Length and CRC-32 of what follows."""

_encoder: Final = msgspec.msgpack.Encoder()
_placements: Final = msgspec.msgpack.Decoder(list[Placement])


def framed(piece: bytes) -> bytes:
    """Return a piece behind its length and its checksum."""
    return FRAME.pack(len(piece), crc32(piece)) + piece


def pieces_of(seen: Iterable[Observation]) -> list[tuple[str, bytes]]:
    """
    Write neighbours together; what agents never send has a kind of its own here.

    Returns:
        (kind, bytes), for ``observations_of``.
    """
    pieces: list[tuple[str, bytes]] = []
    for is_placement, group in groupby(seen, key=lambda s: isinstance(s, Placement)):
        some = list(group)
        if is_placement:
            pieces.append(("placements", _encoder.encode(some)))
        else:
            sent = [each for each in some if not isinstance(each, Placement)]
            pieces.append(("wire", encode_tables(sent)))
    return pieces


def observations_of(pieces: Any) -> tuple[list[Observation], int]:  # noqa: ANN401 - read
    """
    Read back what ``pieces_of`` wrote, of this version or a neighbouring one.

    Returns:
        The observations, and how many of them this version cannot read.

    Raises:
        BadInputError: A piece is none.
    """
    found: list[Observation] = []
    skipped = 0
    for kind, data in pieces:
        if kind == "placements":
            found += _placements.decode(data)
            continue
        if kind != "wire":
            skipped += 1
            continue
        read = decode_tables(data)
        left_out = read.skipped
        skipped += left_out.kinds + left_out.rows
        found += _for_folds(read.observations)
    return found, skipped


def _for_folds(seen: Iterable[object]) -> Iterator[Observation]:
    for each in seen:
        if isinstance(each, Observation):
            yield each
