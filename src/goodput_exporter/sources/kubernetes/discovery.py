"""Whether the API server has a kind, and in which version."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from goodput_exporter.sources.kubernetes.client import ApiServer
from goodput_exporter.sources.kubernetes.kinds import Kind
from goodput_exporter.sources.kubernetes.lean import Object
from goodput_exporter.sources.kubernetes.troubles import ApiError, Trouble

T = TypeVar("T", bound=Object)


class _Resources(msgspec.Struct, frozen=True):
    resources: object = None


_RESOURCES: Final = msgspec.json.Decoder(_Resources)


def served_version(server: ApiServer, kind: Kind[T]) -> str | None:
    """
    Return the best version of *kind* that is served now; None if none is.

    Raises:
        ApiError: It cannot be told now.
    """
    for version in kind.versions:
        path = kind.group_path(version)
        try:
            body = server.fetch(path, {})
        except ApiError as error:
            if error.trouble is Trouble.ABSENT:
                continue
            raise
        if kind.plural in _names(body, path):
            return version
    return None


def _names(body: bytes, path: str) -> set[str]:
    try:
        listed = _RESOURCES.decode(body).resources
    except (ValueError, RecursionError) as error:
        msg = f"GET {path}: no list of resources ({error}): {body[:80]!r}"
        raise ApiError(Trouble.GARBLED, msg) from None
    rows = listed if isinstance(listed, list) else []
    names = (row.get("name") for row in rows if isinstance(row, dict))
    return {name for name in names if isinstance(name, str)}
