"""Where energy went: each GPU's consumption, divided over the states it was in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Generic, TypeVar

from goodput_exporter.analysis.rounding import rounded
from goodput_exporter.analysis.usage import State
from goodput_exporter.domain.energy import (
    LONGEST_GAP_NS,
    MILLIJOULES_PER_JOULE,
    Drawn,
    Energy,
    Reading,
    drawn,
)
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause
from goodput_exporter.errors import AccountingError

MILLIJOULES_PER_KWH: Final = 3_600_000 * MILLIJOULES_PER_JOULE

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Held:
    """
    One GPU in one state over one span, by either book.

    Of an elastic run a held GPU has the other state, never ``degraded``: that
    is the state of GPUs that are missing, and those draw nothing for the run.
    """

    gpu: str
    span: Span
    state: State
    cause: Cause = Cause.NONE


Group = tuple[State, Cause]


@dataclass(frozen=True, slots=True)
class EnergyBook:
    """
    The energy of one window; its parts sum to what the counters grew by.

    Args:
        by_group: By state and cause.
        unbooked_millijoules: Drawn while neither book says what the GPU did.
        unplaced_millijoules: Drawn across gaps and restarts of the driver that
            end in the window. At least: a restart hides what came before it.
    """

    by_group: Mapping[Group, Energy]
    unbooked_millijoules: int
    unplaced_millijoules: int

    @property
    def total_millijoules(self) -> int:
        """Return everything that the counters vouch for."""
        booked = sum(energy.millijoules or 0 for energy in self.by_group.values())
        return booked + self.unbooked_millijoules + self.unplaced_millijoules


def energy_book(
    readings: Iterable[Reading],
    held: Iterable[Held],
    window: Span,
    *,
    longest_gap_ns: int = LONGEST_GAP_NS,
) -> EnergyBook:
    """
    Divide the energy of a window over states and causes, by overlap in time.

    Args:
        readings: Of any GPUs. One before and one after the window are needed
            for its edges; without them its edges are unknown.
        held: What each GPU did; a GPU without readings is unknown throughout.
        window: The half-open span to account for.
        longest_gap_ns: Over a longer gap nothing is interpolated.

    Returns:
        A book whose GPU time is that of *held* in the window. Books of windows
        that tile a longer one sum to its book.

    Raises:
        AccountingError: One GPU is in two states at one instant.
        BadInputError: Two readings of one GPU at one instant differ.
    """
    tenures: defaultdict[str, list[Held]] = defaultdict(list)
    for tenure in held:
        tenures[tenure.gpu].append(tenure)
    tiles = {gpu: list(_tiled(of_gpu, window)) for gpu, of_gpu in tenures.items()}
    metered = drawn_by_gpu(readings, longest_gap_ns=longest_gap_ns)
    found = tiled_energy(metered, tiles, window)
    groups: dict[Group, Energy] = {}
    for group, _, part in found.tiles:
        groups[group] = groups.get(group, Energy()) + part
    return EnergyBook(groups, found.unbooked_millijoules, found.unplaced_millijoules)


@dataclass(frozen=True, slots=True)
class TiledEnergy(Generic[Key]):
    """
    Energy tile by tile; see ``EnergyBook`` for the rest.

    Args:
        tiles: Each with its key, its span and its energy.
        unbooked_millijoules: Drawn in no tile.
        unplaced_millijoules: Drawn at nobody knows which instant.
    """

    tiles: tuple[tuple[Key, Span, Energy], ...]
    unbooked_millijoules: int
    unplaced_millijoules: int


def drawn_by_gpu(
    readings: Iterable[Reading], *, longest_gap_ns: int = LONGEST_GAP_NS
) -> dict[str, list[Drawn]]:
    """
    Turn the counters of any GPUs into energy between readings; see ``drawn``.

    Raises:
        BadInputError: Two readings of one GPU at one instant differ.
    """
    of_gpu: defaultdict[str, list[Reading]] = defaultdict(list)
    for reading in readings:
        of_gpu[reading.gpu].append(reading)
    return {
        gpu: drawn(of_one, longest_gap_ns=longest_gap_ns)
        for gpu, of_one in of_gpu.items()
    }


def tiled_energy(
    metered: Mapping[str, Sequence[Drawn]],
    tiles: Mapping[str, Iterable[tuple[Key, Span]]],
    window: Span,
) -> TiledEnergy[Key]:
    """
    Say what was drawn in each tile of each GPU.

    Args:
        metered: Per GPU, in time order, none over another.
        tiles: Per GPU, inside the window, in time order, none over another.
        window: The half-open span to account for.
    """
    found: list[tuple[Key, Span, Energy]] = []
    unbooked_mj = unplaced_mj = 0
    for gpu in dict.fromkeys([*metered, *tiles]):
        energy = metered.get(gpu, ())
        unplaced_mj += sum(_unplaced(energy, window))
        placed = [one for one in energy if one.placed]
        for key, tile, part in _divided(placed, _whole(tiles.get(gpu, ()), window)):
            if key is None:
                unbooked_mj += part.millijoules or 0
            else:
                found.append((key, tile, part))
    return TiledEnergy(tuple(found), unbooked_mj, unplaced_mj)


def energy_beside(
    metered: Mapping[str, Sequence[Drawn]],
    tiles: Mapping[str, Iterable[Span]],
    window: Span,
) -> tuple[int, int]:
    """
    Say what was drawn in no tile: as ``tiled_energy``, which divides the rest, too.

    Args:
        metered: Per GPU, in time order, none over another.
        tiles: Per GPU, inside the window; any of them may be over others.
        window: The half-open span to account for.

    Returns:
        Millijoules in no tile, and at nobody knows which instant.
    """
    unbooked_mj = unplaced_mj = 0
    for gpu, energy in metered.items():
        unplaced_mj += sum(_unplaced(energy, window))
        for gap in _gaps(tiles.get(gpu, ()), window):
            unbooked_mj += sum(one.within(gap) for one in energy if one.placed)
    return unbooked_mj, unplaced_mj


def _gaps(tiles: Iterable[Span], window: Span) -> Iterator[Span]:
    end_ns = window.start_ns
    for tile in sorted(tiles):
        if end_ns < tile.start_ns:
            yield Span(end_ns, tile.start_ns)
        end_ns = max(end_ns, tile.end_ns)
    if end_ns < window.end_ns:
        yield Span(end_ns, window.end_ns)


def _unplaced(energy: Iterable[Drawn], window: Span) -> Iterator[int]:
    for one in energy:
        # A reading on the border closes the window before it, so windows add up.
        if not one.placed and window.start_ns < one.span.end_ns <= window.end_ns:
            yield one.millijoules


def _tiled(held: Iterable[Held], window: Span) -> Iterator[tuple[Group, Span]]:
    end_ns = window.start_ns
    for tenure in sorted(held, key=lambda one: one.span):
        inside = tenure.span.clip(window)
        if inside is None:
            continue
        if inside.start_ns < end_ns:
            msg = (
                f"GPU {tenure.gpu} is {tenure.state.value} from {inside.start_ns} ns "
                f"and in another state until {end_ns} ns; each instant is booked once"
            )
            raise AccountingError(msg)
        yield (tenure.state, tenure.cause), inside
        end_ns = inside.end_ns


def _whole(
    tiles: Iterable[tuple[Key, Span]], window: Span
) -> Iterator[tuple[Key | None, Span]]:
    """Yield tiles, and without a key the time of the window between them."""
    end_ns = window.start_ns
    for key, tile in tiles:
        if end_ns < tile.start_ns:
            yield None, Span(end_ns, tile.start_ns)
        yield key, tile
        end_ns = tile.end_ns
    if end_ns < window.end_ns:
        yield None, Span(end_ns, window.end_ns)


def _divided(
    placed: list[Drawn], tiles: Iterable[tuple[Key | None, Span]]
) -> Iterator[tuple[Key | None, Span, Energy]]:
    first = 0
    for key, tile in tiles:
        while first < len(placed) and placed[first].span.end_ns <= tile.start_ns:
            first += 1
        yield key, tile, _measured(placed, first, tile)


def _measured(placed: list[Drawn], first: int, inside: Span) -> Energy:
    millijoules = integrated = measured_ns = 0
    for position in range(first, len(placed)):
        one = placed[position]
        start_ns = max(one.span.start_ns, inside.start_ns)
        end_ns = min(one.span.end_ns, inside.end_ns)
        if start_ns >= end_ns:
            break
        there = one.between(start_ns, end_ns)
        millijoules += there
        integrated += there if one.integrated else 0
        measured_ns += end_ns - start_ns
    unknown_ns = inside.length_ns - measured_ns
    known = millijoules if measured_ns else None
    return Energy(known, measured_ns, unknown_ns, integrated)


def energy_by_state(book: EnergyBook) -> dict[State, Energy]:
    """Add up a book's causes."""
    states: dict[State, Energy] = {}
    for (state, _), energy in book.by_group.items():
        states[state] = states.get(state, Energy()) + energy
    return states


def kwh(
    energies: Mapping[Key, Energy], *, decimals: int = 3
) -> dict[Key, Decimal | None]:
    """
    Round a table of energies so that its lines sum to its rounded total.

    Returns:
        Kilowatt-hours per line; None where nothing was measured.
    """
    known = {
        key: energy.millijoules
        for key, energy in energies.items()
        if energy.millijoules is not None
    }
    found = rounded(known, per_unit=MILLIJOULES_PER_KWH, decimals=decimals)
    return {key: found.get(key) for key in energies}
