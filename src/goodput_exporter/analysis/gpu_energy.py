"""Energy of the physical GPUs by state and cause, shared ones in parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from goodput_exporter.analysis.energy import EnergyBook, Group, tiled_energy
from goodput_exporter.analysis.holding import InUse
from goodput_exporter.domain.energy import Drawn, Energy
from goodput_exporter.domain.slots import Slots
from goodput_exporter.domain.spans import Span, apportion

Metered = Mapping[str, Sequence[Drawn]]
"""What each GPU drew, in time order, none over another."""
Shares = tuple[tuple[int, Slots], ...]
"""Who holds the parts of one GPU over one span, by number."""


@dataclass(frozen=True, slots=True)
class EnergyOfEach:
    """
    The energy of GPUs in use, one by one; see ``EnergyBook`` for the rest.

    Args:
        energies: As many as there were uses, in their order.
        unbooked_millijoules: Drawn by GPUs while no book says what they did.
        unplaced_millijoules: Drawn at nobody knows which instant.
    """

    energies: tuple[Energy, ...]
    unbooked_millijoules: int
    unplaced_millijoules: int


def energy_of_each(
    metered: Metered, in_use: Sequence[InUse], window: Span
) -> EnergyOfEach:
    """
    Say what each use of GPUs drew in a window.

    NVML counts a GPU as a whole. Where several hold one, what it drew is divided in
    proportion to their time on it, which says what is charged and not what was used.

    Args:
        metered: What the GPUs drew.
        in_use: What every GPU did, as ``used`` returns it.
        window: The half-open span to account for.

    Returns:
        Energies whose GPU time is that of *in_use* in the window. All of it together
        is what *metered* holds in the window.
    """
    tiles: defaultdict[str, list[tuple[Shares, Span]]] = defaultdict(list)
    for uuid, parts in _by_gpu(in_use, window).items():
        tiles[uuid] += _tiles(parts)
    found = tiled_energy(metered, tiles, window)
    energies = [Energy()] * len(in_use)
    for shares, span, energy in found.tiles:
        for at, part in _shared(shares, span, energy):
            energies[at] += part
    return EnergyOfEach(
        tuple(energies), found.unbooked_millijoules, found.unplaced_millijoules
    )


def gpu_energy(metered: Metered, in_use: Iterable[InUse], window: Span) -> EnergyBook:
    """
    Divide the energy of a window over the states of both books.

    Returns:
        A book whose GPU time is that of *in_use* in the window; see ``energy_of_each``.
    """
    uses = list(in_use)
    found = energy_of_each(metered, uses, window)
    groups: dict[Group, Energy] = {}
    for one, energy in zip(uses, found.energies, strict=True):
        group = one.state, one.cause
        groups[group] = groups.get(group, Energy()) + energy
    return EnergyBook(groups, found.unbooked_millijoules, found.unplaced_millijoules)


Part = tuple[Span, Slots, int]


def _by_gpu(in_use: Iterable[InUse], window: Span) -> dict[str, list[Part]]:
    found: defaultdict[str, list[Part]] = defaultdict(list)
    for at, one in enumerate(in_use):
        inside = one.line.span.clip(window)
        if inside is not None:
            for uuid in one.line.gpus:
                found[uuid].append((inside, one.line.slots, at))
    return found


def _tiles(parts: list[Part]) -> Iterator[tuple[Shares, Span]]:
    """Yield spans in which the parts of a GPU stay what they are."""
    begins = sorted(parts, key=lambda part: part[0].start_ns)
    if all(one[0].end_ns <= other[0].start_ns for one, other in pairwise(begins)):
        # As nearly always, nobody shares it: the parts are the tiles.
        for span, slots, at in begins:
            yield ((at, slots),), span
        return
    edges = sorted({at for span, _, _ in parts for at in (span.start_ns, span.end_ns)})
    active: list[Part] = []
    for tile in map(Span, edges, edges[1:]):
        while begins and begins[0][0].start_ns <= tile.start_ns:
            active.append(begins.pop(0))
        active = [part for part in active if part[0].end_ns > tile.start_ns]
        if active:
            order = sorted(active, key=lambda part: part[1])
            yield tuple((at, slots) for _, slots, at in order), tile


def _shared(shares: Shares, span: Span, energy: Energy) -> Iterator[tuple[int, Energy]]:
    """Divide a tile's energy by the time of each part on the GPU; exact sums."""
    times = [slots.within(span) for _, slots in shares]
    if times == [energy.gpu_ns]:
        yield shares[0][0], energy
        return
    if not any(times):
        return
    drawn = apportion(energy.millijoules or 0, times)
    integrated = apportion(energy.integrated_millijoules, times)
    measured = apportion(energy.measured_gpu_ns, times)
    for (at, _), part_ns, part_mj, integrated_mj, measured_ns in zip(
        shares, times, drawn, integrated, measured, strict=True
    ):
        known = None if energy.millijoules is None else part_mj
        yield at, Energy(known, measured_ns, part_ns - measured_ns, integrated_mj)
