"""Who holds the GPUs of a machine without a kubelet: whoever names them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

from goodput_exporter.domain.gpu_looks import (
    UNALLOCATED,
    UNATTRIBUTED,
    NodeStanding,
    is_replaced,
    model_of,
    trouble_of,
)
from goodput_exporter.domain.gpu_stands import Category, GpuStand, Hold, gpu_stand
from goodput_exporter.domain.observations import GpuObservation, GpuSample
from goodput_exporter.domain.runs import RunKey


class RankGpus:
    """
    Which GPUs live ranks say that they use, where no kubelet can be asked.

    A rank says it when it begins and once a minute. Until then its GPUs are not
    known, and a GPU that nobody named is ``unobserved`` instead of ``unallocated``.
    """

    def __init__(self) -> None:
        self._named: dict[str, tuple[RunKey, tuple[str, ...]]] = {}
        self._unnamed: set[str] = set()

    def hear(
        self, incarnation: str, run: RunKey, gpu_uuids: tuple[str, ...] | None
    ) -> None:
        """Take a report; *gpu_uuids* is None where it does not say."""
        if gpu_uuids is not None:
            self._named[incarnation] = run, gpu_uuids
            self._unnamed.discard(incarnation)
        elif incarnation not in self._named:
            self._unnamed.add(incarnation)

    def keep(self, alive: Iterable[str]) -> None:
        """Forget every incarnation that is not alive."""
        names = set(alive)
        self._named = {k: v for k, v in self._named.items() if k in names}
        self._unnamed &= names

    def stands(
        self,
        seen: Iterable[GpuObservation],
        models: Mapping[str, str],
        node: NodeStanding | None = None,
    ) -> tuple[GpuStand, ...]:
        """
        Say who holds each GPU of a machine: who names it, in equal parts.

        A MIG device that is named is its compute slices over those of its GPU.
        """
        facts = node or NodeStanding()
        runs: dict[str, set[RunKey]] = {}
        for run, uuids in self._named.values():
            for uuid in uuids:
                runs.setdefault(uuid, set()).add(run)
        free = UNATTRIBUTED if self._unnamed else UNALLOCATED
        found: list[GpuStand] = []
        for one in seen:
            if one.uuid is None or is_replaced(one):
                continue
            broken = trouble_of(one)
            parts = [(broken, Fraction(1))] if broken else list(_named(one, runs))
            parts.append((free, 1 - sum((share for _, share in parts), Fraction(0))))
            model = model_of(one, models.get(one.uuid) or facts.gpu_model)
            found.append(gpu_stand(one.uuid, model, facts.node_pool, parts))
        return tuple(found)


def _named(
    one: GpuObservation, runs: Mapping[str, set[RunKey]]
) -> Iterator[tuple[Hold, Fraction]]:
    whole = runs.get(one.uuid or "", set())
    layout = one.mig if isinstance(one, GpuSample) else None
    if whole or layout is None:
        for run in sorted(whole):
            yield Hold(Category.HELD, run=run), Fraction(1, len(whole))
        return
    for device in layout.instances:
        users = sorted(runs.get(device.uuid, ()))
        share = Fraction(device.compute_slices, layout.slices * max(1, len(users)))
        for run in users:
            yield Hold(Category.HELD, run=run), share
