"""Energy of a service: samples in, a part of some ticks' commits out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Final

from goodput_exporter.analysis.energy_shares import (
    Groups,
    late_share,
    lines_by_holder,
    not_booked,
    share_of,
)
from goodput_exporter.analysis.gpu_energy import Metered
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.energy import LONGEST_GAP_NS, Drawn, Energy
from goodput_exporter.domain.energy_meter import EnergyPart, NodeMeter
from goodput_exporter.domain.energy_totals import NOBODY, EnergyTotals
from goodput_exporter.domain.gpu_bookings import GpuBooking, Kind
from goodput_exporter.domain.observations import GpuReading
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.errors import GoodputError, LedgerError
from goodput_exporter.ledger.energy_rows import NO_ENERGY, EnergyBatch, drawn_in
from goodput_exporter.ledger.ledger import Ledger
from goodput_exporter.services.other_shards import OtherShards

WRITE_EVERY_NS: Final = 30 * NS_PER_SECOND
"""A death in between costs no energy, only when in half a minute it was drawn."""
SILENT_NS: Final = 120 * NS_PER_SECOND
"""A node that said nothing for longer is waited for no more."""
PATIENCE_NS: Final = 3_600 * NS_PER_SECOND
"""The longest step, and the longest phase before it counts as stalled, are booked
within it. What a run holds and does not book for longer, it holds idly."""
SHOWN_NS: Final = 86_400 * NS_PER_SECOND
"""A run that is over for longer is on no page."""
REMEMBERED_NS: Final = 2 * 86_400 * NS_PER_SECOND
"""A node that was away for longer begins anew."""

_log = logging.getLogger(__name__)


class EnergyBookkeeper:
    """
    What GPUs drew, and what of it each run drew in which state.

    Lines of energy are written as they end. What is committed of them, and decided
    of both books, is divided once, and never again: counters go on from there.

    Args:
        others: Who owns the runs that are not in our book; None where all are.
    """

    def __init__(self, others: OtherShards | None = None) -> None:
        self._others = others
        self._ledger: Ledger | None = None
        self._meters: dict[str, NodeMeter] = {}
        self._heard_ns: dict[str, int] = {}
        self._ended_ns: dict[str, int | None] = {}
        self._deciding_ns: dict[str, int | None] = {}
        self._totals: dict[RunKey, EnergyTotals] = {}
        self._moving: set[RunKey] = set()
        self._written_ns = 0
        self._is_failing = False

    def resume(self, ledger: Ledger, now_ns: int) -> None:
        """
        Go on with the energy of an earlier life, or begin.

        Raises:
            LedgerError: The ledger cannot be read.
        """
        self._ledger = ledger
        by_node: dict[str, list[EnergyPart]] = {}
        for part in ledger.newest_energy(now_ns - REMEMBERED_NS):
            by_node.setdefault(part.node, []).append(part)
        for node, parts in by_node.items():
            self._meters[node] = NodeMeter(node)
            self._meters[node].go_on(parts)
            self._heard_ns[node] = now_ns
            self._ended_ns[node] = self._meters[node].ended_ns()
        runs = [*ledger.runs(), *(self._others.runs() if self._others else ())]
        lately = (run for run in runs if (run.last_ns or 0) >= now_ns - SHOWN_NS)
        for key in (NOBODY, *(run.key for run in lately)):
            totals = ledger.energy_totals(key)
            if totals is not None:
                self._totals[key] = totals
        self._moving = set(self._totals)

    def take(self, node: str, observations: Iterable[object], now_ns: int) -> None:
        """Take the samples of one node's GPUs among what was observed there."""
        samples = [one for one in observations if isinstance(one, GpuReading)]
        if not samples:
            return
        if node not in self._meters:
            self._meters[node] = NodeMeter(node)
            self._ended_ns[node] = min(one.at_ns for one in samples)
        self._meters[node].hear(samples)
        self._heard_ns[node] = now_ns

    def is_due(self, now_ns: int) -> bool:
        """Tell whether something is to be written at this tick."""
        return bool(self._meters) and now_ns - self._written_ns >= WRITE_EVERY_NS

    def decide(
        self, now_ns: int, line_ns: int | None, is_open: Sequence[GpuBooking]
    ) -> EnergyBatch:
        """
        Return what the tick's batch must hold.

        Args:
            now_ns: The present.
            line_ns: Up to where the committed cluster book is decided.
            is_open: What of it is in no line yet.
        """
        self._written_ns = now_ns
        parts = [
            part
            for node, meter in self._meters.items()
            for part in meter.written(
                is_silent=now_ns - self._heard_ns[node] > LONGEST_GAP_NS
            )
        ]
        totals = self._divided(now_ns, line_ns, is_open)
        self._deciding_ns = {
            node: meter.ended_ns() for node, meter in self._meters.items()
        }
        return EnergyBatch(parts, totals) if parts or totals else NO_ENERGY

    def publish(self, batch: EnergyBatch) -> None:
        """Show what is committed now, and go on from it."""
        if batch is NO_ENERGY:
            return
        self._totals |= batch.totals
        self._ended_ns |= self._deciding_ns

    def view(self) -> tuple[EnergyTotals, ...]:
        """Return what may be shown; what has not changed is the same object."""
        return tuple(self._totals.values())

    def _divided(
        self, now_ns: int, line_ns: int | None, is_open: Sequence[GpuBooking]
    ) -> dict[RunKey, EnergyTotals]:
        through_ns = self._through_ns(now_ns, line_ns)
        if self._ledger is None or through_ns is None:
            return {}
        if self._others is not None:
            self._others.look_again()
        try:
            found = self._divide(self._ledger, through_ns, is_open)
            found |= self._late(self._ledger, found, is_open)
        except GoodputError:
            if not self._is_failing:
                _log.exception("energy cannot be divided over states; it waits")
            self._is_failing = True
            return {}
        self._is_failing = False
        for meter in self._meters.values():
            meter.ended.clear()
        return found

    def _through_ns(self, now_ns: int, line_ns: int | None) -> int | None:
        """Return up to where the cluster book, and energy, are committed."""
        if line_ns is None:
            return None
        ended = [
            self._ended_ns.get(node)
            for node, heard_ns in self._heard_ns.items()
            if now_ns - heard_ns < SILENT_NS
        ]
        return min([line_ns, *(at_ns for at_ns in ended if at_ns is not None)])

    def _divide(
        self, ledger: Ledger, through_ns: int, is_open: Sequence[GpuBooking]
    ) -> dict[RunKey, EnergyTotals]:
        since_ns = self._since_ns(through_ns)
        if since_ns >= through_ns:
            return {}
        window = Span(since_ns, through_ns)
        lines = _lines(ledger, is_open, window)
        metered = self._metered(ledger, window)
        by_holder = lines_by_holder(lines)
        self._moving = set(by_holder)
        strangers = [key for key in by_holder if self._is_stranger(key)]
        found = [
            self._go_on(ledger, key, its, metered, window)
            for key, its in by_holder.items()
            if key not in strangers
        ]
        found.append(self._of_nobody(lines, metered, window, strangers))
        return {totals.key: totals for totals in found if totals is not None}

    def _go_on(
        self,
        ledger: Ledger,
        key: RunKey,
        lines: Sequence[GpuBooking],
        metered: Metered,
        window: Span,
    ) -> EnergyTotals | None:
        """Divide what is new of one run; None where nothing can be."""
        if key == NOBODY:
            return None
        known = self._totals.get(key)
        totals = known or ledger.energy_totals(key) or EnergyTotals(key, 0)
        since_ns = max(totals.through_ns, window.start_ns)
        if since_ns >= window.end_ns:
            return None
        # One that waits for its book is remembered, so that others do not pass it by.
        waits = None if known else EnergyTotals(key, since_ns, totals.groups)
        segments = self._segments(ledger, key, Span(since_ns, window.end_ns))
        booked_ns = max((one.span.end_ns for one in segments), default=since_ns)
        through_ns = min(window.end_ns, max(booked_ns, window.end_ns - PATIENCE_NS))
        if since_ns >= through_ns:
            return waits
        share = share_of(key, lines, segments, metered, Span(since_ns, through_ns))
        return _added(totals, share, through_ns)

    def _segments(self, ledger: Ledger, key: RunKey, window: Span) -> list[Segment]:
        """Return what the run's own book has of a window; nothing while it is away."""
        if self._others is None or not self._others.owns(key):
            return list(ledger.segments(key, window))
        try:
            return self._others.segments(key, window)
        except LedgerError as exc:
            _log.info("energy of run %s waits for its book: %s", key, exc)
            return []

    def _is_stranger(self, key: RunKey) -> bool:
        """Tell whether a run's book is another's, and cannot be read from here."""
        others = self._others
        return others is not None and others.owns(key) and not others.can_read

    def _of_nobody(
        self,
        lines: Sequence[GpuBooking],
        metered: Metered,
        window: Span,
        strangers: Iterable[RunKey],
    ) -> EnergyTotals:
        """Divide what is new of GPUs without a run of ours, and what is in no book."""
        totals = self._totals.get(NOBODY, EnergyTotals(NOBODY, window.start_ns))
        if totals.through_ns >= window.end_ns:
            return totals
        since = Span(totals.through_ns, window.end_ns)
        share = share_of(NOBODY, lines, (), metered, since)
        rest = not_booked(lines, metered, since)
        held = (share_of(key, lines, None, metered, since) for key in strangers)
        for more in (share, rest, *held):
            totals = _added(totals, more, window.end_ns)
        return totals

    def _late(
        self,
        ledger: Ledger,
        found: Mapping[RunKey, EnergyTotals],
        is_open: Sequence[GpuBooking],
    ) -> dict[RunKey, EnergyTotals]:
        """Add what was drawn in time that was divided before it was told of."""
        nobody = self._totals.get(NOBODY)
        if nobody is None:
            return {}
        late: dict[str, list[Drawn]] = {}
        for meter in self._meters.values():
            for gpu, lines in meter.ended.items():
                late.setdefault(gpu, []).extend(
                    line for line in lines if line.span.start_ns < nobody.through_ns
                )
        starts = [line.span.start_ns for lines in late.values() for line in lines]
        if not starts:
            return {}

        def through_ns(key: RunKey) -> int:
            if self._is_stranger(key):
                return nobody.through_ns
            known = self._totals.get(key) or ledger.energy_totals(key)
            # Of one that is met for the first time nothing was divided before.
            return min(starts) if known is None else known.through_ns

        reaching = Span(min(starts), nobody.through_ns)
        told = _lines(ledger, is_open, reaching)
        share = late_share(told, late, reaching.start_ns, through_ns)
        whole = found.get(NOBODY, nobody)
        return {NOBODY: _added(whole, share, whole.through_ns)}

    def _since_ns(self, through_ns: int) -> int:
        """Return from when on something may be left to divide."""
        if NOBODY not in self._totals:
            lines = chain.from_iterable(
                chain.from_iterable(meter.by_gpu().values())
                for meter in self._meters.values()
            )
            return min((line.span.start_ns for line in lines), default=through_ns)
        known = [
            self._totals[key].through_ns
            for key in self._moving | {NOBODY}
            if key in self._totals
        ]
        return max(min(known), self._totals[NOBODY].through_ns - PATIENCE_NS)

    def _metered(self, ledger: Ledger, window: Span) -> dict[str, list[Drawn]]:
        """Return what GPUs drew, from memory where it reaches so far back."""
        older: list[EnergyPart] = []
        if any(meter.kept_ns > window.start_ns for meter in self._meters.values()):
            older = [
                part
                for part in ledger.energy_parts(window)
                if part.node not in self._meters
                or part.start_ns < self._meters[part.node].kept_ns
            ]
        found = drawn_in(older)
        for meter in self._meters.values():
            for gpu, lines in meter.by_gpu().items():
                inside = [one for one in lines if one.span.clip(window) is not None]
                found.setdefault(gpu, []).extend(inside)
        return found


def _lines(
    ledger: Ledger, is_open: Iterable[GpuBooking], window: Span
) -> list[GpuBooking]:
    """Return the committed live lines that reach into a window."""
    written = (line.booking for line in ledger.gpu_lines(window))
    return [
        line
        for line in (*written, *is_open)
        if line.kind is Kind.LIVE and line.span.clip(window) is not None
    ]


def _added(totals: EnergyTotals, share: Groups, through_ns: int) -> EnergyTotals:
    groups = dict(totals.groups)
    for group, energy in share.items():
        groups[group] = groups.get(group, Energy()) + energy
    return EnergyTotals(totals.key, through_ns, groups)
