"""Living through a cluster, event by event: what happens, and what can be seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from goodput_exporter.simulate import attempts, elastic, queueing, rivalry, start_up
from goodput_exporter.simulate.aftermath import repair
from goodput_exporter.simulate.book import Book
from goodput_exporter.simulate.chance import Chance
from goodput_exporter.simulate.crowd import arrivals
from goodput_exporter.simulate.delivery import delivered
from goodput_exporter.simulate.effort import Effort, Status
from goodput_exporter.simulate.plans import DAY_NS, Noise, Preset, RunPlan
from goodput_exporter.simulate.raw import Raw
from goodput_exporter.simulate.stage import Event, Stage, What
from goodput_exporter.simulate.truth import TrueRun, Truth

START_NS: Final = 1_767_225_600 * 10**9
"""Simulations begin on 2026-01-01, at midnight UTC."""

HANDLERS: Final = MappingProxyType[What, Callable[[Stage, Effort], None]](
    {
        What.SUBMIT: queueing.submit,
        What.WAIT: queueing.wait,
        What.RESUME: queueing.resume,
        What.CREATE: queueing.create,
        What.BIND: queueing.bind,
        What.RUN: attempts.run_containers,
        What.AGAIN: attempts.again,
        What.STRIKE: attempts.strike,
        What.CHECK: attempts.check,
        What.GIVE_UP: start_up.give_up,
        What.REGROW: elastic.regrow,
        What.MAKE_ROOM: rivalry.make_room,
    }
)
"""What each event does to its run."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """
    A simulated cluster.

    Args:
        raws: What can be seen, in the order in which it is seen.
        truth: What happened.
    """

    raws: list[Raw]
    truth: Truth


def simulate(
    preset: Preset,
    seed: int,
    *,
    days: float | None = None,
    noise: Noise | None = None,
    start_ns: int = START_NS,
) -> Simulated:
    """
    Live through a cluster once.

    Args:
        preset: What to simulate.
        seed: The same seed gives the same bytes.
        days: How long; the preset's own time unless told.
        noise: How it is seen; the ordinary noise unless told.
        start_ns: The beginning, on the ledger's clock.
    """
    length_ns = round((preset.days if days is None else days) * DAY_NS)
    seen_with = Noise() if noise is None else noise
    stage = Stage(preset, seed, seen_with, start_ns, start_ns + length_ns)
    for plan in (*preset.runs, *arrivals(preset, seed, length_ns)):
        _enter(stage, plan)
    while (event := stage.next()) is not None:
        _happen(stage, event)
    for effort in _seen(stage):
        attempts.stop(stage, effort)
    runs = tuple(effort.book.run for effort in _seen(stage))
    truth = Truth(preset.name, seed, start_ns, stage.end_ns, runs)
    chance = Chance(seed, "delivery")
    return Simulated(
        delivered(stage.scribe.raws, seen_with, chance, stage.end_ns), truth
    )


def _enter(stage: Stage, plan: RunPlan) -> None:
    run = TrueRun(plan.name, plan.asked)
    book = Book(run, plan.training, stage.start_ns)
    names = queueing.names_of(plan, stage.seed, 1)
    stage.efforts.append(Effort(plan, book, names, goal=plan.steps))
    stage.later(stage.start_ns + plan.submit_ns, What.SUBMIT, stage.efforts[-1])


def _seen(stage: Stage) -> Sequence[Effort]:
    """Return the runs that were submitted before the end."""
    return [effort for effort in stage.efforts if effort.book.run.spans]


def _happen(stage: Stage, event: Event) -> None:
    effort = event.effort
    if event.what is What.REPAIR:
        for place in event.places:
            repair(stage, place)
        queueing.serve(stage)
    elif event.what is What.RELEASE and effort is not None:
        for place in event.places:
            stage.pool.release(place, effort.plan.gpus_per_pod)
        queueing.serve(stage)
    elif effort is not None and _is_current(event, effort):
        HANDLERS[event.what](stage, effort)


def _is_current(event: Event, effort: Effort) -> bool:
    if event.what is not What.SUBMIT and effort.status is Status.OVER:
        return False
    return event.attempt in (-1, effort.attempts)
