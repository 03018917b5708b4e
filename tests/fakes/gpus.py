"""Words on nodes of few GPUs, and a cluster book that is driven by them."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from hypothesis import strategies as st

from goodput_exporter.domain.cluster import ClusterBook, accept, advance
from goodput_exporter.domain.gpu_bookings import GpuBooking, Kind
from goodput_exporter.domain.gpu_rules import GpuRules
from goodput_exporter.domain.gpu_stands import (
    Category,
    GpuStand,
    Hold,
    NodeStand,
    Reason,
    gpu_stand,
)
from goodput_exporter.domain.gpu_tiling import breaks, order
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND

H100 = "NVIDIA H100 80GB HBM3"
LLAMA = RunKey("east", "research", "llama")
IDLE = Hold(Category.UNALLOCATED)
TRAINS = Hold(Category.HELD, run=LLAMA, team="research")
SERVES = Hold(Category.OTHER_WORKLOAD, team="search")
LOST = Hold(Category.UNAVAILABLE, Reason.LOST)
GOING = Hold(Category.TERMINATING, run=LLAMA, team="research")
HOLDS = (IDLE, TRAINS, SERVES, LOST, GOING)
S = NS_PER_SECOND
NOON = 20_000 * 86_400 * S + 43_200 * S
"""Noon of some day, far from the end of it."""
RULES = GpuRules()


def gpu(number: int, *holds: Hold, pool: str | None = "pool-a") -> GpuStand:
    """Return an H100 that its holders have in equal parts."""
    parts = [(hold, Fraction(1, len(holds))) for hold in holds]
    return gpu_stand(f"GPU-{number}", H100, pool, parts)


def word(
    since_s: int,
    through_s: int,
    *gpus: GpuStand,
    node: str = "node-1",
    gone: Iterable[str] = (),
    is_gone: bool = False,
) -> NodeStand:
    """Return what was seen of a node from one second after noon to another."""
    return NodeStand(
        node,
        NOON + since_s * S,
        NOON + through_s * S,
        gpus,
        frozenset(gone),
        is_gone,
    )


class Cluster:
    """A cluster book and the lines that it has made; laws are checked at each tick."""

    def __init__(self, rules: GpuRules = RULES) -> None:
        self.rules = rules
        self.book = ClusterBook()
        self.lines: list[GpuBooking] = []

    def hear(self, *words: NodeStand) -> Cluster:
        """Take words, in this order."""
        for each in words:
            accept(self.book, each, self.rules)
        return self

    def tick(self, at_s: int) -> Cluster:
        """Let a second after noon be the present."""
        before = self.book.totals()
        self.lines += advance(self.book, NOON + at_s * S, self.rules)
        after = self.book.totals()
        assert all(after.get(group, 0) >= ns for group, ns in before.items())
        return self

    def numbered(self) -> list[tuple[int | None, GpuBooking]]:
        """Return all lines with their numbers, and what is open without."""
        closed: list[tuple[int | None, GpuBooking]] = list(enumerate(self.lines, 1))
        is_open = [(None, line) for line in self.book.open_lines()]
        return sorted([*closed, *is_open], key=order)

    def check(self) -> Cluster:
        """Check every law of the book."""
        numbered = self.numbered()
        assert list(breaks(lambda: numbered)) == []
        live = sum(line.gpu_ns for _, line in numbered if line.kind is Kind.LIVE)
        assert live == sum(self.book.totals().values())
        return self

    def seconds(self, *, settled: bool = False) -> dict[str, float]:
        """Return GPU seconds by category, of the live view or of the settled one."""
        found: dict[str, int] = {}
        for _, line in self.numbered():
            sign = {Kind.LIVE: 1, Kind.REVERSAL: -1, Kind.RESTATED: 1}.get(line.kind, 0)
            if line.kind is not Kind.LIVE and not settled:
                continue
            name = line.hold.category.value
            found[name] = found.get(name, 0) + sign * line.gpu_ns
        return {name: ns / S for name, ns in found.items() if ns}


@st.composite
def stands(draw: st.DrawFn, number: int) -> GpuStand:
    """Draw a GPU that up to three hold, in equal parts or in slices of seven."""
    holds = draw(st.lists(st.sampled_from(HOLDS), min_size=1, max_size=3, unique=True))
    if len(holds) > 1 and draw(st.booleans()):
        sevenths = Fraction(1, 7)
        shares = [sevenths] * (len(holds) - 1)
        shares.append(1 - sum(shares, Fraction(0)))
        return gpu_stand(
            f"GPU-{number}", H100, None, list(zip(holds, shares, strict=True))
        )
    return gpu(number, *holds, pool=None)


@st.composite
def words(draw: st.DrawFn, longest_s: int = 600) -> NodeStand:
    """Draw a word of one of two nodes, whose GPUs may be the same ones."""
    node = draw(st.sampled_from(("node-1", "node-2")))
    since_s = draw(st.integers(0, longest_s))
    through_s = draw(st.integers(since_s, longest_s))
    numbers = draw(st.sets(st.integers(0, 3), max_size=3))
    gpus = [draw(stands(number)) for number in sorted(numbers)]
    gone = draw(st.sets(st.sampled_from(("GPU-0", "GPU-1")), max_size=1))
    listed = {each.uuid for each in gpus}
    is_gone = not gpus and draw(st.booleans())
    return word(
        since_s,
        through_s,
        *gpus,
        node=node,
        gone=frozenset(gone) - listed,
        is_gone=is_gone,
    )
