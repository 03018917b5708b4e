"""Everything that a report says, as values; every format writes down the same sheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from goodput_exporter.analysis.energy_used import EnergyUsed
from goodput_exporter.analysis.exposure import Exposure
from goodput_exporter.analysis.groups import group_accounts
from goodput_exporter.analysis.histories import History, View
from goodput_exporter.analysis.incidents import IncidentRecord
from goodput_exporter.analysis.money import Cost
from goodput_exporter.analysis.reliability import Reliability, reliability
from goodput_exporter.analysis.stretches import Stretch, costs_of, within
from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.rollups import GroupKind
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import AccountingError
from goodput_exporter.report.account import AccountReport, report_of_costs
from goodput_exporter.report.comparing import Comparison
from goodput_exporter.report.doubts import doubts
from goodput_exporter.report.estimates import ettr_sentences
from goodput_exporter.report.proof import Proof, prove, together
from goodput_exporter.report.reliability import advice_sentence, run_book
from goodput_exporter.report.trends import Grain, Period, grain_of, trend

MOST_INCIDENTS = 10
MOST_ADVICE = 10
NOWHERE: Final = Exposure()

Costs = dict[tuple[RunState, Cause], Cost]
"""Of some GPU time, by state and cause."""


@dataclass(frozen=True, slots=True)
class Part:
    """
    One run's part of a report.

    Args:
        run: Its history.
        account: Its tables. *proof*: what their total is made of.
        stretches: Its time in the view that is shown.
        incidents: How many touch the window.
        cost: Of all its time.
    """

    run: History
    account: AccountReport
    proof: Proof
    stretches: tuple[Stretch, ...]
    incidents: int
    cost: Cost


@dataclass(frozen=True, slots=True)
class GroupPart:
    """
    One group's part of a report.

    Args:
        name: What its runs have in common; None: of those nobody said it.
        runs: How many. *account*: of all of them. *cost*: of all their time.
    """

    name: str | None
    runs: int
    account: Account
    cost: Cost


@dataclass(frozen=True, slots=True)
class Sheet:
    """
    A report.

    Args:
        subject: What it is about: a run, or several.
        view, window: Which view of what time.
        whole: All runs together. *parts*: each; they sum to it.
        proof: What the total is made of.
        costliest: The incidents that cost most, at most ten, the worst first.
        incidents: How many there are.
        other_incidents: The cost of those that are not listed.
        apart: Bad time that follows from no interruption.
        grain, periods: The account over time.
        reliability: None where statistics are not installed, or nothing is booked.
        advice, doubts: In sentences.
        comparison: Two runs or attempts, if asked for.
        expected: Estimates beside what was realised, in sentences.
        group_by: What the runs are grouped by, if asked for. *groups*: each, the
            largest first; they sum to the whole.
        energy: What the GPUs drew that the runs held, in the live view; None where
            nothing of it is known.
    """

    subject: str
    view: View
    window: Span
    whole: AccountReport
    parts: tuple[Part, ...]
    proof: Proof
    costliest: tuple[IncidentRecord, ...]
    incidents: int
    other_incidents: Cost
    apart: Cost
    grain: Grain
    periods: tuple[Period, ...]
    reliability: Reliability | None
    advice: tuple[str, ...]
    doubts: tuple[str, ...]
    comparison: Comparison | None = None
    expected: tuple[str, ...] = ()
    group_by: GroupKind | None = None
    groups: tuple[GroupPart, ...] = ()
    energy: EnergyUsed | None = None

    @property
    def bad_gpu_ns(self) -> int:
        """Return all badput."""
        return self.whole.lost.gpu_ns


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
    costs: Costs = {}
    parts: list[Part] = []
    by_run: list[tuple[History, Costs]] = []
    records: list[IncidentRecord] = []
    apart_ns = 0
    for run, ledger in runs:
        found = run.incidents(window, view)
        records += found.records
        apart_ns += sum(found.apart.values())
        own = costs_of(run.stretches(view), window, run.pricing)
        by_run.append((run, own))
        for group, cost in own.items():
            costs[group] = costs.get(group, Cost()) + cost
        parts.append(
            Part(
                run,
                report_of_costs(own, run=run.key, view=view.value, window=window),
                prove(run, window, view, ledger),
                tuple(within(run.stretches(view), window)),
                len(found.records),
                sum(own.values(), Cost()),
            )
        )
    flops, peak = _work(histories, window, view)
    whole = report_of_costs(
        costs,
        run=subject,
        view=view.value,
        window=window,
        model_flops=flops,
        peak_flops=peak,
    )
    account = _account(costs)
    grain = grain_of(window)
    periods = trend((one for part in parts for one in part.stretches), window, grain)
    records.sort(key=lambda one: (-one.total_gpu_ns, one.detected_ns, one.run))
    listed, rest = records[:MOST_INCIDENTS], records[MOST_INCIDENTS:]
    made = Sheet(
        subject=subject,
        view=view,
        window=window,
        whole=whole,
        parts=tuple(parts),
        proof=together(part.proof for part in parts),
        costliest=tuple(listed),
        incidents=len(records),
        other_incidents=_cost(rest),
        apart=_rest_of(costs, records, apart_ns),
        grain=grain,
        periods=tuple(periods),
        reliability=_reliability(histories, window, view, exposure)
        if with_statistics
        else None,
        advice=_advice(histories, window) if with_statistics else (),
        doubts=doubts(histories, account, whole, window),
        comparison=comparison,
        expected=ettr_sentences(_largest(histories, window), window)
        if with_statistics
        else (),
        group_by=group_by,
        groups=() if group_by is None else _groups(by_run, group_by),
        energy=energy,
    )
    require_agreement(made)
    return made


def require_agreement(made: Sheet) -> None:
    """
    Check that parts, periods and incidents sum to the tables.

    Raises:
        AccountingError: One of them does not.
    """
    total = made.whole.total.gpu_ns
    sums = {
        "time x GPUs": made.proof.total_gpu_ns,
        "the runs": sum(part.account.total.gpu_ns for part in made.parts),
        "the periods": sum(one.account.total_gpu_ns for one in made.periods),
    }
    if made.group_by is not None:
        sums["the groups"] = sum(one.account.total_gpu_ns for one in made.groups)
    listed = sum(one.total_gpu_ns for one in made.costliest)
    bad = listed + made.other_incidents.gpu_ns + made.apart.gpu_ns
    wrong = [f"{name} {ns}" for name, ns in sums.items() if ns != total]
    if bad != made.bad_gpu_ns:
        wrong.append(f"the incidents {bad} of {made.bad_gpu_ns} lost")
    if wrong:
        msg = (
            f"{made.subject}: the states sum to {total} GPU-ns, but "
            f"{', '.join(wrong)}; check the ledger: goodput-exporter ledger verify"
        )
        raise AccountingError(msg)


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


def _rest_of(
    costs: Costs,
    records: Sequence[IncidentRecord],
    apart_ns: int,
) -> Cost:
    """Return the bad time that is in no record, with its cost."""
    bad = Cost()
    for (state, _), cost in costs.items():
        if state not in GOOD_OR_UNSEEN:
            bad += cost
    mine = _cost(records)
    priced = bad.priced_gpu_ns - mine.priced_gpu_ns
    return Cost(bad.currency, bad.grains - mine.grains, priced, apart_ns - priced)


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


GOOD_OR_UNSEEN = (RunState.PRODUCTIVE, RunState.UNOBSERVED)


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
