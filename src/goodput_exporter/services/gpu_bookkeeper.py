"""The cluster book of a service: words in, a part of each tick's commit out."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from goodput_exporter.domain.cluster import ClusterBook, accept, advance
from goodput_exporter.domain.gpu_bookings import GpuBooking
from goodput_exporter.domain.gpu_rules import GpuRules
from goodput_exporter.domain.gpu_stands import NodeStand
from goodput_exporter.domain.gpu_view import ClusterView, view_of
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import LedgerCorruptError
from goodput_exporter.ledger.energy_rows import NO_ENERGY
from goodput_exporter.ledger.gpu_lines import NO_GPUS, GpuBatch
from goodput_exporter.ledger.gpu_state import BOOK, encode_book, encode_node, take_up
from goodput_exporter.ledger.ledger import Ledger
from goodput_exporter.services.energy_bookkeeper import EnergyBookkeeper
from goodput_exporter.services.other_shards import OtherShards

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GpuPart:
    """
    What the cluster book adds to one batch.

    Args:
        gpus: For ``Batch.gpus``.
        meta: For ``Batch.meta``, beside what is there.
        view: What may be shown once the batch is committed.
    """

    gpus: GpuBatch = NO_GPUS
    meta: dict[str, str] = field(default_factory=dict)
    view: ClusterView = field(default_factory=ClusterView)


class GpuBookkeeper:
    """
    The cluster book of one cluster or machine.

    Its lines are committed with the runs' entries: ``decide`` gives what a tick
    writes, and ``publish`` is told when the ledger has it. A part that the ledger
    did not take must be in the next batch; nothing else is decided meanwhile.

    Args:
        rules: The settings of the book.
        others: Who owns the runs that are not in the ledger's book; None: nobody.
    """

    def __init__(
        self, rules: GpuRules | None = None, others: OtherShards | None = None
    ) -> None:
        self._rules = rules or GpuRules()
        self._book = ClusterBook()
        self._waiting: dict[tuple[str, int], NodeStand] = {}
        self._line_ns: int | None = None
        self._view = ClusterView()
        self._energy = EnergyBookkeeper(others)

    def resume(self, ledger: Ledger, now_ns: int) -> None:
        """
        Go on with the book of an earlier life.

        Raises:
            LedgerCorruptError: It cannot be read; a book that began anew beside
                its earlier lines would count GPUs twice.
            LedgerError: The ledger cannot be read.
        """
        try:
            self._book = take_up(ledger.resume().meta, ledger.gpu_nodes(), now_ns)
        except LedgerCorruptError:
            _log.exception("the cluster book cannot go on")
            raise
        self._line_ns = self._book.line_ns
        self._energy.resume(ledger, now_ns)
        self._view = self._seen()

    def come_back(self, now_ns: int) -> None:
        """Wait for what nodes say, as after a start."""
        self._book.resumed_ns = now_ns

    def meter(self, node: str, observations: Iterable[object], now_ns: int) -> None:
        """Take what samples of a node's GPUs say of energy."""
        self._energy.take(node, observations, now_ns)

    def take(self, words: Iterable[NodeStand]) -> None:
        """
        Take what was seen of nodes; nothing is decided before the next tick.

        A word that repeats a waiting one takes its place, so what waits while the
        ledger fails is bounded by what changes.
        """
        for word in words:
            name = word.node, word.since_ns
            waiting = self._waiting.get(name)
            if waiting is None or waiting.through_ns <= word.through_ns:
                self._waiting[name] = word

    def decide(self, now_ns: int) -> GpuPart:
        """Decide as far as can be, and return what the tick's batch must hold."""
        # Of what is committed: what this tick decides is in no ledger yet.
        energy = NO_ENERGY
        if self._energy.is_due(now_ns):
            energy = self._energy.decide(now_ns, self._line_ns, self.open_lines())
        words, self._waiting = self._waiting, {}
        for word in words.values():
            accept(self._book, word, self._rules)
        lines = advance(self._book, now_ns, self._rules)
        nodes = {
            name: encode_node(self._book.nodes[name])
            if name in self._book.nodes
            else None
            for name in sorted(self._book.changed)
        }
        self._book.changed.clear()
        is_news = bool(lines or nodes or self._book.line_ns != self._line_ns)
        self._line_ns = self._book.line_ns
        is_begun = is_news and self._book.line_ns is not None
        meta = {BOOK: encode_book(self._book)} if is_begun else {}
        is_empty = not lines and not nodes and energy is NO_ENERGY
        gpus = NO_GPUS if is_empty else GpuBatch(lines, nodes, energy)
        return GpuPart(gpus, meta, view_of(self._book))

    def publish(self, part: GpuPart) -> None:
        """Show what is committed now."""
        self._energy.publish(part.gpus.energy)
        self._view = replace(part.view, energy=self._energy.view())

    def view(self) -> ClusterView:
        """Return what may be shown."""
        return self._view

    def _seen(self) -> ClusterView:
        return replace(view_of(self._book), energy=self._energy.view())

    def open_lines(self) -> list[GpuBooking]:
        """Return what is decided and in no line yet; for windows up to now."""
        return self._book.open_lines()


def lines_in(ledger: Ledger, books: GpuBookkeeper, window: Span) -> list[GpuBooking]:
    """
    Return the cluster book's lines in a window, open time included.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    written = [line.booking for line in ledger.gpu_lines(window)]
    is_open = [each for each in books.open_lines() if each.span.clip(window)]
    return [*written, *is_open]
