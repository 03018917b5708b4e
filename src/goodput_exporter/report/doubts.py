"""What a reader must know to trust a report: unseen, unverified, unproven, unpriced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from goodput_exporter.analysis.figures import lasting, percent, shown
from goodput_exporter.analysis.histories import History, RunFacts, View
from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import RunState
from goodput_exporter.report.account import AccountReport
from goodput_exporter.report.words import count, gpu_hours, instant

NAMED: Final = 3


def doubts(
    runs: Iterable[History], account: Account, report: AccountReport, window: Span
) -> tuple[str, ...]:
    """
    Return sentences, the same doubt of several runs in one.

    Args:
        runs: What is reported on.
        account: All of it together, in the view that is shown.
        report: Its tables.
        window: What they are about.
    """
    said: dict[str, list[str]] = {}
    for run in runs:
        for sentence in of_run(run, window, View(report.view)):
            said.setdefault(sentence, []).append(shown(run.key.run))
    found = [f"{_names(names)}: {sentence}" for sentence, names in said.items()]
    return (*of_account(account, report), *found)


def of_account(account: Account, report: AccountReport) -> Iterator[str]:
    """Yield what the sums themselves leave open."""
    unseen = account.of(RunState.UNOBSERVED)
    if unseen:
        share = percent(1.0 - (report.ratios.coverage or 0.0))
        yield (
            f"Unobserved: {gpu_hours(unseen)} GPU-hours ({share}) were seen by no "
            "source. They are in the sum and in no ratio but coverage."
        )
    unpriced = report.total.unpriced_gpu_ns
    if unpriced and report.currency is not None:
        yield (
            f"Unpriced: {gpu_hours(unpriced)} GPU-hours have no price and are in no "
            "cost."
        )
    if account.of(RunState.QUEUED):
        yield (
            "Queued GPUs are asked for and not held: their cost is their worth, and "
            "on no invoice."
        )


def of_run(run: History, window: Span, view: View) -> Iterator[str]:
    """Yield what one run's figures rest on, and where that is weak."""
    facts = run.facts
    if facts is None:
        yield "its last state cannot be read, so what its figures rest on is unknown."
    else:
        yield from _of_facts(facts, view)
    yield from _of_entries(run, window)


def _of_facts(facts: RunFacts, view: View) -> Iterator[str]:
    if facts.upper_bound:
        yield (
            "upper bound: step numbers begin anew with every process, so redone "
            "steps look like new ones."
        )
    if facts.source == "inferred":
        yield "upper bound: its phases are inferred; steps are not known."
    if not facts.verified:
        yield "unverified: some heartbeats came from senders nobody vouches for."
    if not facts.has_gpus:
        yield "no rank named a GPU: read GPU time as device time."
    if facts.has_flops and view is View.SETTLED:
        yield "its MFU is in the live view of this run alone: --view live."
    if facts.outcome == "unknown":
        yield "it fell silent and no exit was seen; its book ends at its last word."


def _of_entries(run: History, window: Span) -> Iterator[str]:
    facts, life = run.facts, run.life
    if run.seen.unplaced_gpu_ns:
        yield (
            f"{gpu_hours(run.seen.unplaced_gpu_ns)} GPU-hours were moved by entries "
            "that no earlier entry holds; run: goodput-exporter ledger verify."
        )
    if run.since_ns is not None and window.start_ns < run.since_ns:
        yield (
            f"what was booked before {instant(run.since_ns)} is kept as daily accounts "
            "only and is not in this report; run: goodput-exporter ledger export."
        )
    is_open = facts is not None and facts.outcome == "running"
    if life is not None and is_open and life.end_ns < window.end_ns:
        left = lasting(window.end_ns - life.end_ns)
        yield f"open: the last {left} of the window are not decided yet."


def _names(names: list[str]) -> str:
    if len(names) <= NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:NAMED])} and {count(len(names) - NAMED, 'more run')}"
