"""
The cluster book: every physical GPU in exactly one category at every instant.

Words say how a node's GPUs stood from one instant to another. A line moves forward
behind them, as a run's does (rule 14): what is behind it is decided, counted, and
never taken back. A word that comes after the line has passed restates: a reversal of
what was booked and a line of what it was, beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from goodput_exporter.domain.gpu_bookings import (
    GpuBooking,
    GpuGroup,
    Kind,
    group_of,
)
from goodput_exporter.domain.gpu_restating import (
    Known,
    Moved,
    changes,
    moved_by,
    pieces_of,
)
from goodput_exporter.domain.gpu_rules import GpuRules
from goodput_exporter.domain.gpu_stands import NodeStand
from goodput_exporter.domain.gpu_words import insert, kept, seen_through
from goodput_exporter.domain.node_book import (
    Common,
    NodeBook,
    Open,
    begin,
    grouped,
    settle,
    standings,
)
from goodput_exporter.domain.spans import Span


@dataclass(slots=True)
class ClusterBook:
    """
    The second book of one cluster.

    Args:
        line_ns: Everything before it is decided; None before the first word.
        nodes: By name.
        common: What the nodes have in common: whose each GPU is, and what is open.
        closed: GPU time of live lines, in nanoseconds x GPUs.
        restated: GPU time moved afterwards, by (from, to).
        too_late: Words whose time was beyond the horizon, as a whole or in part.
        resumed_ns: When this life of the program took the book up.
        pending: Lines for the ledger.
        changed: Nodes whose state is not in the ledger yet; one that is not in *nodes*
            is to be forgotten there.
    """

    line_ns: int | None = None
    nodes: dict[str, NodeBook] = field(default_factory=dict)
    common: Common = field(default_factory=Common)
    closed: Counter[GpuGroup] = field(default_factory=Counter)
    restated: Moved = field(default_factory=Counter)
    too_late: int = 0
    resumed_ns: int | None = None
    pending: list[GpuBooking] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)

    def totals(self) -> dict[GpuGroup, int]:
        """
        Return the live GPU time of each group up to the line, in nanoseconds x GPUs.

        It never shrinks, and sums to the time that each GPU was in the book.
        """
        found = Counter(self.closed)
        for (group, slots, since_ns), count in self.common.standing.items():
            span = Span(since_ns, self.line_ns or since_ns)
            found[group] += count * slots.within(span)
        return dict(sorted(found.items()))

    def open_lines(self) -> list[GpuBooking]:
        """Return what is decided and in no line of the ledger yet, as live lines."""
        lines: list[GpuBooking] = []
        for name, node in self.nodes.items():
            pieces = (
                (Kind.LIVE, Span(each.since_ns, self.line_ns or 0), each.gpu)
                for each in node.open.values()
                if each.since_ns < (self.line_ns or 0)
            )
            lines += grouped(name, pieces)
        return lines


def resumed(
    line_ns: int,
    nodes: Iterable[NodeBook],
    closed: Mapping[GpuGroup, int],
    left_ns: Mapping[str, int],
    now_ns: int,
) -> ClusterBook:
    """
    Take a book up where an earlier life of this program left it.

    A node that was not lagging had been vouched for up to the line, whatever its
    word's end was when it was last written down.

    Args:
        line_ns: Up to where everything was decided.
        nodes: As they were.
        closed: GPU time of the live lines in the ledger.
        left_ns: When GPUs left a node, within the horizon.
        now_ns: The present.
    """
    book = ClusterBook(line_ns, resumed_ns=now_ns)
    book.common.left_ns.update(left_ns)
    book.closed.update(closed)
    for node in nodes:
        book.nodes[node.name] = node
        named = {uuid: since_ns for since_ns, _, uuid in _claims([node])}
        for uuid in node.open:
            since_ns = named.get(uuid, line_ns)
            book.common.owners.claim(uuid, node.name, since_ns, line_ns)
        if node.words and not node.is_lagging:
            at = max(range(len(node.words)), key=lambda i: node.words[i].through_ns)
            node.words[at] = seen_through(node.words[at], line_ns)
        for each in node.open.values():
            book.common.standing.update(standings(each))
    is_open = {uuid for node in book.nodes.values() for uuid in node.open}
    for since_ns, name, uuid in sorted(_claims(book.nodes.values())):
        if since_ns >= line_ns or uuid not in is_open:  # the others are decided
            book.common.claim(uuid, name, since_ns, line_ns)
    book.common.owners.disputes = 0
    return book


def accept(book: ClusterBook, word: NodeStand, rules: GpuRules) -> None:
    """Take a node's word, whenever it comes; nothing is sealed before ``advance``."""
    line_ns = word.since_ns if book.line_ns is None else book.line_ns
    if word.through_ns + rules.patience_ns <= line_ns - rules.horizon_ns:
        book.too_late += 1
        return
    node = book.nodes.setdefault(word.node, NodeBook(word.node))
    before = Known(tuple(node.words), dict(node.entered_ns))
    newest = node.words[-1] if node.words else None
    replaced = insert(node.words, word)
    if replaced is None or not replaced.says_as(word):
        node.is_changed = True
        for gpu in word.gpus:
            book.common.claim(gpu.uuid, node.name, word.since_ns, line_ns)
    is_usual = (
        newest is not None
        and replaced is newest
        and newest.says_as(word)
        and newest.through_ns + rules.patience_ns >= line_ns
    )
    if book.line_ns is not None and word.since_ns < line_ns and not is_usual:
        _restate(book, node, before, word, rules)


