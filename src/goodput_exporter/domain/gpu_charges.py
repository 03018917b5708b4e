"""GPU time charged to holders, in whole nanoseconds that add up exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from goodput_exporter.domain.holdings import Attributed, Holding
from goodput_exporter.errors import AccountingError


@dataclass(frozen=True, slots=True)
class Charge:
    """
    One part of one GPU's time.

    Args:
        gpu_uuid: The GPU.
        holder: Whose it was; None is nobody's, unallocated.
        gpu_ns: In nanoseconds of the whole GPU.
    """

    gpu_uuid: str
    holder: Holding | None
    gpu_ns: int


def charge(attributed: Attributed, length_ns: int) -> Iterator[Charge]:
    """
    Charge a span in which nothing changed: per GPU exactly *length_ns* in sum.

    A holder is charged from the first look that lists its pod to the first that
    does not, or that knows it finished: the kubelet lists a pod once it is admitted
    to the node, before its containers start.
    """
    by_gpu: dict[str, list[Holding | None]] = {
        uuid: [None] for uuid in attributed.unallocated
    }
    for holding in attributed.holdings:
        by_gpu[holding.gpu_uuid].append(holding)
    for uuid, holders in by_gpu.items():
        shares = [
            attributed.unallocated[uuid] if holder is None else holder.share
            for holder in holders
        ]
        for holder, gpu_ns in zip(holders, divide(length_ns, shares), strict=True):
            if gpu_ns:
                yield Charge(uuid, holder, gpu_ns)


def divide(whole: int, shares: Sequence[Fraction]) -> list[int]:
    """
    Divide a whole number by *shares* of 1 into whole numbers that sum to it.

    Each part is rounded down, and what is left over goes one by one to the parts
    that lost most, the earlier first (the largest remainder method).

    Raises:
        AccountingError: The shares do not sum to exactly 1, or *whole* is negative.
    """
    if sum(shares) != 1 or whole < 0:
        parts = ", ".join(str(share) for share in shares)
        msg = f"{whole} cannot be divided into shares of {parts}; they must sum to 1"
        raise AccountingError(msg)
    exact = [share * whole for share in shares]
    parts_down = [part.numerator // part.denominator for part in exact]
    left = whole - sum(parts_down)
    order = sorted(range(len(exact)), key=lambda at: parts_down[at] - exact[at])
    for at in order[:left]:
        parts_down[at] += 1
    return parts_down
