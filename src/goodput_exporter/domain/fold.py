"""
One run's fold: observations in, in any order; bookings out, in the definitions' words.

The fold has a line. Everything before it is booked, or is step time whose step
has not completed; nothing before it is ever taken back. ``advance`` moves the
line as far as the ranks have reported, and never past what may still be under
way. For editors: every function that books does so through ``_emit``, which is
the only place that knows how many devices share a state.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from goodput_exporter.domain.accounting import Segment, is_bad
from goodput_exporter.domain.book import (
    BLIND,
    Book,
    book,
    lengthen,
    settled_as,
)
from goodput_exporter.domain.doubt import Doubt, Owed
from goodput_exporter.domain.evidence import Evidence
from goodput_exporter.domain.life import Life, Mark
from goodput_exporter.domain.limits import Durations
from goodput_exporter.domain.observations import (
    Delivered,
    ModelFacts,
    RankExited,
    RankReport,
)
from goodput_exporter.domain.placement import Owner, Placement, Seat
from goodput_exporter.domain.progress import Group, Progress, keep
from goodput_exporter.domain.reference import Reference
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, How, RunState
from goodput_exporter.domain.steps import Context, Steps, StepTime
from goodput_exporter.domain.telling_again import doubt, tell_again

REFERENCES_KEPT: Final = 8
INCIDENTS_KEPT: Final = 128
LIVES_KEPT: Final = 64
BURIED_KEPT: Final = 1024
EVIDENCE_KEPT: Final = 512
PLACEMENTS_KEPT: Final = 4096

Observation = RankReport | RankExited | Placement | Evidence | Delivered
"""All that a run's fold can take."""


@dataclass(slots=True)
class Waiting:
    """
    A mark of one rank whose instant the line has not reached.

    Args:
        since_ns: Position of its rank's report before: not complete by then.
    """

    at_ns: int
    incarnation: str
    order: int
    mark: Mark
    since_ns: int = 0


@dataclass(slots=True)
class Turn:
    """
    The run's make-up changes there: a rank began or ended, or pods came or went.

    Args:
        placement: Set where it is the pods, and there is no *incarnation*.
    """

    at_ns: int
    incarnation: str
    begins: bool
    placement: Placement | None = None


@dataclass(slots=True)
class Interruption:
    """
    One incident while it happens; ``snapshot.Incident`` is its published form.

    Args:
        gpu_ns, settled_ns: What it has cost, by the live and the settled view.
        unseen: It began while nobody looked, so it may have been a normal end.
        since_ns: When the attempt began that it ended.
        said, ending: What the ended process said of its end, in words and as
            evidence; *evidence* is these and what else decided.
        nodes, pods: Where the run was; empty where nobody knows.
        seats: Which of the pods was on which node.
        first_node: Where the first rank to end was; empty likewise.
        corrected_by, note: Of a person's correction; no rule overrules it.
        preempted_by: Who took its place, as ``"run/NAMESPACE/NAME"``; empty unknown.
    """

    number: int
    began_ns: int
    detected_ns: int
    cause: Cause
    rule: str
    evidence: list[str]
    returned_ns: int | None = None
    recovered_ns: int | None = None
    how: How | None = None
    restored_step: int | None = None
    lost_steps: int | None = None
    gpu_ns: dict[RunState, int] = field(default_factory=dict)
    unseen: bool = False
    settled_ns: dict[RunState, int] = field(default_factory=dict)
    since_ns: int = 0
    said: list[str] = field(default_factory=list)
    ending: list[Evidence] = field(default_factory=list)
    tokens_lost: int | None = None
    nodes: list[str] = field(default_factory=list)
    pods: list[str] = field(default_factory=list)
    seats: dict[str, str] = field(default_factory=dict)
    first_node: str = ""
    corrected_by: str = ""
    note: str = ""
    preempted_by: str = ""


@dataclass(frozen=True, slots=True)
class Spent:
    """What an incident that the fold has forgotten cost, as the ledger says it."""

    span: tuple[int, int]
    cause: Cause
    gpu_ns: dict[RunState, int]
    settled_ns: dict[RunState, int]


