"""Move a run's line: hear what can no longer be overtaken, then lay time up to it."""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from typing import Final

from goodput_exporter.domain.causes import review
from goodput_exporter.domain.closing import close_if_over, reopen
from goodput_exporter.domain.flops import flops_per_token
from goodput_exporter.domain.fold import Fold, Turn, Waiting
from goodput_exporter.domain.grid import Until
from goodput_exporter.domain.hearing import JUMP_NS, extend, hear
from goodput_exporter.domain.inferred import give_way, is_outdone, learn_bound
from goodput_exporter.domain.late import fill_blind
from goodput_exporter.domain.life import Life, born
from goodput_exporter.domain.observations import ModelFacts, RankExited, RankReport
from goodput_exporter.domain.placing import place
from goodput_exporter.domain.rewinding import (
    follow_pods,
    hear_late,
    rewind,
    see_again,
    settle_doubts,
)
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.states import RunState
from goodput_exporter.domain.tiling import count_late, lay
from goodput_exporter.domain.turns import forget_the_dead, turn

_ORDER: Final = attrgetter("at_ns", "incarnation", "seq")
"""The order of reports: by the ledger's clock, and always the same at one instant."""


def advance(
    fold: Fold, now_ns: int, rules: Rules, *, grace_ns: int | None = None
) -> None:
    """
    Decide as much of the run's time as is known for certain at *now_ns*.

    Observations younger than the grace wait, so that any order of arrival
    within it gives the same book.

    Args:
        fold: Changed in place; what was booked waits in ``fold.book.pending``.
        now_ns: The present, on the ledger's clock.
        rules: The settings.
        grace_ns: Overrides the settings; 0 shows what would be booked now.
    """
    patient_ns = now_ns - (rules.grace_ns if grace_ns is None else grace_ns)
    hold_ns = judged_ns = patient_ns
    if grace_ns is None:
        sealed_ns, is_in_time = _sealed(fold, now_ns, rules)
        hold_ns = min(hold_ns, sealed_ns)
        # What an agent has not delivered yet is no silence of its ranks.
        judged_ns = hold_ns if is_in_time else patient_ns
    _hear_all(fold, hold_ns, rules)
    _look_all(fold, hold_ns)
    rewind(fold)
    if not fold.lives and fold.line_ns is None and not fold.turns:
        return
    decided_ns = _decided(fold, patient_ns, judged_ns, rules)
    line_ns = max(fold.passed_ns, min(hold_ns, decided_ns))
    for life in fold.lives.values():
        if life.said_bye and life.is_alive:
            extend(life, line_ns, fold.durations, rules)
    for change in _turns_before(fold, line_ns):
        lay(fold, change.at_ns, rules, until=Until.STOP)
        count_late(fold, change.at_ns, rules)
        if change.placement is None:
            see_again(fold)
            turn(fold, change, rules)
        else:
            follow_pods(fold, change.placement)
            place(fold, change.placement, rules)
    if fold.line_ns is not None and line_ns > fold.line_ns:
        # What is only shown may be as new as it gets; what is booked stays.
        until = Until.KNOWN if grace_ns is None else Until.STEPS
        lay(fold, line_ns, rules, until=until)
        if fold.line_ns < fold.passed_ns:
            lay(fold, fold.passed_ns, rules, until=Until.STOP)
    settle_doubts(fold)
    close_if_over(fold, hold_ns, rules)
    review(fold, hold_ns)
    forget_the_dead(fold)


def _sealed(fold: Fold, now_ns: int, rules: Rules) -> tuple[int, bool]:
    """
    Return up to when every agent of the run has delivered, and if all are in time.

    An agent is called as its node is: one whose node has a pod of the run, and
    that has never delivered, is waited for, too.

    Source:
        Rule 14: an instant seals when every agent of the run has delivered past
        it, at the latest after the settle delay.
    """
    if not fold.delivered:
        return now_ns, True
    patience_ns = rules.settle_ns
    if now_ns - fold.resumed_ns < rules.settle_after_start_ns:
        patience_ns = rules.settle_after_start_ns
    awaited = set(fold.delivered)
    if fold.placed is not None:
        awaited.update(fold.placed.nodes)
    delivered_ns = min(fold.delivered.get(agent, 0) for agent in awaited)
    settled_ns = now_ns - patience_ns
    return max(delivered_ns, settled_ns), delivered_ns >= settled_ns


