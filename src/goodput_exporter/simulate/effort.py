"""One run as it goes through the cluster: its pods, its places, its present attempt."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from goodput_exporter.domain.states import RunState
from goodput_exporter.simulate.acts import Life
from goodput_exporter.simulate.book import Book
from goodput_exporter.simulate.mishaps import Mishap
from goodput_exporter.simulate.objects import Names
from goodput_exporter.simulate.plans import RunPlan
from goodput_exporter.simulate.pods import Pod


class Status(StrEnum):
    """What a run is about, for whoever schedules."""

    AWAY = "away"
    WAITING = "waiting"
    COMING = "coming"
    TRAINING = "training"
    ENDING = "ending"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Fate:
    """
    What an attempt will meet, if nothing comes first.

    Args:
        mishap: What.
        at_ns: When it begins.
        pod: Which of the pods it hits.
    """

    mishap: Mishap
    at_ns: int
    pod: int


@dataclass(slots=True)
class Voice:
    """
    One rank that reports, in one life.

    Args:
        rank: Which.
        start_ns: When its process began.
        joins: It lives the attempt's acts from this one on; before, it starts up.
        end_ns, code: Its end; None while it lives, a code of None was not seen.
        is_silent: Its node fell silent: nobody sees its end.
    """

    rank: int
    start_ns: int
    joins_ns: int
    end_ns: int | None = None
    code: int | None = None
    is_silent: bool = False


@dataclass(slots=True)
class Effort:
    """
    One run.

    Args:
        plan: As submitted.
        book: Its true book.
        names: Of its present workload.
        pods: Its present ones; empty while they do not exist.
        places: The machine of each pod; None where one is missing.
        status: For whoever schedules.
        state: What its time is now, outside of an attempt.
        workloads: How many there were.
        created_ns: When the present workload was.
        admitted_ns: When the queue last admitted it; None while it has not.
        goal: The steps after which it is done; None never.
        durable: The last step that can be restored.
        attempts: How often its ranks came up.
        life: The present attempt, or None.
        fate: What it will meet.
        kept_away: What keeps one of its pods from running, and which.
        voices: Who reports of it.
        dense: (from, to) times in which all reports are kept.
        missing: Pods without a place or a container.
        restarted_ns: When the survivors' containers ran again, before the others.
        loops: Attempts that will crash again while they start up.
    """

    plan: RunPlan
    book: Book
    names: Names
    pods: list[Pod] = field(default_factory=list)
    places: list[int | None] = field(default_factory=list)
    status: Status = Status.AWAY
    state: RunState = RunState.QUEUED
    workloads: int = 1
    created_ns: int = 0
    admitted_ns: int | None = None
    waits_since_ns: int = 0
    goal: int | None = None
    durable: int | None = None
    attempts: int = 0
    life: Life | None = None
    fate: Fate | None = None
    kept_away: tuple[Mishap, int] | None = None
    voices: list[Voice] = field(default_factory=list)
    dense: list[tuple[int, int]] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    restarted_ns: int | None = None
    loops: int = 0
    pods_made: int = 0

    @property
    def name(self) -> str:
        """Return its run id."""
        return self.plan.name
