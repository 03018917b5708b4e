"""
What a run heard since its state was written, as bytes behind that state and back.

A part is a newline, which no state holds, and a frame of observations. Parts are
appended one after another, so a state and all that follows it is one piece of bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any, Final
from zlib import crc32

import msgspec

from goodput_exporter.domain.fold import Fold, Observation, observe
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.errors import AccountingError, BadInputError, LedgerCorruptError
from goodput_exporter.ledger.pieces import FRAME, framed, observations_of, pieces_of

PART: Final = b"\n"
"""What each part begins with."""

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[tuple[str, bytes]])
_log = logging.getLogger(__name__)


def encode_heard(seen: Iterable[Observation]) -> bytes:
    """
    Write observations of one run down as a part.

    Raises:
        AccountingError: They hold text that is none, or a number beyond 64 bits.
    """
    try:
        return PART + framed(_encoder.encode(pieces_of(seen)))
    except (UnicodeEncodeError, OverflowError, BadInputError) as exc:
        msg = (
            f"what was heard cannot be written down ({exc}); the source that let it "
            "in must refuse it"
        )
        raise AccountingError(msg) from exc


def take_in(fold: Fold, parts: bytes) -> None:
    """
    Let a fold observe again what ``encode_heard`` wrote, any number of parts.

    Raises:
        LedgerCorruptError: A part is not what was written.
    """
    for content in _contents(fold.key, parts):
        try:
            heard, skipped = observations_of(content)
        except (BadInputError, msgspec.DecodeError) as exc:
            raise _damaged(fold.key, str(exc)) from exc
        if skipped:
            _log.warning(
                "run %s: %d observations are of another version and left out",
                fold.key,
                skipped,
            )
        for seen in heard:
            observe(fold, seen)


def _contents(key: RunKey, parts: bytes) -> Iterator[Any]:
    at = 0
    while at < len(parts):
        begin = at + len(PART) + FRAME.size
        if not parts.startswith(PART, at) or begin > len(parts):
            raise _damaged(key, f"byte {at} begins no part")
        length, checksum = FRAME.unpack_from(parts, at + len(PART))
        at = begin + length
        content = parts[begin:at]
        if len(content) != length or crc32(content) != checksum:
            raise _damaged(key, "its checksum differs")
        yield _decoder.decode(content)


def _damaged(key: RunKey, what: str) -> LedgerCorruptError:
    msg = (
        f"run {key}: what it heard since its last state is not what was written "
        f"({what}); restore a backup, or let the run begin anew"
    )
    return LedgerCorruptError(msg)
