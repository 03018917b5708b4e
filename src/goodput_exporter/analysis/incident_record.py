"""One interruption as a record: what it took, what it cost, why, and on which node."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.analysis.incident_events import (
    opened,
)
from goodput_exporter.analysis.money import Cost
from goodput_exporter.analysis.records import DECIDED, Interruption
from goodput_exporter.domain.bookings import EventKind, RunEvent
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.states import LAYER_OF, Cause, Layer, RunState

NODE: Final = re.compile(r"\b(?:node|gpu)/([^\s/:;,]+)")
"""How evidence names a node: as its subject, or as where its GPU is."""


@dataclass(frozen=True, slots=True)
class Correction:
    """
    A better cause for an incident, and who or what knew it.

    Args:
        at_ns: When it was decided.
        from_cause, to_cause: Before and after.
        rule: The rule's id, or ``"person"``.
        by, note: Who, and why.
    """

    at_ns: int
    from_cause: Cause
    to_cause: Cause
    rule: str
    by: str
    note: str


@dataclass(frozen=True, slots=True)
class IncidentRecord:
    """
    One interruption of one run; what is not known is None.

    Args:
        run, number: Whose, and which: it counts within the run, from 1.
        began_ns: The last completed step before it, or when its attempt began.
        detected_ns: When the first rank's incarnation ended.
        returned_ns: When the last missing rank was back.
        recovered_ns: When the first step above the high-water mark was complete.
        ended_ns: Where it ends at the latest: recovered, taken over by the next
            one, or the end of what the ledger knows.
        how: By what the run came back.
        cause, rule: Why, by which rule; of the view that is asked for.
        evidence: The observations that the rule rests on.
        nodes: Those that the evidence names, else those that the run was on; None
            where nobody knows.
        restored_step, lost_steps, lost_tokens: What it resumed from, and how much
            of the work was gone.
        first_node: Where the first rank ended; None unknown.
        preempted_by: The run that took its place; None where nobody did, or nobody
            knows.
        corrections: Better causes that came later, oldest first.
        wall_ns: Wall time that follows from it, by what the run did then.
        gpu_ns: GPU time that it cost, by the view's state; bad states only.
        by_cause: The same GPU time by cause: a hang inside another incident
            stays a hang.
        cost: Of that time; None where no prices were given.
    """

    run: RunKey
    number: int
    began_ns: int
    detected_ns: int
    returned_ns: int | None
    recovered_ns: int | None
    ended_ns: int
    how: str | None
    cause: Cause
    rule: str
    evidence: tuple[str, ...]
    nodes: tuple[str, ...] | None
    restored_step: int | None
    lost_steps: int | None
    lost_tokens: int | None
    first_node: str | None = None
    preempted_by: RunKey | None = None
    corrections: tuple[Correction, ...] = ()
    wall_ns: Mapping[RunState, int] = field(default_factory=dict)
    gpu_ns: Mapping[RunState, int] = field(default_factory=dict)
    by_cause: Mapping[Cause, int] = field(default_factory=dict)
    cost: Cost | None = None

    @property
    def total_gpu_ns(self) -> int:
        """Return all GPU time that it cost."""
        return sum(self.gpu_ns.values())

    @property
    def waited_ns(self) -> int:
        """Return for how long the run's GPUs were not all available to it."""
        waiting = (s for s in self.wall_ns if LAYER_OF[s] is Layer.INFRASTRUCTURE)
        return sum(self.wall_ns[state] for state in waiting)

    @property
    def restarted_ns(self) -> int:
        """Return for how long it started up again."""
        return self.wall_ns.get(RunState.INITIALIZING, 0)

    @property
    def restored_ns(self) -> int:
        """Return for how long it loaded a checkpoint."""
        return self.wall_ns.get(RunState.RESTORING, 0)

    @property
    def recomputed_ns(self) -> int:
        """Return for how long it redid steps."""
        return self.wall_ns.get(RunState.RECOMPUTING, 0)

    def as_interruption(self) -> Interruption:
        """Return what the statistics read of it."""
        return Interruption(
            run=self.run,
            number=self.number,
            cause=self.cause,
            detected_ns=self.detected_ns,
            ended_ns=self.ended_ns,
            recovered=self.recovered_ns is not None,
            gpu_ns=self.gpu_ns,
            node=blamed_node(self.nodes or (), self.first_node, self.cause),
            preempted_by=self.preempted_by,
        )


def blamed_node(
    nodes: Sequence[str], first_node: str | None, cause: Cause
) -> str | None:
    """
    Return the node that an interruption began on: the only one, else the first end's.

    In a hang the first rank to end is the one whose patience ended first, which
    says nothing of its node.

    Args:
        nodes: Those that the evidence names, else those that the run was on.
        first_node: Where the first rank, or the first pod of the evidence, ended.
        cause: Why.
    """
    if len(nodes) == 1:
        return nodes[0]
    return None if cause is Cause.HANG else first_node


def named_nodes(evidence: Iterable[str]) -> tuple[str, ...]:
    """Return the nodes that evidence names, in its order."""
    return tuple(dict.fromkeys(NODE.findall("; ".join(evidence))))


def struck_by(event: RunEvent) -> tuple[str, Cause] | None:
    """
    Return the node and the cause of a failure, as it was known when it was detected.

    None for any other event, for what somebody decided, and where nobody knows the
    node.
    """
    if event.kind is not EventKind.INTERRUPTED:
        return None
    story = opened(event, event.at_ns)
    if story.cause in DECIDED:
        return None
    nodes = named_nodes(story.evidence) or story.nodes
    node = blamed_node(nodes, story.first_node, story.cause)
    return None if node is None else (node, story.cause)
