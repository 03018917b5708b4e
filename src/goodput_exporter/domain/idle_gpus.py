"""GPUs that somebody holds and nobody uses: no kernel, and no step, for a while."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from goodput_exporter.domain.gpu_stands import Category, GpuStand
from goodput_exporter.domain.observations import GpuObservation, GpuSample
from goodput_exporter.domain.runs import RunKey

HOLDING: Final = (Category.HELD, Category.OTHER_WORKLOAD, Category.TERMINATING)


class IdleGpus:
    """
    Since when each GPU has done nothing; a hint to people, and in neither book.

    Only the GPU's own utilization counts, never the CPU's: a server that waits for
    its GPU uses little of a CPU. A GPU that does not tell its utilization is not idle.

    Args:
        patience_ns: For how long a GPU must do nothing to be called idle.
    """

    def __init__(self, patience_ns: int) -> None:
        self._patience_ns = patience_ns
        self._since_ns: dict[str, int] = {}

    def look(
        self,
        seen: Iterable[GpuObservation],
        stands: Iterable[GpuStand],
        stepped_ns: Mapping[RunKey, int],
        now_ns: int,
    ) -> frozenset[str]:
        """
        Return the UUIDs of GPUs that are held and idle.

        Args:
            seen: The newest observation of each GPU.
            stands: Who holds them.
            stepped_ns: When each run completed a step last: while it steps, none of
                its GPUs is idle.
            now_ns: The present.
        """
        still = {
            one.uuid: self._since_ns.get(one.uuid, one.at_ns)
            for one in seen
            if isinstance(one, GpuSample) and one.busy_ratio == 0
        }
        self._since_ns = still
        return frozenset(
            gpu.uuid
            for gpu in stands
            if now_ns - still.get(gpu.uuid, now_ns) >= self._patience_ns
            and _is_held(gpu)
            and not self._steps(gpu, stepped_ns, now_ns)
        )

    def _steps(
        self, gpu: GpuStand, stepped_ns: Mapping[RunKey, int], now_ns: int
    ) -> bool:
        return any(
            hold.run in stepped_ns and now_ns - stepped_ns[hold.run] < self._patience_ns
            for hold, _ in gpu.parts
            if hold.run is not None
        )


def _is_held(gpu: GpuStand) -> bool:
    return any(hold.category in HOLDING for hold, _ in gpu.parts)
