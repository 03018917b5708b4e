"""
A node's samples of energy as few straight lines, and nothing of their sum lost.

Both ends of a line are readings, so the sum of all lines is exactly what the counter
grew by. A device without a counter has its power integrated between
samples, and its lines say so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.domain.energy import (
    LONGEST_GAP_NS,
    MILLIJOULES_PER_JOULE,
    Drawn,
)
from goodput_exporter.domain.energy_line import Line
from goodput_exporter.domain.observations import GpuReading
from goodput_exporter.domain.spans import NS_PER_SECOND, Span

PART_NS: Final = 600 * NS_PER_SECOND
"""The lines of a node that end within so long are kept together."""
NANOJOULES_PER_MILLIJOULE: Final = 1_000_000
NAME: Final = "energy_joules"
"""The counter among a sample's fields."""


@dataclass(frozen=True, slots=True)
class Tip:
    """
    The newest reading of one GPU.

    Args:
        at_ns: When.
        millijoules: Its counter; None where power is integrated.
        watts: Its power; None where it has a counter.
    """

    at_ns: int
    millijoules: int | None = None
    watts: float | None = None


@dataclass(frozen=True, slots=True)
class EnergyPart:
    """
    What one node's GPUs drew, as it is kept.

    Args:
        node: Which.
        start_ns: All lines end after it, and ``PART_NS`` later at the latest.
        lines: By GPU, in time order.
        open: The line that goes on, per GPU that has one; it ends in this part.
        tips: The newest reading per GPU, in the newest part of a node.
    """

    node: str
    start_ns: int
    lines: dict[str, list[Drawn]] = field(default_factory=dict)
    open: dict[str, Drawn] = field(default_factory=dict)
    tips: dict[str, Tip] = field(default_factory=dict)

    def drawn(self) -> dict[str, list[Drawn]]:
        """Return what each GPU drew, the open lines included."""
        found = {gpu: list(lines) for gpu, lines in self.lines.items()}
        for gpu, line in self.open.items():
            found.setdefault(gpu, []).append(line)
        return found


def part_of(at_ns: int) -> int:
    """Return the start of the part in which a line of this end is."""
    return (at_ns - 1) // PART_NS * PART_NS


