"""Who holds a node's GPUs, and from when to when: what the cluster book rests on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.slots import Slots, slots_of
from goodput_exporter.errors import BadInputError


class Category(StrEnum):
    """What the cluster book calls the time of a physical GPU; one at every instant."""

    UNAVAILABLE = "unavailable"
    UNALLOCATED = "unallocated"
    TERMINATING = "terminating"
    OTHER_WORKLOAD = "other_workload"
    HELD = "held"
    UNOBSERVED = "unobserved"


class Reason(StrEnum):
    """Why a GPU is ``unavailable`` or ``unobserved``; a closed set."""

    NONE = ""
    LOST = "lost"
    HANGING = "hanging"
    RESET_REQUIRED = "reset_required"
    ERROR = "error"
    MISSING = "missing"
    DRIVER = "driver"
    CORDONED = "cordoned"
    NODE_NOT_READY = "node_not_ready"
    SILENT = "silent"
    UNATTRIBUTED = "unattributed"


@dataclass(frozen=True, slots=True)
class Hold:
    """
    What a part of a GPU is, and whose.

    Args:
        category: What.
        reason: Why, where it is ``unavailable`` or ``unobserved``.
        run: The run that holds it, or held it and is terminating.
        team: Whose it is, by the configured label; None carries no label.
    """

    category: Category
    reason: Reason = Reason.NONE
    run: RunKey | None = None
    team: str | None = None


SILENT = Hold(Category.UNOBSERVED, Reason.SILENT)
MISSING = Hold(Category.UNAVAILABLE, Reason.MISSING)

Part = tuple[Hold, Slots]
"""A hold, and which slots of the GPU it has."""


@dataclass(frozen=True, slots=True)
class GpuStand:
    """
    One physical GPU and who holds it; ``gpu_stand`` makes one.

    Args:
        uuid: ``GPU-...``.
        gpu_model: As NVML names it; empty where nothing told.
        node_pool: The pool that its node is in; None unknown or none.
        parts: Side by side; together they are the whole GPU.
    """

    uuid: str
    gpu_model: str
    node_pool: str | None
    parts: tuple[Part, ...]


def gpu_stand(
    uuid: str,
    gpu_model: str,
    node_pool: str | None,
    shares: Iterable[tuple[Hold, Fraction]],
) -> GpuStand:
    """
    Say who holds a GPU; what one holder has in several parts becomes one part.

    Args:
        uuid: See ``GpuStand``.
        gpu_model: See ``GpuStand``.
        node_pool: See ``GpuStand``.
        shares: Of the whole GPU; those of zero are left out.

    Raises:
        AccountingError: They do not sum to exactly 1.
    """
    held: dict[Hold, Fraction] = {}
    for hold, share in shares:
        held[hold] = held.get(hold, Fraction(0)) + share
    order = sorted((hold for hold, share in held.items() if share), key=_order)
    dealt = slots_of([held[hold] for hold in order])
    return GpuStand(uuid, gpu_model, node_pool, tuple(zip(order, dealt, strict=True)))


@dataclass(frozen=True, slots=True)
class NodeStand:
    """
    How one node's GPUs stood, seen without a break from one instant to another.

    State, not an event: the next word repeats this one with a later *through_ns*,
    so words that are lost, late, doubled or out of order cost nothing that a later
    one does not bring back.

    Args:
        node: Its name.
        since_ns: From when on, on the ledger's clock. A word that begins later wins.
        through_ns: When this was last seen to be so.
        gpus: All that the node has. One that it had and that is not here is
            ``unavailable``, missing.
        gone: UUIDs that are no GPUs of this node any more, such as replaced ones.
        is_gone: The node itself is no more: its GPUs leave the book.

    Raises:
        BadInputError: It ends before it begins, or names a GPU twice.
    """

    node: str
    since_ns: int
    through_ns: int
    gpus: tuple[GpuStand, ...] = ()
    gone: frozenset[str] = frozenset()
    is_gone: bool = False

    def __post_init__(self) -> None:
        """Check what the book relies on."""
        if self.through_ns < self.since_ns:
            msg = (
                f"node {self.node}: a stand begins at {self.since_ns} ns and was last "
                f"seen at {self.through_ns} ns; check the clock that dates it"
            )
            raise BadInputError(msg)
        uuids = [gpu.uuid for gpu in self.gpus]
        if len(set(uuids)) != len(uuids):
            twice = next(uuid for uuid in uuids if uuids.count(uuid) > 1)
            msg = f"node {self.node}: GPU {twice} is listed twice in one stand"
            raise BadInputError(msg)

    def says_as(self, other: NodeStand) -> bool:
        """Return whether both say the same of the node, whenever."""
        return (self.gpus, self.gone, self.is_gone) == (
            other.gpus,
            other.gone,
            other.is_gone,
        )


def _order(hold: Hold) -> tuple[str, str, str, str]:
    run = "" if hold.run is None else str(hold.run)
    return hold.category.value, hold.reason.value, run, hold.team or ""
