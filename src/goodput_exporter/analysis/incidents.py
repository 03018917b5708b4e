"""Every interruption as one record, rebuilt from the ledger: what it took, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from goodput_exporter.analysis.hindsight import Hindsight
from goodput_exporter.analysis.incident_events import (
    Story,
    find_beginnings,
    stories_of,
)
from goodput_exporter.analysis.incident_record import (
    Correction,
    IncidentRecord,
    named_nodes,
)
from goodput_exporter.analysis.money import Cost
from goodput_exporter.analysis.records import PREEMPTIONS
from goodput_exporter.analysis.stretches import Pricing, Stretch
from goodput_exporter.domain.accounting import is_bad
from goodput_exporter.domain.bookings import Booking, Reattribution
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState


@dataclass(frozen=True, slots=True)
class Incidents:
    """
    Everything bad of a run in a window, each GPU-nanosecond once.

    Args:
        records: Those with GPU time in the window, or detected in it; oldest first.
        apart: Bad time that follows from no interruption, by cause: ``none``, or
            ``hang`` where a stall ended by itself.
    """

    records: tuple[IncidentRecord, ...]
    apart: Mapping[Cause, int]


def incidents_of(  # noqa: PLR0913 - a run, its entries twice, and how to read them
    run: RunKey,
    bookings: Iterable[Booking],
    seen: Hindsight,
    window: Span,
    *,
    settled: bool,
    pricing: Pricing | None = None,
    tokens_per_step: float | None = None,
) -> Incidents:
    """
    Rebuild the incidents of one window.

    The GPU time of all records, by cause, and the time apart sum to the bad time
    of the view's account in the window, cause by cause.

    Args:
        run: Whose.
        bookings: All entries of the run, in the order of their numbers.
        seen: ``hindsight`` of the same.
        window: What to look at; GPU and wall time are cut to it, instants are not.
        settled: Ask the settled view; else the live one, without later causes.
        pricing: What the time costs; None leaves costs out.
        tokens_per_step: Of one optimizer step of the whole run, where known.
    """
    stories = stories_of(bookings)
    find_beginnings(stories, seen.live)
    end_ns = max((one.span.end_ns for one in seen.live), default=window.end_ns)
    spent = _spent(seen.settled if settled else seen.live, window, pricing)
    apart = spent.pop(None, _Spent())
    wall = _walls(seen.known if settled else seen.live, window)
    records: list[IncidentRecord] = []
    order = sorted(stories.values(), key=lambda story: story.detected_ns)
    for index, story in enumerate(order):
        cost = spent.pop(story.number, None)
        inside = window.start_ns <= story.detected_ns < window.end_ns
        if cost is None and not inside:
            continue
        later = order[index + 1].detected_ns if index + 1 < len(order) else end_ns
        records.append(
            _record(
                run,
                story,
                cost or _Spent(),
                wall.get(story.number, {}),
                ended_ns=max(story.detected_ns, min(later, end_ns)),
                settled=settled,
                tokens_per_step=tokens_per_step,
                priced=pricing is not None and pricing.book is not None,
            )
        )
    # An incident whose beginning no entry tells (a ledger that was cut) is no
    # record, but its time must not vanish from the sum.
    for orphan in spent.values():
        for cause, gpu_ns in orphan.by_cause.items():
            apart.by_cause[cause] = apart.by_cause.get(cause, 0) + gpu_ns
    return Incidents(tuple(records), apart.by_cause)


@dataclass(slots=True)
class _Spent:
    by_state: dict[RunState, int] = field(default_factory=dict)
    by_cause: dict[Cause, int] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)


def _spent(
    stretches: Iterable[Stretch], window: Span, pricing: Pricing | None
) -> dict[int | None, _Spent]:
    found: dict[int | None, _Spent] = {}
    for stretch in stretches:
        gpu_ns = stretch.gpu_ns_in(window) if is_bad(stretch.state) else 0
        if not gpu_ns:
            continue
        spent = found.setdefault(stretch.incident, _Spent())
        state, cause = stretch.state, stretch.cause
        spent.by_state[state] = spent.by_state.get(state, 0) + gpu_ns
        spent.by_cause[cause] = spent.by_cause.get(cause, 0) + gpu_ns
        if pricing is not None:
            spent.cost += pricing.cost(stretch, window)
    return found


def _walls(known: Iterable[Stretch], window: Span) -> dict[int, dict[RunState, int]]:
    walls: dict[int, dict[RunState, int]] = {}
    for stretch in known:
        inside = stretch.span.clip(window)
        # ``degraded`` lies beside another state: its wall time is counted there.
        if stretch.incident is None or inside is None:
            continue
        if stretch.state is not RunState.DEGRADED:
            wall = walls.setdefault(stretch.incident, {})
            wall[stretch.state] = wall.get(stretch.state, 0) + inside.length_ns
    return walls


def _record(  # noqa: PLR0913 - what the events, the sums and the caller know
    run: RunKey,
    story: Story,
    spent: _Spent,
    wall_ns: Mapping[RunState, int],
    *,
    ended_ns: int,
    settled: bool,
    tokens_per_step: float | None,
    priced: bool,
) -> IncidentRecord:
    cause, rule, evidence = story.cause, story.rule, list(story.evidence)
    for one in story.corrections if settled else ():
        cause, rule = one.to_cause, one.rule
        if one.note and not one.by:
            evidence.append(one.note)
    tokens = story.lost_tokens
    if tokens is None and tokens_per_step is not None and story.lost_steps is not None:
        tokens = round(story.lost_steps * tokens_per_step)
    nodes = named_nodes(evidence) or story.nodes
    recovered = story.recovered_ns
    return IncidentRecord(
        run=run,
        number=story.number,
        began_ns=story.detected_ns if story.began_ns is None else story.began_ns,
        detected_ns=story.detected_ns,
        returned_ns=story.returned_ns,
        recovered_ns=recovered,
        ended_ns=ended_ns if recovered is None else recovered,
        how=story.how,
        cause=cause,
        rule=rule,
        evidence=tuple(evidence),
        nodes=nodes or None,
        restored_step=story.restored_step,
        lost_steps=story.lost_steps,
        lost_tokens=tokens,
        first_node=story.first_node,
        preempted_by=_preemptor(run, story) if cause in PREEMPTIONS else None,
        corrections=tuple(_correction(one) for one in story.corrections),
        wall_ns=dict(wall_ns),
        gpu_ns=spent.by_state,
        by_cause=spent.by_cause,
        cost=spent.cost if priced else None,
    )


def _preemptor(run: RunKey, story: Story) -> RunKey | None:
    """Return who took a run's place; it is a run of the same cluster."""
    kind, _, name = story.preempted_by.partition("/")
    namespace, _, other = name.partition("/")
    return RunKey(run.cluster, namespace, other) if kind == "run" else None


def _correction(move: Reattribution) -> Correction:
    return Correction(
        move.at_ns, move.from_cause, move.to_cause, move.rule, move.by, move.note
    )