@dataclass(slots=True)
class Fold:
    """
    What is known of one run.

    Args:
        key: Whose.
        line_ns: Everything before it is decided; None before the first rank.
        resumed_ns: When this program last took over; 0 if it never was away.
        asked: Devices that the book counts.
        active: Devices that step on where some are missing; None when all share.
        inbox, exits: Observations that may still be overtaken by others.
        lives: Incarnations that matter still, by their id.
        buried: The last ones that ended and do not: a stray datagram of theirs
            must not bring them back.
        missing: Ranks that ended abnormally and are not back.
        waiting, turns: What the ranks said, after the line.
        members: Ranks that the present attempt has seen.
        is_returning: A restart has begun and is not counted yet.
        incidents: All of them, oldest first; the last may be open.
        recovering: Time booked now follows from the last incident.
        since_step: Bad time booked since the last completed step.
        seen: Evidence that may explain an end; *has_news* until it was looked at.
        placed: Where its pods stand at the line; None without a cluster.
        placements: The same for instants that the line has not reached.
        ran_ns: Since when all of them run, or ran last.
        crew: Where its pods were when all of them ran, last.
        owner: Whose the run is.
        is_done: The last ranks said that they are done, and it has not ended yet.
        delivered: Up to when each agent of the run has delivered.
        outdone: Inferred words that were left aside because a rank spoke.
        doubt: Where it stood when its ranks fell silent, while they are.
        foreseen: Incidents that pods told of, which the ranks' late word may yet
            change; only while that is told again.
        passed_ns: Where the line was when it last went back for a late word.
    """

    key: RunKey
    kind: str = "process"
    line_ns: int | None = None
    opened_ns: int = 0
    resumed_ns: int = 0
    ended_ns: int | None = None
    outcome: str = "running"
    asked: int = 0
    active: int | None = None
    inbox: list[RankReport] = field(default_factory=list)
    exits: list[RankExited] = field(default_factory=list)
    lives: dict[str, Life] = field(default_factory=dict)
    buried: list[str] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    stepping_on: bool = False
    steps_since_end: int = 0
    waiting: list[Waiting] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    attempt: int = 0
    attempt_ns: int = 0
    members: list[int] = field(default_factory=list)
    restarts: dict[str, int] = field(default_factory=dict)
    is_returning: bool = False
    incidents: list[Interruption] = field(default_factory=list)
    recovering: bool = False
    degraded_by: int | None = None
    durations: Durations = field(default_factory=Durations)
    references: dict[str, Reference] = field(default_factory=dict)
    steps: Steps = field(default_factory=Steps)
    progress: Progress = field(default_factory=Progress)
    book: Book = field(default_factory=Book)
    partial: bool = False
    steps_first: int = 0
    steps_redone: int = 0
    tokens: int | None = None
    tokens_per_step: float | None = None
    flops_per_step: float | None = None
    flops_per_token: float | None = None
    convention: str | None = None
    facts: ModelFacts | None = None
    last_step_ns: int | None = None
    seen_step: int | None = None
    failed_lost: Group | None = None
    source: str = "sdk"
    verified: bool = True
    since_step: list[Owed] = field(default_factory=list)
    seen: list[Evidence] = field(default_factory=list)
    has_news: bool = False
    placed: Placement | None = None
    placements: list[Placement] = field(default_factory=list)
    crew: list[Seat] = field(default_factory=list)
    ran_ns: int = 0
    owner: Owner = field(default_factory=Owner)
    is_done: bool = False
    delivered: dict[str, int] = field(default_factory=dict)
    interruptions: int = 0
    last_exit_ns: int = 0
    serial: int = 0
    outdone: int = 0
    doubt: Doubt | None = None
    foreseen: list[Interruption] = field(default_factory=list)
    passed_ns: int = 0


def observe(fold: Fold, seen: Observation) -> None:
    """Take an observation; nothing is decided before ``advance``."""
    match seen:
        case RankReport():
            if seen.role == "trainer":
                fold.inbox.append(seen)
        case RankExited():
            fold.exits.append(seen)
        case Placement():
            fold.placements.append(seen)
            del fold.placements[:-PLACEMENTS_KEPT]
        case Evidence():
            if seen not in fold.seen:
                fold.seen.append(seen)
                fold.has_news = True
                del fold.seen[:-EVIDENCE_KEPT]
        case Delivered():
            known_ns = fold.delivered.get(seen.agent, 0)
            fold.delivered[seen.agent] = max(known_ns, seen.through_ns)


def reference_of(fold: Fold) -> Reference:
    """Return the reference among steps comparable with the present ones (rule 9)."""
    facts = fold.facts or ModelFacts()
    shape = (
        fold.active or fold.asked,
        facts.tokens_per_step,
        facts.params,
        facts.layers,
        facts.hidden,
        facts.seq_len,
    )
    name = "|".join(str(part) for part in shape)
    if name not in fold.references:
        while len(fold.references) >= REFERENCES_KEPT:
            del fold.references[next(iter(fold.references))]
        fold.references[name] = Reference()
    return fold.references[name]


def context_of(fold: Fold) -> Context:
    """Return whose cost time is now, and how many devices spend it."""
    number = fold.incidents[-1].number if fold.recovering else None
    return Context(number, fold.asked if fold.active is None else fold.active)


