"""One node's part of the cluster book: its words, and what is open for each GPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from goodput_exporter.domain.gpu_bookings import (
    GpuBooking,
    GpuGroup,
    Kind,
    group_of,
)
from goodput_exporter.domain.gpu_owners import Owners
from goodput_exporter.domain.gpu_rules import GpuRules
from goodput_exporter.domain.gpu_stands import (
    MISSING,
    SILENT,
    GpuStand,
    Hold,
    NodeStand,
)
from goodput_exporter.domain.gpu_words import said
from goodput_exporter.domain.slots import WHOLE, Slots
from goodput_exporter.domain.spans import Span

Standing = tuple[GpuGroup, Slots, int]
"""In which group, which part of a GPU, and since when without a line."""
Piece = tuple[Kind, Span, GpuStand]
"""What becomes of one GPU's time."""


@dataclass(slots=True)
class Open:
    """
    One GPU's time that is decided up to the line and in no line of the ledger yet.

    Args:
        since_ns: From where on.
        gpu: How it stands.
    """

    since_ns: int
    gpu: GpuStand


@dataclass(slots=True)
class NodeBook:
    """
    One node.

    Args:
        name: Its own.
        words: What was said of it within the horizon, in the order of beginnings.
        open: Its GPUs.
        entered_ns: Since when each of them is in the settled book.
        is_lagging: Nobody has vouched for it up to the line.
        applied: The word that *open* follows; not kept over a restart.
        is_fresh: *applied* is that word, and not for want of knowing.
        is_changed: It is not in the ledger as it is.
    """

    name: str
    words: list[NodeStand] = field(default_factory=list)
    open: dict[str, Open] = field(default_factory=dict)
    entered_ns: dict[str, int] = field(default_factory=dict)
    is_lagging: bool = False
    applied: NodeStand | None = None
    is_fresh: bool = False
    is_changed: bool = True

    @property
    def through_ns(self) -> int | None:
        """Return up to when anybody has vouched for it; None before the first word."""
        return max((word.through_ns for word in self.words), default=None)

    @property
    def is_over(self) -> bool:
        """Return whether it holds nothing, and its last word says that it is gone."""
        return not self.open and (not self.words or self.words[-1].is_gone)


@dataclass(slots=True)
class Common:
    """
    What the nodes of a book have in common.

    Args:
        owners: Which node each GPU is in.
        standing: How many GPUs are open, by group, part and since when.
        left_ns: When a GPU left a node last, within the horizon: no late word brings
            it back to an earlier time, which is booked.
        released: GPUs that left a node in this span; they are its own until the end.
    """

    owners: Owners = field(default_factory=Owners)
    standing: Counter[Standing] = field(default_factory=Counter)
    left_ns: dict[str, int] = field(default_factory=dict)
    released: list[tuple[str, str]] = field(default_factory=list)

    def claim(self, uuid: str, node: str, since_ns: int, line_ns: int) -> None:
        """Let a node name a GPU as its own; see ``Owners.claim``."""
        if self.owners.claim(uuid, node, since_ns, line_ns):
            self.leave(uuid, max(since_ns, line_ns))

    def leave(self, uuid: str, at_ns: int) -> None:
        """Note when a GPU left a node; the latest counts."""
        self.left_ns[uuid] = max(self.left_ns.get(uuid, at_ns), at_ns)

    def settle(self, line_ns: int, horizon_ns: int) -> None:
        """Forget what no instant from *line_ns* on rests on."""
        self.owners.settle(line_ns)
        for uuid, at_ns in list(self.left_ns.items()):
            if at_ns < line_ns - horizon_ns:
                del self.left_ns[uuid]


def stands_of(
    word: NodeStand | None, known: Mapping[str, GpuStand]
) -> dict[str, GpuStand]:
    """
    Return how a node's GPUs stand by a word; None is silence.

    Args:
        word: What holds.
        known: The GPUs that were there before it.
    """
    if word is None:
        return {uuid: _as(gpu, SILENT) for uuid, gpu in known.items()}
    if word.is_gone:
        return {}
    found = {gpu.uuid: gpu for gpu in word.gpus}
    for uuid, gpu in known.items():
        if uuid not in found and uuid not in word.gone:
            found[uuid] = _as(gpu, MISSING)
    return found


