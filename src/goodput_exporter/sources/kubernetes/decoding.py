"""Pages of a list and lines of a watch: from bytes to lean objects in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import msgspec

from goodput_exporter.sources.kubernetes.lean import Object
from goodput_exporter.sources.kubernetes.mending import (
    Mender,
    readable_text,
    shallow,
)
from goodput_exporter.sources.kubernetes.troubles import (
    ApiError,
    Trouble,
    error_of,
    status_of,
)

T = TypeVar("T", bound=Object)
F = TypeVar("F")

MANAGED: Final = b',"managedFields":['
AFTER_MANAGED: Final = b']},"spec":'
SHOWN: Final = 80
"""Bytes of what cannot be read that a message repeats."""


class ListMetadata(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Where a list stands: the version to watch from, and whether there is more."""

    resource_version: str | None = None
    continue_: str | None = msgspec.field(default=None, name="continue")


class _Page(msgspec.Struct, Generic[T], frozen=True, gc=False):
    kind: str | None = None
    metadata: ListMetadata | None = None
    items: tuple[T, ...] | None = None


class _RawPage(msgspec.Struct, frozen=True, gc=False):
    kind: object = None
    metadata: object = None
    items: msgspec.Raw = msgspec.Raw(b"null")


class _Line(msgspec.Struct, Generic[T], frozen=True, gc=False):
    type: str | None = None
    found: T | None = msgspec.field(default=None, name="object")


class _RawLine(msgspec.Struct, frozen=True, gc=False):
    type: object = None
    found: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"null"), name="object")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """
    One page of a list.

    Args:
        version: The resource version of the list; a watch goes on from it.
        token: What to ask the next page with; empty on the last one.
        found: The objects. None stands for an item that is no object at all.
    """

    version: str
    token: str
    found: tuple[T | None, ...]


def without_managed_fields(line: bytes) -> bytes:
    """
    Return an object's JSON without its managed fields, where they are easy to cut out.

    They are two fifths of a pod, nobody here reads them, and to find their ends
    takes a fifth of the time that skipping them does. What is cut out is right for
    whatever is JSON: a quote after a comma begins a key, so both marks are what
    they seem, and without a bracket that closes in between, the array that begins
    at the first ends at the second, or what is left is no JSON and is read whole.
    Of a list's page it would cost more than it saves.
    """
    begins = line.find(MANAGED)
    ends = line.find(b"]", begins)
    if begins < 0 or not line.startswith(AFTER_MANAGED, ends):
        return line
    return line[: begins + len(MANAGED)] + line[ends:]


class Reader(Generic[T]):
    """
    Reads objects of one kind; counts the values that it had to leave out.

    Args:
        type_: The struct to read into.
    """

    def __init__(self, type_: type[T]) -> None:
        self._type = type_
        # A type that is known at run time only; mypy reads Generic[T] otherwise.
        self._page: msgspec.json.Decoder[_Page[T]] = msgspec.json.Decoder(
            _Page[type_]  # type: ignore[valid-type]
        )
        self._line: msgspec.json.Decoder[_Line[T]] = msgspec.json.Decoder(
            _Line[type_]  # type: ignore[valid-type]
        )
        self._strict = msgspec.json.Decoder(type_)
        self._mender = Mender(type_)
        self.faults = 0

    def page(self, body: bytes, request: str) -> Page[T]:
        """
        Read one page of a list.

        Success with anything but a list in it must not look like an empty
        cluster: that would end every run. So the kind and the version have to
        be there; only then may the items be missing.

        Raises:
            ApiError: It is a Status, or no list.
        """
        try:
            page = self._page.decode(body)
        except (ValueError, RecursionError):
            return self._mended_page(body, request)
        return self._checked(
            page.kind, page.metadata or ListMetadata(), page.items or (), body, request
        )

    def _mended_page(self, body: bytes, request: str) -> Page[T]:
        try:
            raw = self._frame(_RAW_PAGE, body)
            rows = _ROWS.decode(raw.items) or ()
        except (ValueError, RecursionError) as error:
            msg = f"{request}: no list to read ({error}): {body[:SHOWN]!r}"
            raise ApiError(Trouble.GARBLED, msg) from None
        kind = raw.kind if isinstance(raw.kind, str) else None
        metadata, _ = _LIST_METADATA.mend(raw.metadata)
        found = tuple(self._item(row) for row in rows)
        return self._checked(kind, metadata or ListMetadata(), found, body, request)

    def _checked(
        self,
        kind: str | None,
        metadata: ListMetadata,
        found: tuple[T | None, ...],
        body: bytes,
        request: str,
    ) -> Page[T]:
        if kind == "Status":
            raise error_of(status_of(body), request)
        if not (kind or "").endswith("List") or not metadata.resource_version:
            msg = (
                f"{request}: not a list ({kind!r}, version "
                f"{metadata.resource_version!r}): {body[:SHOWN]!r}; is this the API "
                "server, or a proxy in front of it?"
            )
            raise ApiError(Trouble.GARBLED, msg)
        return Page(metadata.resource_version, metadata.continue_ or "", found)

    def line(self, line: bytes, request: str) -> tuple[str, T | None]:
        """
        Read one line of a watch.

        Returns:
            The event's type and its object, None if that is no object at all.

        Raises:
            ApiError: It is an ERROR event, a bare Status, or no event.
        """
        try:
            event = self._line.decode(without_managed_fields(line))
        except (ValueError, RecursionError):
            return self._mended_line(line, request)
        if event.type is None or event.type == "ERROR":
            return self._mended_line(line, request)
        return event.type, event.found

    def _mended_line(self, line: bytes, request: str) -> tuple[str, T | None]:
        try:
            event = self._frame(_RAW_LINE, line)
        except (ValueError, RecursionError) as error:
            msg = f"{request}: not an event ({error}): {line[:SHOWN]!r}"
            raise ApiError(Trouble.GARBLED, msg) from None
        if event.type == "ERROR":
            raise error_of(status_of(bytes(event.found)), request)
        if not isinstance(event.type, str):
            # a server that fails after its 200 sends a Status, unwrapped
            raise error_of(status_of(line), request)
        return event.type, self._item(event.found)

    def _frame(self, decoder: msgspec.json.Decoder[F], body: bytes) -> F:
        """Read what is around the objects, without what no decoder can read."""
        text = readable_text(body)
        self.faults += text != body
        try:
            return decoder.decode(text)
        except RecursionError:
            self.faults += 1
            return decoder.decode(shallow(text))

    def _item(self, row: msgspec.Raw) -> T | None:
        """Read one object; what is odd about it costs nobody else."""
        try:
            return self._strict.decode(row)
        except (ValueError, RecursionError):
            pass
        try:
            raw = msgspec.json.decode(row)
        except (ValueError, RecursionError):
            self.faults += 1
            return None
        found, left_out = self._mender.mend(raw)
        self.faults += left_out
        return found


_RAW_PAGE: Final = msgspec.json.Decoder(_RawPage)
_RAW_LINE: Final = msgspec.json.Decoder(_RawLine)
_ROWS: Final = msgspec.json.Decoder(list[msgspec.Raw] | None)
_LIST_METADATA: Final = Mender(ListMetadata)
