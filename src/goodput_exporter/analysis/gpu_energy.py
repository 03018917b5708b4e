"""Energy of the physical GPUs by state and cause, shared ones in parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from goodput_exporter.analysis.counters import LONGEST_GAP_NS, Reading
from goodput_exporter.analysis.energy import Energy, EnergyBook, Group, tiled_energy
from goodput_exporter.analysis.holding import InUse
from goodput_exporter.domain.slots import Slots
from goodput_exporter.domain.spans import Span, apportion

Shares = tuple[tuple[Group, Slots], ...]
"""What the parts of one GPU are doing over one span."""


def gpu_energy(
    readings: Iterable[Reading],
    in_use: Iterable[InUse],
    window: Span,
    *,
    longest_gap_ns: int = LONGEST_GAP_NS,
) -> EnergyBook:
    """
    Divide the energy of a window over the states of both books.

    NVML counts a GPU as a whole. Where several hold one, what it drew is divided in
    proportion to their time on it, which says what is charged and not what was used.

    Args:
        readings: See ``energy_book``.
        in_use: What every GPU did, as ``used`` returns it.
        window: The half-open span to account for.
        longest_gap_ns: Over a longer gap nothing is interpolated.

    Returns:
        A book whose GPU time is that of *in_use* in the window.

    Raises:
        AccountingError: One GPU is in two states at one instant.
        BadInputError: Two readings of one GPU at one instant differ.
    """
    tiles: defaultdict[str, list[tuple[Shares, Span]]] = defaultdict(list)
    for uuid, parts in _by_gpu(in_use, window).items():
        tiles[uuid] += _tiles(parts)
    found = tiled_energy(readings, tiles, window, longest_gap_ns=longest_gap_ns)
    groups: dict[Group, Energy] = {}
    for shares, span, energy in found.tiles:
        for group, part in _shared(shares, span, energy):
            groups[group] = groups.get(group, Energy()) + part
    return EnergyBook(groups, found.unbooked_millijoules, found.unplaced_millijoules)


Part = tuple[Span, Slots, Group]


def _by_gpu(in_use: Iterable[InUse], window: Span) -> dict[str, list[Part]]:
    found: defaultdict[str, list[Part]] = defaultdict(list)
    for one in in_use:
        inside = one.line.span.clip(window)
        if inside is not None:
            for uuid in one.line.gpus:
                found[uuid].append((inside, one.line.slots, (one.state, one.cause)))
    return found


def _tiles(parts: list[Part]) -> Iterator[tuple[Shares, Span]]:
    """Yield spans in which the parts of a GPU stay what they are."""
    edges = sorted({at for span, _, _ in parts for at in (span.start_ns, span.end_ns)})
    begins = sorted(parts, key=lambda part: part[0])
    active: list[Part] = []
    for tile in map(Span, edges, edges[1:]):
        while begins and begins[0][0].start_ns <= tile.start_ns:
            active.append(begins.pop(0))
        active = [part for part in active if part[0].end_ns > tile.start_ns]
        if active:
            order = sorted(active, key=lambda part: part[1])
            yield tuple((group, slots) for _, slots, group in order), tile


def _shared(
    shares: Shares, span: Span, energy: Energy
) -> Iterator[tuple[Group, Energy]]:
    """Divide a tile's energy by the time of each part on the GPU; exact sums."""
    times = [slots.within(span) for _, slots in shares]
    if not any(times):
        return
    drawn = apportion(energy.millijoules or 0, times)
    measured = apportion(energy.measured_gpu_ns, times)
    for (group, _), part_ns, part_mj, measured_ns in zip(
        shares, times, drawn, measured, strict=True
    ):
        known = None if energy.millijoules is None else part_mj
        yield group, Energy(known, measured_ns, part_ns - measured_ns)
