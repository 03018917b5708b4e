"""The ledger as tables: segments, entries, restatements, events and daily accounts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.bookings import Reattribution, Restatement, RunEvent
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.states import LAYER_OF
from goodput_exporter.exposition.instants import rfc3339
from goodput_exporter.ledger.days import day_name, day_of
from goodput_exporter.ledger.entries import INT64_MAX, INT64_MIN, Entry, encode
from goodput_exporter.ledger.ledger import Reader
from goodput_exporter.ledger.tabular import Cells, Column, Type

LAYERS: Final = {state.value: layer.value for state, layer in LAYER_OF.items()}


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of rows, made as they are read; a run's key is three columns."""

    columns: tuple[Column, ...]
    rows: Callable[[Reader], Iterator[Cells]]


def _columns(*names: str) -> tuple[Column, ...]:
    """Read ``name:type``; text needs no type."""
    pairs = (name.partition(":") for name in names)
    return tuple(Column(name, Type(kind or Type.TEXT)) for name, _, kind in pairs)


KEY: Final = ("cluster", "namespace", "run")
"""Three columns, for any part may hold a slash."""
LINE: Final = ("seq:integer", "booked_ns:integer", *KEY)


def segments(ledger: Reader) -> Iterator[Cells]:
    """Yield every kept segment, run by run, each in time order."""
    for known in ledger.runs():
        for segment in ledger.segments(known.key):
            yield (*_names(known.key), *_segment(segment))


def entries(ledger: Reader) -> Iterator[Cells]:
    """Yield every entry in the ledger's own columns."""
    for entry in _entries(ledger):
        kind, start_ns, end_ns, *middle, bridged, flops, detail = encode(
            entry.key, entry.booking
        )
        flag = None if bridged is None else bridged == 1
        yield (*_line(entry), kind, start_ns, end_ns, *middle, flag, flops, detail)


def restatements(ledger: Reader) -> Iterator[Cells]:
    """Yield what moved in the settled view: between states, or between causes."""
    for entry in _entries(ledger):
        match entry.booking:
            case Restatement() as moved:
                yield (
                    *_line(entry),
                    moved.at_ns,
                    moved.span.start_ns,
                    moved.span.end_ns,
                    moved.from_state,
                    moved.to_state,
                    moved.cause.value,
                    moved.cause.value,
                    moved.gpu_ns,
                    moved.incident,
                    moved.reason,
                    "",
                    "",
                )
            case Reattribution() as moved:
                for state, gpu_ns in moved.settled_gpu_ns.items():
                    yield (
                        *_line(entry),
                        moved.at_ns,
                        moved.span.start_ns,
                        moved.span.end_ns,
                        state.value,
                        state.value,
                        moved.from_cause.value,
                        moved.to_cause.value,
                        gpu_ns,
                        moved.incident,
                        moved.rule,
                        moved.by,
                        moved.note,
                    )


def events(ledger: Reader) -> Iterator[Cells]:
    """Yield what happened to each run: interruptions, returns, recoveries, ends."""
    for entry in _entries(ledger):
        if isinstance(entry.booking, RunEvent):
            event = entry.booking
            detail = json.dumps(event.detail, ensure_ascii=False)
            at = rfc3339(event.at_ns)
            yield (*_line(entry), at, event.at_ns, event.kind.value, detail)


def days(ledger: Reader) -> Iterator[Cells]:
    """Yield the daily accounts; ``live`` is the live view, all parts the settled."""
    for amount in ledger.days(day_of(INT64_MIN), day_of(INT64_MAX)):
        yield (
            *_names(amount.key),
            day_name(amount.day),
            amount.part.value,
            amount.state,
            LAYERS.get(amount.state),
            amount.cause,
            amount.devices,
            amount.gpu_ns,
        )


def _entries(ledger: Reader) -> Iterator[Entry]:
    for known in ledger.runs():
        yield from ledger.bookings(known.key)


def _line(entry: Entry) -> Cells:
    return entry.seq, entry.booked_ns, *_names(entry.key)


def _names(key: RunKey) -> tuple[str, str, str]:
    return key.cluster, key.namespace, key.run


def _segment(segment: Segment) -> Cells:
    span, kept_as = segment.span, segment.kept_as
    return (
        rfc3339(span.start_ns),
        rfc3339(span.end_ns),
        span.start_ns,
        span.end_ns,
        segment.state.value,
        LAYER_OF[segment.state].value,
        segment.cause.value,
        segment.devices,
        segment.gpu_ns,
        segment.incident,
        segment.first_step,
        segment.last_step,
        None if kept_as is None else kept_as.value,
        segment.bridged,
        segment.model_flops,
    )


TABLES: Final = MappingProxyType(
    {
        "segments": Table(
            _columns(
                *KEY,
                "start",
                "end",
                "start_ns:integer",
                "end_ns:integer",
                "state",
                "layer",
                "cause",
                "devices:integer",
                "gpu_seconds:seconds",
                "incident:integer",
                "first_step:integer",
                "last_step:integer",
                "kept_as",
                "bridged:boolean",
                "model_flops:real",
            ),
            segments,
        ),
        "entries": Table(
            _columns(
                *LINE,
                "kind",
                "start_ns:integer",
                "end_ns:integer",
                "state",
                "devices:integer",
                "cause",
                "incident:integer",
                "first_step:integer",
                "last_step:integer",
                "kept_as",
                "bridged:boolean",
                "model_flops:real",
                "detail",
            ),
            entries,
        ),
        "restatements": Table(
            _columns(
                *LINE,
                "at_ns:integer",
                "start_ns:integer",
                "end_ns:integer",
                "from_state",
                "to_state",
                "from_cause",
                "to_cause",
                "gpu_seconds:seconds",
                "incident:integer",
                "reason",
                "by",
                "note",
            ),
            restatements,
        ),
        "events": Table(
            _columns(*LINE, "at", "at_ns:integer", "event", "detail"), events
        ),
        "days": Table(
            _columns(
                *KEY,
                "day",
                "part",
                "state",
                "layer",
                "cause",
                "devices:integer",
                "gpu_seconds:seconds",
            ),
            days,
        ),
    }
)
