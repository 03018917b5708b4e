"""
Making a run's part of the ledger smaller without changing any sum.

Two things are taken away, and nothing else. A segment that adjoins an equal one
within a finished day becomes part of it: the exporter books one per tick. And the
segments of days beyond the retention go once their days' accounts, which were
written in the same transactions, are found equal to them. Events, restatements and
reattributions stay for ever. Every run is one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import RunState
from goodput_exporter.ledger import audit
from goodput_exporter.ledger.days import DAY_NS, day_of
from goodput_exporter.ledger.entries import INT64_MAX, Entry
from goodput_exporter.ledger.extents import Extent
from goodput_exporter.ledger.folding import Fold, days_of, digest_of, fold_of
from goodput_exporter.ledger.ledger import Compacted, Finding
from goodput_exporter.ledger.reading import Stored, reach
from goodput_exporter.ledger.shelves import Shelf
from goodput_exporter.ledger.standing import Standing

NEVER: Final = day_of(INT64_MAX)


@dataclass(slots=True)
class Sweep:
    """
    What can go, as one run's entries pass by in time order.

    Args:
        fold_ns: Segments that end by then are folded.
        join_ns: Segments that end by then are joined.
        reached_ns: Where the folded ones end.
        stretched: Segments that take others in, as they are then, by number.
        taken: The numbers of those that were taken in.
    """

    fold_ns: int
    join_ns: int
    reached_ns: int | None
    folded: int = 0
    stretched: dict[int, Segment] = field(default_factory=dict)
    taken: list[int] = field(default_factory=list)


def compact_run(
    shelf: Shelf,
    key: RunKey,
    extent: Extent,
    stored: Stored | None,
    before: tuple[int, int],
) -> Compacted:
    """
    Join and fold what can be of one run.

    Args:
        shelf: The book, in a transaction that may write.
        key: Whose.
        extent: How far the run reaches.
        stored: Its row of ``state_of``, if it has one.
        before: Fold days before the first, join within days before the second.
    """
    findings = audit.run(shelf, key, extent, stored)
    if not extent.is_current:
        what = (
            f"run {key}: its daily accounts lack what an older program booked; start "
            "an exporter of this version once, which adds it"
        )
        findings.append(Finding(key, None, what))
    if findings:
        return Compacted(findings=tuple(findings))
    standing = audit.standing_in(key, stored, [])
    first_open = _decided(shelf, extent, standing)
    day, joined_day = (min(each, first_open) for each in before)
    known = fold_of(shelf, extent.run_id)
    day = max(day, known.day, day_of(extent.first_ns or 0))
    sweep = Sweep(day * DAY_NS, joined_day * DAY_NS, known.reached_ns)
    unreadable: list[Finding] = []  # the audit found none
    of_run = {"run_id": extent.run_id}
    go_through(sweep, shelf.entries("by_time", key, of_run, unreadable))
    if sweep.folded or sweep.taken:
        _write(shelf, extent.run_id, sweep, replace(known, day=day))
    return Compacted(sweep.folded, len(sweep.taken))


def go_through(sweep: Sweep, entries: Iterable[Entry]) -> None:
    """Sort one run's entries, in time order, into what stays and what goes."""
    last: dict[bool, tuple[int, Segment]] = {}
    for entry in entries:
        segment = entry.booking
        if not isinstance(segment, Segment):
            continue
        beside = segment.state is RunState.DEGRADED
        if segment.span.end_ns <= sweep.fold_ns:
            sweep.folded += 1
            if not beside:
                sweep.reached_ns = max(
                    sweep.reached_ns or segment.span.end_ns, segment.span.end_ns
                )
            continue
        if segment.span.end_ns > sweep.join_ns:
            continue
        seq, before = last.get(beside, (0, None))
        whole = None if before is None else joined(before, segment)
        if whole is None:
            last[beside] = entry.seq, segment
        else:
            last[beside] = seq, whole
            sweep.stretched[seq] = whole
            sweep.taken.append(entry.seq)


