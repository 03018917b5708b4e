"""A run's pods as a script: the notation of stories in a cluster."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from goodput_exporter.domain.placement import Ended, Owner, Placement, Stage
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.states import How
from tests.fakes.ranks import ns
from tests.fakes.stories import KEY, START_S


@dataclass
class Pods:
    """
    Where a run's pods stand; instants in the story's seconds.

    ``Pods(asked=8).at(0, "queued").at(60, "running")`` waits a minute.
    """

    asked: int = 8
    elastic: bool = False
    nodes: tuple[str, ...] = ("n1",)
    key: RunKey = KEY
    owner: Owner = field(default_factory=lambda: Owner(kind="Job", name="story"))
    said: list[Placement] = field(default_factory=list)

    def at(
        self,
        at_s: float,
        stage: str,
        *,
        reason: str = "",
        how: How | None = None,
        running: int | None = None,
    ) -> Self:
        """Stand at a stage from an instant on."""
        there = self.asked if stage == "running" else 0
        placement = Placement(
            self.key,
            ns(START_S + at_s),
            Stage(stage),
            asked=self.asked,
            running=there if running is None else running,
            is_elastic=self.elastic,
            owner=self.owner,
            pods=("default/story-0",),
            nodes=self.nodes,
            how=how,
            reason=reason,
        )
        self.said.append(placement)
        return self

    def ends(self, at_s: float, how: str) -> Self:
        """Let the workload end."""
        last = self.said[-1]
        end = replace(last, at_ns=ns(START_S + at_s), ended=Ended(how))
        self.said.append(end)
        return self
