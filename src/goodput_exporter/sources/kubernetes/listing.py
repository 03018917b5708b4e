"""A complete list in pages, and what to do when it grows too old on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias, TypeVar

from goodput_exporter.sources.kubernetes.decoding import Page
from goodput_exporter.sources.kubernetes.lean import Object
from goodput_exporter.sources.kubernetes.troubles import ApiError, Trouble

T = TypeVar("T", bound=Object)
Query: TypeAlias = Mapping[str, str | int]

PAGE: Final = 500
"""Objects per page, as client-go asks for: 4 MB of usual pods."""


def pages(
    ask: Callable[[Query], Page[T]], known_version: str
) -> Iterator[tuple[bool, Page[T]]]:
    """
    Yield a list's pages, each with whether it is the first.

    The first try asks for the newest state. Its later pages can be refused with
    410 once etcd has forgotten that state; then the list starts again, once,
    from the server's cache, which answers in one go where it does not page. So
    a second *first* page means: forget the pages before.

    Args:
        ask: Fetches one page.
        known_version: The newest version seen so far, or nothing. The cache
            must not be older than that, or what is deleted would come back.

    Raises:
        ApiError: As *ask* does; ``GARBLED`` for a list that goes in a circle.
    """
    query: Query = {"limit": PAGE}
    is_first, may_restart = True, True
    while True:
        try:
            page = ask(query)
        except ApiError as error:
            if is_first or not may_restart or error.trouble is not Trouble.GONE:
                raise
            query, is_first, may_restart = _from_cache(known_version), True, False
            continue
        yield is_first, page
        if not page.token:
            return
        if page.token == query.get("continue"):
            msg = f"the list repeats its continue token {page.token!r}"
            raise ApiError(Trouble.GARBLED, msg)
        query, is_first = {"limit": PAGE, "continue": page.token}, False


def _from_cache(known_version: str) -> Query:
    """
    Ask for whatever the cache has, if it is no older than what is known.

    https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
    """
    return {
        "limit": PAGE,
        "resourceVersion": known_version or "0",
        "resourceVersionMatch": "NotOlderThan",
    }
