"""Tables as Parquet: the one door to Arrow, opened when somebody asks for a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Final

from goodput_exporter.errors import ConfigError
from goodput_exporter.ledger.tabular import Cells, Column, Type

ROWS_AT_ONCE: Final = 50_000
"""Rows in memory, and in one row group of the file."""
DIGITS, FRACTION = 38, 9
"""Of a decimal: 10^6 GPUs for 10^6 years fit, to the nanosecond."""


def write_parquet(columns: Sequence[Column], rows: Iterable[Cells], file: Path) -> None:
    """
    Write rows to a file, compressed, some at a time.

    Seconds and decimals are DECIMAL(38, 9) and whole numbers past 64 bits are
    DECIMAL(38, 0), so both are exact; text that repeats is stored once.

    Raises:
        ConfigError: Arrow is not installed.
        OSError: The file cannot be written.
    """
    arrow, parquet = _arrow()
    schema = arrow.schema([(c.name, _type(arrow, c.type)) for c in columns])
    with (
        file.open("wb") as out,
        parquet.ParquetWriter(out, schema, compression="zstd") as writer,
    ):
        for some in _batches(rows):
            values = [
                _values(column, [row[place] for row in some])
                for place, column in enumerate(columns)
            ]
            arrays = [
                arrow.array(cells, schema.field(place).type)
                for place, cells in enumerate(values)
            ]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))


def _values(column: Column, cells: list[Any]) -> list[Any]:
    if column.type is Type.SECONDS:
        return [
            None if cell is None else Decimal(cell).scaleb(-FRACTION) for cell in cells
        ]
    if column.type is Type.WHOLE:
        return [None if cell is None else Decimal(cell) for cell in cells]
    return cells


def _batches(rows: Iterable[Cells]) -> Iterator[list[Cells]]:
    coming = iter(rows)
    while some := list(islice(coming, ROWS_AT_ONCE)):
        yield some


def _type(arrow: Any, of: Type) -> Any:  # noqa: ANN401 - Arrow ships no types
    return {
        Type.TEXT: arrow.string(),
        Type.INTEGER: arrow.int64(),
        Type.SECONDS: arrow.decimal128(DIGITS, FRACTION),
        Type.WHOLE: arrow.decimal128(DIGITS, 0),
        Type.DECIMAL: arrow.decimal128(DIGITS, FRACTION),
        Type.REAL: arrow.float64(),
        Type.BOOLEAN: arrow.bool_(),
    }[of]


def _arrow() -> tuple[Any, Any]:
    # Loaded only here: it is larger than the exporter, and few ask for Parquet.
    try:
        import pyarrow as pa  # noqa: PLC0415 - see above
        from pyarrow import parquet  # noqa: PLC0415 - see above
    except ImportError as exc:
        msg = (
            f"Parquet cannot be written ({exc}); install goodput-exporter[parquet], "
            "or export csv or json"
        )
        raise ConfigError(msg) from exc
    return pa, parquet
