"""What one rank says of its life: cumulative state in datagrams, at its own rhythm."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import Phase
from goodput_exporter.simulate.acts import Act
from goodput_exporter.simulate.chance import Chance
from goodput_exporter.simulate.plans import SECOND_NS
from goodput_exporter.simulate.raw import Body, Raw, Via

PERIOD_NS: Final = 2 * SECOND_NS
"""Senders speak so often. What is between two changes says nothing new, and only
one report in *every_ns* of it is kept; beside a change both neighbours are."""
BOOT_NS: Final = 10 * 86_400 * SECOND_NS
"""Every machine booted so long before the beginning."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """
    One life of one rank.

    Args:
        incarnation, run, rank, world, pid: Who speaks.
        start_ns: When its process began; its acts begin there too.
        end_ns: When its process ended, or its node fell silent.
        offset_ns: Where in the period it speaks.
        restored: The step that it resumed from; None is a fresh start.
        says_bye: It ends well, with a goodbye.
        boot_ns: Its machine's boot, on the ledger's clock.
        dense: (from, to) times in which all of its reports are kept.
    """

    incarnation: str
    run: str
    rank: int
    world: int
    pid: int
    start_ns: int
    end_ns: int
    offset_ns: int
    restored: int | None
    says_bye: bool
    boot_ns: int
    dense: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Losses:
    """
    Datagrams that never come.

    Args:
        share: Of all.
        chance: A stream of its own.
    """

    share: float
    chance: Chance

    def missed(self) -> int:
        """Return how many are lost in a row."""
        count = 0
        while count < LONGEST_GAP and self.chance.happens(self.share):
            count += 1
        return count


LONGEST_GAP: Final = 20


def own_acts(acts: tuple[Act, ...], rank: int, end_ns: int) -> list[Act]:
    """
    Return a run's acts as one rank lives them, up to its own end.

    Where another one waits for data it waits inside its step. What it does last
    it does until it ends.
    """
    own = [
        replace(act, phase=Phase.TRAIN_STEP, steps=0, step_ns=1)
        if act.culprit not in (None, rank)
        else act
        for act in acts
        if act.start_ns < end_ns
    ]
    if own:
        own[-1] = replace(own[-1], end_ns=end_ns)
    return own


def instants(
    acts: list[Act], speaker: Speaker, every_ns: int, losses: Losses
) -> list[int]:
    """
    Return when reports are kept: around every change, and so often between.

    Where one of them is lost its neighbour is kept, which would have said nothing
    new otherwise.
    """
    first_ns = speaker.start_ns + speaker.offset_ns
    changes = [act.start_ns for act in acts] + [speaker.end_ns]
    kept: set[int] = set()
    for at_ns in changes:
        after = -(-(at_ns - first_ns) // PERIOD_NS)
        kept.update((after - 1 - losses.missed(), after + losses.missed()))
    for from_ns, to_ns in speaker.dense:
        kept.update(
            range((from_ns - first_ns) // PERIOD_NS, (to_ns - first_ns) // PERIOD_NS)
        )
    last = (speaker.end_ns - 1 - first_ns) // PERIOD_NS
    kept.update(range(0, last + 1, max(1, every_ns // PERIOD_NS)))
    return [first_ns + k * PERIOD_NS for k in sorted(kept) if 0 <= k <= last]


def datagrams(
    acts: list[Act],
    durable: list[tuple[int, int]],
    speaker: Speaker,
    every_ns: int,
    losses: Losses,
) -> Iterator[Raw]:
    """
    Yield what a rank sends.

    Args:
        acts: Its own, without a gap from its start to its end.
        durable: (when, step) of checkpoints as they were committed, in order.
        speaker: Who it is.
        every_ns: How often a report is kept where nothing changes.
        losses: What never comes.
    """
    if not acts:
        return
    story = _Story(acts, durable, speaker)
    sent = [speaker.start_ns, *instants(acts, speaker, every_ns, losses)]
    for seq, at_ns in enumerate(sent):
        said = story.state(at_ns)
        kind = "hb" if seq else "hello"
        yield _raw(at_ns, {"v": 1, "t": kind, "seq": seq} | said, speaker)
    if speaker.says_bye:
        said = story.state(speaker.end_ns)
        head = {"v": 1, "t": "bye", "seq": len(sent), "ok": 1}
        yield _raw(speaker.end_ns, head | said, speaker)


def _raw(at_ns: int, said: Body, speaker: Speaker) -> Raw:
    told = json.dumps(said, separators=(",", ":"))
    body = {"pid": speaker.pid, "incarnation": speaker.incarnation}
    return Raw(at_ns, Via.DATAGRAM, body, text=told)


class _Story:
    """One rank's acts with sums before each, so that any instant is found at once."""

    def __init__(
        self, acts: list[Act], durable: list[tuple[int, int]], speaker: Speaker
    ) -> None:
        self._acts = acts
        self._starts = [act.start_ns for act in acts]
        self._speaker = speaker
        self._durable = durable
        self._before: list[tuple[dict[Phase, int], int, int, int | None, int]] = []
        cum: dict[Phase, int] = {}
        done, last_ns, saved, phase_ns = 0, speaker.start_ns, None, speaker.start_ns
        for index, act in enumerate(acts):
            if index == 0 or acts[index - 1].phase is not act.phase:
                phase_ns = act.start_ns
            self._before.append((dict(cum), done, last_ns, saved, phase_ns))
            cum[act.phase] = cum.get(act.phase, 0) + act.end_ns - act.start_ns
            if act.steps:
                done += act.steps
                last_ns = act.start_ns + act.steps * act.step_ns
            saved = act.saved if act.saved is not None else saved

    def state(self, at_ns: int) -> Body:
        """Return the fields of a message that is sent at *at_ns*."""
        speaker = self._speaker
        index = max(0, bisect_right(self._starts, at_ns) - 1)
        act = self._acts[index]
        before, done, last_ns, saved, phase_ns = self._before[index]
        inside_ns = at_ns - act.start_ns
        cum = before | {act.phase: before.get(act.phase, 0) + inside_ns}
        if act.steps:
            count = min(act.steps, inside_ns // act.step_ns)
            done += count
            last_ns = act.start_ns + count * act.step_ns if count else last_ns
        said: Body = {
            "inc": speaker.incarnation,
            "run": speaker.run,
            "rank": speaker.rank,
            "ws": speaker.world,
            "up": _seconds(at_ns - speaker.start_ns),
            "ph": act.phase.value,
            "pa": _seconds(at_ns - phase_ns),
            "cum": {phase.value: _seconds(ns) for phase, ns in cum.items() if ns},
            "sn": done,
            "mo": _seconds(at_ns - speaker.boot_ns),
        }
        return said | self._progress(act, done, at_ns - last_ns, saved, at_ns)

    def _progress(
        self, act: Act, done: int, age_ns: int, saved: int | None, at_ns: int
    ) -> Body:
        restored = self._speaker.restored
        first = 0 if restored is None else restored + 1
        said: Body = {}
        if act.phase not in (Phase.INIT, Phase.CHECKPOINT_RESTORE):
            said["rs"] = first - 1
        if done:
            said["st"] = first + done - 1
            said["sa"] = _seconds(age_ns)
        if saved is not None:
            said["cs"] = saved
        known = bisect_left(self._durable, (at_ns, 2**62))
        if known:
            said["cd"] = self._durable[known - 1][1]
        return said


def _seconds(ns: int) -> float:
    return round(ns / NS_PER_SECOND, 6)


def exit_of(speaker: Speaker, code: int | None) -> Raw:
    """Return the end of a rank's process as the kernel tells it; minus a signal."""
    body: Body = {"incarnation": speaker.incarnation, "pid": speaker.pid}
    if code is not None:
        body["code"] = code
    return Raw(speaker.end_ns, Via.EXIT, body)
