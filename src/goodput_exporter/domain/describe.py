"""From a fold to the view that is published: figures, the open tail, and a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.domain.accounting import Account, Segment, tally
from goodput_exporter.domain.book import Book
from goodput_exporter.domain.bookings import Booking, Reattribution, Restatement
from goodput_exporter.domain.corrected import (
    Move,
    correct,
    extend,
    join_segments,
    shift,
)
from goodput_exporter.domain.fold import Fold, Interruption, reference_of
from goodput_exporter.domain.pacing import Pacing
from goodput_exporter.domain.peaks import peak_of, why_no_peak
from goodput_exporter.domain.ratios import LayerRatios, ratios
from goodput_exporter.domain.rolling import WINDOWS, Rolling, window_of
from goodput_exporter.domain.sentences import held_up, notes, why
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.snapshot import Incident, ModelView, RunView
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, How, RunState
from goodput_exporter.domain.tail import Tail

INCIDENTS_SHOWN: Final = 20
RECENT: Final = 600
DEFAULT_DTYPE: Final = "bf16"


@dataclass(frozen=True, slots=True)
class Counted:
    """
    What counters show of one run: as committed to the ledger, never lower again.

    Args:
        sealed: The live account.
        restated, recaused: GPU time moved between states and causes, by ``"from>to"``.
        late_ns: Time that was heard of late.
        through_ns: The line.
        restarts: Count by ``"how|cause"``.
        model_flops: Of first-time steps.
    """

    sealed: Account = field(default_factory=Account)
    restated: Mapping[str, int] = field(default_factory=dict)
    through_ns: int = 0
    steps_first: int = 0
    steps_redone: int = 0
    restarts: Mapping[str, int] = field(default_factory=dict)
    interruptions: int = 0
    model_flops: float | None = None
    tokens: int | None = None
    recaused: Mapping[str, int] = field(default_factory=dict)
    late_ns: int = 0


def counted_of(fold: Fold) -> Counted:
    """Take down a fold's counters, at the moment it has been committed."""
    return Counted(
        sealed=fold.book.live.copy(),
        restated=dict(fold.book.restated),
        through_ns=fold.opened_ns if fold.line_ns is None else fold.line_ns,
        steps_first=fold.steps_first,
        steps_redone=fold.steps_redone,
        restarts=dict(fold.restarts),
        interruptions=fold.interruptions,
        model_flops=fold.book.model_flops,
        tokens=fold.tokens,
        recaused=dict(fold.book.recaused),
        late_ns=fold.book.late_ns,
    )


@dataclass(slots=True)
class Published:
    """
    What exposition may show of one run, beside the fold itself.

    Args:
        counted: The counters as committed.
        rolling: The recent windows, from committed entries.
        recent: Committed segments for the page, corrected and joined.
        pacing: Which ranks the others wait for.
    """

    counted: Counted = field(default_factory=Counted)
    rolling: Rolling = field(default_factory=Rolling)
    recent: list[Segment] = field(default_factory=list)
    pacing: Pacing = field(default_factory=Pacing)

    def add(self, bookings: Sequence[Booking], now_ns: int) -> None:
        """Take what has been committed, in the order of its numbers."""
        segments = [each for each in bookings if isinstance(each, Segment)]
        moves = [
            each for each in bookings if isinstance(each, Restatement | Reattribution)
        ]
        for segment in segments:
            self.rolling.add(segment, now_ns)
        for move in moves:
            # The windows' ratios are formed of states: causes do not matter there.
            if isinstance(move, Restatement):
                self.rolling.restate(move, now_ns)
        self.recent = told(self.recent, segments, moves)[-RECENT:]


@dataclass(frozen=True, slots=True)
class Around:
    """
    What the view needs to know of the world around the run.

    Args:
        now_ns: The present.
        silence_ns: From when on a rank counts as silent.
        gpu_names: NVML's name by UUID, of this node's GPUs.
    """

    now_ns: int
    silence_ns: int
    gpu_names: Mapping[str, str]


