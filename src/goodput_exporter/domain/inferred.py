"""Section 9: what is credited where nobody counts steps, and what replaces it."""

from __future__ import annotations

from goodput_exporter.domain import steps as step_time
from goodput_exporter.domain.fold import Fold, emit_steps
from goodput_exporter.domain.life import Life
from goodput_exporter.domain.observations import RankReport
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.states import Phase


def credit(fold: Fold) -> int | None:
    """
    Book step time up to the last sign of training as productive.

    A sign stands in for a completed step: what lies behind it was work, as far as
    anybody can see from outside, and what lies after it stays open until rule 10
    calls it stalled.

    Returns:
        Up to when time was credited; None where there was nothing to credit.
    """
    signs = [life.active_ns for life in fold.lives.values() if life.active_ns]
    named = step_time.credit(fold.steps, max(signs, default=0))
    if not named:
        return None
    emit_steps(fold, named)
    fold.last_step_ns = named[-1].span.end_ns
    fold.since_step = []
    return fold.last_step_ns


def learn_bound(fold: Fold, report: RankReport) -> None:
    """Redone work looks new from outside: goodput is an upper bound from here on."""
    if report.source == "inferred" and report.cum_ns.get(Phase.TRAIN_STEP):
        fold.progress.upper_bound = fold.progress.is_inferred = True


def is_outdone(fold: Fold, report: RankReport, rules: Rules) -> bool:
    """
    Tell whether a rank of the run speaks for itself, so that nobody need guess.

    Source:
        Rule 11: a run is observed while one of its ranks reports. One that has
        been silent for the settle delay may be guessed at again.
    """
    return report.source == "inferred" and any(
        life.is_alive
        and life.active_ns is None
        and report.at_ns - life.reported_ns < rules.settle_ns
        for life in fold.lives.values()
    )


def give_way(fold: Fold, newer: Life) -> None:
    """
    Let a rank that speaks replace all that was inferred, from its birth on.

    Another watch on the same container replaces the one before: the agent began
    anew, and the container did not.
    """
    speaks = newer.active_ns is None
    for life in fold.lives.values():
        same = life.replica_group == newer.replica_group
        if life.active_ns is not None and life.is_alive and (speaks or same):
            _retire(life, max(newer.started_ns, fold.line_ns or 0, life.started_ns))


def _retire(life: Life, at_ns: int) -> None:
    """End it without an end: its container lives on, under a better name."""
    life.ended_ns, life.ended_ok, life.has_given_way = at_ns, True, True
    life.reported_ns = min(life.reported_ns, at_ns)
    life.active_ns = min(life.active_ns or 0, at_ns)
    life.pieces = [piece for piece in life.pieces if piece.start_ns < at_ns]
    if life.pieces:
        life.pieces[-1].end_ns = min(life.pieces[-1].end_ns, at_ns)
