"""Objects that are kept as the bytes of their JSON, without what nobody reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from goodput_exporter.sources.kubernetes.lean import Object

# A pod of 7 KB takes 5.6 KB as structs, most of it the heads of short strings, and
# 1.6 KB as text. JSON and not MessagePack: a whole number may have any length in it.


class Packed(msgspec.Struct, frozen=True, gc=False):
    """
    One object as text.

    Args:
        text: Its JSON, of the fields that its struct has.
        read: Makes the struct of it.
    """

    text: bytes
    read: Callable[[bytes], Object]


Kept: TypeAlias = Packed | Object
"""What nests too deeply to be written again is kept as it is."""

_WRITER: Final = msgspec.json.Encoder()
_FIELDS: Final = msgspec.json.Decoder(dict[str, object])


def packed(found: Object, read: Callable[[bytes], Object]) -> Kept:
    """
    Return an object as text.

    Args:
        found: The object.
        read: Makes the object's struct of its text.
    """
    try:
        return Packed(_WRITER.encode(found), read)
    except RecursionError:
        return found


def unpacked(kept: Kept) -> Object:
    """Return the object, a new one each time where it was packed."""
    return kept.read(kept.text) if isinstance(kept, Packed) else kept


def plain_fields(kept: Kept) -> dict[str, object]:
    """Return the object's fields as the API names them."""
    if isinstance(kept, Packed):
        return _FIELDS.decode(kept.text)
    fields: dict[str, object] = msgspec.to_builtins(kept)
    return fields
