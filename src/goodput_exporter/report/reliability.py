"""How often runs are interrupted, how soon they are back, and what would help."""

from __future__ import annotations

from collections.abc import Iterable

from goodput_exporter.analysis.advice import (
    CheckpointAdvice,
    NoAdvice,
    advise,
    checkpoint_facts,
)
from goodput_exporter.analysis.figures import duration, percent, shown
from goodput_exporter.analysis.histories import History, View
from goodput_exporter.analysis.records import Interruption, RunBook
from goodput_exporter.analysis.statistics import MeanTime
from goodput_exporter.analysis.stretches import Stretch, account_of
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import RunState
from goodput_exporter.report.proof import terms_of
from goodput_exporter.report.words import count, points


def run_book(run: History, window: Span, view: View) -> RunBook | None:
    """Return one run's book of a window as the statistics read it; None if empty."""
    account = account_of(run.stretches(view), window)
    wall_ns = sum(term.wall_ns for term in terms_of(run, window, view))
    if not wall_ns:
        return None
    return RunBook(
        account, account.total_gpu_ns / wall_ns, detected_in(run, window, view)
    )


def detected_in(run: History, window: Span, view: View) -> tuple[Interruption, ...]:
    """Return a run's interruptions that were detected inside a window."""
    return tuple(
        record.as_interruption()
        for record in run.incidents(window, view).records
        if window.start_ns <= record.detected_ns < window.end_ns
    )


def saves_in(stretches: Iterable[Stretch], window: Span) -> int:
    """
    Count the saves that blocked training inside a window.

    Time of saving that goes on without a gap is one save. On several ranks the
    books put phases first in each window of ten seconds, so that a longer save
    may count twice.
    """
    saves, end_ns = 0, -1
    for stretch in stretches:
        inside = stretch.span.clip(window)
        if stretch.state is not RunState.CHECKPOINTING or inside is None:
            continue
        saves += inside.start_ns > end_ns
        end_ns = max(end_ns, inside.end_ns)
    return saves


def checkpoint_advice(run: History, window: Span) -> CheckpointAdvice | NoAdvice:
    """Advise one run on its checkpoint interval, from what the live view measured."""
    book = run_book(run, window, View.LIVE)
    if book is None:
        return NoAdvice("nothing is booked in this window")
    if run.quiet is not None:
        return advise(checkpoint_facts(book, run.quiet.saves(window)))
    return advise(checkpoint_facts(book, saves_in(run.seen.live, window)))


def advice_sentence(run: History, window: Span) -> str:
    """Say in one sentence what the checkpoint interval of a run should be."""
    found = checkpoint_advice(run, window)
    name = shown(run.key.run)
    if isinstance(found, NoAdvice):
        return f"{name}: no advice on checkpoints: {found.why}."
    now, then = duration(found.now_seconds), duration(found.interval_seconds)
    limits = f"between {points(found.gain_low)} and {points(found.gain_high)}"
    few = " Few interruptions: take it as a direction." if found.too_few else ""
    if found.gain <= 0 or now == then:
        return f"{name}: keep saving every {now}; no other interval gains.{few}"
    hours = f"{count(round(found.gpu_hours_per_day), 'GPU-hour')} per day"
    told = (
        f"{name}: save every {then} of training instead of every {now}. That would "
        f"add {points(found.gain)} percentage points of goodput ({limits}, from "
        f"{percent(found.goodput_now)}), or {hours}."
    )
    if found.upload_bound:
        told += " Checkpoints cannot become durable sooner."
    if not found.worth_it:
        told += " Within the limits it may also gain nothing."
    return told + few


def mean_time_words(mean: MeanTime, what: str) -> str:
    """Say a mean time with its limits, and how far to trust it."""
    events = count(mean.events, what)
    if mean.seconds is None:
        low = duration(mean.low_seconds)
        return f"no {what} in {duration(mean.exposure_seconds)}; at least {low}"
    limits = f"{duration(mean.low_seconds)} to {duration(mean.high_seconds)}"
    told = f"{duration(mean.seconds)} ({mean.confidence:.0%} limits {limits}; {events})"
    return told + (" – too few to rely on" if mean.too_few else "")
