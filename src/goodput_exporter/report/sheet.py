"""Everything that a report says, as values; every format writes down the same sheet."""

from __future__ import annotations

from dataclasses import dataclass

from goodput_exporter.analysis.energy_used import EnergyUsed
from goodput_exporter.analysis.histories import History, View
from goodput_exporter.analysis.incident_record import IncidentRecord
from goodput_exporter.analysis.money import Cost
from goodput_exporter.analysis.reliability import Reliability
from goodput_exporter.analysis.stretches import Stretch
from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.rollups import GroupKind
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import AccountingError
from goodput_exporter.report.account import AccountReport
from goodput_exporter.report.comparing import Comparison
from goodput_exporter.report.proof import Proof
from goodput_exporter.report.trends import Grain, Period


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
