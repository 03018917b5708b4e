"""Drawing up a report: histories of runs in, one sheet out whose sums agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from goodput_exporter.analysis.energy_used import EnergyUsed
from goodput_exporter.analysis.exposure import Exposure
from goodput_exporter.analysis.groups import group_accounts
from goodput_exporter.analysis.histories import History, View
from goodput_exporter.analysis.incident_record import IncidentRecord
from goodput_exporter.analysis.money import Cost
from goodput_exporter.analysis.reliability import Reliability, reliability
from goodput_exporter.analysis.stretches import costs_of, within
from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.rollups import GroupKind
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.report.account import AccountReport, report_of_costs
from goodput_exporter.report.comparing import Comparison
from goodput_exporter.report.doubts import doubts
from goodput_exporter.report.estimates import ettr_sentences
from goodput_exporter.report.proof import prove, together
from goodput_exporter.report.reliability import advice_sentence, run_book
from goodput_exporter.report.sheet import GroupPart, Part, Sheet, require_agreement
from goodput_exporter.report.trends import grain_of, trend

MOST_INCIDENTS: Final = 10
MOST_ADVICE: Final = 10
GOOD_OR_UNSEEN: Final = (RunState.PRODUCTIVE, RunState.UNOBSERVED)
NOWHERE: Final = Exposure()

Costs = dict[tuple[RunState, Cause], Cost]
"""Of some GPU time, by state and cause."""


def sheet(  # noqa: PLR0913 - what is reported, and how
    runs: Sequence[tuple[History, Account]],
    *,
    subject: str,
    window: Span,
    view: View,
    exposure: Exposure = NOWHERE,
    comparison: Comparison | None = None,
    with_statistics: bool = True,
    group_by: GroupKind | None = None,
    energy: EnergyUsed | None = None,
) -> Sheet:
    """
    Put a report together, and check that all of its parts agree.

    Args:
        runs: What to report on, each with what its ledger adds up for the window.
        subject: What the runs are called together.
        window: What time.
        view: Which view.
        exposure: What the runs held of which nodes; empty where nobody knows.
        comparison: Two runs or attempts side by side.
        with_statistics: SciPy is installed.
        group_by: By what to group the runs; None groups none.
        energy: What the GPUs drew that the runs held; None: not known.

    Raises:
        AccountingError: Two sums that must agree differ.
        ConfigError: Costs are in two currencies.
    """
    histories = [run for run, _ in runs]
    found = _gather(runs, window, view)
    whole = _whole(histories, found.costs, subject, window, view)
    grain = grain_of(window)
    stretches = (one for part in found.parts for one in part.stretches)
    listed, rest = found.records[:MOST_INCIDENTS], found.records[MOST_INCIDENTS:]
    made = Sheet(
        subject=subject,
        view=view,
        window=window,
        whole=whole,
        parts=tuple(found.parts),
        proof=together(part.proof for part in found.parts),
        costliest=tuple(listed),
        incidents=len(found.records),
        other_incidents=_cost(rest),
        apart=_rest_of(found),
        grain=grain,
        periods=tuple(trend(stretches, window, grain)),
        reliability=_reliability(histories, window, view, exposure)
        if with_statistics
        else None,
        advice=_advice(histories, window) if with_statistics else (),
        doubts=doubts(histories, _account(found.costs), whole, window),
        comparison=comparison,
        expected=ettr_sentences(_largest(histories, window), window)
        if with_statistics
        else (),
        group_by=group_by,
        groups=() if group_by is None else _groups(found.by_run, group_by),
        energy=energy,
    )
    require_agreement(made)
    return made


@dataclass(slots=True)
class _Gathered:
    """
    What the runs have between them.

    Args:
        parts: Each run's. *by_run*: what each run's time cost.
        costs: Of all runs together.
        records: Their incidents, the costliest first.
        apart_ns: GPU time that was bad and follows from no incident.
    """

    parts: list[Part] = field(default_factory=list)
    by_run: list[tuple[History, Costs]] = field(default_factory=list)
    costs: Costs = field(default_factory=dict)
    records: list[IncidentRecord] = field(default_factory=list)
    apart_ns: int = 0


def _gather(
    runs: Sequence[tuple[History, Account]], window: Span, view: View
) -> _Gathered:
    found = _Gathered()
    for run, ledger in runs:
        incidents = run.incidents(window, view)
        found.records += incidents.records
        found.apart_ns += sum(incidents.apart.values())
        own = costs_of(run.stretches(view), window, run.pricing)
        found.by_run.append((run, own))
        for group, cost in own.items():
            found.costs[group] = found.costs.get(group, Cost()) + cost
        found.parts.append(
            Part(
                run,
                report_of_costs(own, run=run.key, view=view.value, window=window),
                prove(run, window, view, ledger),
                tuple(within(run.stretches(view), window)),
                len(incidents.records),
                sum(own.values(), Cost()),
            )
        )
    found.records.sort(key=lambda one: (-one.total_gpu_ns, one.detected_ns, one.run))
    return found


def _whole(
    runs: Sequence[History], costs: Costs, subject: str, window: Span, view: View
) -> AccountReport:
    flops, peak = _work(runs, window, view)
    return report_of_costs(
        costs,
        run=subject,
        view=view.value,
        window=window,
        model_flops=flops,
        peak_flops=peak,
    )


def _groups(
    runs: Iterable[tuple[History, Costs]], by: GroupKind
) -> tuple[GroupPart, ...]:
    told = [(run, own, _account(own)) for run, own in runs]
    found = group_accounts(
        ((run.key, run.owner, account) for run, _, account in told), by
    )
    money = {run.key: sum(own.values(), Cost()) for run, own, _ in told}
    return tuple(
        GroupPart(
            one.name,
            len(one.runs),
            one.account,
            sum((money[key] for key in one.runs), Cost()),
        )
        for one in found
    )


def _account(costs: Costs) -> Account:
    account = Account()
    for (state, cause), cost in costs.items():
        account.add(state, cost.gpu_ns, cause)
    return account


def _cost(records: Sequence[IncidentRecord]) -> Cost:
    whole = Cost()
    for record in records:
        whole += record.cost or Cost(unpriced_gpu_ns=record.total_gpu_ns)
    return whole


def _rest_of(found: _Gathered) -> Cost:
    """Return the bad time that is in no record, with its cost."""
    bad = Cost()
    for (state, _), cost in found.costs.items():
        if state not in GOOD_OR_UNSEEN:
            bad += cost
    mine = _cost(found.records)
    priced = bad.priced_gpu_ns - mine.priced_gpu_ns
    return Cost(bad.currency, bad.grains - mine.grains, priced, found.apart_ns - priced)


def _work(
    runs: Sequence[History], window: Span, view: View
) -> tuple[float | None, float | None]:
    """
    Return model FLOPs and peak for MFU: of one run, as it was booked.

    Entries say whose first execution a FLOP was, not whether it was kept; and
    GPUs of several models have no one peak.
    """
    if len(runs) != 1 or view is not View.LIVE or runs[0].facts is None:
        return None, None
    return runs[0].model_flops(window), runs[0].facts.peak_flops


def _reliability(
    runs: Sequence[History], window: Span, view: View, exposure: Exposure
) -> Reliability | None:
    books = [book for run in runs if (book := run_book(run, window, view)) is not None]
    return reliability(books, exposure) if books else None


def _advice(runs: Sequence[History], window: Span) -> tuple[str, ...]:
    """Return advice for the runs that hold the most GPU time."""
    return tuple(advice_sentence(run, window) for run in _largest(runs, window))


def _largest(runs: Sequence[History], window: Span) -> list[History]:
    def held_ns(run: History) -> int:
        return sum(stretch.gpu_ns_in(window) for stretch in run.stretches(View.LIVE))

    return sorted(runs, key=held_ns, reverse=True)[:MOST_ADVICE]