def view_of(
    ahead: Fold, tail: Tail, published: Published, rules: Rules, around: Around
) -> RunView:
    """
    Publish one run.

    Args:
        ahead: The fold as it would be if everything under way were decided now:
            gauges and the state come from it.
        tail: What ``tail_of`` foresaw with it.
        published: What is committed: counters come from it.
        rules: The settings.
        around: The present, and the GPUs at hand.
    """
    now_ns = around.now_ns if ahead.ended_ns is None else ahead.ended_ns
    counted = published.counted
    segments = tail.segments
    timeline = told(published.recent, segments, tail.moves)
    whole = (s for s in reversed(timeline) if s.state is not RunState.DEGRADED)
    last = next(whole, None)
    state = RunState.UNOBSERVED if last is None else last.state
    model = _model(ahead, counted, around)
    lifetime = _sum(counted.sealed, ahead.book.corrections, tally(segments))
    by_window = _ratios(published, tail, ahead.book, lifetime, model.peak_flops, now_ns)
    told_why = why(ahead, state, around.now_ns)
    if ahead.ended_ns is None:
        told_why += held_up(state, published.pacing, by_window["5m"].pace)
    return RunView(
        key=ahead.key,
        kind=ahead.kind,
        source=ahead.source,
        verified=ahead.verified,
        upper_bound=ahead.progress.upper_bound,
        opened_ns=ahead.opened_ns,
        ended_ns=ahead.ended_ns,
        outcome=ahead.outcome,
        state=state,
        state_since_ns=now_ns if last is None else last.span.start_ns,
        cause=Cause.NONE if last is None else last.cause,
        why=told_why,
        asked_devices=ahead.asked,
        devices_are_gpus=_has_gpus(ahead),
        ranks_reporting=_reporting(ahead, around),
        ranks_expected=_expected(ahead),
        sealed=counted.sealed,
        sealed_through_ns=counted.through_ns or ahead.opened_ns,
        tail=tally(segments),
        tail_ns=max(
            0, now_ns - min((s.span.start_ns for s in segments), default=now_ns)
        ),
        restated={_pair(key): ns for key, ns in counted.restated.items()},
        ratios=by_window,
        settled=_sum(ahead.book.settled, tally(tail.foreseen)),
        step=_shown_step(ahead.progress.position),
        high_water_step=ahead.progress.high_water,
        saved_step=ahead.progress.saved,
        durable_step=ahead.progress.durable,
        exposure_gpu_ns=ahead.progress.exposure(),
        steps_first_time=counted.steps_first,
        steps_redone=counted.steps_redone,
        restarts={_restart(key): count for key, count in counted.restarts.items()},
        interruptions=counted.interruptions,
        reference_step_ns=rules.reference_step_ns or reference_of(ahead).lowest_ns,
        model=model,
        timeline=tuple(timeline),
        incidents=tuple(
            _incident(i) for i in reversed(ahead.incidents[-INCIDENTS_SHOWN:])
        ),
        notes=tuple(notes(ahead, lifetime, has_gpus=_has_gpus(ahead))),
        corrections=ahead.book.corrections,
        wall_ns=tail.wall_ns,
        outside=tuple(ahead.book.outside),
        outside_ns=ahead.book.outside_ns,
        moves=ahead.book.decided_since,
        owner=ahead.owner,
        recaused=_causes(counted.recaused),
        late_ns=counted.late_ns,
    )


def _shown_step(position: int | None) -> int | None:
    """Return the last completed step; none is before the first, not step -1."""
    return None if position is None or position < 0 else position


def told(
    recent: Sequence[Segment], segments: Sequence[Segment], moves: Sequence[Move]
) -> list[Segment]:
    """Return the timeline that goes on with *segments*, as *moves* correct it."""
    whole = extend(recent, segments)
    return join_segments(correct(whole, moves)) if moves else whole


def _sum(*accounts: Account) -> Account:
    """Add accounts up, without the states and causes that nothing is left of."""
    whole = Account()
    for account in accounts:
        whole.merge(account)
    return Account(
        {state: ns for state, ns in whole.gpu_ns.items() if ns},
        {cause: ns for cause, ns in whole.bad_gpu_ns.items() if ns},
    )


def _pair(key: str) -> tuple[str, str]:
    before, _, after = key.partition(">")
    return before, after


def _causes(recaused: Mapping[str, int]) -> dict[tuple[Cause, Cause], int]:
    pairs = {_pair(key): gpu_ns for key, gpu_ns in recaused.items()}
    return {(Cause(a), Cause(b)): gpu_ns for (a, b), gpu_ns in pairs.items()}


def _restart(key: str) -> tuple[How, Cause]:
    how, _, cause = key.partition("|")
    return How(how), Cause(cause)


