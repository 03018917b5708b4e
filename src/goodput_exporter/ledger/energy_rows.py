"""What GPUs drew as rows and back, and what a tick writes of it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

from goodput_exporter.domain.energy import Drawn, Energy
from goodput_exporter.domain.energy_meter import EnergyPart, Tip
from goodput_exporter.domain.energy_totals import EnergyTotals
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import LedgerCorruptError

PLACED: Final = 1
INTEGRATED: Final = 2
"""The bits of a line's last number."""
FAST: Final = 1
"""How hard to compress: a part is written twenty times while it grows."""

StoredLine = tuple[int, int, int, int]
"""Nanoseconds from the part's start to the line's, its length, millijoules, bits."""
StoredGroup = tuple[str, str, int | None, int, int, int]
"""State, cause, and the four numbers of ``Energy``."""


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part without the names of its row."""

    lines: dict[str, list[StoredLine]]
    open: dict[str, StoredLine]
    tips: dict[str, tuple[int, int | None, float | None]]


@dataclass(frozen=True, slots=True)
class StoredTotals:
    """A run's energy without the run's name."""

    through_ns: int
    groups: list[StoredGroup]


@dataclass(frozen=True, slots=True)
class EnergyBatch:
    """
    What one tick writes of energy; see ``GpuBatch``.

    Args:
        parts: What nodes' GPUs drew; each takes the place of its earlier state.
        totals: What runs drew so far; each takes the place of its earlier state.
    """

    parts: Sequence[EnergyPart] = ()
    totals: Mapping[RunKey, EnergyTotals] = field(default_factory=dict)


NO_ENERGY: Final = EnergyBatch()


class EnergyReader(Protocol):
    """What can be read of energy, in any ledger."""

    def energy_parts(self, window: Span | None = None) -> Sequence[EnergyPart]:
        """Return the parts that may hold lines of a window, by time and node."""

    def newest_energy(self, since_ns: int) -> Sequence[EnergyPart]:
        """Return each node's newest part since an instant, and the one before it."""

    def energy_totals(self, key: RunKey) -> EnergyTotals | None:
        """Return a run's energy so far; None where none was ever divided."""


_encoder: Final = msgspec.json.Encoder()
_parts: Final = msgspec.json.Decoder(StoredPart)
_totals: Final = msgspec.json.Decoder(StoredTotals)


def encode_part(part: EnergyPart) -> bytes:
    """Write a part down, small; what is compressed has a checksum of it."""
    stored = StoredPart(
        {
            gpu: [_stored(part, line) for line in lines]
            for gpu, lines in part.lines.items()
        },
        {gpu: _stored(part, line) for gpu, line in part.open.items()},
        {
            gpu: (tip.at_ns, tip.millijoules, tip.watts)
            for gpu, tip in part.tips.items()
        },
    )
    return zlib.compress(_encoder.encode(stored), FAST)


def decode_part(node: str, start_ns: int, body: bytes) -> EnergyPart:
    """
    Read back what ``encode_part`` wrote.

    Raises:
        LedgerCorruptError: It is not what was written.
    """
    try:
        stored = _parts.decode(zlib.decompress(body))
        return EnergyPart(
            node,
            start_ns,
            {
                gpu: [_drawn(start_ns, line) for line in lines]
                for gpu, lines in stored.lines.items()
            },
            {gpu: _drawn(start_ns, line) for gpu, line in stored.open.items()},
            {gpu: Tip(*tip) for gpu, tip in stored.tips.items()},
        )
    except (zlib.error, msgspec.DecodeError) as exc:
        msg = (
            f"node {node}: the energy of its GPUs from {start_ns} ns on cannot be read "
            f"({exc}); it was changed outside this program: restore a backup"
        )
        raise LedgerCorruptError(msg) from exc


def encode_totals(totals: EnergyTotals) -> bytes:
    """Write a run's energy down."""
    groups = [
        (
            *group,
            energy.millijoules,
            energy.measured_gpu_ns,
            energy.unknown_gpu_ns,
            energy.integrated_millijoules,
        )
        for group, energy in sorted(totals.groups.items())
    ]
    body = _encoder.encode(StoredTotals(totals.through_ns, groups))
    return zlib.compress(body, FAST)


def decode_totals(key: RunKey, body: bytes) -> EnergyTotals:
    """
    Read back what ``encode_totals`` wrote.

    Raises:
        LedgerCorruptError: It is not what was written.
    """
    try:
        stored = _totals.decode(zlib.decompress(body))
    except (zlib.error, msgspec.DecodeError) as exc:
        msg = (
            f"run {key}: its energy cannot be read ({exc}); it was changed outside "
            "this program: restore a backup"
        )
        raise LedgerCorruptError(msg) from exc
    groups = {
        (state, cause): Energy(millijoules, measured_ns, unknown_ns, integrated)
        for state, cause, millijoules, measured_ns, unknown_ns, integrated in (
            stored.groups
        )
    }
    return EnergyTotals(key, stored.through_ns, groups)


def drawn_in(parts: Iterable[EnergyPart]) -> dict[str, list[Drawn]]:
    """Return what each GPU drew, in time order; *parts* are in time order, too."""
    found: dict[str, list[Drawn]] = {}
    for part in parts:
        for gpu, lines in part.drawn().items():
            found.setdefault(gpu, []).extend(lines)
    return found


def overlaps(parts: Iterable[EnergyPart]) -> Iterator[str]:
    """Say where a GPU's energy is there twice; *parts* are in time order."""
    ends: dict[str, int] = {}
    for part in parts:
        for gpu, lines in part.drawn().items():
            for line in lines:
                end_ns = ends.get(gpu)
                if end_ns is not None and line.span.start_ns < end_ns:
                    yield (
                        f"node {part.node}, GPU {gpu}: its energy from "
                        f"{line.span.start_ns} ns on is there already up to {end_ns} ns"
                    )
                ends[gpu] = max(line.span.end_ns, end_ns or 0)


def _stored(part: EnergyPart, line: Drawn) -> StoredLine:
    bits = PLACED * line.placed | INTEGRATED * line.integrated
    span = line.span
    return span.start_ns - part.start_ns, span.length_ns, line.millijoules, bits


def _drawn(start_ns: int, line: StoredLine) -> Drawn:
    offset_ns, length_ns, millijoules, bits = line
    begin_ns = start_ns + offset_ns
    return Drawn(
        Span(begin_ns, begin_ns + length_ns),
        millijoules,
        placed=bool(bits & PLACED),
        integrated=bool(bits & INTEGRATED),
    )
