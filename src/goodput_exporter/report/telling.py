"""A sheet in words and rounded figures: what every format for people shows alike."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from goodput_exporter.analysis.figures import ABSENT, lasting, percent, shown
from goodput_exporter.analysis.histories import View
from goodput_exporter.analysis.incident_record import IncidentRecord
from goodput_exporter.analysis.money import NS_PER_HOUR, Cost, amounts
from goodput_exporter.analysis.records import DELIBERATE
from goodput_exporter.analysis.reliability import Reliability
from goodput_exporter.analysis.rounding import rounded
from goodput_exporter.domain.states import LAYER_OF, Layer, RunState
from goodput_exporter.report.account import hours_decimals
from goodput_exporter.report.node_words import node_words, preemption_words
from goodput_exporter.report.proof import Term
from goodput_exporter.report.reliability import mean_time_words
from goodput_exporter.report.sheet import Sheet
from goodput_exporter.report.words import (
    CAUSE_NAME,
    STATE_PHRASE,
    amount,
    compact,
    count,
    gpu_hours,
    minute,
)

VIEW_WORDS = {
    View.LIVE: "As counters showed it; nothing in it is ever taken back.",
    View.SETTLED: "As it is known today: late evidence, corrected causes, and work "
    "that did not survive.",
}
WORTH_SAYING = 0.0005
"""Losses below this share are left out of the sentence: they read as 0.0 %."""

SPLIT = " – "


@dataclass(frozen=True, slots=True)
class Told:
    """One incident in words; its GPU-hours and cost are rounded with its table."""

    name: str
    when: str
    cause: str
    why: str
    waited: str
    restarted: str
    restored: str
    recomputed: str
    lost: str
    hours: str
    cost: str


@dataclass(frozen=True, slots=True)
class Rest:
    """A line below the incidents, so that the table adds up."""

    name: str
    hours: str
    cost: str


def headline(made: Sheet) -> list[tuple[str, bool]]:
    """Say what fraction became progress and where most went; True is set apart."""
    goodput = made.whole.ratios.goodput
    if goodput is None:
        return [("Nothing was observed in this window.", False)]
    at_most = any(
        p.run.facts is not None and p.run.facts.upper_bound for p in made.parts
    )
    words = [
        ("At most " if at_most else "", False),
        (percent(goodput), True),
        (" of the observed GPU time became training progress that was kept", False),
    ]
    worst = _largest_loss(made)
    if worst is None:
        return [*words, ("; nothing was lost.", False)]
    state, share = worst
    return [
        *words,
        ("; the largest loss was ", False),
        (percent(share), True),
        (f" {STATE_PHRASE[state]}.", False),
    ]


def terms(made: Sheet) -> list[str]:
    """Return what the total is made of; the smallest terms are one."""
    found = made.proof.terms
    if not found:
        return ["0 h"]
    most = 6
    digits = _digits(made)
    listed = [_term(term, digits) for term in found[:most]]
    if len(found) > most:
        rest = sum(term.gpu_ns for term in found[most:])
        listed.append(f"{gpu_hours(rest, digits)} GPU-hours at other sizes")
    return listed


def ledger_words(made: Sheet) -> str:
    """Say how the total agrees with the ledger's own sum."""
    proof = made.proof
    digits = _digits(made)
    ledger = f"{gpu_hours(proof.ledger_gpu_ns, digits)} GPU-hours"
    if made.view is View.LIVE or not proof.moved_gpu_ns:
        return f"The ledger's own sum, which counters show, is the same: {ledger}."
    way = "put into" if proof.moved_gpu_ns > 0 else "taken out of"
    moved = gpu_hours(abs(proof.moved_gpu_ns), digits)
    return (
        f"The ledger's own sum, which counters show, is {ledger}; {moved} were {way} "
        "the book afterwards."
    )


def incidents(made: Sheet) -> tuple[list[Told], list[Rest]]:
    """Return the table of incidents; it sums to all lost time."""
    costs: dict[str, Cost] = {
        str(index): one.cost or Cost(unpriced_gpu_ns=one.total_gpu_ns)
        for index, one in enumerate(made.costliest)
    }
    names: dict[str, str] = {}
    more = made.incidents - len(made.costliest)
    if more:
        names["rest"] = count(more, "other incident")
        costs["rest"] = made.other_incidents
    if made.apart.gpu_ns:
        names["apart"] = "lost without an interruption"
        costs["apart"] = made.apart
    hours = rounded(
        {key: cost.gpu_ns for key, cost in costs.items()},
        per_unit=NS_PER_HOUR,
        decimals=_digits(made),
    )
    money = amounts(costs)
    told = [
        _told(one, made, hours[str(i)], money[str(i)])
        for i, one in enumerate(made.costliest)
    ]
    rest = [
        Rest(name, amount(hours[key]), amount(money[key]))
        for key, name in names.items()
    ]
    return told, rest


