"""
Which observations travel, as a table, and how each becomes a row and back.

For editors: a new kind of observation is one line in ``KINDS``. A new field needs
nothing: it is sent under its name, and whoever does not know it leaves it out and
counts it. A field that changes its type or meaning needs a new name. Every field
in nanoseconds is an instant or a duration; an instant stands in ``INSTANTS``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import reduce
from operator import attrgetter, or_
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from goodput_exporter.domain.evidence import Evidence
from goodput_exporter.domain.gpu_holdings import GpuHoldings
from goodput_exporter.domain.observations import (
    Delivered,
    GpuInventory,
    GpuLost,
    GpuReading,
    GpuSample,
    RankExited,
    RankReport,
    XidCount,
)
from goodput_exporter.wire.making import Maker, maker_of

Observation = (
    RankReport
    | RankExited
    | Delivered
    | GpuReading
    | GpuLost
    | GpuInventory
    | GpuHoldings
    | XidCount
    | Evidence
)
"""Everything that an agent may tell."""

OF_RUNS: Final = (RankReport, RankExited, Delivered, Evidence)
"""What books of runs are made of; the rest is for a book of GPUs."""

Row = tuple[Any, ...]
"""The values of one observation, in the order of its kind's names."""

INSTANTS: Final = frozenset(
    {"at_ns", "since_ns", "until_ns", "through_ns", "last_at_ns"}
)
"""Fields that are dated on the sender's clock, in every kind and in its parts."""

LEAST, MOST = -(2**63), 2**63 - 1
"""What a ledger's integers hold; MessagePack's go further on one side."""

# NaN is not between any two numbers, so these bounds refuse it, too.
FINITE: Final = Meta(ge=-1.7976931348623157e308, le=1.7976931348623157e308)
WHOLE: Final = Meta(ge=LEAST, le=MOST)
# Up to the year 2116, so that an instant which is moved still fits into 64 bits.
DATED: Final = Meta(ge=0, le=2**62)


@dataclass(frozen=True, slots=True)
class Shape:
    """
    Rows of certain fields in a certain order.

    Args:
        names: The fields, in the order of a row.
        row_of: Turns an observation into its row. *make*: rows into observations;
            fields that are not in a row have their defaults.
        rows: Reads rows of exactly these names. *row*: reads one of them.
        dated: The names under which instants are, themselves or within a part.
        parts: Where a part is: a value with fields of its own.
    """

    names: tuple[str, ...]
    row_of: Callable[[Any], Row]
    make: Maker
    rows: msgspec.msgpack.Decoder[list[Row]]
    row: msgspec.msgpack.Decoder[Row]
    dated: tuple[str, ...]
    parts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """
    One kind of observation and the shapes of its rows.

    Args:
        name: What it is called on the wire, for ever.
        type: The domain's class.
        hints: The type of each field, numbers bounded.
        required: Those without a default.
        whole: A row of every field. *needed*: of those that an aggregator reads.
    """

    name: str
    type: type[Any]
    hints: MappingProxyType[str, Any]
    required: frozenset[str]
    whole: Shape
    needed: Shape

    def shape(self, names: tuple[str, ...]) -> Shape | None:
        """Return the shape of exactly these fields; None is one of other versions."""
        if names == self.needed.names:
            return self.needed
        return self.whole if names == self.whole.names else None


def kind(name: str, of: type[Any], needed: type[Any] | None = None) -> Kind:
    """
    Read the shapes of a kind off the domain's class.

    Args:
        name: What it is called on the wire.
        of: The domain's class.
        needed: The class that *of* is built on and that aggregators read; None is all.
            It has every field of *of* without a default.
    """
    hints = _bounded_hints(of)
    whole = shape_of(of)
    return Kind(
        name=name,
        type=of,
        hints=MappingProxyType(hints),
        required=frozenset(
            each.name for each in fields(of) if each.init and _is_required(each)
        ),
        whole=whole,
        needed=whole if needed is None else shape_of(needed),
    )


