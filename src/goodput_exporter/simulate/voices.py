"""Who reports of an attempt, and what they have said when it is over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from goodput_exporter.domain.states import Phase
from goodput_exporter.simulate.acts import Act
from goodput_exporter.simulate.chance import Chance, incarnation_of
from goodput_exporter.simulate.effort import Effort, Voice
from goodput_exporter.simulate.raw import Raw
from goodput_exporter.simulate.stage import Stage
from goodput_exporter.simulate.telling import (
    BOOT_NS,
    PERIOD_NS,
    Losses,
    Speaker,
    datagrams,
    exit_of,
    own_acts,
)

FIRST_PID: Final = 1000


def reporters(effort: Effort, most: int) -> tuple[int, ...]:
    """
    Return the ranks that report: rank 0 and the last ones, in every attempt.

    Args:
        effort: Whose.
        most: So many; 0 is all of them.
    """
    world = effort.plan.asked
    if most == 0 or most >= world:
        return tuple(range(world))
    return (0, *range(world - most + 1, world))


def told(stage: Stage, effort: Effort, acts: tuple[Act, ...]) -> Iterator[Raw]:
    """
    Yield what every voice of an attempt that is over has said, and its end.

    Args:
        stage: The cluster.
        effort: Whose attempt.
        acts: What was lived, up to the end.
    """
    if not acts:
        return
    for voice in effort.voices:
        speaker = _speaker(stage, effort, voice, acts)
        lived = own_acts(_acts_of(acts, voice), voice.rank, speaker.end_ns)
        durable = [
            (act.durable_ns, act.saved)
            for act in lived
            if act.durable_ns is not None and act.saved is not None
        ]
        chance = Chance(stage.seed, "losses", speaker.incarnation)
        losses = Losses(stage.noise.lost, chance)
        yield from datagrams(lived, durable, speaker, stage.preset.heartbeat_ns, losses)
        if voice.end_ns is not None and not voice.is_silent:
            yield exit_of(speaker, voice.code)


def _acts_of(acts: tuple[Act, ...], voice: Voice) -> tuple[Act, ...]:
    """Return an attempt's acts for a rank that may have joined it later."""
    if acts and voice.start_ns < acts[0].start_ns:
        return (Act(voice.start_ns, acts[0].start_ns, Phase.INIT), *acts)
    if voice.joins_ns <= voice.start_ns:
        return acts
    shared = tuple(act for act in acts if act.start_ns >= voice.joins_ns)
    joins_ns = shared[0].start_ns if shared else acts[-1].end_ns
    return (Act(voice.start_ns, joins_ns, Phase.INIT), *shared)


def _speaker(
    stage: Stage, effort: Effort, voice: Voice, acts: tuple[Act, ...]
) -> Speaker:
    words = (stage.seed, effort.name, effort.attempts, voice.rank, voice.start_ns)
    chance = Chance("voice", *words)
    restored = None if effort.life is None else effort.life.restored
    if voice.start_ns > acts[0].start_ns:
        before = [act for act in acts if act.steps and act.end_ns <= voice.joins_ns]
        restored = before[-1].first + before[-1].steps - 1 if before else restored
    return Speaker(
        incarnation_of(*words),
        effort.name,
        voice.rank,
        effort.plan.asked,
        FIRST_PID + chance.below(4_000_000),
        voice.start_ns,
        acts[-1].end_ns if voice.end_ns is None else voice.end_ns,
        chance.below(PERIOD_NS),
        restored,
        voice.code == 0,
        stage.start_ns - BOOT_NS,
        tuple(effort.dense),
    )


def end_all(
    voices: Iterable[Voice], hit: int | None, ended_ns: int, chance: Chance, code: int
) -> int:
    """
    Let every voice that is left end after the first one, and return the last end.

    They are torn down: by the launcher, the kubelet or their own watchdog.
    """
    last_ns = ended_ns
    for voice in voices:
        if voice.rank == hit or voice.end_ns is not None:
            continue
        voice.end_ns = ended_ns + chance.between_ns(0.3, 6)
        voice.code = code
        last_ns = max(last_ns, voice.end_ns)
    return last_ns
