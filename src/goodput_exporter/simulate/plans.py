"""What a simulated cluster is made of: nodes, runs, how they train, what breaks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.simulate.mishaps import Mishap

SECOND_NS: Final = NS_PER_SECOND
MINUTE_NS: Final = 60 * SECOND_NS
HOUR_NS: Final = 60 * MINUTE_NS
DAY_NS: Final = 24 * HOUR_NS


class Restart(StrEnum):
    """
    What comes back after an interruption.

    ``GANG``: every pod is deleted and made anew, as a JobSet does it.
    ``IN_PLACE``: containers restart in their pods, as a Job's do.
    ``PROCESSES``: a launcher in every pod starts its ranks again; only what was
    lost with a node is a new pod.
    """

    GANG = "gang"
    IN_PLACE = "in_place"
    PROCESSES = "processes"


@dataclass(frozen=True, slots=True)
class Training:
    """
    What a run does while nothing disturbs it; times in nanoseconds.

    Args:
        step_ns: One step of a warm run at full speed.
        warm_up: The first three steps of a life take so much longer, as a ratio.
        init_ns, restore_ns: Start-up, and the loading of a checkpoint.
        save_every: Steps between two checkpoints.
        save_ns: How long the loop is blocked by one.
        upload_ns: How long after that an asynchronous one is durable; 0 is
            synchronous.
        evaluate_every: Steps between two validations; 0 never.
        evaluate_ns: How long one takes.
        data_wait_every_ns, data_wait_ns: Means of the exponential time between
            two waits for data, and of a wait; 0 never.
        slow_every_ns, slow_steps, slow_ratio: Mean time between two spells in
            which a straggler makes steps longer, their length in steps, and how
            much longer a step is; 0 never.
    """

    step_ns: int = 10 * SECOND_NS
    warm_up: float = 0.5
    init_ns: int = 90 * SECOND_NS
    restore_ns: int = 60 * SECOND_NS
    save_every: int = 180
    save_ns: int = 20 * SECOND_NS
    upload_ns: int = 0
    evaluate_every: int = 0
    evaluate_ns: int = 3 * MINUTE_NS
    data_wait_every_ns: int = 0
    data_wait_ns: int = 20 * SECOND_NS
    slow_every_ns: int = 0
    slow_steps: int = 60
    slow_ratio: float = 0.25


@dataclass(frozen=True, slots=True)
class RunPlan:
    """
    One training effort as somebody submits it.

    Args:
        name: Its run id, and its workload's name.
        pods, gpus_per_pod: Its gang.
        training: What it does.
        restart: What comes back after an interruption.
        is_queued: Kueue admits it; else its pods wait for the scheduler.
        is_elastic: It goes on with fewer while one pod is replaced.
        priority: The greater one may take another's place.
        submit_ns: Since the beginning.
        steps: It is done after so many; None goes on for ever.
        again_ns: So long after it is done it is submitted once more under the
            same run id, for as many steps; None never.
        team: Who pays.
    """

    name: str
    pods: int
    gpus_per_pod: int = 8
    training: Training = Training()
    restart: Restart = Restart.GANG
    is_queued: bool = False
    is_elastic: bool = False
    priority: int = 0
    submit_ns: int = 0
    steps: int | None = None
    again_ns: int | None = None
    team: str = "research"

    @property
    def asked(self) -> int:
        """Return the GPUs of its pod templates."""
        return self.pods * self.gpus_per_pod


@dataclass(frozen=True, slots=True)
class Hazard:
    """
    How often something happens to a run that holds nodes.

    Args:
        mishap: What.
        per_1000_node_days: Its rate while the run trains.
    """

    mishap: Mishap
    per_1000_node_days: float


@dataclass(frozen=True, slots=True)
class Crowd:
    """
    Runs that arrive by chance.

    Args:
        per_day: Mean number of submissions.
        sizes: (GPUs, weight) of one run.
        hours: Mean of the exponential productive time of a run.
        urgent: Share with a higher priority.
    """

    per_day: float
    sizes: tuple[tuple[int, float], ...]
    hours: float
    urgent: float


@dataclass(frozen=True, slots=True)
class Preset:
    """
    A cluster to simulate.

    Args:
        name, about: What it is.
        days: How long, unless told otherwise.
        nodes, gpus_per_node: The machines.
        runs: Efforts with a date.
        crowd: Efforts by chance, beside those.
        hazards: What breaks.
        start_up: (what, chance) of what keeps a new gang from coming up.
        repair_ns: Mean time until a broken node is back.
        reporters: Ranks of a run that report: rank 0 and the last ones; 0 lets
            every rank report.
        heartbeat_ns: A report is kept so often where nothing changes.
        sources: Where its figures are public.
    """

    name: str
    about: str
    days: float
    nodes: int
    gpus_per_node: int = 8
    runs: tuple[RunPlan, ...] = ()
    crowd: Crowd | None = None
    hazards: tuple[Hazard, ...] = ()
    start_up: tuple[tuple[Mishap, float], ...] = ()
    repair_ns: int = 12 * HOUR_NS
    reporters: int = 2
    heartbeat_ns: int = 10 * MINUTE_NS
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Noise:
    """
    How badly the cluster is seen, and what is made harder on purpose.

    Args:
        lost, doubled, late: Shares of datagrams that never come, come twice, or
            come up to *late_s* late.
        late_s: See there.
        skew_s: Nodes' clocks are wrong by up to so much, either way.
        watch_delay_s: Objects are seen up to so much later.
        without_evidence: Share of the evidence that nobody sees.
        overlapping: Share of interruptions during which a second cause begins.
    """

    lost: float = 0.01
    doubled: float = 0.01
    late: float = 0.01
    late_s: float = 3.0
    skew_s: float = 0.2
    watch_delay_s: float = 0.5
    without_evidence: float = 0.0
    overlapping: float = 0.0
