"""From counts of a run's pods to its stage: the first line that holds decides."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.domain.placement import Stage
from goodput_exporter.sources.workloads.pod_words import PodStage, PodWord

PRESENT: Final = (
    PodStage.GATED,
    PodStage.SCHEDULING,
    PodStage.PROVISIONING,
    PodStage.RUNNING,
    PodStage.CRASHED,
    PodStage.DONE,
)
"""Stages of pods that are there, and that nobody has told to go."""

BROKEN: Final = frozenset(
    {PodStage.CRASHED, PodStage.FAILED, PodStage.LOST, PodStage.STUCK, PodStage.GONE}
)
LIVES: Final = frozenset({PodStage.RUNNING, PodStage.LEAVING})
SCALED_TO_ZERO: Final = "ScaledToZero"


@dataclass(slots=True)
class Tally:
    """
    The devices of a run's pods, by stage, at one instant.

    Args:
        devices: By stage.
        reasons: By stage and reason.
        words: The word on every pod.
        broke: The reason of what broke last.
    """

    devices: Counter[PodStage] = field(default_factory=Counter)
    reasons: Counter[tuple[PodStage, str]] = field(default_factory=Counter)
    words: dict[str, PodWord] = field(default_factory=dict)
    broke: str = ""

    def put(self, uid: str, devices: int, word: PodWord) -> None:
        """Count a pod with what holds of it now, instead of what held before."""
        before = self.words.get(uid)
        if before is not None:
            self.devices[before.stage] -= devices
            self.reasons[before.stage, before.reason] -= devices
        self.devices[word.stage] += devices
        self.reasons[word.stage, word.reason] += devices
        self.words[uid] = word
        # A pod that is swept up after it failed is no news.
        was_broken = before is not None and before.stage in BROKEN
        is_news = not was_broken or word.stage is PodStage.FAILED
        if word.stage in BROKEN and is_news:
            self.broke = word.reason

    @property
    def at_work(self) -> int:
        """Return the devices of pods that are there to stay and not done."""
        return self.present - self.devices[PodStage.DONE]

    @property
    def present(self) -> int:
        """Return the devices of pods that are there to stay."""
        return sum(self.devices[stage] for stage in PRESENT)

    @property
    def is_leaving(self) -> bool:
        """Return whether a pod that was told to go still runs."""
        return self.devices[PodStage.LEAVING] > 0

    def done(self, asked: int) -> int:
        """
        Return the devices of pods that are done and are part of the run.

        Where its controller has made others after them, they hold nothing.
        """
        return min(self.devices[PodStage.DONE], max(0, asked - self.at_work))

    def leaving(self, asked: int) -> int:
        """
        Return the devices that still run in pods that were told to go.

        Where a replacement exists, the one that goes is no part of the run.
        """
        room = max(0, asked - self.at_work - self.done(asked))
        return min(self.devices[PodStage.LEAVING], room)

    def running(self, asked: int) -> int:
        """Return the devices of pods whose containers run."""
        return self.devices[PodStage.RUNNING] + self.leaving(asked)

    def why(self, stage: PodStage) -> str:
        """Return the reason that holds most devices of a stage back."""
        found = [
            (-devices, reason)
            for (at, reason), devices in self.reasons.items()
            if at is stage and devices > 0
        ]
        return min(found)[1] if found else ""


@dataclass(frozen=True, slots=True)
class Ground:
    """
    What decides besides the pods.

    Args:
        asked: Devices that the run asks for.
        suspended: Why it may not run; ``""`` where it may.
        was_admitted: It was let in before.
        has_run: One of its pods ran before.
        peak: The most devices that were there since all ran last, or since it was
            let in.
    """

    asked: int
    suspended: str
    was_admitted: bool
    has_run: bool
    peak: int


def stage_of(tally: Tally, ground: Ground) -> tuple[Stage, str]:
    """
    Return where a run's missing pods stand, and the word behind it.

    A pod that was there and is not is an incarnation that ended; one that was never
    there is one that its controller has still to make.
    """
    asked, devices = ground.asked, tally.devices
    done = tally.done(asked)
    here = tally.at_work + done + tally.leaving(asked)
    runs = tally.running(asked) + done
    waits = Stage.SUSPENDED if ground.was_admitted else Stage.QUEUED
    broken = devices[PodStage.CRASHED] or (
        ground.has_run and here < min(asked, ground.peak)
    )
    refused = "" if ground.has_run else tally.broke
    why = tally.why
    lines = (
        (0 < asked <= runs, Stage.RUNNING, ""),
        (ground.suspended, waits, ground.suspended),
        (not asked, waits, SCALED_TO_ZERO),
        (broken, Stage.DOWN, why(PodStage.CRASHED) or tally.broke),
        (devices[PodStage.GATED], waits, why(PodStage.GATED)),
        (not ground.was_admitted, Stage.QUEUED, tally.broke),
        (devices[PodStage.SCHEDULING], Stage.SCHEDULING, why(PodStage.SCHEDULING)),
        (here < asked, Stage.SCHEDULING, refused or "PodsNotCreated"),
        (True, Stage.PROVISIONING, why(PodStage.PROVISIONING)),
    )
    return next((stage, reason) for holds, stage, reason in lines if holds)
