"""The lines of one family about one subject, with gaps for the values."""

from __future__ import annotations

from collections.abc import Sequence

from goodput_exporter.exposition.family import Labels
from goodput_exporter.exposition.labels import prefix
from goodput_exporter.exposition.metric import Metric


class Lines:
    """
    What stands before each value, kept ready for the next page.

    Args:
        metric: The family's metric.
        subject: The first label values.
        keys: The label values that follow, per series, in the values' order.
    """

    __slots__ = ("_pieces", "_prefixes", "has_repeats", "keys")

    def __init__(
        self, metric: Metric, subject: Labels, keys: tuple[Labels, ...]
    ) -> None:
        self.keys = keys
        texts = [prefix(metric.name, metric.labels, (*subject, *key)) for key in keys]
        self._prefixes = [text.encode() for text in texts]
        self.has_repeats = len(set(texts)) < len(texts)
        # Every second piece is a value: one slice assignment and one join then
        # do for all lines what formatting would do for each.
        gaps = (piece for text in self._prefixes for piece in (b"\n" + text, b""))
        self._pieces = [*gaps, b"\n"]
        self._pieces[0] = self._pieces[0][1:]

    def fill(self, texts: Sequence[bytes]) -> bytes:
        """Return the lines; there is one value per key, and none refused."""
        self._pieces[1::2] = texts
        return b"".join(self._pieces)

    def fill_one(self, text: bytes) -> bytes:
        """Return the line of the only key."""
        return self._prefixes[0] + text + b"\n"

    def fill_some(self, texts: Sequence[bytes]) -> list[bytes]:
        """Return the lines that may stand: no refused value, no series twice."""
        pairs = zip(self._prefixes, texts, strict=True)
        first: dict[bytes, bytes] = {}
        for before, text in pairs:
            if text:
                first.setdefault(before, text)
        return [before + text + b"\n" for before, text in first.items()]
