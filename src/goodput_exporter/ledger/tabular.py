"""Tables that leave the ledger: columns of seven types, as CSV and as JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, TextIO

from goodput_exporter.domain.spans import NS_PER_SECOND

Cells = Sequence[Any]
"""One row; None is empty. GPU time is given in nanoseconds and written as seconds."""


class Type(StrEnum):
    """What a column holds."""

    TEXT = "text"
    INTEGER = "integer"
    SECONDS = "seconds"
    WHOLE = "whole"
    DECIMAL = "decimal"
    REAL = "real"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class Column:
    """
    One column of a table.

    SECONDS and DECIMAL are exact, with nine digits; WHOLE is exact past 64 bits.
    """

    name: str
    type: Type = Type.TEXT


def exact_seconds(gpu_ns: int) -> str:
    """Write nanoseconds as seconds with all nine digits; a float would round them."""
    seconds, fraction_ns = divmod(abs(gpu_ns), NS_PER_SECOND)
    return f"{'-' if gpu_ns < 0 else ''}{seconds}.{fraction_ns:09d}"


def write_csv(columns: Sequence[Column], rows: Iterable[Cells], out: TextIO) -> None:
    """Write a header and a line per row, as the rows come."""
    table = csv.writer(out, lineterminator="\n")
    table.writerow([column.name for column in columns])
    as_text = [CSV_CELLS.get(column.type) for column in columns]
    table.writerows(
        [
            cell if convert is None or cell is None else convert(cell)
            for convert, cell in zip(as_text, row, strict=True)
        ]
        for row in rows
    )


def write_json(columns: Sequence[Column], rows: Iterable[Cells], out: TextIO) -> None:
    """Write an object per line; seconds are text, or a reader would round them."""
    names = [column.name for column in columns]
    are_seconds = [column.type is Type.SECONDS for column in columns]
    for row in rows:
        cells = [
            exact_seconds(cell) if exact and cell is not None else cell
            for exact, cell in zip(are_seconds, row, strict=True)
        ]
        line = dict(zip(names, cells, strict=True))
        out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


def _as_word(cell: object) -> str:
    return "true" if cell else "false"


CSV_CELLS: Final = MappingProxyType[Type, Callable[[Any], str]](
    {Type.SECONDS: exact_seconds, Type.BOOLEAN: _as_word}
)