def settle(
    node: NodeBook, span: Span, common: Common, rules: GpuRules
) -> list[GpuBooking]:
    """
    Decide a span: close what changes in it, and what has been open for long enough.

    Args:
        node: It is changed.
        span: From the last line to the next.
        common: It is changed.
        rules: The settings.
    """
    if _is_quiet(node, span, common, rules):
        return []
    pieces: list[Piece] = []
    longest_ns = rules.longest_ns
    for tile, word in said(node.words, span, rules.patience_ns):
        moves = common.owners.moves()
        cuts = {at for at in moves if tile.start_ns < at < tile.end_ns}
        grid = range(
            tile.start_ns // longest_ns * longest_ns + longest_ns,
            tile.end_ns + 1,
            longest_ns,
        )
        for at_ns in sorted({tile.start_ns, *cuts, *grid}):
            if at_ns < tile.end_ns:
                pieces += _turn(node, at_ns, word, common)
            if at_ns in grid:
                pieces += _cut(node, at_ns, common)
        node.applied, node.is_fresh = word, True
    return grouped(node.name, pieces)


def grouped(node: str, pieces: Iterable[Piece]) -> list[GpuBooking]:
    """Make lines of pieces: GPUs of one node that say the same share one."""
    lines: dict[GpuBooking, list[str]] = {}
    for kind, span, gpu in pieces:
        parts = gpu.parts[:1] if kind is Kind.LEFT else gpu.parts
        for hold, slots in parts:
            slots_ = WHOLE if kind is Kind.LEFT else slots
            line = GpuBooking(
                kind, node, span, gpu.gpu_model, gpu.node_pool, hold, (), slots_
            )
            lines.setdefault(line, []).append(gpu.uuid)
    return [replace(line, gpus=tuple(sorted(uuids))) for line, uuids in lines.items()]


def standings(open_: Open) -> Iterator[Standing]:
    """Yield what an open GPU counts as."""
    gpu = open_.gpu
    for hold, slots in gpu.parts:
        yield group_of(gpu.gpu_model, gpu.node_pool, hold), slots, open_.since_ns


def begin(node: NodeBook, uuid: str, begun: Open, common: Common) -> None:
    """Open a GPU, as it stands from an instant on."""
    node.open[uuid] = begun
    node.is_changed = True
    common.standing.update(standings(begun))


def _is_quiet(node: NodeBook, span: Span, common: Common, rules: GpuRules) -> bool:
    """Return whether nothing happens in a span; most ticks of most nodes are so."""
    is_cut = span.start_ns // rules.longest_ns != span.end_ns // rules.longest_ns
    if common.owners.disputed or is_cut or not node.is_fresh:
        return False
    if not node.words or node.applied is None:
        through_ns = node.through_ns
        is_silent = (
            through_ns is None or through_ns + rules.patience_ns <= span.start_ns
        )
        return is_silent and node.applied is None
    newest = node.words[-1]
    if newest.since_ns != node.applied.since_ns or not newest.says_as(node.applied):
        return False
    if span.end_ns <= newest.through_ns:
        return True
    is_last = all(word.through_ns <= span.start_ns for word in node.words[:-1])
    return is_last and span.end_ns <= newest.through_ns + rules.patience_ns


def _turn(
    node: NodeBook,
    at_ns: int,
    word: NodeStand | None,
    common: Common,
) -> Iterator[Piece]:
    known = {uuid: each.gpu for uuid, each in node.open.items()}
    wanted = {
        uuid: gpu
        for uuid, gpu in stands_of(word, known).items()
        if common.owners.is_of(uuid, node.name, at_ns)
    }
    for uuid, gpu in known.items():
        if wanted.get(uuid) == gpu:
            continue
        yield from _close(node, uuid, at_ns, common)
        if uuid not in wanted:
            del node.open[uuid], node.entered_ns[uuid]
            node.is_changed = True
            common.released.append((uuid, node.name))
            common.leave(uuid, at_ns)
            yield Kind.LEFT, Span(at_ns, at_ns), gpu
        else:
            begin(node, uuid, Open(at_ns, wanted[uuid]), common)
    for uuid, gpu in wanted.items():
        if uuid not in known:
            node.entered_ns.setdefault(uuid, at_ns)
            common.owners.claim(uuid, node.name, at_ns, at_ns)
            begin(node, uuid, Open(at_ns, gpu), common)


def _cut(node: NodeBook, at_ns: int, common: Common) -> Iterator[Piece]:
    for uuid, each in list(node.open.items()):
        yield from _close(node, uuid, at_ns, common)
        begin(node, uuid, Open(at_ns, each.gpu), common)


def _close(node: NodeBook, uuid: str, at_ns: int, common: Common) -> Iterator[Piece]:
    closed = node.open[uuid]
    for key in standings(closed):
        common.standing[key] -= 1
        if not common.standing[key]:
            del common.standing[key]
    if closed.since_ns < at_ns:
        yield Kind.LIVE, Span(closed.since_ns, at_ns), closed.gpu


def _as(gpu: GpuStand, hold: Hold) -> GpuStand:
    return replace(gpu, parts=((hold, WHOLE),))
