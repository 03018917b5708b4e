"""
A run's fold as bytes and back: what a restart goes on from.

The bytes are a format's name and JSON. JSON and not MessagePack, because the
GPU time of 10^5 devices leaves 64 bits within weeks, and MessagePack's integers
do not. For editors: a field that is new and has a default needs nothing; a
field that changes its name, type or meaning needs a new ``FORMAT``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Final

import msgspec

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.book import Book
from goodput_exporter.domain.fold import Fold
from goodput_exporter.domain.life import Life, Mark
from goodput_exporter.domain.observations import ModelFacts, RankReport
from goodput_exporter.errors import AccountingError, LedgerCorruptError
from goodput_exporter.ledger.heard import PART, take_in

FORMAT: Final = b"fold/1"


@dataclass(slots=True)
class StoredBook(Book):
    """A book whose bookings are in the ledger; its list only types the decoder."""

    # The decoder cannot tell the kinds of bookings apart, and has none to read.
    pending: list[Segment] = field(  # type: ignore[assignment]  # see above
        default_factory=list
    )


@dataclass(slots=True)
class StoredFold(Fold):
    """A fold between two ticks."""

    book: StoredBook = field(default_factory=StoredBook)


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(StoredFold)


def encode_state(fold: Fold) -> bytes:
    """
    Write down what a fold needs to go on after a restart.

    Raises:
        AccountingError: It holds bookings that are in no ledger yet, a number
            that is none, or text that is none.
    """
    if fold.book.pending:
        msg = (
            f"run {fold.key}: {len(fold.book.pending)} bookings are not in the "
            "ledger yet; take them out and append them together with the state"
        )
        raise AccountingError(msg)
    # JSON has no NaN: it would be read back as None, which says "not measured".
    if not all(map(math.isfinite, _floats(fold))):
        msg = f"run {fold.key}: a figure of its state is not finite; the fold is wrong"
        raise AccountingError(msg)
    try:
        return FORMAT + b" " + _encoder.encode(fold)
    except UnicodeEncodeError as exc:
        msg = (
            f"run {str(fold.key)!a}: its state holds text that is not Unicode "
            f"({exc.reason}); the source that let it in must refuse it"
        )
        raise AccountingError(msg) from exc


def decode_state(data: bytes) -> Fold:
    """
    Read back the fold that ``encode_state`` wrote, and what it has heard since.

    Raises:
        LedgerCorruptError: Another version wrote it, or it is damaged.
    """
    whole, _, _ = data.partition(PART)
    name, _, body = whole.partition(b" ")
    if name != FORMAT:
        msg = (
            f"a run's state begins with {name[:16]!r}, and this program reads "
            f"{FORMAT!r}: start the version that wrote it, or let the run begin anew"
        )
        raise LedgerCorruptError(msg)
    try:
        stored = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        msg = (
            f"a run's state of {len(data)} bytes cannot be read ({exc}); it was "
            "changed outside this program, or its version forgot to name a new "
            "format: restore a backup, or let the run begin anew"
        )
        raise LedgerCorruptError(msg) from exc
    book = Book(**_values(Book, stored.book))
    fold = Fold(**{**_values(Fold, stored), "book": book})
    take_in(fold, data[len(whole) :])
    return fold


def _values(kind: type[Book | Fold], stored: Book | Fold) -> dict[str, Any]:
    return {each.name: getattr(stored, each.name) for each in fields(kind)}


def _floats(fold: Fold) -> Iterator[float]:
    """Yield every figure of a fold that is no integer, where it is known."""
    own = (fold.tokens_per_step, fold.flops_per_step, fold.flops_per_token)
    counting: list[Life | RankReport | Mark] = [*fold.lives.values(), *fold.inbox]
    counting += [waiting.mark for waiting in fold.waiting]
    found = [*own, fold.book.model_flops, *_said(fold.facts)]
    found += [each.flops for each in counting]
    found += [segment.model_flops for segment in fold.book.blind]
    for report in fold.inbox:
        found += _said(report.facts)
    yield from (each for each in found if each is not None)


def _said(facts: ModelFacts | None) -> tuple[float | None, ...]:
    if facts is None:
        return ()
    sizes = facts.params, facts.active_params
    return *sizes, facts.flops_per_token, facts.peak_tflops