def emit(
    fold: Fold,
    span: Span,
    state: RunState,
    named: StepTime | None = None,
) -> None:
    """
    Book one state over one span, with the cause that holds.

    The missing devices of a run that steps on are ``degraded`` beside it; where
    nothing steps on, or nobody sees it, no device is told from another. What was
    booked while the ranks were silent is restated.
    """
    if span.length_ns <= 0:
        return
    context = context_of(fold)
    if named is not None and named.context is not None:
        context = named.context
    # Progress is nobody's cost, not even the first step after an interruption, and
    # not that it was slow.
    is_cost = is_bad(state) and state is not RunState.SLOW
    incident = context.incident if is_cost else None
    cause = cause_of(fold, incident)
    if state is RunState.STALLED and incident is None:
        cause = Cause.HANG
    devices = fold.asked if state in BLIND else context.devices
    flops = None
    if named is not None and named.fresh and fold.flops_per_step is not None:
        flops = fold.flops_per_step * named.fresh
    segment = Segment(
        span,
        state,
        devices,
        cause,
        incident,
        None if named is None else named.first,
        None if named is None else named.last,
        None if named is None or named.first is None else named.kept_as,
        bridged=span.start_ns < fold.resumed_ns,
        model_flops=flops,
    )
    for part in _untold(fold, segment):
        lengthen(fold.book, fold.asked, part.span.length_ns)
        _charge(fold, part)
        if fold.doubt is not None:
            doubt(fold.book, part)
        if devices < fold.asked:
            _charge(
                fold,
                Segment(
                    part.span,
                    RunState.DEGRADED,
                    fold.asked - devices,
                    cause_of(fold, fold.degraded_by),
                    fold.degraded_by,
                ),
            )


def _untold(fold: Fold, segment: Segment) -> list[Segment]:
    """Restate what of a segment is in the book already; return what is not."""
    if not fold.book.doubted:
        return [segment]
    at_ns = max(fold.passed_ns, fold.line_ns or 0)
    changed, spans = tell_again(fold.book, at_ns, segment)
    for before, after in changed:
        if is_bad(before.state):
            _unspend(fold, before)
        if is_bad(after.state):
            _spend(fold, after)
        if fold.doubt is not None:
            doubt(fold.book, after)
    whole, flops = segment.span.length_ns, segment.model_flops
    return [
        replace(
            segment,
            span=span,
            model_flops=None if flops is None else flops * span.length_ns / whole,
        )
        for span in spans
    ]


def emit_steps(fold: Fold, named: Iterable[StepTime]) -> None:
    """Book step time that got its name, and keep executed steps in the lineage."""
    for part in named:
        emit(fold, part.span, part.state, part)
        if part.first is None or part.last is None:
            continue
        context = part.context or context_of(fold)
        gpu_ns = part.span.length_ns * context.devices
        good = gpu_ns if part.kept_as is RunState.PRODUCTIVE else 0
        slow = gpu_ns if part.kept_as is RunState.SLOW else 0
        keep(fold.progress, Group(part.first, part.last, good, slow))


def cause_of(fold: Fold, incident: int | None) -> Cause:
    """Return the cause of an incident; ``none`` where there is no incident."""
    if incident is None:
        return Cause.NONE
    found = incident_of(fold, incident)
    return Cause.UNKNOWN if found is None else found.cause


def incident_of(fold: Fold, number: int) -> Interruption | None:
    """Return an incident by its number, if it is recent enough to be kept."""
    for incident in (*fold.foreseen, *reversed(fold.incidents)):
        if incident.number == number:
            return incident
    return None


def _charge(fold: Fold, segment: Segment) -> None:
    """Book a segment, as its incident's cost or as what one may cost yet."""
    book(fold.book, segment)
    _spend(fold, segment)


def _spend(fold: Fold, segment: Segment) -> None:
    number = segment.incident
    incident = None if number is None else incident_of(fold, number)
    if incident is not None:
        spend(incident, segment)
    since_ns = fold.last_step_ns
    if since_ns is None or segment.span.start_ns < since_ns:
        return
    if is_bad(segment.state) and segment.state is not RunState.DEGRADED:
        _owe(fold, segment)


def _unspend(fold: Fold, segment: Segment) -> None:
    """Take back what a segment was charged with that turns out to be another."""
    number = segment.incident
    incident = None if number is None else incident_of(fold, number)
    if incident is not None:
        add_to(incident.gpu_ns, segment.state, -segment.gpu_ns)
        state, gpu_ns, _ = settled_as(segment)
        if state is segment.state:
            add_to(incident.settled_ns, state, -gpu_ns)


def _owe(fold: Fold, segment: Segment) -> None:
    span, whose = segment.span, (segment.state, segment.cause, segment.incident)
    for owed in fold.since_step:
        if (owed.state, owed.cause, owed.incident) == whose:
            owed.gpu_ns += segment.gpu_ns
            owed.start_ns = min(owed.start_ns, span.start_ns)
            owed.end_ns = max(owed.end_ns, span.end_ns)
            return
    fold.since_step.append(Owed(*whose, span.start_ns, span.end_ns, segment.gpu_ns))


def spend(incident: Interruption, segment: Segment) -> None:
    """
    Add a segment to what an incident has cost, in both views.

    Where ranks are mixed, phases are laid before step time: what was cut short
    may lie before the instant at which the last step was complete.
    """
    incident.began_ns = min(incident.began_ns, segment.span.start_ns)
    add_to(incident.gpu_ns, segment.state, segment.gpu_ns)
    state, gpu_ns, _ = settled_as(segment)
    if state is segment.state:
        add_to(incident.settled_ns, state, gpu_ns)


def add_to(amounts: dict[RunState, int], state: RunState, gpu_ns: int) -> None:
    """Add GPU time of a state to *amounts*."""
    amounts[state] = amounts.get(state, 0) + gpu_ns
