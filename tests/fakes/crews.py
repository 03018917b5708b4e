"""Several ranks that train together: who makes whom wait, and who dies of what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from goodput_exporter.domain.observations import RankExited, RunObservation
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import START_S, observations

Waits = Mapping[tuple[int, int], float]
"""Seconds that a rank waits for data, by (rank, step)."""

SIGKILL = -9
SIGABRT = -6
SIGTERM = -15


def crew(
    ranks: int | Iterable[int],
    *,
    world: int | None = None,
    life: int = 1,
    begins_s: float | Sequence[float] = 0.0,
) -> list[Rank]:
    """
    Return incarnations of some ranks, with nothing done yet.

    Args:
        ranks: How many, or which.
        world: Size of the whole job; as many as there are here unless told.
        life: Which life of these ranks; makes incarnations and pids differ.
        begins_s: When all begin, or each.
    """
    numbers = list(range(ranks)) if isinstance(ranks, int) else list(ranks)
    starts = (
        list(begins_s) if isinstance(begins_s, Sequence) else [begins_s] * len(numbers)
    )
    return [
        Rank(
            inc=f"{life:08x}{number:08x}",
            rank=number,
            world=len(numbers) if world is None else world,
            pid=1000 * life + number,
            begins_s=start_s,
        )
        for number, start_s in zip(numbers, starts, strict=True)
    ]


def init_until(ranks: Iterable[Rank], at_s: float) -> None:
    """Let ranks start up until one instant of the story, whenever they began."""
    for rank in ranks:
        rank.init(at_s - rank.ends_s)


def in_step(
    ranks: Sequence[Rank],
    first: int,
    last: int,
    *,
    each: float,
    waits: Waits | None = None,
) -> None:
    """
    Complete steps with a barrier at every end.

    A rank that waits for data makes all others wait for it inside their step.
    """
    waits = waits or {}
    for step in range(first, last + 1):
        longest_s = max(waits.get((rank.rank, step), 0.0) for rank in ranks)
        for rank in ranks:
            own_s = waits.get((rank.rank, step), 0.0)
            rank.data(own_s).steps(step, step, each=each + longest_s - own_s)


def leave(ranks: Iterable[Rank]) -> None:
    """Let ranks say goodbye, with their very last state."""
    for rank in ranks:
        rank.bye()


def death(rank: Rank, code: int = SIGKILL, *, after_s: float = 0.0) -> RankExited:
    """Return what the kernel says of a rank's end, by its script or later."""
    at_ns = ns(START_S + rank.ends_s + after_s)
    return RankExited(rank.inc, at_ns, code, f"pid {rank.pid}: {code}")


def told(ranks: Iterable[Rank], deaths: Iterable[RankExited]) -> list[RunObservation]:
    """Return what ranks say, and only these deaths."""
    said = observations(ranks, known_exit=False)
    return sorted([*said, *deaths], key=lambda seen: seen.at_ns)
