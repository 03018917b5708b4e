"""What really happened: accounts and incidents that no source ever reports."""

from __future__ import annotations

from dataclasses import dataclass, field

from goodput_exporter.domain.states import Cause, RunState


@dataclass(frozen=True, slots=True)
class Stretch:
    """
    One true state over one half-open span.

    Args:
        start_ns, end_ns: On the ledger's clock.
        state: By the definitions' section 4. Within a stretch of steps the warm-up
            and what is slow lie in front; only their sums are true there.
        gpus: How many share it.
        incident: The interruption that it follows from, or None.
    """

    start_ns: int
    end_ns: int
    state: RunState
    gpus: int
    incident: int | None = None


@dataclass(slots=True)
class TrueIncident:
    """
    One interruption.

    Args:
        number: Within its run, from 1.
        mishap: What happened, by the simulator's own name.
        cause: Of the closed set.
        lost_ns: The last step before it was complete, or the attempt began.
        began_ns: When the first event of it happened.
        ended_ns: When the first rank ended or its node was lost.
        recovered_ns: When a step above the high-water mark was complete.
        lost_steps: How many had to be done again.
        has_evidence: Something that can tell the cause was left for a source.
        overlaps: A second cause began before the first rank ended.
        gpu_ns: What it cost, by state.
    """

    number: int
    mishap: str
    cause: Cause
    lost_ns: int
    began_ns: int
    ended_ns: int
    recovered_ns: int | None = None
    lost_steps: int = 0
    has_evidence: bool = True
    overlaps: Cause | None = None
    gpu_ns: dict[RunState, int] = field(default_factory=dict)


@dataclass(slots=True)
class TrueRun:
    """
    One run's true account.

    Args:
        run: Its id.
        asked: The GPUs that its book counts.
        spans: When the run was in the book, as (start, end): from its submission
            to its end or to its last completed step; a time after a good end is
            in no book.
        gpu_ns: By state; sums to *asked* times the length of *spans*.
        cause_ns: What followed from interruptions, by cause.
        incidents: In order.
        steps: Completed for the first time.
        redone: Completed again.
        attempts: How often its ranks came up.
        outcome: ``"running"``, ``"succeeded"`` or ``"deleted"``.
        between_gpu_ns: The part of ``down`` that lies between a workload's deletion
            and the next one of the same run id; in no counter.
        stretches: The account in order, for whoever looks for an error.
    """

    run: str
    asked: int
    spans: list[tuple[int, int]] = field(default_factory=list)
    gpu_ns: dict[RunState, int] = field(default_factory=dict)
    cause_ns: dict[Cause, int] = field(default_factory=dict)
    incidents: list[TrueIncident] = field(default_factory=list)
    steps: int = 0
    redone: int = 0
    attempts: int = 0
    outcome: str = "running"
    between_gpu_ns: int = 0
    stretches: list[Stretch] = field(default_factory=list)

    @property
    def booked_ns(self) -> int:
        """Return how long the run was in the book."""
        return sum(end_ns - start_ns for start_ns, end_ns in self.spans)


@dataclass(frozen=True, slots=True)
class Truth:
    """
    The true account of a simulated cluster.

    Args:
        preset, seed: Of what.
        start_ns, end_ns: The simulated time, on the ledger's clock.
        runs: In the order of their submission.
    """

    preset: str
    seed: int
    start_ns: int
    end_ns: int
    runs: tuple[TrueRun, ...]

    @property
    def incidents(self) -> list[TrueIncident]:
        """Return every interruption of every run."""
        return [incident for run in self.runs for incident in run.incidents]


def charge(run: TrueRun, stretch: Stretch) -> None:
    """Add a stretch to a run's account, to its incident and to its cause."""
    length_ns = stretch.end_ns - stretch.start_ns
    if length_ns <= 0:
        return
    gpu_ns, state = length_ns * stretch.gpus, stretch.state
    run.gpu_ns[state] = run.gpu_ns.get(state, 0) + gpu_ns
    if stretch.incident is not None:
        incident = run.incidents[stretch.incident - 1]
        incident.gpu_ns[state] = incident.gpu_ns.get(state, 0) + gpu_ns
        run.cause_ns[incident.cause] = run.cause_ns.get(incident.cause, 0) + gpu_ns
    run.stretches.append(stretch)