def run_lines(made: Sheet) -> list[tuple[str, ...]]:
    """
    Return a line per run, the largest first; its figures sum to the foot.

    Returns:
        Name, goodput, incidents, lost GPU-hours, GPU-hours, and cost.
    """
    parts = sorted(made.parts, key=lambda part: -part.account.total.gpu_ns)
    keys = range(len(parts))
    digits = _digits(made)
    columns = [
        rounded(
            dict(zip(keys, column, strict=True)), per_unit=NS_PER_HOUR, decimals=digits
        )
        for column in (
            [part.account.lost.gpu_ns for part in parts],
            [part.account.total.gpu_ns for part in parts],
        )
    ]
    money = amounts(dict(zip(keys, [part.cost for part in parts], strict=True)))
    return [
        (
            str(part.run.key),
            percent(part.account.ratios.goodput),
            str(part.incidents),
            amount(columns[0][key]),
            amount(columns[1][key]),
            amount(money[key]),
        )
        for key, part in enumerate(parts)
    ]


def reliability_words(found: Reliability | None, made: Sheet) -> list[str]:
    """Say how often runs were interrupted, and how far to trust it."""
    if found is None:
        return []
    ettr = percent(made.whole.ratios.ettr)
    words = [
        f"Mean time to interruption: {mean_time_words(found.mtti, 'interruption')}.",
        f"Mean time to recovery: {mean_time_words(found.mttr, 'recovery')}.".replace(
            "recoverys", "recoveries"
        ),
        f"Effective training time ratio (ETTR): {ettr}.",
        *made.expected,
    ]
    if found.mttr.too_narrow:
        words.append("Recovery times spread widely: their limits promise too much.")
    deliberate = [one for one in made.costliest if one.cause in DELIBERATE]
    if deliberate:
        words.append("Planned, deliberate and scale-in stops count in no mean time.")
    return [*words, *node_words(found.nodes), *preemption_words(found)]


def incident_name(one: IncidentRecord, made: Sheet) -> str:
    """Return how an incident is called: with its run's name where there are several."""
    name = f"#{one.number}"
    return f"{shown(one.run.run)} {name}" if len(made.parts) > 1 else name


def why(one: IncidentRecord) -> str:
    """Say on what an incident's cause rests, and who corrected it."""
    words = [one.rule, "; ".join(shown(text) for text in one.evidence)]
    if one.nodes:
        words.append(f"on {', '.join(shown(node) for node in one.nodes)}")
    if one.preempted_by is not None:
        words.append(f"for {shown(one.preempted_by.run)}")
    for fix in one.corrections:
        if fix.by:
            before = CAUSE_NAME[fix.from_cause.value]
            words.append(f"{shown(fix.by)} corrected {before}: {shown(fix.note)}")
    return SPLIT.join(word for word in words if word)


def _digits(made: Sheet) -> int:
    return hours_decimals(made.whole.total.gpu_ns)


def _term(term: Term, digits: int) -> str:
    return f"{gpu_hours(term.wall_ns, digits)} h × {count(term.devices, 'GPU')}"


def _largest_loss(made: Sheet) -> tuple[str, float] | None:
    outside = (Layer.OUTSIDE, Layer.NONE)
    observed = {
        line.name: line.gpu_ns
        for line in made.whole.states
        if LAYER_OF[RunState(line.name)] not in outside
    }
    losses = {name: ns for name, ns in observed.items() if name != RunState.PRODUCTIVE}
    worst = max(losses, key=lambda name: losses[name], default=None)
    if worst is None:
        return None
    share = losses[worst] / sum(observed.values())
    return (worst, share) if share >= WORTH_SAYING else None


def _told(
    one: IncidentRecord, made: Sheet, hours: Decimal, cost: Decimal | None
) -> Told:
    lost = ABSENT if one.lost_steps is None else count(one.lost_steps, "step")
    if one.lost_tokens:
        lost += f", {compact(one.lost_tokens)} tokens"
    return Told(
        incident_name(one, made),
        minute(one.detected_ns),
        CAUSE_NAME[one.cause.value],
        why(one),
        lasting(one.waited_ns),
        lasting(one.restarted_ns),
        lasting(one.restored_ns),
        lasting(one.recomputed_ns),
        lost,
        amount(hours),
        amount(cost),
    )


def sense(change: float | None, *, more_is_better: bool) -> str:
    """Return the class of a change: better, worse, or neither."""
    if change is None or abs(change) < WORTH_SAYING:
        return ""
    return "up" if (change > 0) == more_is_better else "fall"
