"""Rule 14: a late word is laid from where the ranks fell silent, as if in time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from goodput_exporter.domain.doubt import Doubt
from goodput_exporter.domain.fold import Fold, Interruption, Turn
from goodput_exporter.domain.placement import Placement
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.steps import Steps

DOUBTED_KEPT: Final = 256
"""Segments that may be booked in one silence and still be told again."""


def lose_sight(fold: Fold, until_ns: int) -> None:
    """Note where the run stands: from its line to *until_ns* its ranks say nothing."""
    if fold.doubt is not None or fold.line_ns is None or fold.line_ns >= until_ns:
        return
    fold.doubt = Doubt(
        fold.line_ns,
        fold.incidents[-1].number if fold.incidents else None,
        fold.placed,
        fold.asked,
        fold.active,
        fold.stepping_on,
        fold.steps_since_end,
        fold.ran_ns,
        list(fold.crew),
        fold.recovering,
        fold.degraded_by,
        _copied(fold.steps),
        [replace(owed) for owed in fold.since_step],
    )


def see_again(fold: Fold) -> None:
    """What the ranks say is used from here on: there is no going back behind it."""
    fold.doubt = None


def follow_pods(fold: Fold, placement: Placement) -> None:
    """Keep a change of the pods in mind, to be told again in its turn."""
    if fold.doubt is None:
        return
    if fold.steps.held:
        # An interruption would name them, and their names may not change.
        see_again(fold)
    else:
        fold.doubt.placements.append(placement)


def hear_late(fold: Fold, since_ns: int) -> bool:
    """
    Tell whether a word of the time from *since_ns* on can still be laid in its turn.

    If so it will be; if not, it can only name what was booked blind.
    """
    if fold.doubt is None or fold.line_ns is None or since_ns >= fold.line_ns:
        return False
    fold.doubt.is_told = True
    return True


def rewind(fold: Fold) -> None:
    """Go back to where the ranks fell silent, if one of them has told of it since."""
    doubt = fold.doubt
    if doubt is None or not doubt.is_told:
        return
    fold.passed_ns = max(fold.passed_ns, fold.line_ns or 0)
    fold.doubt = None
    fold.line_ns = doubt.since_ns
    fold.placed, fold.asked, fold.active = doubt.placed, doubt.asked, doubt.active
    fold.stepping_on = doubt.stepping_on
    fold.steps_since_end = doubt.steps_since_end
    fold.ran_ns, fold.crew = doubt.ran_ns, doubt.crew
    fold.recovering, fold.degraded_by = doubt.recovering, doubt.degraded_by
    fold.steps = doubt.steps
    numbers = [None, *(incident.number for incident in fold.incidents)]
    before = numbers.index(doubt.incident) if doubt.incident in numbers else 0
    fold.foreseen = fold.incidents[before:]
    fold.incidents = fold.incidents[:before]
    # What one of them has been charged with stays so.
    fold.since_step = [] if fold.foreseen else doubt.since_step
    fold.turns += [
        Turn(placement.at_ns, "", begins=False, placement=placement)
        for placement in doubt.placements
    ]


def foreseen(fold: Fold, at_ns: int) -> Interruption | None:
    """
    Return the incident at *at_ns* that pods have told of before the ranks did.

    It is the same one if no rank began between the two.
    """
    if not fold.foreseen:
        return None
    first = fold.foreseen[0]
    if any(t.begins and at_ns <= t.at_ns < first.detected_ns for t in fold.turns):
        return None
    return fold.foreseen.pop(0)


def settle_doubts(fold: Fold) -> None:
    """Forget what cannot be told again; keep what belongs to steps without a name."""
    fold.incidents += fold.foreseen
    fold.foreseen = []
    if fold.line_ns is not None:
        # Of what lies beyond the last word that came late nothing new is known.
        fold.line_ns = max(fold.line_ns, fold.passed_ns)
    book = fold.book
    if len(book.doubted) > DOUBTED_KEPT:
        see_again(fold)
    if fold.doubt is None and book.doubted:
        spans = unnamed(fold)
        book.doubted = [
            each
            for each in book.doubted
            if any(each.span.clip(span) is not None for span in spans)
        ]


def unnamed(fold: Fold) -> list[Span]:
    """Return the time of steps that have no name yet."""
    return [*fold.steps.open, *(s for held in fold.steps.held for s in held.spans)]


def unbooked(fold: Fold, spans: Iterable[Span]) -> list[Span]:
    """Return the parts of *spans* that nothing has been booked over."""
    left = list(spans)
    for known in fold.book.doubted:
        left = [part for span in left for part in _without(span, known.span)]
    return left


def _without(span: Span, gone: Span) -> list[Span]:
    inside = span.clip(gone)
    if inside is None:
        return [span]
    parts = Span(span.start_ns, inside.start_ns), Span(inside.end_ns, span.end_ns)
    return [part for part in parts if part.length_ns]


def _copied(steps: Steps) -> Steps:
    return replace(
        steps,
        open=list(steps.open),
        held=list(steps.held),
        judges_ns=list(steps.judges_ns),
    )
