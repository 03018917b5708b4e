"""What comes late: agents are cut off for a while, and then push what they kept."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from goodput_exporter.domain.fold import Observation, observe
from goodput_exporter.domain.placement import Placement
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import NS_PER_SECOND
from tests.fakes.stories import START_S, Observer, heard_ns

Arrival = tuple[float, Observation]
"""When an observation comes in, in the story's seconds, and what it is."""

PUSH_S = 3.0
"""Between two pushes of one spool."""


@dataclass(frozen=True)
class CutOff:
    """
    Nothing that is dated in ``[from_s, to_s)`` comes in before *to_s*.

    Args:
        from_s, to_s: In the story's seconds.
        pushes: In so many parts, oldest first, the spool comes then; what is newer
            waits for the last of them.
    """

    from_s: float
    to_s: float
    pushes: int = 1

    def arrives_s(self, at_s: float) -> float:
        """Return when something dated *at_s* comes in."""
        last_s = self.to_s + PUSH_S * (self.pushes - 1)
        if self.from_s <= at_s < self.to_s:
            share = (at_s - self.from_s) / (self.to_s - self.from_s)
            return self.to_s + PUSH_S * int(share * self.pushes)
        return last_s if self.to_s <= at_s < last_s else at_s


def arriving(seen: Iterable[Observation], *cuts: CutOff) -> list[Arrival]:
    """Return when what is seen comes in; pods are seen in another way, in time."""
    found: list[Arrival] = []
    for one in seen:
        at_s = heard_ns(one) / NS_PER_SECOND - START_S
        late_s = 0.0
        if not isinstance(one, Placement):
            late_s = max((cut.arrives_s(at_s) for cut in cuts), default=0.0)
        found.append((max(at_s, late_s), one))
    return sorted(found, key=lambda arrival: arrival[0])


def jumbled(arrivals: Iterable[Arrival], dice: random.Random) -> list[Arrival]:
    """Let what comes in one push come in any order, and some of it twice."""
    some = list(arrivals)
    some += [arrival for arrival in some if dice.random() < 0.2]
    dice.shuffle(some)
    return sorted(some, key=lambda arrival: arrival[0])


def watched(
    arrivals: Sequence[Arrival],
    until_s: float,
    rules: Rules | None = None,
    *,
    tick_s: float = 1.0,
    look: Callable[[Observer], None] = lambda _: None,
) -> Observer:
    """Watch a run by what comes in, whenever that happened; *look* at every tick."""
    story, position = Observer(rules, tick_s=tick_s), 0
    while story.now_s < until_s:
        story.now_s += tick_s
        while position < len(arrivals) and arrivals[position][0] <= story.now_s:
            observe(story.fold, arrivals[position][1])
            position += 1
        story.tick()
        look(story)
    return story
