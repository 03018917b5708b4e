"""
How true the books are: simulated months with a known truth, through the real code.

Prints the error of every state as a share of wall, the share of causes that are
right, also with a fifth of the evidence removed and with two causes overlapping,
and how long 16,384 GPUs for 54 days take on one core. ``--seeds 200`` is the full
length; ``--jobs 2`` shares the seeds among processes.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from statistics import median

from goodput_exporter.domain.states import Cause
from goodput_exporter.simulate.plans import Noise
from goodput_exporter.simulate.presets import PRESETS
from goodput_exporter.simulate.world import simulate
from tests.fakes.driving import Compared, Verdict, compare, drive

SEEDS = 200
VARIANT_SEEDS = 50
TARGET = 0.001


@dataclass(frozen=True, slots=True)
class Lived:
    """
    One seed.

    Args:
        seed: Which.
        compared: The books beside the truth.
        simulate_s, drive_s: Seconds that each took.
        raws: Inputs.
        setbacks: Runs that had to go back to their last commit.
    """

    seed: int
    compared: Compared
    simulate_s: float
    drive_s: float
    raws: int
    setbacks: int


def say(line: str = "") -> None:
    """Print one line of the result."""
    print(line, flush=True)  # noqa: T201 - a benchmark prints


def live(seed: int, *, preset: str, days: float | None, noise: Noise) -> Lived:
    """Simulate one seed and account for it."""
    began = time.perf_counter()
    simulated = simulate(PRESETS[preset], seed, days=days, noise=noise)
    seen = time.perf_counter()
    driven = drive(simulated)
    done = time.perf_counter()
    found = compare(simulated.truth, driven)
    raws, setbacks = len(simulated.raws), driven.books.setbacks
    return Lived(seed, found, seen - began, done - seen, raws, setbacks)


def bench(asked: argparse.Namespace, title: str, noise: Noise, seeds: int) -> None:
    """Print how true the books of many seeds are."""
    work = partial(live, preset=asked.preset, days=asked.days, noise=noise)
    many = range(asked.first, asked.first + seeds)
    if asked.jobs > 1:
        with ProcessPoolExecutor(asked.jobs) as pool:
            lives = list(pool.map(work, many))
    else:
        lives = [work(seed) for seed in many]
    say(f"\n{title}: preset {asked.preset}, {seeds} seeds x {asked.days:g} days")
    spent = [one.simulate_s + one.drive_s for one in lives]
    say(
        f"  {median(spent):.1f} s a seed, "
        f"{median([one.raws for one in lives]):.0f} raw inputs, "
        f"{sum(one.setbacks for one in lives)} setbacks"
    )
    say_states(lives)
    say_causes([v for one in lives for v in one.compared.verdicts], lives)


def say_states(lives: Sequence[Lived]) -> None:
    """Print by how much each state is off, over all seeds and in the worst of them."""
    whole = Compared()
    for one in lives:
        whole.add(one.compared)
    say(f"  {'state':<14} {'all seeds':>11} {'worst seed':>11}")
    for state, wrong in sorted(
        whole.errors_gpu_ns.items(), key=lambda pair: -abs(pair[1])
    ):
        worst = max(
            abs(one.compared.errors_gpu_ns.get(state, 0)) / one.compared.wall_gpu_ns
            for one in lives
        )
        say(f"  {state.value:<14} {wrong / whole.wall_gpu_ns:>+11.4%} {worst:>11.4%}")
    within = [one for one in lives if one.compared.worst_ratio <= TARGET]
    others = [one.seed for one in lives if one.compared.worst_ratio > TARGET]
    say(
        f"  every state within {TARGET:.1%} of wall: {len(within)} of {len(lives)} "
        f"seeds{f'; not {others[:12]}' if others else ''}"
    )


def say_causes(verdicts: Sequence[Verdict], lives: Iterable[Lived]) -> None:
    """Print how often the cause is right, and what is taken for what."""
    seen = [v for v in verdicts if v.true.has_evidence]
    unseen = [v for v in verdicts if not v.true.has_evidence]
    both = [v for v in seen if v.true.overlaps is not None]
    say(f"  causes right where evidence exists: {_share(seen, right=None)}")
    say(f"  unknown where none exists: {_share(unseen, right=Cause.UNKNOWN)}")
    if both:
        say(f"  right where two overlap: {_share(both, right=None)}")
    invented = sum(one.compared.invented for one in lives)
    missed = sum(verdict.cause is None for verdict in verdicts)
    say(f"  interruptions {len(verdicts)}, missed {missed}, invented {invented}")
    mistakes = Counter(
        (v.true.mishap, v.cause.value if v.cause else "missed", v.rule or "")
        for v in verdicts
        if v.cause is not (v.true.cause if v.true.has_evidence else Cause.UNKNOWN)
    )
    for (mishap, cause, rule), count in mistakes.most_common(12):
        say(f"    {count:>4} x {mishap} -> {cause} {rule}")


def _share(verdicts: Sequence[Verdict], *, right: Cause | None) -> str:
    good = sum(v.cause is (right or v.true.cause) for v in verdicts)
    share = f" ({good / len(verdicts):.2%})" if verdicts else ""
    return f"{good} of {len(verdicts)}{share}"


def bench_llama(seed: int) -> None:
    """Print what 16,384 GPUs for 54 days take."""
    one = live(seed, preset="llama3", days=None, noise=Noise())
    say("\nllama3: 16,384 GPUs x 54 days, one core")
    say(
        f"  simulate {one.simulate_s:.0f} s, parse and fold {one.drive_s:.0f} s, "
        f"{one.raws} raw inputs, {len(one.compared.verdicts)} interruptions"
    )
    say_states([one])
    say_causes(one.compared.verdicts, [one])


def grammar() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    top = argparse.ArgumentParser(description=__doc__)
    top.add_argument("--seeds", type=int, default=SEEDS)
    top.add_argument("--variants", type=int, default=VARIANT_SEEDS, help="seeds each")
    top.add_argument("--first", type=int, default=1, help="the first seed")
    top.add_argument("--days", type=float, default=30.0)
    top.add_argument("--preset", choices=sorted(PRESETS), default="month")
    top.add_argument("--jobs", type=int, default=1)
    top.add_argument("--without-llama", action="store_true")
    return top


def main() -> None:
    """Run all of it."""
    asked = grammar().parse_args()
    bench(asked, "as it is", Noise(), asked.seeds)
    if asked.variants:
        less = Noise(without_evidence=0.2)
        bench(asked, "a fifth of the evidence removed", less, asked.variants)
        two = Noise(overlapping=1.0)
        bench(asked, "two causes overlapping", two, asked.variants)
    if not asked.without_llama:
        bench_llama(asked.first)


if __name__ == "__main__":
    main()
