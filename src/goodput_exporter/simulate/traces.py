"""A blow and the evidence that it leaves: some of it lost, some of it misleading."""

from __future__ import annotations

from dataclasses import dataclass, field

from goodput_exporter.simulate.chance import Chance
from goodput_exporter.simulate.effort import Effort
from goodput_exporter.simulate.mishaps import TABLE, Mishap
from goodput_exporter.simulate.plans import SECOND_NS
from goodput_exporter.simulate.signs import SECONDS, Scene, Sign, signs_of
from goodput_exporter.simulate.stage import Stage
from goodput_exporter.simulate.truth import TrueIncident

APART_NS = 3 * SECOND_NS
"""Two causes are at least so far apart: dates are whole seconds of skewed clocks."""


@dataclass(slots=True)
class Blow:
    """
    One mishap as it happens to one run.

    Args:
        mishap, pod: What, and to which of the pods.
        began_ns, ended_ns: Its first event; the end of the first rank.
        chance: Its own stream.
        place: The machine that is hit, once that is known.
    """

    mishap: Mishap
    pod: int
    began_ns: int
    ended_ns: int
    chance: Chance
    place: int | None = None


@dataclass(slots=True)
class Traces:
    """
    The evidence that is left.

    Args:
        signs: Those that can be seen.
        exit_is_seen: Exit codes of the first rank and of its container are.
        word_is_seen: What the workload or the waiting container says is.
    """

    signs: list[Sign] = field(default_factory=list)
    exit_is_seen: bool = True
    word_is_seen: bool = True


def leave_traces(stage: Stage, effort: Effort, blow: Blow) -> Traces:
    """Write down what a blow shows of itself, and note what the truth must know."""
    scene = scene_of(stage, effort, blow)
    incident = effort.book.run.incidents[-1]
    signs = signs_of(blow.mishap, scene)
    share = stage.noise.without_evidence
    kept = [s for s in signs if not (s.can_be_lost and stage.evidence.happens(share))]
    incident.has_evidence = any(sign.tells for sign in kept)
    _overlap(stage, scene, blow, incident)
    for sign in kept:
        stage.scribe.raws.extend(sign.raws)
    return Traces(
        kept,
        _survives(signs, kept, "is_exit"),
        _survives(signs, kept, "is_word"),
    )


def _survives(signs: list[Sign], kept: list[Sign], what: str) -> bool:
    """Return False only where such a sign was there and was lost."""
    return not any(getattr(sign, what) for sign in signs if sign not in kept)


def scene_of(stage: Stage, effort: Effort, blow: Blow) -> Scene:
    """Return where a blow falls."""
    blow.place = effort.places[blow.pod]
    one = effort.pods[blow.pod]
    node = one.node or ""
    gpus = stage.preset.gpus_per_node
    return Scene(
        blow.began_ns, blow.ended_ns, one.name, node, gpus, stage.skew_ns(node)
    )


def _overlap(stage: Stage, scene: Scene, blow: Blow, incident: TrueIncident) -> None:
    """Perhaps let a second cause begin before the first has ended anything."""
    notice_ns = scene.ended_ns - scene.began_ns
    options = [m for m in SECONDS if TABLE[m].cause is not incident.cause]
    if notice_ns < 2 * APART_NS or not stage.evidence.happens(stage.noise.overlapping):
        return
    room_s = (notice_ns - APART_NS) / SECOND_NS
    began_ns = scene.began_ns + APART_NS + blow.chance.between_ns(0, room_s)
    second = options[blow.chance.below(len(options))]
    later = Scene(
        began_ns, scene.ended_ns, scene.pod, scene.node, scene.gpus, scene.skew_ns
    )
    incident.overlaps = TABLE[second].cause
    for sign in signs_of(second, later):
        if sign.tells:
            stage.scribe.raws.extend(sign.raws)
