"""
What a node of 16 ranks pushes of them, and what it would cost to push less.

Prints observations and bytes per push of five seconds (the SDK's interval of 2 s,
a tick of 1 s): what was seen, what is left after one report per rank and tick, and
after repetitions are left out, by how long steps take. Then the same for what rule
6 takes the maximum of: 256 ranks on 16 nodes wait for data now and then, and the
book is made of all their reports, and of one report per node that holds the maxima
over its ranks in cells of 10 s of its own clock. Asserts nothing.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from goodput_exporter.domain.coalescing import coalesced
from goodput_exporter.domain.observations import RankReport, RunObservation
from goodput_exporter.domain.repetition import Retelling
from goodput_exporter.domain.spans import NS_PER_SECOND, apportion
from goodput_exporter.domain.states import Phase
from goodput_exporter.wire.frames import encode_frame
from tests.fakes.ranks import Rank
from tests.fakes.simulation import Simulation, Workload, simulate
from tests.fakes.stories import START_S, Observer, observations

RANKS_OF_A_NODE = 16
TICK_NS, PUSH_NS, CELL_NS = NS_PER_SECOND, 5 * NS_PER_SECOND, 10 * NS_PER_SECOND
LENGTH_S = 300.0

Batch = list[RunObservation]


def say(line: str) -> None:
    """Print one line."""
    sys.stdout.write(line + "\n")


def cells(seen: Iterable[RunObservation], cell_ns: int) -> list[Batch]:
    """Cut what was seen into cells of one length."""
    return [list(cell) for _, cell in groupby(seen, key=lambda o: o.at_ns // cell_ns)]


def training(step_s: float) -> list[Rank]:
    """Return a node's ranks at work; each waits a little for its data."""
    dice = random.Random(1)  # noqa: S311 - jitter, no secret
    ranks = [
        Rank(inc=f"{dice.getrandbits(64):016x}", rank=n, world=16, pid=1000 + n)
        for n in range(RANKS_OF_A_NODE)
    ]
    for rank in ranks:
        rank.init(1 + dice.random())
        step = 0
        while rank.ends_s < LENGTH_S:
            rank.steps(step, step, each=step_s, data=0.02 * step_s * dice.random())
            step += 1
    return ranks


def saving() -> list[Rank]:
    """Return a node's ranks in a long save."""
    ranks = [Rank(inc=f"{n:016x}", rank=n, world=16, pid=n + 9) for n in range(16)]
    return [rank.steps(0, 0, each=1.0).save(LENGTH_S, 0) for rank in ranks]


def traffic(name: str, ranks: Sequence[Rank]) -> None:
    """Print what a push holds on the way."""
    seen = observations(ranks, every_s=2.0, known_exit=False)
    ticked = [one for tick in cells(seen, TICK_NS) for one in coalesced(tick)]
    retelling = Retelling()
    ways: dict[str, list[Batch]] = {
        "seen": cells(seen, PUSH_NS),
        "one a tick": cells(ticked, PUSH_NS),
        "told": [retelling.thinned(push) for push in cells(ticked, PUSH_NS)],
    }
    figures = [f"{way} {_per_push(pushes)}" for way, pushes in ways.items()]
    say(f"{name:22} " + "   ".join(figures))


def _per_push(pushes: Sequence[Batch]) -> str:
    middle = pushes[4:-4]
    count = sum(map(len, middle)) / len(middle)
    size = sum(len(frame(push)) for push in middle) / len(middle)
    return f"{count:5.1f} ({size:5.0f} bytes)"


def frame(push: Batch) -> bytes:
    """Return a push as it is sent."""
    return encode_frame(
        push, agent="a", node="n", epoch="e", sequence=1, made_ns=START_S
    )


def node_maxima(job: Simulation) -> list[RankReport]:
    """Return one report per node and cell: per phase the longest of its ranks."""
    told: list[RankReport] = []
    reports = sorted(job.reports(), key=_node_of)
    for node, of_node in groupby(reports, key=_node_of):
        spent: dict[Phase, int] = {}
        before: dict[str, RankReport] = {}
        mine = sorted(of_node, key=lambda one: one.at_ns)
        for number, cell in enumerate(cells(mine, CELL_NS)):
            last = {one.incarnation: one for one in cell if isinstance(one, RankReport)}
            grown = _longest(last, before)
            newest = max(last.values(), key=lambda one: one.at_ns)
            room_ns = newest.up_ns - sum(spent.values())
            shares = _within(room_ns, grown)
            for phase, share_ns in shares.items():
                spent[phase] = spent.get(phase, 0) + share_ns
            told.append(
                replace(
                    newest,
                    incarnation=f"{node:016x}",
                    rank=node,
                    seq=number,
                    cum_ns=dict(spent),
                )
            )
            before |= last
    return sorted(told, key=lambda one: one.at_ns)


def _node_of(report: RankReport) -> int:
    return report.rank // RANKS_OF_A_NODE


def _longest(
    last: dict[str, RankReport], before: dict[str, RankReport]
) -> dict[Phase, int]:
    longest: dict[Phase, int] = {}
    for name, now in last.items():
        known = before[name].cum_ns if name in before else {}
        for phase, spent_ns in now.cum_ns.items():
            if phase is not Phase.TRAIN_STEP:
                grown_ns = spent_ns - known.get(phase, 0)
                longest[phase] = max(longest.get(phase, 0), grown_ns)
    return longest


def _within(room_ns: int, grown: dict[Phase, int]) -> dict[Phase, int]:
    if sum(grown.values()) > room_ns:
        return dict(zip(grown, apportion(room_ns, list(grown.values())), strict=True))
    return grown | {Phase.TRAIN_STEP: room_ns - sum(grown.values())}


def waited_s(job: Simulation, seen: Sequence[RankReport]) -> float:
    """Return the data wait that the book holds, in seconds of the run."""
    ends_s = job.truth.ends_ns / NS_PER_SECOND - START_S
    story = Observer(tick_s=5.0).watch(seen, ends_s).settle()
    return story.live().get("data_wait", 0.0) / story.fold.asked


def maxima(ranks: int, seed: int) -> None:
    """Print what the book says of data stalls from ranks and from node maxima."""
    job = simulate(Workload(ranks=ranks, steps=100), seed=seed)
    true_s = job.truth.stalled_ns / NS_PER_SECOND
    direct_s = waited_s(job, job.reports())
    less_s = waited_s(job, node_maxima(job))
    say(
        f"{ranks} ranks, seed {seed}: waited {true_s:.1f} s; booked from all ranks "
        f"{direct_s:.1f} s ({direct_s / true_s - 1:+.1%}), from maxima per node "
        f"{less_s:.1f} s ({less_s / true_s - 1:+.1%})"
    )


def main() -> None:
    """Print the figures."""
    say("observations of ranks per push of 5 s, 16 ranks:")
    for step_s in (0.1, 1.0, 5.0, 20.0):
        traffic(f"steps of {step_s} s", training(step_s))
    traffic("a save of 5 minutes", saving())
    for seed in (1, 2, 3):
        maxima(256, seed)


if __name__ == "__main__":
    main()