def shape_of(of: type[Any]) -> Shape:
    """Return the shape of rows with every field of a class, in its order."""
    hints = _bounded_hints(of)
    names = tuple(each.name for each in fields(of) if each.init)
    row = tuple.__class_getitem__(tuple(hints[each] for each in names))
    parts = {
        at: kinds for at, each in enumerate(names) if (kinds := parts_of(hints[each]))
    }
    return Shape(
        names=names,
        row_of=attrgetter(*names),
        make=maker_of(of),
        rows=msgspec.msgpack.Decoder(list.__class_getitem__(row)),
        row=msgspec.msgpack.Decoder(row),
        dated=tuple(
            each
            for at, each in enumerate(names)
            if each in INSTANTS or any(map(_has_instants, parts.get(at, ())))
        ),
        parts=tuple(parts),
    )


def _bounded_hints(of: type[Any]) -> dict[str, Any]:
    return {
        name: bounded(hint, DATED if name in INSTANTS else WHOLE)
        for name, hint in get_type_hints(of).items()
    }


def bounded(hint: Any, whole: Meta) -> Any:  # noqa: ANN401 - a hint may be anything
    """Return a type hint whose numbers are finite, the integers as *whole* says."""
    if hint is int:
        return Annotated[int, whole]
    if hint is float:
        return Annotated[float, FINITE]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is None:
        return hint
    inner = [each if each is ... else bounded(each, whole) for each in arguments]
    if origin in {UnionType, Union}:
        return reduce(or_, inner)
    return origin[tuple(inner)]


def parts_of(hint: Any) -> list[type[Any]]:  # noqa: ANN401 - see above
    """Return the classes with fields of their own that a type hint holds."""
    if isinstance(hint, type) and is_dataclass(hint):
        return [hint]
    return [part for each in get_args(hint) for part in parts_of(each)]


def shifted(value: Any, by_ns: int) -> Any:  # noqa: ANN401 - rebuilds what it is given
    """Return a value with every instant within it moved by *by_ns*."""
    if isinstance(value, tuple):
        return tuple(shifted(each, by_ns) for each in value)
    if not is_dataclass(value):
        return value
    inner = {each.name: getattr(value, each.name) for each in fields(value)}
    for name, each in inner.items():
        if name in INSTANTS and each is not None:
            inner[name] = each + by_ns
        else:
            inner[name] = shifted(each, by_ns)
    return type(value)(**inner)  # type: ignore[misc]  # a dataclass, never a class


def is_sound(value: Any) -> bool:  # noqa: ANN401 - any part of an observation
    """Tell whether every number in a part is finite and fits into 64 bits."""
    return all(
        LEAST <= each <= MOST if isinstance(each, int) else math.isfinite(each)
        for each in _numbers(value)
    )


def _numbers(value: Any) -> Iterator[float]:  # noqa: ANN401 - see above
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, tuple | frozenset):
        for each in value:
            yield from _numbers(each)
    elif is_dataclass(value):
        for name in fields(value):
            yield from _numbers(getattr(value, name.name))


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _has_instants(of: type[Any]) -> bool:
    hints = get_type_hints(of)
    return bool(INSTANTS & hints.keys()) or any(
        _has_instants(part) for hint in hints.values() for part in parts_of(hint)
    )


KINDS: Final = MappingProxyType(
    {
        each.name: each
        for each in (
            kind("report", RankReport),
            kind("exit", RankExited),
            kind("delivered", Delivered),
            # The rest of a sample is on its node's own page; it would be four fifths
            # of a push.
            kind("gpu", GpuSample, needed=GpuReading),
            kind("gpu_lost", GpuLost),
            kind("gpu_inventory", GpuInventory),
            kind("gpu_holdings", GpuHoldings),
            kind("xid_count", XidCount),
            kind("evidence", Evidence),
        )
    }
)
KIND_OF: Final = MappingProxyType(
    {each.type: each for each in KINDS.values()} | {GpuReading: KINDS["gpu"]}
)