def _look_all(fold: Fold, hold_ns: int) -> None:
    """Turn what the cluster said of the pods, and cannot be overtaken, into turns."""
    due = [seen for seen in fold.placements if seen.at_ns <= hold_ns]
    fold.placements = [seen for seen in fold.placements if seen.at_ns > hold_ns]
    for seen in due:
        # What is older than the line comes too late to move it: it holds from there.
        at_ns = max(seen.at_ns, fold.line_ns or seen.at_ns)
        moved = seen if at_ns == seen.at_ns else replace(seen, at_ns=at_ns)
        fold.turns.append(Turn(at_ns, "", begins=False, placement=moved))


def _hear_all(fold: Fold, hold_ns: int, rules: Rules) -> None:
    """Take what is old enough from the inbox, in the order of the ledger's clock."""
    reports = [report for report in fold.inbox if report.at_ns <= hold_ns]
    fold.inbox = [report for report in fold.inbox if report.at_ns > hold_ns]
    for report in sorted(reports, key=_ORDER):
        _hear(fold, report, rules)
    exits = [seen for seen in fold.exits if seen.at_ns <= hold_ns]
    fold.exits = [seen for seen in fold.exits if seen.at_ns > hold_ns]
    for seen in sorted(exits, key=lambda e: (e.at_ns, e.incarnation)):
        _see_exit(fold, seen, rules)


def _hear(fold: Fold, report: RankReport, rules: Rules) -> None:
    life = fold.lives.get(report.incarnation)
    if is_outdone(fold, report, rules):
        fold.outdone += 1
        return
    if life is None and report.incarnation in fold.buried:
        return
    if life is None:
        life = born(report)
        _line_up(fold, life)
        give_way(fold, life)
        _supersede(fold, life, rules)
        fold.lives[report.incarnation] = life
        fold.turns.append(Turn(life.started_ns, life.incarnation, begins=True))
    if report.facts is not None:
        _learn_facts(fold, report.facts)
    learn_bound(fold, report)
    fold.source, fold.verified = report.source, fold.verified and report.verified
    known_ns, is_news = life.reported_ns, report.seq > life.seq
    marks = hear(life, report, fold.durations, rules)
    if fold.outcome == "unknown" and is_news and life.is_alive:
        reopen(fold)
    for mark in marks:
        fold.serial += 1
        said = Waiting(mark.at_ns, life.incarnation, fold.serial, mark, known_ns)
        fold.waiting.append(said)
    if fold.line_ns is not None and known_ns < fold.line_ns:
        late_ns = min(fold.line_ns, life.reported_ns) - known_ns
        fold.book.late_ns += max(0, late_ns)
        if not hear_late(fold, known_ns):
            fill_blind(fold, life, RunState.UNOBSERVED, rules)
    if life.said_bye and life.is_alive and (life.pid is None or not life.ok):
        _end(fold, life, life.reported_ns, ok=life.ok, detail=_goodbye(life))


def _learn_facts(fold: Fold, facts: ModelFacts) -> None:
    """Take what a hello says; what it leaves out stays as it was."""
    known = fold.facts or ModelFacts()
    said = {
        name: value
        for name in ModelFacts.__slots__
        if (value := getattr(facts, name)) not in (None, ())
    }
    fold.facts = replace(known, **said)
    rated = flops_per_token(fold.facts)
    if rated is not None:
        fold.flops_per_token, fold.convention = rated[0], rated[1].value


def _goodbye(life: Life) -> str:
    return "it said goodbye" if life.ok else "it said that it failed"


def _line_up(fold: Fold, newer: Life) -> None:
    """
    Let a life begin where the last one of its process ended, if it seems to overlap.

    A process has one incarnation at a time. Each datagram takes its own time, so the
    first of one may place its start some milliseconds before the last of another.
    """
    for life in fold.lives.values():
        is_last = life.rank == newer.rank and life.started_ns < newer.started_ns
        if newer.pid is None or life.pid != newer.pid or not is_last:
            continue
        known_ns = life.reported_ns if life.ended_ns is None else life.ended_ns
        if newer.started_ns < known_ns <= newer.started_ns + JUMP_NS:
            newer.started_ns = newer.reported_ns = known_ns
            newer.stretch_ns = newer.mark_ns = known_ns


def _supersede(fold: Fold, newer: Life, rules: Rules) -> None:
    """A rank that begins anew has ended before, even where nobody saw how."""
    for life in fold.lives.values():
        same = life.rank == newer.rank and life.replica_group == newer.replica_group
        if not (life.is_alive and same and life.reported_ns <= newer.started_ns):
            continue
        in_place = life.pid is not None and life.pid == newer.pid
        # Its node may be lost: then no kernel is left to say that it has ended.
        away_ns = newer.started_ns - life.reported_ns
        is_gone = fold.placed is not None and away_ns > rules.settle_ns
        if is_gone and _is_told(fold, life):
            life.ended_ns, life.ended_ok = life.reported_ns, True
            continue
        if in_place or life.pid is None or is_gone:
            detail = f"{newer.incarnation} took its place"
            end_ns = newer.started_ns if in_place else life.reported_ns
            extend(life, end_ns, fold.durations, rules)
            _end(fold, life, end_ns, ok=life.ok, detail=detail)


