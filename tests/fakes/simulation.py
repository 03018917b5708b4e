"""A job of many ranks with a known truth: a barrier every step, stalls at random."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from goodput_exporter.domain.observations import RankReport
from goodput_exporter.domain.states import Phase
from tests.fakes.ranks import Rank, ns

START_S = 1_000_000
"""Simulations begin where stories do, on the grid of ten seconds."""


@dataclass(frozen=True)
class Workload:
    """
    What a simulated job does; times in seconds.

    Args:
        ranks: How many, each on one device.
        steps: How many they complete together.
        step_s: Compute of one step, on a rank that nothing disturbs.
        jitter: Compute varies by so much of it, evenly, per step.
        stall_chance: How likely a rank waits for data in one step.
        stall_s: Mean of the exponential wait.
        init_s: All ranks start up for so long.
    """

    ranks: int
    steps: int
    step_s: float = 2.0
    jitter: float = 0.01
    stall_chance: float = 0.0005
    stall_s: float = 8.0
    init_s: float = 20.0


@dataclass(frozen=True)
class Truth:
    """
    The account that nobody reports, in nanoseconds of the run.

    Args:
        stalled_ns: What the run lost because ranks waited for data: by how much
            later each barrier opened than compute alone would have allowed.
        computed_ns: The rest of the time after start-up.
        ends_ns: When the last step was complete, on the ledger's clock.
    """

    stalled_ns: int
    computed_ns: int
    ends_ns: int


@dataclass(frozen=True)
class Simulation:
    """
    One job's whole life, from which any rank's cumulative state can be read.

    Args:
        work: What it did.
        barriers_ns: When each step began, and when the last one was complete.
        stalls_ns: How long a rank waited in a step, by (rank, step).
        phases_ns: When each rank sends its first report, within one interval.
        truth: Kept apart from everything the ranks say.
    """

    work: Workload
    barriers_ns: tuple[int, ...]
    stalls_ns: dict[tuple[int, int], int]
    phases_ns: tuple[int, ...]
    truth: Truth

    def reports(self, *, every_s: float = 2.0) -> list[RankReport]:
        """Return what all ranks say, in order of time; each has its own rhythm."""
        every_ns = ns(every_s)
        said: list[RankReport] = []
        for rank in range(self.work.ranks):
            said += self._said_by(rank, every_ns)
        return sorted(said, key=lambda report: report.at_ns)

    def script(self, rank: int, *, pid: int = 4711) -> Rank:
        """Return one rank's life in the notation of the stories, for real datagrams."""
        script = Rank(
            inc=f"{rank:016x}", rank=rank, world=self.work.ranks, pid=pid + rank
        ).init(self.work.init_s)
        for step in range(self.work.steps):
            begin_ns, end_ns = self.barriers_ns[step : step + 2]
            wait_s = self.stalls_ns.get((rank, step), 0) / 1e9
            script.data(wait_s)
            script.steps(step, step, each=(end_ns - begin_ns) / 1e9 - wait_s)
        return script

    def _said_by(self, rank: int, every_ns: int) -> Iterator[RankReport]:
        first_ns = self.barriers_ns[0] - ns(self.work.init_s)
        waits = sorted(
            (step, wait_ns)
            for (who, step), wait_ns in self.stalls_ns.items()
            if who == rank
        )
        at_ns, seq, waited_ns, passed = first_ns + self.phases_ns[rank], 0, 0, 0
        while at_ns < self.truth.ends_ns + every_ns:
            at_ns = min(at_ns, self.truth.ends_ns)
            step = bisect_right(self.barriers_ns, at_ns) - 1
            while passed < len(waits) and waits[passed][0] < step:
                waited_ns += waits[passed][1]
                passed += 1
            wait_ns = self.stalls_ns.get((rank, step), 0)
            yield self._say(rank, seq, at_ns, (step, waited_ns, wait_ns))
            at_ns, seq = at_ns + every_ns, seq + 1

    def _say(
        self, rank: int, seq: int, at_ns: int, now: tuple[int, int, int]
    ) -> RankReport:
        step, waited_ns, wait_ns = now
        start_ns = self.barriers_ns[0] - ns(self.work.init_s)
        up_ns, init_ns = at_ns - start_ns, min(at_ns - start_ns, ns(self.work.init_s))
        since_ns = start_ns if step < 0 else self.barriers_ns[step]
        in_step_ns = at_ns - since_ns
        phase, age_ns = Phase.TRAIN_STEP, in_step_ns - wait_ns
        if step < 0:
            phase, age_ns, wait_ns = Phase.INIT, in_step_ns, 0
        elif wait_ns > in_step_ns:
            phase, age_ns = Phase.DATA_LOADING, in_step_ns
        data_ns = waited_ns + min(wait_ns, in_step_ns)
        return RankReport(
            incarnation=f"{rank:016x}",
            seq=seq,
            at_ns=at_ns,
            up_ns=up_ns,
            phase=phase,
            phase_age_ns=age_ns,
            cum_ns={
                Phase.INIT: init_ns,
                Phase.DATA_LOADING: data_ns,
                Phase.TRAIN_STEP: up_ns - init_ns - data_ns,
            },
            run_id="story",
            rank=rank,
            world_size=self.work.ranks,
            step=step - 1 if step > 0 else None,
            step_age_ns=in_step_ns,
            steps_done=max(0, step),
            pid=4711 + rank,
        )


def simulate(work: Workload, *, seed: int) -> Simulation:
    """
    Live a job's life once.

    Args:
        work: What it does.
        seed: The same seed gives the same life.
    """
    dice = random.Random(seed)  # noqa: S311 - a reproducible life, no secret
    start_ns = START_S * 10**9
    barriers_ns = [start_ns + ns(work.init_s)]
    stalls_ns: dict[tuple[int, int], int] = {}
    computed_ns = 0
    for step in range(work.steps):
        ready_ns, alone_ns = 0, 0
        for rank in range(work.ranks):
            compute_ns = ns(work.step_s * (1 + work.jitter * (dice.random() - 0.5)))
            wait_ns = 0
            if dice.random() < work.stall_chance:
                wait_ns = ns(dice.expovariate(1 / work.stall_s))
                stalls_ns[rank, step] = wait_ns
            ready_ns = max(ready_ns, wait_ns + compute_ns)
            alone_ns = max(alone_ns, compute_ns)
        barriers_ns.append(barriers_ns[-1] + ready_ns)
        computed_ns += alone_ns
    phases_ns = tuple(ns(2.0 * dice.random()) for _ in range(work.ranks))
    stalled_ns = barriers_ns[-1] - barriers_ns[0] - computed_ns
    truth = Truth(stalled_ns, computed_ns, barriers_ns[-1])
    return Simulation(work, tuple(barriers_ns), stalls_ns, phases_ns, truth)
