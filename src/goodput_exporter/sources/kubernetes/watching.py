"""The lines of a watch, out of whatever pieces the network makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from goodput_exporter.sources.kubernetes.troubles import ApiError, Trouble

MAX_LINE_BYTES: Final = 32 * 1024 * 1024
"""etcd refuses objects above 1.5 MB, and JSON is not twenty times as long."""
BOOKMARK: Final = "BOOKMARK"
PRESENT: Final = frozenset({"ADDED", "MODIFIED"})
DELETED: Final = "DELETED"


def query_of(version: str, timeout_s: int) -> dict[str, str | int]:
    """
    Return the parameters of a watch.

    Args:
        version: After which to go on.
        timeout_s: When the server shall end it.
    """
    return {
        "watch": "1",
        "allowWatchBookmarks": "true",
        "resourceVersion": version,
        "timeoutSeconds": timeout_s,
    }


def lines(pieces: Iterable[bytes], request: str) -> Iterator[bytes]:
    """
    Yield complete lines, some with the newline at their end.

    Raises:
        ApiError: The last line has no end: the server, or something between,
            was cut off. Or a line has no end in sight.
    """
    rest = b""
    for piece in pieces:
        if 0 < piece.find(b"\n") == len(piece) - 1:
            # One event, one chunk: the usual case, without a copy.
            yield rest + piece if rest else piece
            rest = b""
            continue
        *complete, rest = (rest + piece if rest else piece).split(b"\n")
        yield from filter(None, complete)
        if len(rest) > MAX_LINE_BYTES:
            msg = f"{request}: a line of more than {len(rest)} bytes: {rest[:80]!r}"
            raise ApiError(Trouble.GARBLED, msg)
    if rest.strip():
        msg = f"{request}: the stream ended within a line of {len(rest)} bytes"
        raise ApiError(Trouble.BROKEN, msg)
