"""What the ledger knows of one run, read once and asked about any window."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import Final

from goodput_exporter.analysis.hindsight import Hindsight, hindsight
from goodput_exporter.analysis.incidents import Incidents, incidents_of
from goodput_exporter.analysis.stretches import Pricing, Stretch
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.bookings import Booking, EventKind, RunEvent
from goodput_exporter.domain.placement import Owner
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import RunState

NO_PRICES: Final = Pricing()
NOBODYS: Final = Owner()


class View(StrEnum):
    """As counters showed it, or as it is known today."""

    LIVE = "live"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class RunFacts:
    """
    What a run's last state says that no entry does; None is not known.

    Args:
        source: What the numbers rest on: sdk, auto, log or inferred.
        verified: The kernel vouches for every sender.
        upper_bound: Redone steps cannot be seen.
        has_gpus: Ranks named GPUs; else each counts as one device.
        outcome: ``"running"``, ``"succeeded"``, ``"failed"`` or ``"unknown"``.
        durable_step, saved_step: Of checkpoints.
        tokens: Of first-time steps so far. *tokens_per_step*: of the latest.
        has_flops: Model FLOPs are known.
        peak_flops: Dense peak of one of its devices, in FLOP/s.
        ranks_expected: How many ranks the latest attempt has.
        owner: Whose it is, by the latest word; what groups of runs are formed by.
    """

    source: str = "sdk"
    verified: bool = True
    upper_bound: bool = False
    has_gpus: bool = True
    outcome: str = "running"
    saved_step: int | None = None
    durable_step: int | None = None
    step: int | None = None
    tokens: int | None = None
    tokens_per_step: float | None = None
    has_flops: bool = False
    peak_flops: float | None = None
    ranks_expected: int = 1
    owner: Owner = NOBODYS


@dataclass(frozen=True, slots=True)
class Quiet:
    """
    Time of a run that no entry changed afterwards, told by daily accounts alone.

    Args:
        stretches: How much of it lies where: exact in every period of a report, and
            in none that divides one. The same in every view.
        days: What filled most of each day, with the rest of the run's time.
        saves: Counts the saves in a window, of all the run's time.
    """

    stretches: tuple[Stretch, ...]
    days: tuple[tuple[Span, RunState], ...]
    saves: Callable[[Span], int]


@dataclass(frozen=True, slots=True)
class History:
    """
    One run.

    Args:
        key: Which.
        bookings: All its entries, in the order of their numbers.
        seen: The same in every view.
        facts: From its last state; None where there is none to be read.
        pricing: What its GPU time costs.
        since_ns: What was booked before is kept as daily accounts only, and not
            told here; None: all is told.
    """

    key: RunKey
    bookings: tuple[Booking, ...]
    seen: Hindsight
    facts: RunFacts | None = None
    pricing: Pricing = NO_PRICES
    since_ns: int | None = None
    quiet: Quiet | None = None

    def told(self, view: View) -> Sequence[Stretch]:
        """Return what entries tell of its time in one view; see ``quiet``."""
        return self.seen.live if view is View.LIVE else self.seen.settled

    def stretches(self, view: View) -> Sequence[Stretch]:
        """Return all of its time in one view."""
        if self.quiet is None:
            return self.told(view)
        return (*self.told(view), *self.quiet.stretches)

    @property
    def life(self) -> Span | None:
        """Return from its first to its last booked instant; None without one."""
        every = (*self.seen.live, *self.seen.settled)
        starts = [one.span.start_ns for one in every]
        ends = [one.span.end_ns for one in every]
        return Span(min(starts), max(ends)) if starts else None

    @property
    def owner(self) -> Owner:
        """Return whose it is, as far as its last state says."""
        return NOBODYS if self.facts is None else self.facts.owner

    def incidents(self, window: Span, view: View) -> Incidents:
        """Return what interrupted it, as far as the window saw or paid for it."""
        return incidents_of(
            self.key,
            self.bookings,
            self._all_seen(),
            window,
            settled=view is View.SETTLED,
            pricing=self.pricing,
            tokens_per_step=None if self.facts is None else self.facts.tokens_per_step,
        )

    def _all_seen(self) -> Hindsight:
        if self.quiet is None:
            return self.seen
        rest = self.quiet.stretches
        live, settled = (*self.seen.live, *rest), (*self.seen.settled, *rest)
        return replace(self.seen, live=live, settled=settled)

    def model_flops(self, window: Span) -> float | None:
        """Return the model FLOPs of first-time steps in a window; None unknown."""
        done: float | None = None
        for one in self.bookings:
            if not isinstance(one, Segment) or one.model_flops is None:
                continue
            inside = one.span.clip(window)
            if inside is not None:
                share = inside.length_ns / one.span.length_ns
                done = (done or 0.0) + one.model_flops * share
        return done

    def attempts(self) -> dict[int, Span]:
        """Return each attempt, from its first rank's start to the next one's."""
        life = self.life
        begun = [
            (number, one.at_ns)
            for one in self.bookings
            if isinstance(one, RunEvent) and one.kind is EventKind.ATTEMPT
            if isinstance(number := one.detail.get("number"), int)
        ]
        if life is None:
            return {}
        last_ns = max([life.end_ns, *(at_ns for _, at_ns in begun)])
        return {
            number: Span(at_ns, end_ns)
            for (number, at_ns), (_, end_ns) in pairwise([*begun, (0, last_ns)])
        }


def history(
    key: RunKey,
    bookings: Iterable[Booking],
    *,
    facts: RunFacts | None = None,
    pricing: Pricing | None = None,
    since_ns: int | None = None,
) -> History:
    """
    Read one run's entries.

    Args:
        key: Whose.
        bookings: All of them, in the order of their numbers.
        facts: See ``History``.
        pricing: See ``History``.
        since_ns: See ``History``; moves of earlier time are left out with it.
    """
    told = tuple(bookings)
    seen = hindsight(told)
    if since_ns is not None:
        seen = Hindsight(
            _since(seen.live, since_ns),
            _since(seen.known, since_ns),
            _since(seen.settled, since_ns),
            0,
        )
    return History(key, told, seen, facts, pricing or NO_PRICES, since_ns)


def _since(stretches: Iterable[Stretch], since_ns: int) -> tuple[Stretch, ...]:
    return tuple(one for one in stretches if one.span.start_ns >= since_ns)
