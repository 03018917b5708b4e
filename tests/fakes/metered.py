"""A machine whose GPUs draw known power, watched by the real books and ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from goodput_exporter.domain.energy import Energy
from goodput_exporter.domain.energy_totals import EnergyTotals
from goodput_exporter.domain.fold import Observation
from goodput_exporter.domain.observations import (
    GpuSample,
    ModelFacts,
    RankExited,
    RankReport,
)
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.ledger.store import SqliteLedger, open_ledger
from goodput_exporter.services.bookkeeper import Bookkeeper
from goodput_exporter.services.gpu_bookkeeper import GpuBookkeeper
from goodput_exporter.services.machine_gpus import MachineGpus
from tests.fakes.office import RETENTION_S, SILENCE_S
from tests.fakes.ranks import Rank, ns
from tests.fakes.snapshots import gpu_sample
from tests.fakes.stories import START_S, heard_ns, observations

NODE: Final = "here"
WATTS: Final = {
    "init": 300,
    "checkpoint_restore": 200,
    "train_step": 700,
    "checkpoint_save": 400,
}
"""What a GPU draws in each phase of its rank."""
TICK_S: Final = 2
"""How often the exporter looks, books and commits."""
FREE_WATTS: Final = 70
"""What a GPU draws that no rank has."""


def watts(rank: Rank | None, at_s: float) -> int:
    """Return what the GPU of a rank draws at a second of the story."""
    if rank is not None:
        for start_s, end_s, phase in rank.spans:
            if start_s <= at_s - rank.begins_s < end_s:
                return WATTS[phase]
    return FREE_WATTS


class MeteredMachine:
    """
    Two GPUs, of which each rank in turn has the first.

    Args:
        path: Of the ledger, which outlives the program.
        ranks: One after another.
        has_counters: The GPUs count their energy; else there is their power only.
    """

    def __init__(self, path: Path, *ranks: Rank, has_counters: bool = True) -> None:
        self.path = path
        self.ranks = ranks
        self.now_s = 0
        self._has_counters = has_counters
        self._millijoules = [5_000_000_000, 7_000_000_000]
        self._coming = sorted(map(_named, observations(ranks)), key=heard_ns)
        self.ledger = self._begin()

    def live(self, until_s: int, *, looks: bool = True) -> MeteredMachine:
        """
        Let seconds pass; the exporter looks, books and commits.

        Args:
            until_s: Up to which second of the story.
            looks: The driver answers; else GPUs draw energy and nobody sees it.
        """
        while self.now_s < until_s:
            drawn = watts(self._rank(), self.now_s), FREE_WATTS
            self.now_s += 1
            for number, power in enumerate(drawn):
                self._millijoules[number] += power * 1000
            if self.now_s % TICK_S == 0:
                self._tick(self._samples(drawn) if looks else ())
        return self

    def off(self, until_s: int) -> MeteredMachine:
        """Let seconds pass in which the exporter does not run."""
        while self.now_s < until_s:
            drawn = watts(self._rank(), self.now_s), FREE_WATTS
            self.now_s += 1
            for number, power in enumerate(drawn):
                self._millijoules[number] += power * 1000
        return self

    def reload_driver(self) -> MeteredMachine:
        """Let the counters begin anew."""
        self._millijoules = [0, 0]
        return self

    def die(self) -> MeteredMachine:
        """Be killed, and begin again on what the ledger has."""
        self.ledger.close()
        self.ledger = self._begin()
        return self

    def close(self) -> None:
        """Let go of the ledger."""
        self.ledger.close()

    def shown(self) -> Mapping[str, EnergyTotals]:
        """Return what counters show, by run; GPUs that no run held are ``""``."""
        return {one.key.run: one for one in self.gpus.view().energy}

    def shown_joules(self, run: str) -> dict[str, float]:
        """Return what counters show of one run by state, in joules."""
        found: dict[str, Energy] = {}
        for (state, _), energy in self.shown()[run].groups.items():
            found[state] = found.get(state, Energy()) + energy
        return {
            state: energy.millijoules / 1000
            for state, energy in found.items()
            if energy.millijoules is not None
        }

    def shown_total_j(self) -> float:
        """Return what counters show together, in joules."""
        total = sum((one.total for one in self.gpus.view().energy), Energy())
        return (total.millijoules or 0) / 1000

    def seconds(self, at_ns: int) -> float:
        """Return an instant in seconds of the story."""
        return self.length_s(at_ns) - START_S

    def length_s(self, length_ns: int) -> float:
        """Return a length in seconds."""
        return length_ns / NS_PER_SECOND

    def _begin(self) -> SqliteLedger:
        ledger = open_ledger(self.path)
        self.gpus = GpuBookkeeper()
        self._machine = MachineGpus("local", "default", NODE)
        self._books = Bookkeeper(
            ledger,
            Rules(reference_step_ns=10 * NS_PER_SECOND),
            cluster="local",
            namespace="default",
            silence_ns=ns(SILENCE_S),
            retention_ns=ns(RETENTION_S),
            gpus=self.gpus,
        )
        self._books.resume(self._now_ns())
        return ledger

    def _tick(self, samples: Iterable[GpuSample]) -> None:
        now_ns, looked = self._now_ns(), list(samples)
        heard: list[Observation] = []
        while self._coming and heard_ns(self._coming[0]) <= now_ns:
            heard.append(self._coming.pop(0))
        self._books.take(heard)
        self._machine.hear(heard)
        self.gpus.meter(NODE, looked, now_ns)
        if looked:
            alive = self._books.incarnations()
            self.gpus.take(self._machine.look(looked, alive, now_ns))
        assert self._books.tick(now_ns)

    def _samples(self, drawn: Iterable[int]) -> list[GpuSample]:
        """Return what the driver says of both GPUs."""
        if self._has_counters:
            return [
                gpu_sample(number, at_ns=self._now_ns(), energy_joules=counted / 1000)
                for number, counted in enumerate(self._millijoules)
            ]
        return [
            gpu_sample(
                number,
                at_ns=self._now_ns(),
                energy_joules=None,
                power_watts=float(power),
                unsupported=frozenset({"energy_joules"}),
            )
            for number, power in enumerate(drawn)
        ]

    def _rank(self) -> Rank | None:
        alive = (one for one in self.ranks if one.begins_s <= self.now_s < one.ends_s)
        return next(alive, None)

    def _now_ns(self) -> int:
        return ns(START_S + self.now_s)


def _named(seen: RankReport | RankExited | Observation) -> Observation:
    """Let every report name the first GPU as its rank's."""
    if not isinstance(seen, RankReport):
        return seen
    return replace(seen, facts=ModelFacts(gpu_uuids=(gpu_sample(0).uuid,)))
