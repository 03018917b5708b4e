"""An observer of stories: ranks' datagrams through the real decoder into one fold."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace

from goodput_exporter.domain.accounting import Account, Segment, tally, verify_tiling
from goodput_exporter.domain.advance import advance
from goodput_exporter.domain.bookings import Booking
from goodput_exporter.domain.fold import Fold, Observation, observe
from goodput_exporter.domain.observations import (
    Delivered,
    RankExited,
    RankReport,
    RunObservation,
)
from goodput_exporter.domain.rewinding import unbooked, unnamed
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.sources.limits import Limits
from goodput_exporter.sources.reception import Reception
from tests.fakes.heartbeats import StillClock, process
from tests.fakes.ranks import Rank, ns

START_S = 1_000_000
"""Stories begin at a round instant on the grid of ten seconds."""

KEY = RunKey("local", "default", "story")
GENEROUS = Limits(rate_per_second=100_000, burst=1_000_000)


def heard_ns(seen: Observation) -> int:
    """Return when an observation comes in."""
    return seen.through_ns if isinstance(seen, Delivered) else seen.at_ns


def observations(
    ranks: Iterable[Rank],
    *,
    every_s: float = 2.0,
    known_exit: bool = True,
    lossy: random.Random | None = None,
) -> list[RunObservation]:
    """
    Encode, transport and decode the lives of ranks.

    Args:
        ranks: Their scripts.
        every_s: The send interval.
        known_exit: The kernel tells when a process is gone.
        lossy: Drops, repeats and reorders datagrams within one interval.
    """
    clock = StillClock(START_S * NS_PER_SECOND)
    reception = Reception(clock, GENEROUS)
    seen: list[RunObservation] = []
    for rank in ranks:
        sent = list(rank.datagrams(every_s=every_s))
        if lossy is not None:
            sent = _mistreated(sent, every_s, lossy)
        for at_s, data in sent:
            received_ns = ns(START_S + at_s)
            reports = reception.accept(data, process(rank.pid), received_ns)
            seen += [_dated(r, rank) for r in reports if isinstance(r, RankReport)]
        if known_exit:
            at_ns = ns(START_S + rank.ends_s)
            code = 0 if rank.ends_ok else -9
            seen.append(RankExited(rank.inc, at_ns, code, f"pid {rank.pid}: gone"))
    return sorted(seen, key=lambda o: o.at_ns)


def _dated(report: RankReport, rank: Rank) -> RankReport:
    """Put a report where it was sent: transit is none in a story."""
    return replace(
        report, at_ns=ns(START_S + rank.begins_s) + report.up_ns, verified=True
    )


def _mistreated(
    sent: Sequence[tuple[float, bytes]], every_s: float, dice: random.Random
) -> list[tuple[float, bytes]]:
    kept = [pair for pair in sent if dice.random() > 0.3]
    kept += [
        (at_s + dice.random() * every_s, data)
        for at_s, data in kept
        if dice.random() < 0.3
    ]
    late = [(at_s + dice.random() * every_s, data) for at_s, data in kept]
    return sorted(late, key=lambda pair: pair[0])


class Observer:
    """
    One run's fold, driven in ticks over the story's time.

    Args:
        rules: The settings of the fold.
        tick_s: How often it advances.
    """

    def __init__(self, rules: Rules | None = None, *, tick_s: float = 1.0) -> None:
        self.rules = rules or Rules()
        self.fold = Fold(KEY)
        self.tick_s = tick_s
        self.bookings: list[Booking] = []
        self.now_s = 0.0

    def watch(self, seen: Iterable[Observation], until_s: float) -> Observer:
        """Feed observations as they come and tick until *until_s*."""
        coming = sorted(seen, key=heard_ns)
        position = 0
        while self.now_s < until_s:
            self.now_s = min(until_s, self.now_s + self.tick_s)
            while position < len(coming) and heard_ns(coming[position]) <= ns(
                START_S + self.now_s
            ):
                observe(self.fold, coming[position])
                position += 1
            self.tick()
        return self

    def tick(self) -> None:
        """Advance to now and collect what was booked."""
        advance(self.fold, ns(START_S + self.now_s), self.rules)
        self.bookings += self.fold.book.pending
        self.fold.book.pending = []

    def settle(self, seconds: float = 30.0) -> Observer:
        """Let the grace and the settle delay pass."""
        return self.watch([], self.now_s + seconds)

    def segments(self) -> list[Segment]:
        """Return all booked segments in time order, checked for overlap."""
        found = [b for b in self.bookings if isinstance(b, Segment)]
        verify_tiling(found)
        return sorted(found, key=lambda s: (s.span, s.state))

    def live(self) -> dict[str, float]:
        """Return the live view in device seconds, without zeros."""
        return seconds_of(self.fold.book.live)

    def settled(self) -> dict[str, float]:
        """Return the settled view in device seconds, without zeros."""
        return seconds_of(self.fold.book.settled)

    def open_ns(self) -> int:
        """Return how much step time before the line has no name yet."""
        return sum(s.length_ns for s in unbooked(self.fold, unnamed(self.fold)))

    def conserves(self) -> bool:
        """Tell whether the book, the entries and the clock agree to the nanosecond."""
        line_ns = self.fold.line_ns or 0
        found = self.segments()
        whole = (line_ns - self.fold.opened_ns) * self.fold.asked
        open_gpu_ns = self.open_ns() * self.fold.asked
        same = tally(found) == self.fold.book.live
        return same and self.fold.book.live.total_gpu_ns + open_gpu_ns == whole


def seconds_of(account: Account) -> dict[str, float]:
    """Return an account in device seconds by state name, without zeros."""
    return {
        state.value: gpu_ns / NS_PER_SECOND
        for state, gpu_ns in account.gpu_ns.items()
        if gpu_ns
    }