def _is_told(fold: Fold, life: Life) -> bool:
    """Tell whether an incident has been opened since a rank was heard last."""
    return any(each.detected_ns >= life.reported_ns for each in fold.incidents[-1:])


def _see_exit(fold: Fold, seen: RankExited, rules: Rules) -> None:
    life = fold.lives.get(seen.incarnation)
    if life is None or not life.is_alive:
        return
    known_ns = life.said_bye_ns if life.said_bye else life.reported_ns
    at_ns = max(seen.at_ns, known_ns)
    if seen.since_ns is not None:
        # It ended while we were away, and before whoever took its place began.
        later = [
            other.started_ns
            for other in fold.lives.values()
            if other.rank == life.rank
            and other.started_ns >= life.reported_ns
            and other is not life
        ]
        at_ns = min([at_ns, *later])
        life.ended_unseen = seen.exit_code is None and not life.said_bye
    else:
        if at_ns - life.reported_ns <= rules.settle_ns:
            hear_late(fold, life.reported_ns)
        extend(life, at_ns, fold.durations, rules)
    life.exit_code = seen.exit_code
    # A goodbye may be lost on its way; a status of zero says the same.
    ok = life.ok or (seen.exit_code == 0 and not life.said_bye)
    ok = ok and seen.exit_code in (None, 0)
    _end(fold, life, at_ns, ok=ok, detail=seen.detail)


def _end(fold: Fold, life: Life, at_ns: int, *, ok: bool, detail: str) -> None:
    life.ended_ns, life.ended_ok, life.exit_detail = at_ns, ok, detail
    hear_late(fold, at_ns)
    fold.turns.append(Turn(at_ns, life.incarnation, begins=False))


def _decided(fold: Fold, hold_ns: int, judged_ns: int, rules: Rules) -> int:
    """
    Return up to where the ranks have spoken.

    A silent rank holds the line back for the settle delay (longer after our
    own start, since it may not have found us yet), then no more.

    Args:
        fold: What was said up to *hold_ns* has been heard, or waits in its inbox.
        hold_ns: The present, less the grace.
        judged_ns: Up to when nothing but a rank itself kept its words back. A rank's
            last word may lie before what its agent vouched for, by the time between
            two reports, or by what the agent has since learned of its clock: that
            much is not silence while the agent is away.
        rules: The settings.
    """
    speaking, silent = [], []
    # What they have said already, and an agent's late delivery keeps unheard.
    waiting = {seen.incarnation for seen in fold.inbox if seen.at_ns <= hold_ns}
    if _may_be_back(fold, hold_ns, rules):
        speaking.append(fold.line_ns or 0)
    for life in fold.lives.values():
        if not life.is_alive or life.said_bye:
            continue
        patience_ns, heard_ns = rules.settle_ns, life.reported_ns
        if heard_ns < fold.resumed_ns:
            patience_ns, heard_ns = rules.settle_after_start_ns, fold.resumed_ns
        if judged_ns - heard_ns < patience_ns or life.incarnation in waiting:
            speaking.append(life.reported_ns)
        else:
            silent.append(max(life.reported_ns, judged_ns - patience_ns))
    # One silent rank among others lowers the coverage, not the book; a run
    # whose every rank is silent is unobserved, but only once that is settled.
    return min([hold_ns, *(speaking or silent)])


def _may_be_back(fold: Fold, hold_ns: int, rules: Rules) -> bool:
    """
    Tell whether a missing rank may have begun while this program was away.

    It has not found us yet then. What agents deliver waits for their own word.
    """
    is_blind = fold.line_ns is not None and fold.line_ns < fold.resumed_ns
    if not is_blind or fold.delivered or fold.stepping_on or fold.ended_ns is not None:
        return False
    coming = sum(1 for change in fold.turns if change.begins)
    is_awaited = hold_ns - fold.resumed_ns < rules.settle_after_start_ns
    return is_awaited and coming < len(fold.missing)


def _turns_before(fold: Fold, line_ns: int) -> list[Turn]:
    """Return the changes that the line passes; ends before begins at one instant."""
    fold.turns.sort(key=lambda t: (t.at_ns, t.begins, t.incarnation))
    due = [change for change in fold.turns if change.at_ns <= line_ns]
    fold.turns = [change for change in fold.turns if change.at_ns > line_ns]
    return due