def joined(last: Segment, segment: Segment) -> Segment | None:
    """
    Return two segments as one, or None where that would say something else.

    Both lie in one UTC day, so that a day is folded whole. Work is added up only
    where the sum of the two numbers is exact.
    """
    whole = Span(last.span.start_ns, segment.span.end_ns)
    if last.span.end_ns != segment.span.start_ns or whole.length_ns == 0:
        return None
    if day_of(whole.start_ns) != day_of(whole.end_ns - 1):
        return None
    same = replace(
        segment,
        span=whole,
        first_step=last.first_step,
        last_step=segment.last_step,
        model_flops=last.model_flops,
    )
    if replace(last, span=whole, last_step=segment.last_step) != same:
        return None
    if not _steps_on(last.last_step, segment.first_step):
        return None
    if last.model_flops is None or segment.model_flops is None:
        return same if last.model_flops is segment.model_flops else None
    work = last.model_flops + segment.model_flops
    is_exact = (
        work - last.model_flops == segment.model_flops
        and work - segment.model_flops == last.model_flops
    )
    return replace(same, model_flops=work) if is_exact else None


def _steps_on(last_step: int | None, first_step: int | None) -> bool:
    if last_step is None or first_step is None:
        return last_step is first_step
    return first_step - last_step in (0, 1)


def _decided(shelf: Shelf, extent: Extent, standing: Standing | None) -> int:
    """Return the first day in which the run's fold may still book something."""
    if standing is None:
        return NEVER
    day = _first_open(standing)
    if _holds_time_before(shelf, extent, standing.begins_ns):
        # A run that began anew counts from within this day: its account of the
        # whole day could not be compared with its state any more.
        day = min(day, day_of(standing.begins_ns))
    return day


def first_undecided(key: RunKey, stored: Stored | None) -> int:
    """Return the first day in which a run's state may still book something."""
    standing = audit.standing_in(key, stored, [])
    return NEVER if standing is None else _first_open(standing)


def _first_open(standing: Standing) -> int:
    return day_of(min((span.start_ns for span in standing.unnamed), default=INT64_MAX))


def _holds_time_before(shelf: Shelf, extent: Extent, begins_ns: int) -> bool:
    start_ns = day_of(begins_ns) * DAY_NS
    if extent.first_ns is None or begins_ns <= extent.first_ns or start_ns == begins_ns:
        return False
    bounds = reach(Span(start_ns, begins_ns), extent.run_id, extent.longest_ns)
    return bounds is not None and bool(shelf.ask("account", bounds))


def _write(shelf: Shelf, run_id: int, sweep: Sweep, fold: Fold) -> None:
    of_run = {"run_id": run_id}
    shelf.ask("begin_compacting", {})
    shelf.ask("drop_folded", {**of_run, "end_ns": sweep.fold_ns})
    shelf.many("drop_joined", ({**of_run, "seq": seq} for seq in sweep.taken))
    shelf.many(
        "stretch_joined",
        (
            {
                **of_run,
                "seq": seq,
                "end_ns": segment.span.end_ns,
                "last_step": segment.last_step,
                "model_flops": segment.model_flops,
            }
            for seq, segment in sweep.stretched.items()
        ),
    )
    shelf.ask("end_compacting", {})
    shelf.ask("measure_run", of_run)
    removed = fold.removed + sweep.folded + len(sweep.taken)
    shelf.ask(
        "put_fold",
        {
            **of_run,
            "day": fold.day,
            "removed": removed,
            "reached_ns": sweep.reached_ns,
            "digest": digest_of(days_of(shelf, run_id, last=fold.day), fold.day),
        },
    )


def together(parts: Iterable[Compacted]) -> Compacted:
    """Add up what was done run by run."""
    done = list(parts)
    return Compacted(
        sum(each.folded for each in done),
        sum(each.joined for each in done),
        tuple(finding for each in done for finding in each.findings),
        sum(each.gpu_folded for each in done),
    )
