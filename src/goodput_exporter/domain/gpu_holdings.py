"""Who holds which GPU of a node, as an agent tells it: whole numbers, no fractions."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from goodput_exporter.domain.allocations import PodName
from goodput_exporter.domain.holdings import Attributed, Holding, Sharing
from goodput_exporter.errors import BadInputError


@dataclass(frozen=True, slots=True)
class HeldPart:
    """
    One container's part of one GPU; *numerator* over *denominator* of it.

    Args:
        gpu_uuid: The GPU. *mig_uuids*: of its MIG devices; empty is all of it.
        namespace, pod, container: The holder. *pod_uid*: None where nobody knows it.
        sharing: One of ``Sharing``.
    """

    gpu_uuid: str
    mig_uuids: tuple[str, ...]
    namespace: str
    pod: str
    pod_uid: str | None
    container: str
    sharing: str
    numerator: int
    denominator: int


@dataclass(frozen=True, slots=True)
class FreePart:
    """What nobody holds of one GPU, 0 included: *numerator* over *denominator*."""

    gpu_uuid: str
    numerator: int
    denominator: int


@dataclass(frozen=True, slots=True)
class GpuHoldings:
    """
    Who holds the GPUs of the agent's node; state, not an event.

    Args:
        at_ns: When the agent looked, on its clock.
        is_known: False where the kubelet could not be asked: that is not nobody.
        held, free: Per GPU they sum to exactly 1; every GPU is in *free* once.
    """

    at_ns: int
    is_known: bool
    held: tuple[HeldPart, ...] = ()
    free: tuple[FreePart, ...] = ()


def told(attributed: Attributed | None, at_ns: int) -> GpuHoldings:
    """Return a look as it is told; None is not known."""
    if attributed is None:
        return GpuHoldings(at_ns, is_known=False)
    held = tuple(
        HeldPart(
            one.gpu_uuid,
            tuple(sorted(one.parts)),
            one.pod.namespace,
            one.pod.name,
            one.pod_uid,
            one.container,
            one.sharing.value,
            one.share.numerator,
            one.share.denominator,
        )
        for one in attributed.holdings
    )
    free = tuple(
        FreePart(uuid, rest.numerator, rest.denominator)
        for uuid, rest in attributed.unallocated.items()
    )
    return GpuHoldings(at_ns, is_known=True, held=held, free=free)


def attributed_of(said: GpuHoldings) -> Attributed | None:
    """
    Return what an agent told; None is not known.

    Raises:
        BadInputError: The parts of a GPU do not sum to 1, or are no parts.
    """
    if not said.is_known:
        return None
    try:
        holdings = tuple(
            Holding(
                PodName(one.namespace, one.pod),
                one.pod_uid,
                one.container,
                one.gpu_uuid,
                frozenset(one.mig_uuids),
                Fraction(one.numerator, one.denominator),
                Sharing(one.sharing),
            )
            for one in said.held
        )
        free = {
            one.gpu_uuid: Fraction(one.numerator, one.denominator) for one in said.free
        }
    except (ValueError, ZeroDivisionError) as exc:
        msg = f"an agent tells of a part of a GPU that is none: {exc}"
        raise BadInputError(msg) from exc
    _check(holdings, free)
    return Attributed(holdings, free, {})


def _check(holdings: tuple[Holding, ...], free: dict[str, Fraction]) -> None:
    """Refuse what would give a GPU's time away twice, or lose some of it."""
    sums = dict(free)
    for one in holdings:
        sums[one.gpu_uuid] = sums.get(one.gpu_uuid, Fraction(0)) + one.share
    parts = [*free.values(), *(one.share for one in holdings)]
    wrong = next((uuid for uuid, share in sums.items() if share != 1), None)
    if wrong is not None or any(part < 0 for part in parts):
        msg = (
            f"an agent tells of parts of a GPU that do not sum to 1, or are negative: "
            f"{wrong}: {sums.get(wrong or '')}; check the agent's version"
        )
        raise BadInputError(msg)
