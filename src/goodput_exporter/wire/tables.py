"""
Observations as tables: neighbours of one kind share one list of field names.

A table is ``[kind, names, rows]`` in MessagePack. Where the names are those of this
version, rows are read in one strict pass; otherwise the reader takes the columns it
knows. What cannot be read costs itself only, and is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

import msgspec

from goodput_exporter.errors import BadInputError
from goodput_exporter.wire.kinds import (
    KIND_OF,
    KINDS,
    Kind,
    Observation,
    Row,
    Shape,
    is_sound,
    shifted,
)
from goodput_exporter.wire.making import Change

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Table(NamedTuple):
    """Neighbours of one kind, their rows not read yet."""

    kind: str
    names: tuple[str, ...]
    rows: msgspec.Raw


@dataclass(slots=True)
class Skipped:
    """
    What was left out of a batch that was taken.

    Args:
        kinds: Observations of kinds that this version does not know.
        fields: Values under names that it does not know.
        rows: Observations with a value that cannot be.
        detail: The first of them, for the log.
    """

    kinds: int = 0
    fields: int = 0
    rows: int = 0
    detail: str = ""

    def note(self, detail: str) -> None:
        """Keep the first."""
        self.detail = self.detail or detail


class Read(NamedTuple):
    """Observations in the order in which they were sent, and what was left out."""

    observations: list[Observation]
    skipped: Skipped


_encoder: Final = msgspec.msgpack.Encoder()
_tables: Final = msgspec.msgpack.Decoder(list[Table])
_raw_rows: Final = msgspec.msgpack.Decoder(list[msgspec.Raw])
_values: Final = msgspec.msgpack.Decoder(list[Any])


def encode_tables(
    observations: Iterable[Observation], *, is_needed_only: bool = False
) -> bytes:
    """
    Write observations down.

    Args:
        observations: Neighbours of one kind become one table.
        is_needed_only: Leave out what no aggregator reads.

    Raises:
        BadInputError: One of them is of a kind that does not travel, or holds a
            number beyond 64 bits or text that is no Unicode.
    """
    tables: list[tuple[str, tuple[str, ...], list[Row]]] = []
    for of, neighbours in groupby(observations, key=type):
        known = KIND_OF.get(of)
        if known is None:
            msg = f"{of.__name__} does not travel; give it a line in wire.kinds.KINDS"
            raise BadInputError(msg)
        is_whole = of is known.type and not is_needed_only
        shape = known.whole if is_whole else known.needed
        tables.append((known.name, shape.names, [*map(shape.row_of, neighbours)]))
    try:
        return _encoder.encode(tables)
    except (OverflowError, UnicodeEncodeError) as exc:
        msg = (
            f"an observation cannot be sent ({exc}); the source that let it in must "
            "refuse it"
        )
        raise BadInputError(msg) from exc


def decode_tables(data: bytes, *, shift_ns: int = 0) -> Read:
    """
    Read back what ``encode_tables`` wrote, of this version or a neighbouring one.

    Args:
        data: As sent.
        shift_ns: Added to every instant, to bring it onto the reader's clock.

    Raises:
        BadInputError: It is no list of tables.
    """
    try:
        tables = _tables.decode(data)
    except UNREADABLE as exc:
        msg = f"{len(data)} bytes are no tables of observations: {exc}"
        raise BadInputError(msg) from exc
    found: list[Observation] = []
    skipped = Skipped()
    for table in tables:
        found += _observations(table, shift_ns, skipped)
    return Read(found, skipped)


def _observations(
    table: Table, shift_ns: int, skipped: Skipped
) -> Iterable[Observation]:
    known = KINDS.get(table.kind)
    if known is None:
        skipped.kinds += _count(table.rows)
        skipped.note(f"kind {table.kind[:40]!r} is not known here")
        return ()
    shape = known.shape(table.names)
    if shape is None:
        return _of_another_version(known, table, shift_ns, skipped)
    rows = _sound(known, shape.parts, _rows(known, shape, table.rows, skipped), skipped)
    return shape.make(rows, _mover(shape.dated, shift_ns))


def _of_another_version(
    known: Kind, table: Table, shift_ns: int, skipped: Skipped
) -> Iterable[Observation]:
    names, rows = _columns(known, table, skipped)
    whole = known.whole
    parts = _places(names, (whole.names[at] for at in whole.parts))
    rows = _sound(known, parts, rows, skipped)
    if shift_ns:
        dated = _places(names, whole.dated)
        rows = [_moved(row, dated, shift_ns) for row in rows]
    return [known.type(**dict(zip(names, row, strict=True))) for row in rows]


def _rows(known: Kind, shape: Shape, raw: msgspec.Raw, skipped: Skipped) -> list[Row]:
    """Read rows in one pass; if one is bad, read them again one by one."""
    try:
        return shape.rows.decode(raw)
    except UNREADABLE:
        return [
            row
            for each in _split(raw, known, skipped)
            if (row := _tried(known, shape, each, skipped)) is not None
        ]


def _tried(known: Kind, shape: Shape, raw: msgspec.Raw, skipped: Skipped) -> Row | None:
    try:
        return shape.row.decode(raw)
    except UNREADABLE as exc:
        skipped.rows += 1
        skipped.note(f"{known.name}: {exc}")
        return None


def _split(raw: msgspec.Raw, known: Kind, skipped: Skipped) -> list[msgspec.Raw]:
    try:
        return _raw_rows.decode(raw)
    except UNREADABLE as exc:
        skipped.rows += 1
        skipped.note(f"{known.name}: its rows are no list: {exc}")
        return []


def _columns(
    known: Kind, table: Table, skipped: Skipped
) -> tuple[tuple[str, ...], list[Row]]:
    """Take the columns that this version knows, of a table of another one."""
    places = {name: at for at, name in enumerate(table.names)}
    names = tuple(name for name in known.whole.names if name in places)
    if not known.required <= places.keys():
        lacking = ", ".join(sorted(known.required - places.keys()))
        skipped.rows += _count(table.rows)
        skipped.note(f"{known.name}: {lacking} is required and not there")
        return names, []
    shape = tuple.__class_getitem__(tuple(known.hints[name] for name in names))
    rows: list[Row] = []
    for raw in _split(table.rows, known, skipped):
        try:
            values = _values.decode(raw)
            row = tuple(values[places[name]] for name in names)
            rows.append(msgspec.convert(row, shape))
        except (*UNREADABLE, IndexError) as exc:
            skipped.rows += 1
            skipped.note(f"{known.name}: {exc}")
    unknown = sorted(places.keys() - set(known.whole.names))
    if unknown:
        skipped.fields += len(unknown) * len(rows)
        skipped.note(f"{known.name}: {unknown[0][:40]!r} is not known here")
    return names, rows


def _sound(
    known: Kind, parts: Sequence[int], rows: list[Row], skipped: Skipped
) -> list[Row]:
    """Look into parts, which the bounds of a row do not reach."""
    sound = rows
    # Parts are None or empty in most rows: look for any before looking into them.
    if any(any(map(itemgetter(at), rows)) for at in parts):
        sound = [row for row in rows if all(is_sound(row[at]) for at in parts)]
    if len(sound) < len(rows):
        skipped.rows += len(rows) - len(sound)
        skipped.note(f"{known.name}: a number in one of its parts cannot be")
    return sound


def _places(names: Sequence[str], wanted: Iterable[str]) -> list[int]:
    sought = set(wanted)
    return [at for at, name in enumerate(names) if name in sought]


def _mover(dated: Sequence[str], shift_ns: int) -> Change | None:
    """Return what moves the instants of a value that is made of a whole row."""
    if not shift_ns:
        return None
    put = object.__setattr__

    def move(value: Any) -> None:  # noqa: ANN401 - of any kind
        for name in dated:
            each = getattr(value, name)
            if isinstance(each, int):
                put(value, name, each + shift_ns)
            elif each:
                put(value, name, shifted(each, shift_ns))

    return move


def _moved(row: Row, dated: Sequence[int], shift_ns: int) -> Row:
    values = list(row)
    for at in dated:
        each = values[at]
        if isinstance(each, int):
            values[at] = each + shift_ns
        elif each is not None:
            values[at] = shifted(each, shift_ns)
    return tuple(values)


def _count(raw: msgspec.Raw) -> int:
    """Return how many rows were not read; at least one."""
    try:
        return len(_raw_rows.decode(raw))
    except UNREADABLE:
        return 1
