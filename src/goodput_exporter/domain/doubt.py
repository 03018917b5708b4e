"""Where a run stood when its ranks fell silent: what they did since, they may tell."""

from __future__ import annotations

from dataclasses import dataclass, field

from goodput_exporter.domain.placement import Placement, Seat
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.domain.steps import Steps


@dataclass(slots=True)
class Owed:
    """Bad time of one kind since the last completed step: one may cost it yet."""

    state: RunState
    cause: Cause
    incident: int | None
    start_ns: int
    end_ns: int
    gpu_ns: int


@dataclass(slots=True)
class Doubt:
    """
    A run as it stood at one instant; nobody has told what its ranks did since.

    Time goes on being booked, blind or by what the pods show. A word of the ranks
    that comes late is laid from here on, as if it had been told in time.

    Args:
        since_ns: The instant; the ranks' own words of the time before are used.
        incident: The last one's number.
        placements: Where the pods have stood since, which is told again then.
        placed, asked, active, stepping_on, steps_since_end, ran_ns, crew, recovering,
        degraded_by, steps, since_step: As the run's fold has them.
    """

    since_ns: int
    incident: int | None
    placed: Placement | None
    asked: int
    active: int | None
    stepping_on: bool
    steps_since_end: int
    ran_ns: int
    crew: list[Seat]
    recovering: bool
    degraded_by: int | None
    steps: Steps
    since_step: list[Owed]
    placements: list[Placement] = field(default_factory=list)
    is_told: bool = False
