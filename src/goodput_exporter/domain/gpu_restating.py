"""What a late word changes of sealed time: a reversal of each line, and a new one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from goodput_exporter.domain.bookings import OUTSIDE_THE_BOOK
from goodput_exporter.domain.gpu_bookings import Kind
from goodput_exporter.domain.gpu_stands import GpuStand, NodeStand
from goodput_exporter.domain.gpu_words import said
from goodput_exporter.domain.node_book import Piece, stands_of
from goodput_exporter.domain.spans import Span

Moved = Counter[tuple[str, str]]
"""GPU time by the category that it was in and the one that it is in."""


@dataclass(frozen=True, slots=True)
class Known:
    """
    What was known of a node: the words, and since when each GPU is in the book.

    Args:
        words: In the order of their beginnings.
        entered_ns: By UUID; a GPU that is not here is not in the book.
    """

    words: Sequence[NodeStand]
    entered_ns: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Change:
    """One GPU over one span: how it stood in the book, and how it stands now."""

    uuid: str
    span: Span
    before: GpuStand | None
    after: GpuStand | None


def changes(
    before: Known,
    after: Known,
    gpus: Mapping[str, GpuStand],
    span: Span,
    patience_ns: int,
) -> list[Change]:
    """
    Compare what two sets of words say of a span, GPU by GPU.

    Args:
        before: As it was decided.
        after: With the late word.
        gpus: Model and pool of every GPU of either.
        span: Sealed time.
        patience_ns: See ``said``.
    """
    then = _reader(before, gpus, span, patience_ns)
    now = _reader(after, gpus, span, patience_ns)
    found: dict[str, list[Change]] = {}
    for tile in _tiles((before, after), span, patience_ns):
        old, new = then(tile.start_ns), now(tile.start_ns)
        for uuid in old.keys() | new.keys():
            if old.get(uuid) != new.get(uuid):
                change = Change(uuid, tile, old.get(uuid), new.get(uuid))
                _join(found.setdefault(uuid, []), change)
    return [each for uuid in sorted(found) for each in found[uuid]]


def pieces_of(found: Iterable[Change]) -> list[Piece]:
    """Return what undoes each change's time as it was, and what books it anew."""
    pieces: list[Piece] = []
    for each in found:
        if each.before is not None:
            pieces.append((Kind.REVERSAL, each.span, each.before))
        if each.after is not None:
            pieces.append((Kind.RESTATED, each.span, each.after))
    return pieces


def moved_by(found: Iterable[Change]) -> Moved:
    """Add up how much time went from which category to which; equal parts stay."""
    moved: Moved = Counter()
    for each in found:
        old, new = (_amounts(gpu, each.span) for gpu in (each.before, each.after))
        for name in old.keys() & new.keys():
            same_ns = min(old[name], new[name])
            old[name] -= same_ns
            new[name] -= same_ns
        moved.update(_matched(old, new))
    return moved


def _reader(
    known: Known, gpus: Mapping[str, GpuStand], span: Span, patience_ns: int
) -> Callable[[int], dict[str, GpuStand]]:
    tiles = list(said(known.words, span, patience_ns))

    def at(at_ns: int) -> dict[str, GpuStand]:
        word = next(
            word for tile, word in tiles if tile.start_ns <= at_ns < tile.end_ns
        )
        there = {
            uuid: gpus[uuid]
            for uuid, since_ns in known.entered_ns.items()
            if since_ns <= at_ns
        }
        stands = stands_of(word, there)
        return {uuid: gpu for uuid, gpu in stands.items() if uuid in there}

    return at


def _tiles(both: Iterable[Known], span: Span, patience_ns: int) -> Iterable[Span]:
    edges = {span.end_ns}
    for known in both:
        edges |= {tile.start_ns for tile, _ in said(known.words, span, patience_ns)}
        edges |= {
            at for at in known.entered_ns.values() if span.start_ns < at < span.end_ns
        }
    order = sorted(edges)
    return map(Span, order, order[1:])


def _join(found: list[Change], change: Change) -> None:
    if found:
        last = found[-1]
        is_same = (last.before, last.after) == (change.before, change.after)
        if is_same and last.span.end_ns == change.span.start_ns:
            joined = Span(last.span.start_ns, change.span.end_ns)
            found[-1] = Change(change.uuid, joined, change.before, change.after)
            return
    found.append(change)


def _amounts(gpu: GpuStand | None, span: Span) -> dict[str, int]:
    if gpu is None:
        return {OUTSIDE_THE_BOOK: span.length_ns}
    found: dict[str, int] = {}
    for hold, slots in gpu.parts:
        name = hold.category.value
        found[name] = found.get(name, 0) + slots.within(span)
    return found


def _matched(old: dict[str, int], new: dict[str, int]) -> Moved:
    """Pair what is left on both sides, in the order of the parts."""
    moved: Moved = Counter()
    gains = [(name, gain_ns) for name, gain_ns in new.items() if gain_ns]
    for source, loss_ns in old.items():
        rest_ns = loss_ns
        while rest_ns:
            name, gain_ns = gains.pop(0)
            part_ns = min(rest_ns, gain_ns)
            moved[source, name] += part_ns
            rest_ns -= part_ns
            if part_ns < gain_ns:
                gains.insert(0, (name, gain_ns - part_ns))
    return moved
