"""What a model expects of a run, beside what was realised; an estimate, always."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from goodput_exporter.analysis.advice import checkpoint_facts
from goodput_exporter.analysis.ettr import efficiency, expected_ettr, realised_ettr
from goodput_exporter.analysis.figures import percent, shown
from goodput_exporter.analysis.histories import History, View
from goodput_exporter.domain.spans import Span
from goodput_exporter.report.reliability import run_book, saves_in

DAY_S: Final = 86_400


def ettr_sentence(run: History, window: Span) -> str | None:
    """
    Say which ETTR a run's own failures, restarts and saves let expect.

    The rate is the run's own, so it stands for N r of the formula: on how many
    nodes the run was need not be known. The mean time to interruption is of
    available time; with the outage that follows it is the time between failures.

    Returns:
        None where an input is not known: no interruption, or no save.
    """
    book = run_book(run, window, View.LIVE)
    if book is None:
        return None
    saves = run.quiet.saves(window) if run.quiet else saves_in(run.seen.live, window)
    facts = checkpoint_facts(book, saves)
    inputs = facts.mtti.seconds, facts.interval_seconds, facts.write_seconds
    mean, interval, write = inputs
    if not mean or not interval or write is None:
        return None
    restart, outage = facts.restart_seconds, facts.outage_seconds
    found = expected_ettr(
        nodes=1,
        failures_per_node_day=DAY_S / (mean + outage),
        restart_days=(restart + outage) / DAY_S,
        interval_days=interval / DAY_S,
        write_days=write / DAY_S,
    )
    value = found.value
    if value is None:
        value = efficiency(interval, write, mean, restart=restart, outage=outage)
    told = (
        f"{shown(run.key.run)}: its interruptions, restarts and saves let expect an "
        f"ETTR of {percent(value)}, an estimate without queueing; "
        f"{percent(realised_ettr([book]))} was realised in the live view."
    )
    if found.value is None:
        told += f" By the renewal model, as {found.why}."
    return told + (" Too few interruptions to rely on." if facts.mtti.too_few else "")


def ettr_sentences(runs: Sequence[History], window: Span) -> tuple[str, ...]:
    """Say it of each run of which it can be said."""
    told = (ettr_sentence(run, window) for run in runs)
    return tuple(sentence for sentence in told if sentence is not None)
