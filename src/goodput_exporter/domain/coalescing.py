"""Of what the ranks of a node said in one tick, as much as a book needs."""

from __future__ import annotations

from collections.abc import Iterable

from goodput_exporter.domain.observations import RankReport, RunObservation

SAME = ("run_id", "rank", "world_size", "replica_group", "role", "pod", "source")
"""Who speaks: what was said under another name is not said again under this one."""
DECLARED = ("restored_step", "step_is_local", "tokens_are_global", "verified")
"""What a report declares once; another value is another declaration."""
GROWING = (
    "step", "steps_done", "saved_step", "durable_step", "tokens", "samples", "flops",
)  # fmt: skip
"""What only grows while nothing goes back, so that the last value says all."""


def coalesced(seen: Iterable[RunObservation]) -> list[RunObservation]:
    """
    Drop the reports that a later one of the same incarnation repeats.

    A report is cumulative, so of one tick the last says what the others said: one
    stays per incarnation. Beside it stay a hello's facts, a goodbye, and whatever
    goes back or changes its declaration, since the step before a rollback is in no
    later report.

    What is lost is where within the tick a phase or a step ended. A window of rule
    6 is 10 s long and holds the same time, steps and phases as without this.

    Args:
        seen: What a source drained at one tick, in its order.
    """
    kept: list[RunObservation] = []
    last: dict[str, int] = {}
    for one in seen:
        if not isinstance(one, RankReport):
            kept.append(one)
            last.pop(one.incarnation, None)
            continue
        at = last.get(one.incarnation)
        before = None if at is None else kept[at]
        if at is not None and isinstance(before, RankReport) and repeats(one, before):
            kept[at] = one
            continue
        last[one.incarnation] = len(kept)
        kept.append(one)
    return kept


def repeats(later: RankReport, before: RankReport) -> bool:
    """Tell whether nothing is lost with *before* where *later* is known."""
    if before.facts is not None or before.is_bye or later.seq <= before.seq:
        return False
    if any(getattr(later, name) != getattr(before, name) for name in SAME + DECLARED):
        return False
    return all(
        has_grown(getattr(before, name), getattr(later, name)) for name in GROWING
    )


def has_grown(before: float | None, now: float | None) -> bool:
    """Tell whether a value is known as well as before, and no smaller."""
    return before is None or (now is not None and now >= before)
