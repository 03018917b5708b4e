"""A rank that lives a script and says so in datagrams: the notation of the stories."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Self

from goodput_exporter.domain.spans import NS_PER_SECOND


@dataclass(frozen=True)
class Facts:
    """What a rank would say of itself, beside its phases, from one instant on."""

    step: int | None = None
    steps_done: int = 0
    step_s: float = 0.0
    restored: int | None = None
    saved: int | None = None
    durable: int | None = None


@dataclass
class Rank:
    """
    One incarnation's life as a script; times in seconds from its start.

    ``Rank().init(5).steps(0, 8, each=10).cut(10)`` is a rank that starts for
    five seconds, completes nine steps and is cut short in the tenth.
    """

    inc: str = "00000000000000a1"
    rank: int = 0
    world: int = 1
    begins_s: float = 0.0
    run: str = "story"
    pid: int = 4711
    local_steps: bool = False
    tokens_per_step: int | None = None
    spans: list[tuple[float, float, str]] = field(default_factory=list)
    facts: list[tuple[float, Facts]] = field(default_factory=list)
    turns: list[float] = field(default_factory=list)
    length_s: float = 0.0
    ends_ok: bool | None = None

    def _spend(self, phase: str, seconds: float) -> Self:
        if seconds > 0:
            self.spans.append((self.length_s, self.length_s + seconds, phase))
            self.length_s += seconds
        return self

    def _now(self) -> Facts:
        return self.facts[-1][1] if self.facts else Facts()

    def _learn(self, facts: Facts) -> Self:
        self.facts.append((self.length_s, facts))
        return self

    def init(self, seconds: float) -> Self:
        """Start up."""
        return self._spend("init", seconds)

    def phase(self, name: str, seconds: float) -> Self:
        """Spend time in any phase, in the words of the wire."""
        return self._spend(name, seconds)

    def data(self, seconds: float) -> Self:
        """Wait for input."""
        return self._spend("data_loading", seconds)

    def restore(self, seconds: float, step: int) -> Self:
        """Load a checkpoint of *step*."""
        self._spend("checkpoint_restore", seconds)
        return self._learn(replace(self._now(), restored=step, step_s=self.length_s))

    def save(self, seconds: float, step: int, *, durable: bool = True) -> Self:
        """Save *step*, blocking; durable once the call returns, unless told not."""
        self.turns.append(self.length_s)
        self._spend("checkpoint_save", seconds)
        facts = replace(self._now(), saved=step)
        return self._learn(replace(facts, durable=step) if durable else facts)

    def steps(self, first: int, last: int, *, each: float, data: float = 0.0) -> Self:
        """Complete steps, each after some waiting for data."""
        for step in range(first, last + 1):
            self._spend("data_loading", data)
            self._spend("train_step", each)
            now = self._now()
            self._learn(
                replace(
                    now, step=step, steps_done=now.steps_done + 1, step_s=self.length_s
                )
            )
        return self

    def skip(self, count: int, *, each: float) -> Self:
        """Execute steps that the optimizer skips: the step number stays."""
        for _ in range(count):
            self._spend("train_step", each)
            now = self._now()
            self._learn(
                replace(now, steps_done=now.steps_done + 1, step_s=self.length_s)
            )
        return self

    def declare(self, step: int) -> Self:
        """Say that it goes on from *step*, without any loading."""
        return self._learn(replace(self._now(), restored=step))

    def durable(self, step: int) -> Self:
        """Say that a save in the background is committed."""
        return self._learn(replace(self._now(), durable=step))

    def undurable(self) -> Self:
        """Take back what it said was committed, as the SDK does on a rollback."""
        return self._learn(replace(self._now(), saved=None, durable=None))

    def cut(self, seconds: float) -> Self:
        """Be inside a step that does not complete."""
        return self._spend("train_step", seconds)

    def bye(self, *, ok: bool = True) -> Self:
        """Say goodbye at the end of the script."""
        self.ends_ok = ok
        return self

    @property
    def ends_s(self) -> float:
        """Return when the script ends, in the story's seconds."""
        return self.begins_s + self.length_s

    def say(self, at_s: float, seq: int, *, kind: str = "hb") -> bytes:
        """
        Encode what it would say at one instant of its own life.

        Args:
            at_s: Seconds since its start.
            seq: The sender's count.
            kind: hello, hb or bye.
        """
        now = Facts()
        for learnt_s, facts in self.facts:
            if learnt_s <= at_s:
                now = facts
        local = self.local_steps
        message: dict[str, object] = {
            "v": 1,
            "t": kind,
            "inc": self.inc,
            "seq": seq,
            "run": self.run,
            "rank": self.rank,
            "ws": self.world,
            "up": at_s,
            **self._phases(at_s),
            "sn": now.steps_done,
            "sa": at_s - now.step_s,
            "st": now.steps_done if local and now.step is not None else now.step,
            "stl": 1 if local else None,
            "rs": now.restored,
            "cs": now.saved,
            "cd": now.durable,
            "src": "sdk",
        }
        if self.tokens_per_step is not None:
            message |= {"tk": self.tokens_per_step * now.steps_done, "sc": "g"}
        if kind == "bye":
            message["ok"] = 1 if self.ends_ok else 0
        said = {key: value for key, value in message.items() if value is not None}
        return json.dumps(said).encode()

    def _phases(self, at_s: float) -> dict[str, object]:
        cum: dict[str, float] = {}
        phase, since = "init", 0.0
        for start, end, name in self.spans:
            if start > at_s:
                break
            if name != phase:
                phase, since = name, start
            cum[name] = cum.get(name, 0.0) + min(end, at_s) - start
        spent = {name: length for name, length in cum.items() if length > 0}
        return {"ph": phase, "pa": at_s - since, "cum": spent}

    def datagrams(
        self, *, every_s: float = 2.0, until_s: float | None = None
    ) -> Iterator[tuple[float, bytes]]:
        """
        Yield (story second, datagram) as the SDK would send them.

        One at the start, one per interval, one on entering a slow phase, and
        a goodbye if the script has one. The last state before a cut is
        what the last interval said: nothing is sent at the end of a life.
        """
        slow = ("checkpoint_save", "checkpoint_restore", "eval", "init", "idle")
        length = self.length_s if until_s is None else min(self.length_s, until_s)
        turns = [start for start, _, name in self.spans if name in slow]
        beats = [every_s * n for n in range(int(length / every_s) + 1)]
        for seq, at_s in enumerate(sorted({0.0, *beats, *turns, *self.turns})):
            if at_s <= length:
                kind = "hello" if at_s == 0.0 else "hb"
                yield self.begins_s + at_s, self.say(at_s, seq, kind=kind)
        if self.ends_ok is not None and until_s is None:
            yield self.ends_s, self.say(self.length_s, 1_000_000, kind="bye")


def ns(seconds: float) -> int:
    """Turn story seconds into nanoseconds."""
    return round(seconds * NS_PER_SECOND)
