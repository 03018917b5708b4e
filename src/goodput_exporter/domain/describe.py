"""From a fold to the view that is published: figures, the open tail, and a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from goodput_exporter.domain.accounting import Account, Segment, tally
from goodput_exporter.domain.bookings import OUTSIDE_THE_BOOK
from goodput_exporter.domain.fold import Fold, Interruption, reference_of
from goodput_exporter.domain.peaks import peak_of, why_no_peak
from goodput_exporter.domain.ratios import LayerRatios, ratios
from goodput_exporter.domain.rolling import WINDOWS, Rolling, window_of
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.snapshot import Incident, ModelView, RunView
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.domain.states import Cause, How, RunState

INCIDENTS_SHOWN: Final = 20
DEFAULT_DTYPE: Final = "bf16"


@dataclass(slots=True)
class Published:
    """
    What exposition may show of one run, beside the fold itself.

    Args:
        sealed: The live account as committed to the ledger.
        restated: The same of the restatements.
        rolling: The recent windows, from committed segments.
        recent: Committed segments for the page, in time order, joined.
    """

    sealed: Account = field(default_factory=Account)
    restated: dict[str, int] = field(default_factory=dict)
    rolling: Rolling = field(default_factory=Rolling)
    recent: list[Segment] = field(default_factory=list)


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


def view_of(  # noqa: PLR0913, PLR0917 - the two copies of one run, and what is around
    fold: Fold,
    ahead: Fold,
    published: Published,
    tail: Sequence[Segment],
    rules: Rules,
    around: Around,
) -> RunView:
    """
    Publish one run.

    Args:
        fold: As committed: counters come from it.
        ahead: As it would be if everything under way were decided now: gauges and
            the state come from it.
        published: The committed figures.
        tail: What the undecided time would be booked as, from ``tail_of``.
        rules: The settings.
        around: The present, and the GPUs at hand.
    """
    now_ns = around.now_ns if ahead.ended_ns is None else ahead.ended_ns
    timeline = join_segments([*published.recent, *tail])
    whole = [s for s in timeline if s.state is not RunState.DEGRADED]
    last = whole[-1] if whole else None
    state = RunState.UNOBSERVED if last is None else last.state
    model = _model(fold, published, around)
    reference_ns = rules.reference_step_ns or reference_of(fold).lowest_ns
    tail_account = tally(tail)
    return RunView(
        key=fold.key,
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
        why=_why(ahead, state, around),
        asked_devices=ahead.asked,
        devices_are_gpus=_has_gpus(ahead),
        ranks_reporting=_reporting(ahead, around),
        ranks_expected=_expected(ahead),
        sealed=published.sealed,
        sealed_through_ns=fold.line_ns or fold.opened_ns,
        tail=tail_account,
        tail_ns=max(0, now_ns - min((s.span.start_ns for s in tail), default=now_ns)),
        restated={_pair(key): ns for key, ns in published.restated.items()},
        ratios=_ratios(fold, published, tail, model, now_ns),
        settled=_with(fold.book.settled, tail_account),
        step=ahead.progress.position,
        high_water_step=ahead.progress.high_water,
        saved_step=ahead.progress.saved,
        durable_step=ahead.progress.durable,
        exposure_gpu_ns=ahead.progress.exposure(),
        steps_first_time=fold.steps_first,
        steps_redone=fold.steps_redone,
        restarts={_restart(key): count for key, count in fold.restarts.items()},
        interruptions=fold.interruptions,
        reference_step_ns=reference_ns,
        model=model,
        timeline=tuple(timeline),
        incidents=tuple(
            _incident(i) for i in reversed(ahead.incidents[-INCIDENTS_SHOWN:])
        ),
        notes=tuple(_notes(ahead, published)),
    )


def join_segments(segments: Sequence[Segment]) -> list[Segment]:
    """Sort segments by time and join those that say the same of adjoining spans."""
    joined: list[Segment] = []
    latest: dict[bool, int] = {}
    for segment in sorted(segments, key=lambda s: (s.span, s.state)):
        lane = segment.state is RunState.DEGRADED
        index = latest.get(lane)
        last = None if index is None else joined[index]
        if index is not None and last is not None and _same(last, segment):
            joined[index] = replace(
                last,
                span=Span(last.span.start_ns, segment.span.end_ns),
                last_step=segment.last_step or last.last_step,
                model_flops=None,
            )
        else:
            joined.append(segment)
            latest[lane] = len(joined) - 1
    return joined


def _same(last: Segment, segment: Segment) -> bool:
    return last.span.end_ns == segment.span.start_ns and (
        last.state,
        last.cause,
        last.incident,
        last.devices,
    ) == (segment.state, segment.cause, segment.incident, segment.devices)


def _with(account: Account, other: Account) -> Account:
    whole = account.copy()
    whole.merge(other)
    return whole


def _pair(key: str) -> tuple[str, str]:
    before, _, after = key.partition(">")
    return before, after


def _restart(key: str) -> tuple[How, Cause]:
    how, _, cause = key.partition("|")
    return How(how), Cause(cause)


def _ratios(
    fold: Fold,
    published: Published,
    tail: Sequence[Segment],
    model: ModelView,
    now_ns: int,
) -> dict[str, LayerRatios]:
    """Form the ratios of every window; each includes its part of the open tail."""
    found: dict[str, LayerRatios] = {}
    for name in WINDOWS:
        booked, flops = published.rolling.read(name, now_ns)
        account = _with(booked, tally(tail, window_of(name, now_ns)))
        found[name] = ratios(account, model_flops=flops, peak_flops=model.peak_flops)
    lifetime = _with(_corrected(published), tally(tail))
    found["lifetime"] = ratios(
        lifetime, model_flops=fold.book.model_flops, peak_flops=model.peak_flops
    )
    return found


def _corrected(published: Published) -> Account:
    """Return the live account, less what proved to lie outside of the book."""
    account = published.sealed.copy()
    states = {state.value: state for state in RunState}
    for key, gpu_ns in published.restated.items():
        before, after = _pair(key)
        if RunState.LOST.value in (before, after):
            continue
        for name, sign in ((before, -1), (after, 1)):
            if name != OUTSIDE_THE_BOOK:
                account.add(states[name], sign * gpu_ns)
    return account


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


def _model(fold: Fold, published: Published, around: Around) -> ModelView:
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
    done = fold.book.model_flops
    whole = ratios(published.sealed, model_flops=done, peak_flops=peak_flops)
    return ModelView(
        convention=fold.convention,
        flops_per_token=fold.flops_per_token,
        gpu_model=gpu_model,
        dtype=dtype,
        peak_flops=peak_flops,
        peak_source=source,
        first_time_flops=done,
        mfu=whole.model,
        tokens=fold.tokens,
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
        gpu_ns=dict(incident.gpu_ns),
    )


def _notes(fold: Fold, published: Published) -> list[str]:
    notes = []
    if not _has_gpus(fold):
        notes.append(
            "No rank named a GPU; a rank without a GPU counts as one device: read GPU "
            "time as device time."
        )
    if fold.progress.upper_bound:
        notes.append(
            "Step numbers start anew with every process, so redone steps cannot be "
            "told from new ones: goodput is an upper bound."
        )
    if not fold.verified:
        notes.append(
            "Some heartbeats came from senders that the kernel cannot vouch for; "
            "prefer the Unix socket."
        )
    if published.sealed.of(RunState.UNOBSERVED):
        notes.append(
            "Part of the time was seen by nobody: it is booked as unobserved and "
            "counts in no ratio but coverage."
        )
    if fold.outcome == "unknown":
        notes.append(
            "The run fell silent and no exit was seen; its book closed at its last "
            "word."
        )
    return notes


def _why(fold: Fold, state: RunState, around: Around) -> str:
    """Say in one sentence what goes on, and what a person may do about it."""
    if fold.ended_ns is not None:
        return f"The run is over: {fold.outcome}."
    incident = fold.incidents[-1] if fold.incidents else None
    if state is RunState.DOWN and incident is not None:
        evidence = incident.evidence[0] if incident.evidence else "a rank ended"
        return (
            f"{evidence[:1].upper()}{evidence[1:]}; {len(fold.missing)} rank(s) have "
            "not come back. Look at the launcher's log: it has to start them again."
        )
    if state in (RunState.RECOMPUTING, RunState.RESTORING) and incident is not None:
        lost = incident.lost_steps
        redone = "" if lost is None else f" ({lost} steps were lost)"
        return (
            f"Working off incident {incident.number}{redone}: {incident.cause.value}."
        )
    since = _since(fold, around)
    sentences = {
        RunState.STALLED: f"No step has completed{since}, although the ranks report. "
        "Look for a hung collective: compare the ranks' stacks (py-spy dump).",
        RunState.UNOBSERVED: "No rank has been heard lately. Silence is not down: look "
        "whether the processes live and whether GOODPUT_ADDR names this exporter.",
        RunState.PRODUCTIVE: f"Stepping; the last step completed{since}.",
        RunState.SLOW: f"Stepping, slower than before; the last step completed{since}.",
    }
    return sentences.get(state, f"The ranks report {state.value.replace('_', ' ')}.")


def _since(fold: Fold, around: Around) -> str:
    if fold.last_step_ns is None:
        return " yet" if not fold.steps_first else ""
    age_s = (around.now_ns - fold.last_step_ns) / NS_PER_SECOND
    return f" for {age_s:.0f} s" if age_s >= 1 else " just now"
