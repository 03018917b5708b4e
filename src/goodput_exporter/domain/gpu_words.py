"""What a node's words say of each instant: the newest, while it may be relied on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from goodput_exporter.domain.gpu_rules import GpuRules
from goodput_exporter.domain.gpu_stands import NodeStand
from goodput_exporter.domain.spans import Span


def said(
    words: Sequence[NodeStand], span: Span, patience_ns: int
) -> Iterator[tuple[Span, NodeStand | None]]:
    """
    Tile a span with the words that hold in it; None is silence.

    A word holds while it was seen, and goes before one that was not seen then. After
    it was last seen it is relied on for *patience_ns*. Of two, the one that began
    later holds.

    Args:
        words: Of one node, in the order of their beginnings.
        span: What to tile.
        patience_ns: For how long nothing new means nothing changed.
    """
    edges = {span.start_ns, span.end_ns}
    for word in words:
        through_ns = word.through_ns
        edges |= {word.since_ns, through_ns, through_ns + patience_ns}
    inside = sorted(at for at in edges if span.start_ns <= at <= span.end_ns)
    began_ns, held = span.start_ns, _at(words, span.start_ns, patience_ns)
    for at_ns in inside[1:-1]:
        now = _at(words, at_ns, patience_ns)
        if now is not held:
            yield Span(began_ns, at_ns), held
            began_ns, held = at_ns, now
    if began_ns < span.end_ns:
        yield Span(began_ns, span.end_ns), held


def insert(words: list[NodeStand], new: NodeStand) -> NodeStand | None:
    """
    Put a word in its place; a repetition extends the word that it repeats.

    Returns:
        The word that it took the place of, or None.
    """
    for at in range(len(words) - 1, -1, -1):
        known = words[at]
        if known.since_ns < new.since_ns:
            words.insert(at + 1, new)
            return None
        if known.since_ns == new.since_ns:
            words[at] = _later(known, new)
            return known
    words.insert(0, new)
    return None


def kept(words: Sequence[NodeStand], line_ns: int, rules: GpuRules) -> list[NodeStand]:
    """Drop words beyond the horizon but the last one, and join those that repeat."""
    oldest_ns = line_ns - rules.horizon_ns - rules.patience_ns
    found = [word for word in words[:-1] if word.through_ns > oldest_ns]
    joined: list[NodeStand] = []
    for word in (*found, *words[-1:]):
        if joined and _repeats(joined[-1], word, line_ns, rules):
            joined[-1] = seen_through(joined[-1], word.through_ns)
        else:
            joined.append(word)
    return joined


def seen_through(word: NodeStand, through_ns: int) -> NodeStand:
    """Return a word that was seen up to an instant at least."""
    if through_ns <= word.through_ns:
        return word
    return replace(word, through_ns=through_ns)


def _repeats(last: NodeStand, word: NodeStand, line_ns: int, rules: GpuRules) -> bool:
    """Return whether a word of settled time only says once more what was said."""
    is_old = word.through_ns < line_ns - rules.settle_ns
    is_near = word.since_ns <= last.through_ns + rules.patience_ns
    return is_old and is_near and last.says_as(word)


def _later(known: NodeStand, new: NodeStand) -> NodeStand:
    """Return the one of two words with one beginning that was seen later."""
    return new if new.through_ns > known.through_ns else known


def _at(words: Sequence[NodeStand], at_ns: int, patience_ns: int) -> NodeStand | None:
    relied_on: NodeStand | None = None
    for word in reversed(words):
        if word.since_ns > at_ns:
            continue
        if at_ns < word.through_ns:
            return word
        if relied_on is None and at_ns < word.through_ns + patience_ns:
            relied_on = word
    return relied_on
