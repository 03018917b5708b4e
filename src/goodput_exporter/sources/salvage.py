"""The slow path of wire v1: what can be kept of a message that is not clean."""

from __future__ import annotations

import json
import math
from typing import Final

import msgspec

from goodput_exporter.sources.messages import Message, Model
from goodput_exporter.sources.refusals import Drop, Flaw, Reason, RefusedError

# An honest integer has at most 19 digits. int() of a longer one costs quadratic
# time and Python refuses it past 4300 digits, so it never becomes an integer.
_MAX_DIGITS: Final = 40


def salvage(data: bytes) -> tuple[Message, tuple[Drop, ...]]:
    """
    Read a message field by field, leaving out the optional ones that are wrong.

    Python's own JSON reader is used because it tells more apart: NaN, numbers
    out of range and lone surrogates come through it as values of one field.

    Args:
        data: A datagram whose depth has been checked.

    Raises:
        RefusedError: It is no JSON object, of another version, or a required
            field is missing or wrong.
    """
    raw = _object(data)
    version = raw.get("v")
    if version != 1 or isinstance(version, bool):
        shown = str(version)[:40].encode("ascii", "backslashreplace").decode()
        raise RefusedError(Reason.VERSION, f"v is {shown}")
    drops: list[Drop] = []
    values = _fields(Message, raw, drops, prefix="")
    return Message(**values), tuple(drops)  # type: ignore[arg-type]  # converted each


def _object(data: bytes) -> dict[str, object]:
    try:
        raw = json.loads(data.decode("utf-8"), parse_int=_integer, parse_constant=float)
    except ValueError as exc:
        raise RefusedError(Reason.MALFORMED, type(exc).__name__) from exc
    if not isinstance(raw, dict):
        raise RefusedError(Reason.MALFORMED, f"a JSON {type(raw).__name__}")
    return raw


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= _MAX_DIGITS else math.inf


def _fields(
    struct: type[msgspec.Struct], raw: dict[str, object], drops: list[Drop], prefix: str
) -> dict[str, object]:
    values: dict[str, object] = {}
    for info in msgspec.structs.fields(struct):
        value = raw.get(info.name)
        if info.name == "model" and isinstance(value, dict):
            values["model"] = Model(**_fields(Model, value, drops, "model."))  # type: ignore[arg-type]  # converted each
            continue
        flaw = _flaw(value)
        if flaw is None:
            try:
                values[info.name] = msgspec.convert(value, info.type)
                continue
            except msgspec.ValidationError:
                flaw = _misfit(value, info.type)
        if info.required:
            reason = Reason.INVALID if info.name in raw else Reason.MISSING
            raise RefusedError(reason, info.name)
        drops.append((prefix + info.name, flaw))
    return values


def _flaw(value: object) -> Flaw | None:
    """Return what no field may hold, at any depth; the depth is bounded by now."""
    if isinstance(value, float):
        return None if math.isfinite(value) else Flaw.FIELD_RANGE
    if isinstance(value, str):
        return Flaw.FIELD_TEXT if _has_surrogate(value) else None
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return next((flaw for item in value if (flaw := _flaw(item))), None)
    return None


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


def _misfit(value: object, kind: object) -> Flaw:
    """Tell a number that is out of range from a value of another type."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Flaw.FIELD_TYPE
    example = 1 if isinstance(value, int) else 0.5
    try:
        msgspec.convert(example, kind)
    except msgspec.ValidationError:
        return Flaw.FIELD_TYPE
    return Flaw.FIELD_RANGE
