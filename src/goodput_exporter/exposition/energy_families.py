"""What the page says of energy: what runs' GPUs drew in which state, and other GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from goodput_exporter.domain.energy import MILLIJOULES_PER_JOULE, Energy
from goodput_exporter.domain.energy_totals import NOBODY, EnergyTotals
from goodput_exporter.domain.gpu_view import ClusterView
from goodput_exporter.domain.snapshot import Snapshot
from goodput_exporter.exposition import cluster_metrics as names
from goodput_exporter.exposition.family import (
    AnyFamily,
    Family,
    Group,
    Labels,
    Samples,
)

COUNTER: Final = "counter"
POWER: Final = "power"
"""What energy rests on: the device's counter, or samples of its power."""


def by_basis(energy: Energy) -> Iterator[tuple[str, float]]:
    """Yield joules by what they rest on; nothing where nothing was measured."""
    if energy.millijoules is None:
        return
    counted = energy.millijoules - energy.integrated_millijoules
    if counted or not energy.integrated_millijoules:
        yield COUNTER, counted / MILLIJOULES_PER_JOULE
    if energy.integrated_millijoules:
        yield POWER, energy.integrated_millijoules / MILLIJOULES_PER_JOULE


def energy_of_nobody(cluster: ClusterView) -> Samples:
    """Give what GPUs drew that no run held, by category."""
    return {
        (category, basis): joules
        for totals in cluster.energy
        if totals.key == NOBODY
        for (category, _), energy in totals.groups.items()
        for basis, joules in by_basis(energy)
    }


def _joules(totals: EnergyTotals) -> Samples:
    return {
        (*group, basis): joules
        for group, energy in totals.groups.items()
        for basis, joules in by_basis(energy)
    }


def _gpu_seconds(totals: EnergyTotals) -> Samples:
    energy = totals.total
    return {("true",): energy.measured_gpu_ns, ("false",): energy.unknown_gpu_ns}


def _subjects(snapshot: Snapshot) -> Iterator[EnergyTotals]:
    """Yield the energy of the runs that are on the page."""
    shown = {run.key for run in snapshot.runs}
    for totals in snapshot.energy:
        if totals.key in shown:
            yield totals


def _labels(totals: EnergyTotals) -> Labels:
    return totals.key.run, totals.key.namespace


FAMILIES: Final[tuple[AnyFamily[EnergyTotals], ...]] = (
    Family(names.RUN_ENERGY, _joules),
    Family(names.RUN_ENERGY_TIME, _gpu_seconds),
)

RUN_ENERGY: Final = Group(FAMILIES, _subjects, _labels)
