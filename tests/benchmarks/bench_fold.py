"""
What folding costs: per observation, per tick, and per question about a long run.

No peer folds ranks into a run, so the ratios are against one rank and against a
short run: they say how it scales.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from goodput_exporter.domain.accounting import Segment, tally
from goodput_exporter.domain.advance import advance
from goodput_exporter.domain.fold import Fold, observe
from goodput_exporter.domain.observations import RankReport
from goodput_exporter.domain.ratios import ratios
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.domain.states import Phase
from goodput_exporter.ledger.state import encode_state
from tests.fakes.simulation import Workload, simulate
from tests.fakes.stories import KEY

TICK_NS = 5 * NS_PER_SECOND
RULES = Rules()
START_NS = 1_000_000 * NS_PER_SECOND
INC = "a" * 16


def say(line: str) -> None:
    """Print one line of the result."""
    print(line)  # noqa: T201 - a benchmark prints


def timed(action: Callable[[], object], *, repeats: int = 5) -> float:
    """Return the shortest time of an action, in seconds."""
    best = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - began)
    return best


def fold_of(reports: list[RankReport]) -> tuple[float, float, int]:
    """
    Fold reports in ticks of five seconds.

    Returns:
        Seconds spent observing, seconds spent advancing, ticks.
    """
    fold = Fold(KEY)
    observing = advancing = 0.0
    ticks, position, now_ns = 0, 0, reports[0].at_ns
    while position < len(reports):
        now_ns += TICK_NS
        began = time.perf_counter()
        while position < len(reports) and reports[position].at_ns <= now_ns:
            observe(fold, reports[position])
            position += 1
        seen = time.perf_counter()
        advance(fold, now_ns, RULES)
        fold.book.pending = []
        advancing += time.perf_counter() - seen
        observing += seen - began
        ticks += 1
    return observing, advancing, ticks


def bench_ranks() -> None:
    """Print the cost per observation for jobs of 1 to 256 ranks."""
    say("fold: a 2 s step, a report per rank and 2 s, a tick per 5 s")
    say(f"{'ranks':>6} {'reports':>8} {'us/observation':>15} {'ms/tick':>8} {'x':>6}")
    single = 0.0
    for ranks, steps in ((1, 2000), (8, 1000), (64, 200), (256, 100)):
        reports = simulate(Workload(ranks, steps), seed=1).reports()
        observing, advancing, ticks = fold_of(reports)
        each_us = (observing + advancing) / len(reports) * 1e6
        single = single or each_us
        say(
            f"{ranks:>6} {len(reports):>8} {each_us:>15.1f} "
            f"{advancing / ticks * 1e3:>8.2f} {each_us / single:>6.2f}"
        )


def bench_idle_tick() -> None:
    """Print what a tick costs in which nothing is new."""
    say("advance: a tick without news")
    for ranks in (1, 256):
        reports = simulate(Workload(ranks, 30), seed=1).reports()
        fold = Fold(KEY)
        for report in reports:
            observe(fold, report)
        now_ns = reports[-1].at_ns + RULES.grace_ns
        advance(fold, now_ns, RULES)
        spent = timed(partial(advance, fold, now_ns, RULES))
        say(f"{ranks:>6} ranks {spent * 1e6:>10.1f} us")


def long_run(steps: int) -> tuple[Fold, list[Segment], float]:
    """Fold one rank that completes many steps, and keep its entries."""
    fold, segments = Fold(KEY), []
    spent = 0.0
    step_ns, per_report = 2 * NS_PER_SECOND, 10
    for done in range(0, steps + 1, per_report):
        up_ns = done * step_ns
        report = RankReport(
            INC, done, START_NS + up_ns, up_ns, Phase.TRAIN_STEP, 0,
            {Phase.TRAIN_STEP: up_ns}, run_id="story", rank=0, world_size=1,
            step=done - 1 if done else None, step_age_ns=0, steps_done=done, pid=1,
            saved_step=done, durable_step=done if done % 1000 == 0 else None,
        )  # fmt: skip
        began = time.perf_counter()
        observe(fold, report)
        advance(fold, report.at_ns + RULES.grace_ns, RULES)
        spent += time.perf_counter() - began
        segments += [b for b in fold.book.pending if isinstance(b, Segment)]
        fold.book.pending = []
    return fold, segments, spent


def bench_queries() -> None:
    """Print what questions about a long run cost, and whether they grow with it."""
    say("questions: one rank, ten steps per report")
    say(
        f"{'steps':>8} {'fold us/rep':>12} {'ratios us':>10} {'state kB':>9} "
        f"{'encode ms':>10} {'window us':>10} {'entries':>8} {'tally ms':>9}"
    )
    for steps in (10_000, 1_000_000):
        fold, segments, spent = long_run(steps)
        end_ns = START_NS + steps * 2 * NS_PER_SECOND
        hour = Span(end_ns - 3600 * NS_PER_SECOND, end_ns)
        recent = [s for s in segments if s.span.end_ns > hour.start_ns]
        state = encode_state(fold)
        say(
            f"{steps:>8} {spent / (steps / 10) * 1e6:>12.1f} "
            f"{timed(partial(ratios, fold.book.live)) * 1e6:>10.1f} "
            f"{len(state) / 1e3:>9.1f} "
            f"{timed(partial(encode_state, fold)) * 1e3:>10.2f} "
            f"{timed(partial(tally, recent, hour)) * 1e6:>10.1f} "
            f"{len(segments):>8} "
            f"{timed(partial(tally, segments), repeats=1) * 1e3:>9.1f}"
        )


if __name__ == "__main__":
    bench_ranks()
    bench_idle_tick()
    bench_queries()