@dataclass(slots=True)
class NodeMeter:
    """
    The GPUs of one node between two commits.

    Args:
        node: Which.
        tips: The newest reading of each GPU.
        parts: Lines that ended, by part and GPU: those of the newest part and of the
            one before it. Earlier ones are kept for good.
        ended: Lines that have ended since somebody emptied it, by GPU.
    """

    node: str
    tips: dict[str, Tip] = field(default_factory=dict)
    parts: dict[int, dict[str, list[Drawn]]] = field(default_factory=dict)
    _open: dict[str, Line] = field(default_factory=dict)
    ended: dict[str, list[Drawn]] = field(default_factory=dict)
    _newest: int = 0
    _changed: set[int] = field(default_factory=set)

    def hear(self, samples: Iterable[GpuReading]) -> None:
        """
        Take samples, those of each GPU in the order in which they were taken.

        One that is no newer than its GPU's last is a repetition and says nothing. One
        of a part that is kept for good is not placed: the next reading has its sum.
        """
        for sample in samples:
            tip = tip_of(sample)
            if tip is None or part_of(tip.at_ns) < self._newest - PART_NS:
                continue
            last = self.tips.get(sample.uuid)
            if last is not None and tip.at_ns <= last.at_ns:
                continue
            self._between(sample.uuid, last, tip)
            self.tips[sample.uuid] = tip
            self._newest = max(self._newest, part_of(tip.at_ns))
            self._changed.add(self._newest)

    def written(self, *, is_silent: bool = False) -> list[EnergyPart]:
        """
        Return the parts that have changed; earlier ones are not needed any more.

        Args:
            is_silent: Nothing was heard for longer than a line goes on.
        """
        newest_ns = self._newest_ns()
        for gpu, line in list(self._open.items()):
            is_old = newest_ns - line.end_ns > LONGEST_GAP_NS
            if is_silent or is_old or part_of(line.end_ns) < self._newest:
                self._end(gpu)
                self._begin(gpu, self.tips[gpu])
        found = [self._part(start_ns) for start_ns in sorted(self._changed)]
        for start_ns in [one for one in self.parts if one < self._newest - PART_NS]:
            del self.parts[start_ns]
        self._changed.clear()
        return found

    @property
    def kept_ns(self) -> int:
        """Return from when on every line is in memory."""
        return self._newest - PART_NS

    def by_gpu(self) -> dict[str, list[Drawn]]:
        """Return the lines in memory that have ended, in time order."""
        found: dict[str, list[Drawn]] = {}
        for start_ns in sorted(self.parts):
            for gpu, lines in self.parts[start_ns].items():
                found.setdefault(gpu, []).extend(lines)
        return found

    def ended_ns(self) -> int | None:
        """
        Return up to where all is in lines that have ended, of GPUs that are read.

        None where no GPU is read any more.
        """
        newest_ns = self._newest_ns()
        return min(
            (
                line.start_ns
                for line in self._open.values()
                if newest_ns - line.end_ns <= LONGEST_GAP_NS
            ),
            default=None,
        )

    def go_on(self, parts: Iterable[EnergyPart]) -> None:
        """
        Take up what an earlier life kept.

        Args:
            parts: The newest ones, in time order. Their open lines end here: what was
                read after they were written is gone, and its sum is in the next line.
        """
        for part in parts:
            self.parts[part.start_ns] = part.drawn()
            for gpu, line in part.open.items():
                self.ended.setdefault(gpu, []).append(line)
            self.tips = dict(part.tips) or self.tips
            self._newest = part.start_ns
        for gpu, tip in self.tips.items():
            self._begin(gpu, tip)

    def _newest_ns(self) -> int:
        return max((tip.at_ns for tip in self.tips.values()), default=0)

    def _part(self, start_ns: int) -> EnergyPart:
        lines = {gpu: list(one) for gpu, one in self.parts.get(start_ns, {}).items()}
        if start_ns != self._newest:
            return EnergyPart(self.node, start_ns, lines)
        drawn = {gpu: line.drawn() for gpu, line in self._open.items()}
        is_open = {gpu: line for gpu, line in drawn.items() if line is not None}
        return EnergyPart(self.node, start_ns, lines, is_open, dict(self.tips))

    def _between(self, gpu: str, last: Tip | None, tip: Tip) -> None:
        if last is None:
            self._begin(gpu, tip)
            return
        span = Span(last.at_ns, tip.at_ns)
        growth = _growth(last, tip)
        is_even = growth is not None and growth >= 0
        if growth is None or not is_even or span.length_ns > LONGEST_GAP_NS:
            self._end(gpu)
            self._begin(gpu, tip)
            self._jump(gpu, span, growth, tip)
            return
        if not self._open[gpu].takes(tip.at_ns, growth):
            self._end(gpu)
            self._begin(gpu, last)
        self._open[gpu].go_on(tip.at_ns, growth)

    def _jump(self, gpu: str, span: Span, growth: int | None, tip: Tip) -> None:
        """Keep what a counter says across a gap, or across a restart of the driver."""
        if growth is None or tip.millijoules is None:
            return
        least = tip.millijoules if growth < 0 else growth
        self._keep(gpu, Drawn(span, least, placed=False))

    def _begin(self, gpu: str, tip: Tip) -> None:
        is_integrated = tip.millijoules is None
        self._open[gpu] = Line(tip.at_ns, tip.at_ns, integrated=is_integrated)

    def _end(self, gpu: str) -> None:
        drawn = self._open[gpu].drawn()
        if drawn is not None:
            self._keep(gpu, drawn)

    def _keep(self, gpu: str, drawn: Drawn) -> None:
        start_ns = part_of(drawn.span.end_ns)
        self.parts.setdefault(start_ns, {}).setdefault(gpu, []).append(drawn)
        self.ended.setdefault(gpu, []).append(drawn)
        self._changed.add(start_ns)


def tip_of(sample: GpuReading) -> Tip | None:
    """
    Return what a sample says of energy.

    A counter that could not be read this once is no reason to integrate: its next
    reading has all of it. Only a device that does not have one has its power taken.
    """
    if sample.energy_joules is not None:
        millijoules = round(sample.energy_joules * MILLIJOULES_PER_JOULE)
        return Tip(sample.at_ns, millijoules)
    if NAME in sample.unsupported and sample.power_watts is not None:
        return Tip(sample.at_ns, watts=sample.power_watts)
    return None


def _growth(last: Tip, tip: Tip) -> int | None:
    """Return millijoules between two readings; None where nothing tells."""
    if last.millijoules is not None and tip.millijoules is not None:
        return tip.millijoules - last.millijoules
    if last.watts is not None and tip.watts is not None:
        mean_watts = (last.watts + tip.watts) / 2
        return round(mean_watts * (tip.at_ns - last.at_ns) / NANOJOULES_PER_MILLIJOULE)
    return None
