"""How a story is told and checked: ranks' lives in, an observer of their run out."""

from __future__ import annotations

from collections.abc import Iterable

from goodput_exporter.domain.accounting import Account, Segment, is_bad
from goodput_exporter.domain.bookings import EventKind, RunEvent
from goodput_exporter.domain.observations import RunObservation
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.domain.states import RunState
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import START_S, Observer, observations

PINNED = Rules(reference_step_ns=10 * NS_PER_SECOND)
"""The run's steps take ten seconds, and somebody said so."""


def tell(
    *ranks: Rank,
    rules: Rules | None = None,
    every_s: float = 2.0,
    known_exit: bool = True,
    after_s: float = 30.0,
    tick_s: float = 1.0,
) -> Observer:
    """Watch the lives of ranks to the end of the last one, and *after_s* longer."""
    seen = observations(ranks, every_s=every_s, known_exit=known_exit)
    until_s = max(rank.ends_s for rank in ranks) + after_s
    return Observer(rules, tick_s=tick_s).watch(seen, until_s)


def part(
    seen: Iterable[RunObservation], from_s: float, to_s: float
) -> list[RunObservation]:
    """Return the observations of ``[from_s, to_s)`` in the story's seconds."""
    first_ns, end_ns = ns(START_S + from_s), ns(START_S + to_s)
    return [one for one in seen if first_ns <= one.at_ns < end_ns]


def books_close(story: Observer, *, outside_s: float = 0.0) -> bool:
    """
    Tell whether both views hold the run's time exactly, and the entries agree.

    Args:
        story: What was watched.
        outside_s: Time between a normal end and a reopening, which is in no book.
    """
    fold, outside_ns = story.fold, ns(outside_s)
    line_ns = fold.line_ns or 0
    end_ns = line_ns if fold.ended_ns is None else fold.ended_ns
    open_ns = story.open_ns()
    settled_ns = fold.book.settled.total_gpu_ns
    if not (_is_sound(fold.book.live) and _is_sound(fold.book.settled)):
        return False
    if settled_ns != (end_ns - fold.opened_ns - outside_ns - open_ns) * fold.asked:
        return False
    if outside_s:
        live_ns = fold.book.live.total_gpu_ns
        whole = (line_ns - fold.opened_ns - outside_ns - open_ns) * fold.asked
        return live_ns == whole
    return story.conserves()


def _is_sound(account: Account) -> bool:
    """Tell whether nothing is negative, and the causes sum to the badput."""
    bad_ns = sum(ns_ for state, ns_ in account.gpu_ns.items() if is_bad(state))
    found = [*account.gpu_ns.values(), *account.bad_gpu_ns.values()]
    return min(found, default=0) >= 0 and sum(account.bad_gpu_ns.values()) == bad_ns


def lost_by_cause(story: Observer) -> dict[str, float]:
    """Return the live view's badput by cause, in device seconds."""
    found = story.fold.book.live.bad_gpu_ns
    return {cause.value: ns_ / NS_PER_SECOND for cause, ns_ in found.items() if ns_}


def restated(story: Observer) -> dict[str, float]:
    """Return what was moved afterwards, in device seconds by ``"from>to"``."""
    return {k: v / NS_PER_SECOND for k, v in story.fold.book.restated.items()}


def where(story: Observer, state: RunState) -> list[tuple[float, float]]:
    """Return where a state lies, in the story's seconds, joined where it goes on."""
    found: list[tuple[float, float]] = []
    for segment in story.segments():
        if segment.state is not state:
            continue
        start, end = story_s(segment.span.start_ns), story_s(segment.span.end_ns)
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def story_s(at_ns: int) -> float:
    """Return an instant in the story's seconds."""
    return (at_ns - ns(START_S)) / NS_PER_SECOND


def events(story: Observer, kind: EventKind) -> list[RunEvent]:
    """Return what happened to the run, of one kind, in order."""
    return [b for b in story.bookings if isinstance(b, RunEvent) and b.kind is kind]


def of_incident(story: Observer, number: int | None) -> list[Segment]:
    """Return the segments that are one incident's cost; None: of no incident."""
    return [s for s in story.segments() if s.incident == number]
