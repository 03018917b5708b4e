"""The cluster book between two ticks as bytes and back: what a restart goes on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from zlib import crc32

import msgspec

from goodput_exporter.domain.cluster import ClusterBook, resumed
from goodput_exporter.domain.gpu_bookings import GpuGroup
from goodput_exporter.domain.gpu_stands import NodeStand
from goodput_exporter.domain.node_book import NodeBook, Open
from goodput_exporter.errors import LedgerCorruptError

BOOK: Final = "cluster/book"
"""The name in the ledger's meta of what the nodes have in common."""


@dataclass(frozen=True, slots=True)
class StoredBook:
    """
    What a restart needs beside the nodes; written at every tick that moves the line.

    Args:
        line_ns: Up to where everything is decided.
        closed: GPU time of all live lines, by group.
        restated: GPU time moved afterwards, by (from, to).
        left_ns: When GPUs left a node, within the horizon.
        too_late: Words that changed nothing, or not all that they should have.
    """

    line_ns: int
    closed: list[tuple[GpuGroup, int]] = field(default_factory=list)
    restated: list[tuple[str, str, int]] = field(default_factory=list)
    left_ns: dict[str, int] = field(default_factory=dict)
    too_late: int = 0


@dataclass(frozen=True, slots=True)
class StoredNode:
    """A node's book without what the next tick finds out by itself."""

    name: str
    words: list[NodeStand]
    open: dict[str, Open]
    entered_ns: dict[str, int]
    is_lagging: bool


_encoder: Final = msgspec.json.Encoder()
_books: Final = msgspec.json.Decoder(StoredBook)
_nodes: Final = msgspec.json.Decoder(StoredNode)


def encode_node(node: NodeBook) -> bytes:
    """Write down what a node needs to go on, behind a checksum of it."""
    body = _encoder.encode(
        StoredNode(node.name, node.words, node.open, node.entered_ns, node.is_lagging)
    )
    return b"%08x " % crc32(body) + body


def decode_node(name: str, data: bytes) -> NodeBook:
    """
    Read back what ``encode_node`` wrote.

    Raises:
        LedgerCorruptError: It is not what was written.
    """
    checksum, _, body = data.partition(b" ")
    if checksum != b"%08x" % crc32(body):
        msg = (
            f"node {name}: its part of the cluster book is not what was written (its "
            "checksum differs); restore a backup, or let the node begin anew"
        )
        raise LedgerCorruptError(msg)
    try:
        stored = _nodes.decode(body)
    except msgspec.DecodeError as exc:
        msg = f"node {name}: its part of the cluster book cannot be read ({exc})"
        raise LedgerCorruptError(msg) from exc
    return NodeBook(
        stored.name, stored.words, stored.open, stored.entered_ns, stored.is_lagging
    )


def encode_book(book: ClusterBook) -> str:
    """Write down what the nodes have in common."""
    stored = StoredBook(
        book.line_ns or 0,
        sorted(book.closed.items()),
        [(*pair, ns) for pair, ns in sorted(book.restated.items())],
        dict(book.common.left_ns),
        book.too_late,
    )
    return _encoder.encode(stored).decode()


def decode_book(text: str) -> StoredBook:
    """
    Read back what ``encode_book`` wrote.

    Raises:
        LedgerCorruptError: It is not what was written.
    """
    try:
        return _books.decode(text)
    except msgspec.DecodeError as exc:
        msg = f"the cluster book's totals cannot be read ({exc}); restore a backup"
        raise LedgerCorruptError(msg) from exc


def take_up(
    meta: Mapping[str, str], nodes: Mapping[str, bytes], now_ns: int
) -> ClusterBook:
    """
    Go on with the book of an earlier life, or begin one.

    Raises:
        LedgerCorruptError: A part of it is not what was written.
    """
    if BOOK not in meta:
        return ClusterBook(resumed_ns=now_ns)
    stored = decode_book(meta[BOOK])
    found = [decode_node(name, data) for name, data in sorted(nodes.items())]
    closed = dict(stored.closed)
    book = resumed(stored.line_ns, found, closed, stored.left_ns, now_ns)
    for source, target, moved_ns in stored.restated:
        book.restated[source, target] = moved_ns
    book.too_late = stored.too_late
    return book