def _ratios(  # noqa: PLR0913, PLR0917 - what is booked, what is not, and the peak
    published: Published,
    tail: Tail,
    book: Book,
    lifetime: Account,
    peak_flops: float | None,
    now_ns: int,
) -> dict[str, LayerRatios]:
    """Form the ratios of every window; each includes its part of the open tail."""
    found: dict[str, LayerRatios] = {}
    for name in WINDOWS:
        account, flops = published.rolling.read(name, now_ns)
        # What is booked beyond the run's end is moved out of the book below.
        begin_ns = window_of(name, now_ns).start_ns
        window = Span(begin_ns, max(now_ns, _end_ns(tail), begin_ns))
        account.merge(tally(tail.segments, window))
        for move in tail.moves:
            if isinstance(move, Restatement):
                shift(account, move, window)
        flops = _flops(flops, tail.decided, window)
        found[name] = ratios(account, model_flops=flops, peak_flops=peak_flops)
    found["lifetime"] = ratios(
        lifetime, model_flops=book.model_flops, peak_flops=peak_flops
    )
    return found


def _end_ns(tail: Tail) -> int:
    """Return where the last entry that is not committed yet ends; 0 without one."""
    spans = [segment.span for segment in tail.segments]
    return max([0, *(span.end_ns for span in (*spans, *(m.span for m in tail.moves)))])


def _flops(
    booked: float | None, segments: Sequence[Segment], window: Span
) -> float | None:
    flops = booked
    for segment in segments:
        inside = segment.span.clip(window)
        if inside is not None and segment.model_flops is not None:
            share = inside.length_ns / segment.span.length_ns
            flops = (flops or 0.0) + segment.model_flops * share
    return flops


def _has_gpus(fold: Fold) -> bool:
    return bool(fold.facts and fold.facts.gpu_uuids)


def _expected(fold: Fold) -> int:
    worlds = [life.world_size for life in fold.lives.values() if life.world_size > 0]
    return max([*worlds, len(fold.members), 1])


def _reporting(fold: Fold, around: Around) -> int:
    return sum(
        1
        for life in fold.lives.values()
        if life.is_alive and around.now_ns - life.reported_ns < around.silence_ns
    )


def _gpu_model(fold: Fold, around: Around) -> str | None:
    """Return the one name that all GPUs of the run share, or None."""
    uuids = fold.facts.gpu_uuids if fold.facts else ()
    names = {around.gpu_names[uuid] for uuid in uuids if uuid in around.gpu_names}
    return names.pop() if len(names) == 1 else None


def _model(fold: Fold, counted: Counted, around: Around) -> ModelView:
    facts = fold.facts
    gpu_model = _gpu_model(fold, around)
    dtype = (facts.dtype if facts else None) or DEFAULT_DTYPE
    peak = None if gpu_model is None else peak_of(gpu_model, dtype)
    peak_flops = None if peak is None else peak.flops
    source = "no GPU is known for this run" if peak is None else peak.source
    if gpu_model is not None and peak is None:
        source = why_no_peak(gpu_model, dtype) or source
    if facts is not None and facts.peak_tflops is not None:
        peak_flops, source = facts.peak_tflops * 1e12, "GOODPUT_PEAK_TFLOPS of the job"
    done = counted.model_flops
    whole = ratios(counted.sealed, model_flops=done, peak_flops=peak_flops)
    return ModelView(
        convention=fold.convention,
        flops_per_token=fold.flops_per_token,
        gpu_model=gpu_model,
        dtype=dtype,
        peak_flops=peak_flops,
        peak_source=source,
        first_time_flops=done,
        mfu=whole.model,
        tokens=counted.tokens,
    )


def _incident(incident: Interruption) -> Incident:
    return Incident(
        number=incident.number,
        began_ns=incident.began_ns,
        detected_ns=incident.detected_ns,
        cause=incident.cause,
        rule=incident.rule,
        evidence=tuple(incident.evidence),
        returned_ns=incident.returned_ns,
        recovered_ns=incident.recovered_ns,
        how=incident.how,
        restored_step=incident.restored_step,
        lost_steps=incident.lost_steps,
        gpu_ns=_positive(incident.gpu_ns),
        nodes=tuple(incident.nodes),
        lost_tokens=incident.tokens_lost,
        settled_gpu_ns=_positive(incident.settled_ns),
        corrected_by=incident.corrected_by,
        note=incident.note,
        preempted_by=incident.preempted_by,
    )


def _positive(amounts: Mapping[RunState, int]) -> dict[RunState, int]:
    return {state: gpu_ns for state, gpu_ns in amounts.items() if gpu_ns}
