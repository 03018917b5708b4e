"""Which event loop and which parser of HTTP a server runs on."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from goodput_exporter.ingest.at_once import AtOnce

MOST_HEAD_BYTES: Final = 65_536
"""Of one request's head; h11's own bound, which the compiled parser lacks."""
YOUNG_OBJECTS: Final = 200_000


@dataclass(frozen=True, slots=True)
class Engine:
    """
    What moves a server.

    Args:
        loop: uvicorn's name of an event loop.
        http: uvicorn's name of a parser, or a protocol of its kind.
    """

    loop: str = "asyncio"
    http: str | type[asyncio.Protocol] = "h11"


PLAIN: Final = Engine()
"""Python's own loop, and h11: an agent is asked little, and has no memory to spare."""


def compiled(pushes: AtOnce | None = None) -> Engine:
    """
    Return uvloop and httptools, as far as they are installed.

    For who takes the pushes of a cluster: together they halve what a push costs.

    Args:
        pushes: Takes those that need not wait; None gives all to the application.
    """
    loop = "asyncio" if find_spec("uvloop") is None else "uvloop"
    if find_spec("httptools") is None:
        return Engine(loop)
    from goodput_exporter.services.bounded_http import (  # noqa: PLC0415 - an agent must not load it
        BoundedHead,
    )

    if pushes is None:
        return Engine(loop, BoundedHead)
    from goodput_exporter.services.pushes_at_once import (  # noqa: PLC0415 - see above
        taking,
    )

    return Engine(loop, taking(pushes))


def collect_seldom() -> None:
    """
    Look for garbage in cycles after many new objects, not after 700.

    A batch of 16 GPUs is a hundred objects, which live until their commit and are in
    no cycle. At Python's own pace a quarter of what a push costs was to look at them
    again and again. What is there at the start stays, and is not looked at any more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
