"""Why a run's interruptions happened, told better as more is seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from goodput_exporter.domain.attribution import Verdict, explain
from goodput_exporter.domain.book import recause
from goodput_exporter.domain.bookings import Reattribution
from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.fold import (
    Fold,
    Interruption,
    Spent,
    add_to,
    incident_of,
)
from goodput_exporter.domain.settings import MINUTE_NS
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState

PERSON: Final = "person"
"""The rule's id where a person decided."""
SECTION_7: Final = "since-last-step"
"""The rule's id of what an interruption costs since the last completed step."""
REVIEWED_NS: Final = 180 * MINUTE_NS
"""How long after its end an incident is explained again when more is seen."""
EVIDENCE_KEPT_NS: Final = REVIEWED_NS + 120 * MINUTE_NS
"""Longer than that by more than the longest reach of a rule, which is an hour: what
once decided must not be forgotten before the incident is closed to review."""


@dataclass(frozen=True, slots=True)
class Correction:
    """
    A person's word on why an incident happened.

    Args:
        incident: Its number within the run.
        cause: What it is due to.
        by, note: Who says so, and why.
        at_ns: When it was said.
    """

    incident: int
    cause: Cause
    by: str
    note: str
    at_ns: int


def locate(fold: Fold, incident: Interruption, rank: int | None) -> None:
    """
    Note where the run was when it was interrupted, and where it began.

    Args:
        fold: Of the run.
        incident: Changed in place.
        rank: The first to end, where that is known.
    """
    placed, crew = fold.placed, fold.crew
    if placed is None:
        return
    incident.nodes = sorted({seat.node for seat in crew if seat.node})
    incident.nodes = incident.nodes or list(placed.nodes)
    incident.pods = sorted({*(seat.pod for seat in crew), *placed.pods})
    incident.seats = {seat.pod: seat.node for seat in crew}
    worlds = [life.world_size for life in fold.lives.values()]
    world = max(worlds, default=-1)
    is_ranked = all(seat.index is not None for seat in crew)
    if rank is not None and 0 <= rank < world and crew and is_ranked:
        incident.first_node = crew[rank * len(crew) // world].node


def _began_on(fold: Fold, incident: Interruption, window: Evidence, node: str) -> bool:
    """Tell whether something befell a node, or a pod on it, before the end."""
    here = {f"pod/{pod}" for pod, where in incident.seats.items() if where == node}
    return any(
        seen.kind is not Kind.MAINTENANCE_WINDOW
        and (seen.place == f"node/{node}" or seen.place in here)
        and window.at_ns <= seen.at_ns <= incident.detected_ns
        for seen in fold.seen
    )


def _is_about(fold: Fold, incident: Interruption, seen: Evidence) -> bool:
    """Tell whether an observation is about where the run was, and not of elsewhere."""
    kind, _, name = seen.place.partition("/")
    if kind == "node" and incident.nodes:
        # A window explains what breaks on its node, and not on the run's others.
        is_window = seen.kind is Kind.MAINTENANCE_WINDOW
        if is_window and incident.first_node not in {"", name}:
            # The first of its ranks to end may be one that nobody heard of.
            return name in incident.nodes and _began_on(fold, incident, seen, name)
        return name in incident.nodes
    if kind == "pod" and incident.pods:
        return name in incident.pods
    return True


def verdict_of(fold: Fold, incident: Interruption) -> Verdict:
    """Explain an incident by all that has been seen so far of where it happened."""
    until_ns = incident.returned_ns
    about = [
        seen
        for seen in fold.seen
        # What comes when all ranks are back is of the next interruption, if any.
        if (until_ns is None or seen.at_ns <= until_ns)
        and _is_about(fold, incident, seen)
    ]
    seen = [*incident.ending, *about]
    return explain(incident.detected_ns, seen, since_ns=incident.since_ns)


def first_node_of(incident: Interruption, verdict: Verdict) -> str:
    """
    Return the node on which it began: where the first rank ended, as ranks say.

    Else where the first of the pods was that the verdict rests on; empty unknown.
    """
    if incident.first_node:
        return incident.first_node
    places = (seen.place.removeprefix("pod/") for seen in verdict.used)
    return next((incident.seats[at] for at in places if at in incident.seats), "")


def words_of(incident: Interruption, verdict: Verdict) -> list[str]:
    """Return what a verdict rests on, what the process itself said of it first."""
    own = {seen.words for seen in incident.ending}
    return [*incident.said, *(word for word in verdict.evidence if word not in own)]


def review(fold: Fold, now_ns: int) -> None:
    """Explain recent incidents again, if something new has been seen."""
    if not fold.has_news:
        return
    fold.has_news = False
    fold.seen = [
        seen
        for seen in fold.seen
        if (seen.until_ns or seen.at_ns) > now_ns - EVIDENCE_KEPT_NS
    ]
    for incident in fold.incidents:
        is_recent = incident.detected_ns > now_ns - REVIEWED_NS
        if not is_recent or incident.rule == PERSON:
            continue
        verdict = verdict_of(fold, incident)
        is_same = verdict.rule == incident.rule and verdict.cause is incident.cause
        if is_same and verdict.by == incident.preempted_by:
            incident.evidence = words_of(incident, verdict)
            continue
        rename(fold, incident, verdict, now_ns)


def rename(fold: Fold, incident: Interruption, verdict: Verdict, now_ns: int) -> None:
    """
    Put another cause in an incident's place, and move what was booked under it.

    Where only who preempted it has become known, the cause moves to itself: the
    entry says who, and no sum changes.
    """
    words = words_of(incident, verdict)
    incident.preempted_by = verdict.by
    _move(fold, incident, verdict.cause, (verdict.rule, "", "; ".join(words)), now_ns)
    incident.cause, incident.rule = verdict.cause, verdict.rule
    incident.evidence = words


def correct_cause(fold: Fold, said: Correction, spent: Spent | None = None) -> bool:
    """
    Let a person's word on a cause stand; no rule overrules it.

    Args:
        fold: Of the run.
        said: The correction.
        spent: What an incident that the fold no longer keeps has cost, and under
            which cause, from the ledger.

    Returns:
        Whether there is such an incident.
    """
    incident = incident_of(fold, said.incident)
    if incident is None:
        if spent is None:
            return False
        incident = Interruption(said.incident, *spent.span, spent.cause, "", [])
        incident.gpu_ns, incident.settled_ns = spent.gpu_ns, spent.settled_ns
    _move(fold, incident, said.cause, (PERSON, said.by, said.note), said.at_ns)
    incident.cause, incident.rule = said.cause, PERSON
    incident.corrected_by, incident.note = said.by, said.note
    return True


def _move(
    fold: Fold,
    incident: Interruption,
    cause: Cause,
    why: tuple[str, str, str],
    now_ns: int,
) -> None:
    # Beyond its recovery, too: devices may be missing for much longer.
    end_ns = max(incident.detected_ns, fold.line_ns or 0)
    move = Reattribution(
        now_ns,
        Span(min(incident.began_ns, incident.detected_ns), end_ns),
        incident.number,
        incident.cause,
        cause,
        incident.number,
        _whole(incident.gpu_ns),
        _whole(incident.settled_ns),
        *why,
        incident.preempted_by,
    )
    recause(fold.book, move)


def _whole(amounts: dict[RunState, int]) -> dict[RunState, int]:
    return {state: gpu_ns for state, gpu_ns in amounts.items() if gpu_ns}


def adopt(fold: Fold, incident: Interruption, at_ns: int) -> None:
    """
    Charge an incident with what was booked since the last completed step.

    Source:
        Section 7: the cause is on every segment from the last completed step on;
        phases are booked as they go, so in hindsight.
    """
    mine, fold.since_step = fold.since_step, []
    earlier = [each.detected_ns for each in fold.incidents if each is not incident]
    if fold.last_step_ns is None or fold.last_step_ns < max(earlier, default=0):
        # It takes over from its own start: the time before is the earlier one's.
        return
    for owed in mine:
        incident.began_ns = min(incident.began_ns, owed.start_ns)
        before = None if owed.incident is None else incident_of(fold, owed.incident)
        for amounts in () if before is None else (before.gpu_ns, before.settled_ns):
            add_to(amounts, owed.state, -owed.gpu_ns)
        for amounts in (incident.gpu_ns, incident.settled_ns):
            add_to(amounts, owed.state, owed.gpu_ns)
        moved = {owed.state: owed.gpu_ns}
        move = Reattribution(
            at_ns,
            Span(owed.start_ns, owed.end_ns),
            incident.number,
            owed.cause,
            incident.cause,
            owed.incident,
            moved,
            dict(moved),
            SECTION_7,
        )
        recause(fold.book, move)
