"""Who holds the GPUs of every node: what agents see, in the light of the API."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.domain.gpu_holdings import GpuHoldings, attributed_of
from goodput_exporter.domain.gpu_looks import (
    Looks,
    NodeStanding,
    PodStanding,
    replaced_of,
    stands_by_pods,
)
from goodput_exporter.domain.gpu_stands import NodeStand
from goodput_exporter.domain.holdings import Attributed, Holding
from goodput_exporter.domain.observations import GpuLost, GpuObservation, GpuReading
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.errors import BadInputError
from goodput_exporter.sources.workloads.pods import PodRecord
from goodput_exporter.sources.workloads.tracker import Tracker

PATIENCE_NS: Final = 30 * NS_PER_SECOND
"""Six pushes: a GPU that was read in none of them is missing, and a node that was
not looked at for longer stood nobody knows how."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class NodeGpus:
    """What one node's agent has told of its GPUs."""

    looks: Looks
    seen: dict[str, GpuObservation] = field(default_factory=dict)
    attributed: Attributed | None = None


class ClusterGpus:
    """
    Makes the cluster book's words of agents' deliveries.

    Args:
        tracker: Knows the pods and the nodes.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._nodes: dict[str, NodeGpus] = {}
        self.refused = 0

    def hear(self, name: str, observations: Iterable[object]) -> Iterator[NodeStand]:
        """Yield how a node's GPUs stand by its agent's newest word."""
        samples: list[GpuObservation] = []
        node = self._nodes.get(name)
        for each in observations:
            if isinstance(each, GpuReading | GpuLost) and each.uuid is not None:
                samples.append(each)
            elif isinstance(each, GpuHoldings):
                node = node or self._node(name)
                node.attributed = self._attributed(name, each)
        if not samples:
            return
        node = node or self._node(name)
        at_ns = max(one.at_ns for one in samples)
        node.seen |= {one.uuid: one for one in samples if one.uuid is not None}
        node.seen = {
            uuid: one
            for uuid, one in node.seen.items()
            if at_ns - one.at_ns < PATIENCE_NS
        }
        yield self._look(name, node, at_ns)

    def lost(self, now_ns: int) -> Iterator[NodeStand]:
        """Yield how nodes stand whose agents cannot tell: not ready, or gone."""
        nodes = self._tracker.register.nodes
        for name, node in list(self._nodes.items()):
            known = nodes.get(name)
            if known is None or known.is_gone:
                del self._nodes[name]
                yield node.looks.look(now_ns, (), is_gone=True)
            elif known.is_lost:
                yield self._look(name, node, now_ns, known.losses[-1].at_ns)

    def _look(
        self, name: str, node: NodeGpus, at_ns: int, since_ns: int | None = None
    ) -> NodeStand:
        seen = node.seen.values()
        stands = stands_by_pods(
            seen, node.attributed, self._pod_of, self._standing(name), node.looks.models
        )
        return node.looks.look(at_ns, stands, replaced_of(seen), since_ns=since_ns)

    def _node(self, name: str) -> NodeGpus:
        return self._nodes.setdefault(name, NodeGpus(Looks(name, PATIENCE_NS)))

    def _attributed(self, name: str, said: GpuHoldings) -> Attributed | None:
        try:
            return attributed_of(said)
        except BadInputError as exc:
            if not self.refused:
                _log.warning("node %s: %s", name, exc)
            self.refused += 1
            return None

    def _standing(self, name: str) -> NodeStanding:
        known = self._tracker.register.nodes.get(name)
        if known is None:
            return NodeStanding()
        return NodeStanding(
            known.gpu_model, known.pool, known.is_cordoned, known.is_lost
        )

    def _pod_of(self, holding: Holding) -> PodStanding | None:
        register = self._tracker.register
        pod = register.pods.get(holding.pod_uid or "")
        if pod is None:
            return None
        key = register.key_of.get(pod.ref.uid)
        run = None if key is None else register.runs[key]
        owner = None if run is None or run.last is None else run.last.owner
        return PodStanding(
            key, None if owner is None else owner.team, _is_terminating(pod)
        )


def _is_terminating(pod: PodRecord) -> bool:
    return pod.told_ns is not None and not pod.is_over
