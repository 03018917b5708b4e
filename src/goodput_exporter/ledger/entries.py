"""One booking as a row of the ledger and back, the same for every database."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.bookings import (
    Booking,
    EventKind,
    Reattribution,
    Restatement,
    RunEvent,
)
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import AccountingError, LedgerCorruptError

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1

Row = tuple[
    str,
    int,
    int,
    str | None,
    int | None,
    str | None,
    int | None,
    int | None,
    int | None,
    str | None,
    int | None,
    float | None,
    str | None,
]
"""kind, start_ns, end_ns, state, devices, cause, incident, first_step, last_step,
kept_as, bridged, model_flops, detail: the columns that an entry's booking decides."""


_STATE_NAMES: Final = {state: state.value for state in RunState}
_CAUSE_NAMES: Final = {cause: cause.value for cause in Cause}
"""Looked up, for asking a member for its value takes as long as the rest of a row."""


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One immutable line of the ledger.

    Args:
        seq: Its number, from 1, over all runs; never reused.
        booked_ns: When it was written, on the ledger's clock.
        key: Whose line it is.
        booking: What it says.
    """

    seq: int
    booked_ns: int
    key: RunKey
    booking: Booking


def encode(key: RunKey, booking: Booking) -> Row:
    """
    Lay a booking out in columns.

    Raises:
        AccountingError: It ends before it starts, holds a negative number of
            devices or FLOPs, lies outside 64 bits, or carries a number that
            is none.
    """
    match booking:
        case Segment():
            return _segment_row(key, booking)
        case Restatement():
            return _restatement_row(key, booking)
        case Reattribution():
            return _reattribution_row(key, booking)
        case RunEvent():
            return _event_row(key, booking)


def decode(seq: int, booked_ns: int, key: RunKey, row: Sequence[Any]) -> Entry:
    """
    Read an entry back from its columns.

    Raises:
        LedgerCorruptError: The columns are not those of any booking.
    """
    try:
        booking = _DECODERS[row[0]](row)
    except (ValueError, KeyError, TypeError) as exc:
        msg = (
            f"run {key}: entry {seq} cannot be read ({exc!r}); it was changed outside "
            "this program: restore the ledger from a backup"
        )
        raise LedgerCorruptError(msg) from exc
    return Entry(seq, booked_ns, key, booking)


def require_storable(key: RunKey) -> None:
    """
    Refuse a key that no database can hold as text.

    Raises:
        AccountingError: A part of it is not Unicode text (a lone surrogate).
    """
    try:
        f"{key}".encode()
    except UnicodeEncodeError as exc:
        msg = (
            f"run {str(key)!a} is not Unicode text ({exc.reason}); "
            "the source that let it in must refuse it"
        )
        raise AccountingError(msg) from exc


def _segment_row(key: RunKey, segment: Segment) -> Row:
    span, kept_as, flops = segment.span, segment.kept_as, segment.model_flops
    start_ns, end_ns = span.start_ns, span.end_ns
    sound = segment.devices >= 0 and _countable(flops)
    if not sound or not _in_order(start_ns, end_ns):
        raise _impossible(key, segment)
    return (
        "segment",
        start_ns,
        end_ns,
        _STATE_NAMES[segment.state],
        segment.devices,
        _CAUSE_NAMES[segment.cause],
        segment.incident,
        segment.first_step,
        segment.last_step,
        None if kept_as is None else _STATE_NAMES[kept_as],
        1 if segment.bridged else 0,
        flops,
        None,
    )


def _restatement_row(key: RunKey, moved: Restatement) -> Row:
    span = moved.span
    if not _in_order(span.start_ns, span.end_ns):
        raise _impossible(key, moved)
    detail = {
        "at_ns": moved.at_ns,
        "from_state": moved.from_state,
        "to_state": moved.to_state,
        "gpu_ns": moved.gpu_ns,
        "reason": moved.reason,
        "incident": moved.incident,
    }
    if moved.kept_as is not None:
        detail["kept_as"] = moved.kept_as.value
    if moved.last_step is not None:
        detail["first_step"], detail["last_step"] = moved.first_step, moved.last_step
    return _row("restatement", span, moved.cause.value, _json(key, moved, detail))


def _reattribution_row(key: RunKey, moved: Reattribution) -> Row:
    span = moved.span
    if not _in_order(span.start_ns, span.end_ns):
        raise _impossible(key, moved)
    detail = {
        "at_ns": moved.at_ns,
        "incident": moved.incident,
        "from_cause": moved.from_cause.value,
        "from_incident": moved.from_incident,
        "gpu_ns": _by_state(moved.gpu_ns),
        "settled_gpu_ns": _by_state(moved.settled_gpu_ns),
        "rule": moved.rule,
        "by": moved.by,
        "note": moved.note,
        "preempted_by": moved.preempted_by,
    }
    said = _json(key, moved, detail)
    # A restatement too, of the cause instead of the state: the same kind of line.
    return _row("restatement", span, moved.to_cause.value, said)


def _event_row(key: RunKey, event: RunEvent) -> Row:
    if not _in_order(event.at_ns, event.at_ns):
        raise _impossible(key, event)
    span = Span(event.at_ns, event.at_ns)
    detail = {"event": event.kind.value, "detail": event.detail}
    return _row("event", span, None, _json(key, event, detail))


def _row(kind: str, span: Span, cause: str | None, detail: str) -> Row:
    nothing = (None, None, None, None, None, None)
    return kind, span.start_ns, span.end_ns, None, None, cause, *nothing, detail


def _json(key: RunKey, booking: Booking, detail: object) -> str:
    # The standard library's JSON, because its integers have no upper end.
    try:
        return json.dumps(detail, allow_nan=False, separators=(",", ":"))
    except (ValueError, TypeError) as exc:
        raise _impossible(key, booking) from exc


def _in_order(start_ns: int, end_ns: int) -> bool:
    return INT64_MIN <= start_ns <= end_ns <= INT64_MAX


def _countable(flops: float | None) -> bool:
    # SQLite would store NaN as NULL, and what is broken would read as not measured.
    return flops is None or 0.0 <= flops < math.inf


def _impossible(key: RunKey, booking: Booking) -> AccountingError:
    return AccountingError(
        f"run {key}: {booking} cannot be booked: times must be in order and within "
        "64 bits, devices and FLOPs not negative, numbers finite; the fold that made "
        "it is wrong"
    )


def _segment(row: Sequence[Any]) -> Segment:
    kept_as, flops = row[9], row[11]
    return Segment(
        Span(row[1], row[2]),
        RunState(row[3]),
        row[4],
        Cause(row[5]),
        row[6],
        row[7],
        row[8],
        None if kept_as is None else RunState(kept_as),
        row[10] == 1,
        None if flops is None else float(flops),
    )


def _restated(row: Sequence[Any]) -> Restatement | Reattribution:
    detail = json.loads(row[12])
    is_cause = "from_cause" in detail
    return _reattribution(row, detail) if is_cause else _restatement(row, detail)


def _restatement(row: Sequence[Any], detail: dict[str, Any]) -> Restatement:
    kept_as = detail.get("kept_as")
    return Restatement(
        at_ns=detail["at_ns"],
        span=Span(row[1], row[2]),
        from_state=detail["from_state"],
        to_state=detail["to_state"],
        gpu_ns=detail["gpu_ns"],
        cause=Cause(row[5]),
        reason=detail["reason"],
        incident=detail.get("incident"),
        kept_as=None if kept_as is None else RunState(kept_as),
        first_step=detail.get("first_step"),
        last_step=detail.get("last_step"),
    )


def _reattribution(row: Sequence[Any], detail: dict[str, Any]) -> Reattribution:
    return Reattribution(
        at_ns=detail["at_ns"],
        span=Span(row[1], row[2]),
        incident=detail["incident"],
        from_cause=Cause(detail["from_cause"]),
        to_cause=Cause(row[5]),
        from_incident=detail["from_incident"],
        gpu_ns=_of_states(detail["gpu_ns"]),
        settled_gpu_ns=_of_states(detail["settled_gpu_ns"]),
        rule=detail["rule"],
        by=detail["by"],
        note=detail["note"],
        # Entries of earlier versions do not say it.
        preempted_by=detail.get("preempted_by", ""),
    )


def _by_state(amounts: dict[RunState, int]) -> dict[str, int]:
    return {state.value: gpu_ns for state, gpu_ns in amounts.items()}


def _of_states(amounts: dict[str, int]) -> dict[RunState, int]:
    return {RunState(name): gpu_ns for name, gpu_ns in amounts.items()}


def _event(row: Sequence[Any]) -> RunEvent:
    detail = json.loads(row[12])
    return RunEvent(row[1], EventKind(detail["event"]), detail["detail"])


_DECODERS: Final = MappingProxyType[str, Callable[[Sequence[Any]], Booking]](
    {"segment": _segment, "restatement": _restated, "event": _event}
)
