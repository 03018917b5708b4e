"""Objects with fields that are not what they should be: the rest of them is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Generic, TypeVar

from msgspec import inspect

T = TypeVar("T")

_LEAVES: Final[Mapping[type[inspect.Type], type | tuple[type, ...]]] = {
    inspect.StrType: str,
    inspect.IntType: int,
    inspect.FloatType: (int, float),
    inspect.BoolType: bool,
}

MAX_DEPTH: Final = 200
"""Honest objects reach 20. The API server takes 10,000, the decoder about 1,000."""
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_SURROGATE: Final = re.compile(
    rb"\\\\"  # an escaped backslash: what follows it is text
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"  # one half of a pair
)


class _Odd(Exception):  # noqa: N818 - a turn of the walk below; it never leaves it
    """A value that is not of the type asked for."""


class Mender(Generic[T]):
    """
    Reads JSON as a struct, leaving out what is not of its type.

    A field, an element of a list or an entry of a map costs itself and nothing
    beside it. This is the slow path: honest objects take one strict, typed pass.

    Args:
        type_: The struct, whose fields all have defaults.
    """

    def __init__(self, type_: type[T]) -> None:
        self._type = type_
        self._shape = inspect.type_info(type_)

    def mend(self, raw: object) -> tuple[T | None, int]:
        """
        Return the object in decoded JSON, and how many values were left out of it.

        None if *raw* is no JSON object.
        """
        walk = _Walk()
        try:
            found = walk.value(raw, self._shape)
        except _Odd:
            return None, walk.left_out + 1
        return (found if isinstance(found, self._type) else None), walk.left_out


def readable_text(body: bytes) -> bytes:
    """Return JSON with a replacement character for whatever is no Unicode in it."""
    text = body.decode("utf-8", errors="replace").encode()
    return _SURROGATE.sub(lambda half: b"\\ufffd" if half[1] else half[0], text)


def shallow(body: bytes) -> bytes:
    """
    Return JSON with a null for whatever nests deeper than ``MAX_DEPTH``.

    Custom resources may nest as their authors like; one of them must not cost
    the page that it stands on.
    """
    kept: list[bytes] = []
    level = start = 0
    for token in _TOKEN.finditer(body):
        if token[0] in {b"[", b"{"}:
            level += 1
            if level == MAX_DEPTH + 1:
                kept += (body[start : token.start()], b"null")
        elif token[0] in {b"]", b"}"}:
            if level == MAX_DEPTH + 1:
                start = token.end()
            level -= 1
    kept.append(body[start:] if level <= MAX_DEPTH else b"")
    return b"".join(kept)


class _Walk:
    """One pass over one object, and what it left out so far."""

    def __init__(self) -> None:
        self.left_out = 0

    def value(self, raw: object, shape: inspect.Type) -> object:
        """Return *raw* in *shape*; raise ``_Odd`` if it cannot be."""
        if isinstance(shape, inspect.UnionType):
            return self._one_of(raw, shape)
        if isinstance(shape, inspect.AnyType):
            return raw
        if isinstance(shape, inspect.StructType):
            return self._struct(raw, shape)
        if isinstance(shape, inspect.VarTupleType):
            return self._rows(raw, shape.item_type)
        if isinstance(shape, inspect.DictType):
            return self._entries(raw, shape.value_type)
        expected = _LEAVES.get(type(shape), ())
        # JSON's true is no number, though Python's is
        is_true_in_disguise = isinstance(raw, bool) and expected is not bool
        if is_true_in_disguise or not isinstance(raw, expected):
            raise _Odd
        return raw

    def _one_of(self, raw: object, union: inspect.UnionType) -> object:
        if raw is None and union.includes_none:
            return None
        for shape in union.types:
            try:
                return self.value(raw, shape)
            except _Odd:
                continue
        raise _Odd

    def _struct(self, raw: object, struct: inspect.StructType) -> object:
        if not isinstance(raw, dict):
            raise _Odd
        found: dict[str, object] = {}
        for field in struct.fields:
            if field.encode_name in raw:
                try:
                    found[field.name] = self.value(raw[field.encode_name], field.type)
                except _Odd:
                    self.left_out += 1
        return struct.cls(**found)

    def _rows(self, raw: object, shape: inspect.Type) -> tuple[object, ...]:
        if not isinstance(raw, list):
            raise _Odd
        return tuple(
            row for index in range(len(raw)) for row in self._kept(raw[index], shape)
        )

    def _entries(self, raw: object, shape: inspect.Type) -> dict[str, object]:
        if not isinstance(raw, dict):
            raise _Odd
        return {name: entry for name in raw for entry in self._kept(raw[name], shape)}

    def _kept(self, raw: object, shape: inspect.Type) -> tuple[object, ...]:
        try:
            return (self.value(raw, shape),)
        except _Odd:
            self.left_out += 1
            return ()
