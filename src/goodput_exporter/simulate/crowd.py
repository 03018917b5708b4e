"""Runs that nobody planned: they arrive by chance, of many sizes."""

from __future__ import annotations

from collections.abc import Iterator

from goodput_exporter.simulate.chance import Chance
from goodput_exporter.simulate.plans import (
    DAY_NS,
    HOUR_NS,
    MINUTE_NS,
    Preset,
    Restart,
    RunPlan,
    Training,
)

LEAST_STEPS = 60


def arrivals(preset: Preset, seed: int, length_ns: int) -> Iterator[RunPlan]:
    """Yield the runs of a crowd, in the order of their submission."""
    crowd = preset.crowd
    if crowd is None:
        return
    chance = Chance(seed, "crowd")
    sizes = [gpus for gpus, _ in crowd.sizes]
    weights = [weight for _, weight in crowd.sizes]
    at_ns, number = 0, 0
    while True:
        at_ns += chance.after_ns(DAY_NS / crowd.per_day)
        if at_ns >= length_ns:
            return
        number += 1
        gpus = chance.one_of(sizes, weights)
        per_pod = min(gpus, preset.gpus_per_node)
        training = _training(chance)
        work_ns = chance.after_ns(crowd.hours * HOUR_NS)
        yield RunPlan(
            f"crowd-{number:05d}",
            gpus // per_pod,
            per_pod,
            training,
            restart=Restart.GANG if gpus > per_pod else Restart.IN_PLACE,
            is_queued=chance.happens(0.5),
            priority=10 if chance.happens(crowd.urgent) else 0,
            submit_ns=at_ns,
            steps=max(LEAST_STEPS, work_ns // training.step_ns),
            team=f"team-{chance.below(5)}",
        )


def _training(chance: Chance) -> Training:
    step_ns = chance.between_ns(4, 20)
    return Training(
        step_ns=step_ns,
        init_ns=chance.between_ns(40, 180),
        save_every=max(10, round(30 * MINUTE_NS / step_ns)),
        save_ns=chance.between_ns(5, 40),
        upload_ns=chance.between_ns(30, 120) if chance.happens(0.5) else 0,
        evaluate_every=max(30, round(3 * HOUR_NS / step_ns)),
        data_wait_every_ns=4 * HOUR_NS,
        slow_every_ns=DAY_NS,
    )
