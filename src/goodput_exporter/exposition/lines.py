"""The lines of one family about a few subjects, with gaps for the values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from goodput_exporter.exposition.family import Keys, Labels
from goodput_exporter.exposition.labels import prefix
from goodput_exporter.exposition.metric import Metric
from goodput_exporter.exposition.numbers import REFUSED


class Lines:
    """
    What stands before each value, kept ready for the next page.

    Every line begins with its line break, so that any number of them can be
    put one after another.

    Args:
        metric: The family's metric.
        subjects: Per row, the first label values.
    """

    __slots__ = ("_has_gaps", "_has_repeats", "_keys", "_metric", "_pieces",
                 "_starts", "_subjects")  # fmt: skip

    def __init__(self, metric: Metric, subjects: Sequence[Labels]) -> None:
        self._metric = metric
        self._subjects = subjects
        self._keys: list[Keys] = [()] * len(subjects)
        # Every second piece is a value: one slice assignment and one join then
        # do for all lines what formatting would do for each.
        self._pieces: list[bytes] = []
        self._starts = [0] * (len(subjects) + 1)
        self._has_gaps = False
        self._has_repeats = False

    def put(
        self, rows: Sequence[int], keys: list[Keys], texts: Sequence[bytes]
    ) -> None:
        """
        Write the values of some rows.

        Args:
            rows: Which.
            keys: Per row, the label values that follow the subject's own.
            texts: Per row and key, a value; those of all rows in one list.
        """
        if keys == self._keys:
            self._pieces[1::2] = texts
            self._has_gaps = REFUSED in texts
            return
        end = 0
        for row, of_row in zip(rows, keys, strict=True):
            begin, end = end, end + len(of_row)
            self._put_row(row, of_row, texts[begin:end])
        self._has_gaps = self._has_gaps or REFUSED in texts

    def _put_row(self, row: int, keys: Keys, texts: Sequence[bytes]) -> None:
        begin, end = self._starts[row], self._starts[row + 1]
        if keys == self._keys[row]:
            self._pieces[2 * begin + 1 : 2 * end : 2] = texts
            return
        pairs = zip(self._prefixes(row, keys), texts, strict=True)
        self._pieces[2 * begin : 2 * end] = chain.from_iterable(pairs)
        grown = len(keys) - (end - begin)
        self._starts[row + 1 :] = [start + grown for start in self._starts[row + 1 :]]
        self._keys[row] = keys

    def _prefixes(self, row: int, keys: Keys) -> list[bytes]:
        name, labels, own = self._metric.name, self._metric.labels, self._subjects[row]
        texts = [prefix(name, labels, (*own, *key)) for key in keys]
        self._has_repeats = self._has_repeats or len(set(texts)) < len(texts)
        return [b"\n" + text.encode() for text in texts]

    def block(self) -> tuple[bytes, int, int]:
        """
        Return the lines that may stand: no refused value, no series twice.

        Returns:
            The lines, how many they are, and how many repeated another one.
        """
        if not (self._has_gaps or self._has_repeats):
            return b"".join(self._pieces), len(self._pieces) // 2, 0
        befores, texts = self._pieces[::2], self._pieces[1::2]
        first: dict[bytes, bytes] = {}
        for before, text in zip(befores, texts, strict=True):
            if text:
                first.setdefault(before, text)
        repeats = len(texts) - texts.count(REFUSED) - len(first)
        return _joined(first.items()), len(first), repeats


def _joined(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(chain.from_iterable(pairs))
