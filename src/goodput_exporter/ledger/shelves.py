"""One book's rows, asked for by the names of statements, whatever the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.ledger.entries import Entry
from goodput_exporter.ledger.ledger import Finding

Rows = list[tuple[Any, ...]]
Values = Mapping[str, object]
"""What a statement of ``sql`` is given, by name."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """
    An open transaction on one book.

    Args:
        where: The ledger, for messages.
        ask: Executes a statement and returns its rows.
        entries: Executes a statement that finds one run's entries, and yields
            them as they are read; lines that are no entry go into the list.
        many: Executes a statement once for each of many values.
    """

    where: object
    ask: Callable[[str, Values], Rows]
    entries: Callable[[str, RunKey, Mapping[str, int], list[Finding]], Iterator[Entry]]
    many: Callable[[str, Iterable[Values]], None]
