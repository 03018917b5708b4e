"""The machines: which GPUs are free, who holds which, and what is broken."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Machine:
    """
    One node.

    Args:
        name: Its name in the cluster.
        gpus: How many it has.
        free: How many nobody holds.
        is_usable: Neither broken nor cordoned.
        generation: Counts the machines that had this place.
    """

    name: str
    gpus: int
    free: int
    is_usable: bool = True
    generation: int = 0


class Pool:
    """
    The nodes of a cluster, in the order in which they fill up.

    Args:
        count: How many.
        gpus: Of each.
    """

    def __init__(self, count: int, gpus: int) -> None:
        self.machines = [Machine(f"gpu-{n:05d}", gpus, gpus) for n in range(count)]

    def place(self, pods: int, gpus: int) -> list[int] | None:
        """Take room for a gang, all or nothing; return a machine per pod."""
        places: list[int] = []
        for index, machine in enumerate(self.machines):
            if not machine.is_usable:
                continue
            fitting = min(pods - len(places), machine.free // gpus)
            places += [index] * fitting
            if len(places) == pods:
                break
        if len(places) < pods:
            return None
        for index in places:
            self.machines[index].free -= gpus
        return places

    def room(self, gpus: int) -> int:
        """Return how many pods of a size would fit now."""
        return sum(m.free // gpus for m in self.machines if m.is_usable)

    def release(self, index: int, gpus: int) -> None:
        """Give a pod's GPUs back."""
        self.machines[index].free += gpus
