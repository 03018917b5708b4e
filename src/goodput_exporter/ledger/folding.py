"""What compaction has taken from one run, and how its days are sealed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from goodput_exporter.ledger.days import OF_SEGMENTS, Amounts
from goodput_exporter.ledger.entries import INT64_MAX, INT64_MIN
from goodput_exporter.ledger.shelves import Shelf

BEGINNING: Final = INT64_MIN
"""A day before all others."""


@dataclass(frozen=True, slots=True)
class Fold:
    """
    How far one run was folded.

    Args:
        day: Days before it have no segments any more.
        removed: How many entries compaction took, over the run's life.
        reached_ns: Where the folded segments end; the kept ones go on there.
        digest: Of what segments made of the folded days.
    """

    day: int = BEGINNING
    removed: int = 0
    reached_ns: int | None = None
    digest: str = ""


def fold_of(shelf: Shelf, run_id: int) -> Fold:
    """Return how far a run was folded."""
    rows = shelf.ask("fold_of", {"run_id": run_id})
    return Fold(*rows[0]) if rows else Fold()


def days_of(
    shelf: Shelf, run_id: int, first: int = BEGINNING, last: int = INT64_MAX
) -> Amounts:
    """Return a run's stored daily amounts from *first* to before *last*."""
    asked = {"run_id": run_id, "first": first, "last": last}
    return {
        (day, part, state, cause, devices): length_ns
        for day, part, state, cause, devices, length_ns in shelf.ask(
            "days_of_run", asked
        )
    }


def digest_of(amounts: Amounts, before: int) -> str:
    """
    Seal what segments made of the days before *before*.

    Their segments are gone, so nothing else could tell that such a line was changed.
    """
    sealed = sha256()
    for line in sorted(_sealed(amounts, before)):
        sealed.update(f"{line}\n".encode())
    return sealed.hexdigest()


def _sealed(amounts: Amounts, before: int) -> Iterable[tuple[object, ...]]:
    return (
        (*name, length_ns)
        for name, length_ns in amounts.items()
        if name[0] < before and name[1] in OF_SEGMENTS
    )
