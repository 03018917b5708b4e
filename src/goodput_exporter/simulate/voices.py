"""Who reports of an attempt, and what they have said when it is over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from goodput_exporter.domain.states import Phase
from goodput_exporter.simulate.acts import Act
from goodput_exporter.simulate.chance import Chance, incarnation_of
from goodput_exporter.simulate.effort import Effort, Voice
from goodput_exporter.simulate.raw import Raw
from goodput_exporter.simulate.telling import (
    BOOT_NS,
    PERIOD_NS,
    Speaker,
    datagrams,
    exit_of,
    own_acts,
)

FIRST_PID: Final = 1000


def reporters(effort: Effort, most: int, hit: int | None) -> tuple[int, ...]:
    """
    Return the ranks that report: rank 0, the one that is hit, and some others.

    Args:
        effort: Whose.
        most: So many at least; 0 is all of them.
        hit: The rank that will end first, where that is one.
    """
    world = effort.plan.asked
    if most == 0 or most >= world:
        return tuple(range(world))
    chosen = {0, *(world - 1 - n for n in range(most - 1))}
    if hit is not None:
        chosen.add(hit)
    return tuple(sorted(chosen))


def told(
    effort: Effort, acts: tuple[Act, ...], begins_ns: int, every_ns: int, seed: int
) -> Iterator[Raw]:
    """
    Yield what every voice of an attempt that is over has said, and its end.

    Args:
        effort: Whose attempt.
        acts: What was lived, up to the end.
        begins_ns: Of the simulation; machines booted before it.
        every_ns: How often a report is kept where nothing changes.
        seed: Of the simulation.
    """
    if not acts:
        return
    for voice in effort.voices:
        speaker = _speaker(effort, voice, acts, begins_ns, seed)
        lived = own_acts(_acts_of(acts, voice), voice.rank, speaker.end_ns)
        durable = [
            (act.durable_ns, act.saved)
            for act in lived
            if act.durable_ns is not None and act.saved is not None
        ]
        yield from datagrams(lived, durable, speaker, every_ns)
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
    effort: Effort, voice: Voice, acts: tuple[Act, ...], begins_ns: int, seed: int
) -> Speaker:
    words = (seed, effort.name, effort.attempts, voice.rank, voice.start_ns)
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
        begins_ns - BOOT_NS,
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