def advance(book: ClusterBook, now_ns: int, rules: GpuRules) -> list[GpuBooking]:
    """
    Move the line as far as the nodes have delivered, and return the lines it makes.

    Args:
        book: It is changed.
        now_ns: The present, on the ledger's clock.
        rules: The settings.
    """
    from_ns = _begin_ns(book, now_ns, rules)
    if from_ns is not None:
        book.line_ns = from_ns
        to_ns = max(from_ns, _line_ns(book, now_ns, rules))
        _settle_all(book, Span(from_ns, to_ns), rules)
    lines, book.pending = book.pending, []
    return lines


def _begin_ns(book: ClusterBook, now_ns: int, rules: GpuRules) -> int | None:
    if book.line_ns is not None:
        return book.line_ns
    began = [word.since_ns for node in book.nodes.values() for word in node.words]
    if not began or min(began) > now_ns:
        return None
    return max(min(began), now_ns - rules.horizon_ns)


def _line_ns(book: ClusterBook, now_ns: int, rules: GpuRules) -> int:
    """Return how far every node has delivered, or how long they had time to."""
    is_new = (
        book.resumed_ns is not None
        and now_ns - book.resumed_ns < rules.settle_after_start_ns
    )
    settle_ns = rules.settle_after_start_ns if is_new else rules.settle_ns
    delivered = [
        through_ns
        for node in book.nodes.values()
        if not node.is_over and (through_ns := node.through_ns) is not None
    ]
    reached_ns = min([*delivered, now_ns - rules.grace_ns])
    return max(reached_ns, now_ns - max(settle_ns, rules.grace_ns))


def _settle_all(book: ClusterBook, span: Span, rules: GpuRules) -> None:
    for name, node in list(book.nodes.items()):
        lines = settle(node, span, book.common, rules)
        for line in lines:
            if line.kind is Kind.LIVE:
                group = group_of(line.gpu_model, line.node_pool, line.hold)
                book.closed[group] += line.gpu_ns
        book.pending += lines
        through_ns = node.through_ns
        is_lagging = through_ns is None or through_ns < span.end_ns
        if node.is_changed or is_lagging is not node.is_lagging:
            book.changed.add(name)
        node.is_lagging, node.is_changed = is_lagging, False
        node.words = kept(node.words, span.end_ns, rules)
        if node.is_over and (through_ns or 0) < span.end_ns - rules.horizon_ns:
            del book.nodes[name]
            book.changed.add(name)
    book.line_ns = span.end_ns
    _release(book, span.end_ns)
    book.common.settle(span.end_ns, rules.horizon_ns)


def _release(book: ClusterBook, line_ns: int) -> None:
    """Let GPUs that left their nodes be other nodes', where those have named them."""
    common = book.common
    released, common.released = common.released, []
    wanted: set[str] = set()
    for uuid, name in released:
        node = book.nodes.get(name)
        if node is not None and uuid in node.open:
            continue
        wanted |= common.owners.contested & {uuid}
        common.owners.release(uuid, name)
    if not wanted:
        return
    claims = _claims(book.nodes.values())
    for since_ns, name, uuid in sorted(one for one in claims if one[2] in wanted):
        common.claim(uuid, name, since_ns, line_ns)
        book.nodes[name].is_fresh = False


def _claims(nodes: Iterable[NodeBook]) -> Iterator[tuple[int, str, str]]:
    """Yield since when each node names each GPU as its own."""
    for node in nodes:
        for word in node.words:
            for gpu in word.gpus:
                yield word.since_ns, node.name, gpu.uuid


def _restate(
    book: ClusterBook,
    node: NodeBook,
    before: Known,
    word: NodeStand,
    rules: GpuRules,
) -> None:
    line_ns = book.line_ns or 0
    from_ns = max(word.since_ns, line_ns - rules.horizon_ns)
    if from_ns > word.since_ns:
        book.too_late += 1
    if from_ns >= line_ns or word.through_ns + rules.patience_ns <= from_ns:
        return
    if word in node.words:
        _enter(book, node, word, from_ns)
    gpus = {uuid: each.gpu for uuid, each in node.open.items()}
    after = Known(node.words, node.entered_ns)
    span = Span(from_ns, line_ns)
    found = changes(before, after, gpus, span, rules.patience_ns)
    if found:
        book.pending += grouped(node.name, pieces_of(found))
        book.restated.update(moved_by(found))
        book.changed.add(node.name)


def _enter(book: ClusterBook, node: NodeBook, word: NodeStand, from_ns: int) -> None:
    """Let GPUs be in the settled book from when on a late word knows of them."""
    line_ns = book.line_ns or 0
    for gpu in word.gpus:
        begin_ns = max(from_ns, book.common.left_ns.get(gpu.uuid, from_ns))
        is_ours = book.common.owners.is_of(gpu.uuid, node.name, line_ns)
        if not is_ours or begin_ns >= line_ns:
            continue
        known_ns = node.entered_ns.get(gpu.uuid, begin_ns)
        node.entered_ns[gpu.uuid] = min(known_ns, begin_ns)
        if gpu.uuid not in node.open:
            book.common.claim(gpu.uuid, node.name, word.since_ns, line_ns)
            begin(node, gpu.uuid, Open(line_ns, gpu), book.common)
