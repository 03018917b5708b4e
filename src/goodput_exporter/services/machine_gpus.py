"""Who holds the GPUs of one machine, where only its ranks can say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from goodput_exporter.domain.fold import Observation
from goodput_exporter.domain.gpu_looks import Looks
from goodput_exporter.domain.gpu_stands import NodeStand
from goodput_exporter.domain.observations import GpuLost, GpuSample, RankReport
from goodput_exporter.domain.rank_gpus import RankGpus
from goodput_exporter.domain.runs import key_of
from goodput_exporter.domain.spans import NS_PER_SECOND

PATIENCE_NS: Final = 30 * NS_PER_SECOND
"""A machine that was not looked at for longer (it slept) stood nobody knows how."""


class MachineGpus:
    """
    Makes the cluster book's words of what ranks and NVML say.

    Args:
        cluster, namespace: Of runs that no workload owns.
        node: This machine.
    """

    def __init__(self, cluster: str, namespace: str, node: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._ranks = RankGpus()
        self._looks = Looks(node, PATIENCE_NS)

    def hear(self, observations: Iterable[Observation]) -> None:
        """Take what ranks say of the GPUs that they use."""
        for seen in observations:
            if isinstance(seen, RankReport) and seen.role == "trainer":
                run = key_of(seen, cluster=self._cluster, namespace=self._namespace)
                uuids = None if seen.facts is None else seen.facts.gpu_uuids or None
                self._ranks.hear(seen.incarnation, run, uuids)

    def look(
        self,
        gpus: Sequence[GpuSample | GpuLost],
        alive: Iterable[str],
        now_ns: int,
    ) -> list[NodeStand]:
        """
        Return how the GPUs stand now; nothing of a machine that never had one.

        Args:
            gpus: The newest word of every GPU.
            alive: The incarnations that live.
            now_ns: The present.
        """
        self._ranks.keep(alive)
        if not gpus and not self._looks.gpus:
            return []
        return [self._looks.look(now_ns, self._ranks.stands(gpus, self._looks.models))]
