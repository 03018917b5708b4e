"""What ranks said whose pods nobody knows yet, kept in the ledger until they are."""

from __future__ import annotations

import binascii
import logging
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from goodput_exporter.domain.observations import RankExited, RankReport
from goodput_exporter.errors import BadInputError
from goodput_exporter.wire.frames import encode_frame, read_frame, split

META: Final = "held/"
"""Names in the ledger's meta begin with this; a node follows. Empty text is nothing."""
PIECE: Final = 1_000
"""Observations in one frame: a tenth of what one may hold."""
NOBODY: Final = "held"
"""Stands in frames for an agent and its epoch, which no longer matter."""

OfRank = RankReport | RankExited

_log = logging.getLogger(__name__)


def encode_held(node: str, seen: Sequence[OfRank]) -> str:
    """Write down what ranks of a node said; in frames, as their agent sent it."""
    rest = iter(seen)
    frames: list[bytes] = []
    while piece := list(islice(rest, PIECE)):
        frames.append(
            encode_frame(
                piece, agent=NOBODY, node=node, epoch=NOBODY, sequence=1, made_ns=0
            )
        )
    return b64encode(b"".join(frames)).decode("ascii")


def decode_held(meta: Mapping[str, str]) -> Iterator[tuple[str, list[OfRank]]]:
    """Yield nodes and what their ranks said; what cannot be read is said and lost."""
    for name, text in meta.items():
        if not (text and name.startswith(META)):
            continue
        try:
            frames = list(split(b64decode(text, validate=True)))
            found = [one for each in frames for one in read_frame(each).observations]
        except (BadInputError, binascii.Error):
            _log.exception("%s cannot be read; what these ranks said is lost", name)
            continue
        ours = [one for one in found if isinstance(one, RankReport | RankExited)]
        yield name.removeprefix(META), ours
