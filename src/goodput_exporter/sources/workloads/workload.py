"""Workloads as compact records: what each asked for, and whether it waits or ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from goodput_exporter.domain.placement import Ended
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.sources.loose import Fields, fields, instant_ns, rows, text, whole
from goodput_exporter.sources.workloads.devices import Ask, Sizes, asked_by
from goodput_exporter.sources.workloads.entry import Entry, Use
from goodput_exporter.sources.workloads.history import Since, dated, learn
from goodput_exporter.sources.workloads.owners import Ref
from goodput_exporter.sources.workloads.parts import Part
from goodput_exporter.sources.workloads.table import ELASTIC_ANNOTATION, QUEUE_LABELS


@dataclass(frozen=True, slots=True)
class PartSize:
    """One part of a workload without its template: names, numbers and GPUs per pod."""

    role: str
    count: int
    inner: int
    ask: Ask

    @property
    def fixed(self) -> int:
        """Return the devices of all its pods, claims left out."""
        return self.count * self.ask.devices


@dataclass(frozen=True, slots=True)
class WorkWord:
    """
    What holds of a workload.

    Args:
        parts: Its pod templates by size; None where this kind has none.
        is_elastic: It declares that it goes on with fewer.
        suspended: Why it may not run; ``""`` where it may.
        ended: How it ended; None while it goes on.
        restarts: How often it began anew.
    """

    parts: tuple[PartSize, ...] | None
    is_elastic: bool = False
    suspended: str = ""
    ended: Ended | None = None
    restarts: int = 0

    def asked(self, size: Sizes) -> int | None:
        """Return the GPUs that it asks for; None where it cannot say."""
        if self.parts is None:
            return None
        return sum(
            part.fixed + part.count * sum(size(claim) for claim in part.ask.claims)
            for part in self.parts
        )


@dataclass(slots=True)
class WorkRecord:
    """
    One workload, or one word of a queue about it.

    Args:
        ref: The object itself.
        entry: How its kind is read.
        created_ns: When the API server made it.
        words: What it was since when.
        labels: All of its labels; the caller picks team and queue.
        queue: The queue that the object itself names.
        was_admitted_ns: When it is known to have been admitted at the latest.
        told_ns: When it was told to go.
        gone_ns: When the object was deleted; None while it is there.
        is_estimated: Its deletion was not seen.
    """

    ref: Ref
    entry: Entry
    created_ns: int
    words: list[Since[WorkWord]] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    queue: str | None = None
    was_admitted_ns: int | None = None
    told_ns: int | None = None
    gone_ns: int | None = None
    is_estimated: bool = False


def record_of(raw: Fields, ref: Ref, entry: Entry, seen_ns: int) -> WorkRecord:
    """Return a record of a workload that is seen for the first time."""
    created_ns = dated(instant_ns(raw, "metadata", "creationTimestamp"), 0, seen_ns)
    return WorkRecord(ref, entry, created_ns)


def refresh(record: WorkRecord, raw: Fields, parts: list[Part], seen_ns: int) -> None:
    """Take over a workload's newest version."""
    record.labels = {
        name: value
        for name, value in fields(raw, "metadata", "labels").items()
        if isinstance(value, str)
    }
    named = (text(record.labels, label) for label in QUEUE_LABELS)
    own = text(raw, *record.entry.queue) if record.entry.queue else ""
    record.queue = own or next(filter(None, named), None)
    due_ns = instant_ns(raw, "metadata", "deletionTimestamp")
    if due_ns is not None:
        grace = max(whole(raw, "metadata", "deletionGracePeriodSeconds") or 0, 0)
        told_ns = due_ns - grace * NS_PER_SECOND
        record.told_ns = dated(told_ns, record.created_ns, seen_ns)
    if record.entry.use is Use.QUEUES:
        _refresh_queued(record, raw, seen_ns)
    else:
        learn(record.words, _told(record, raw, parts, seen_ns))


def _told(
    record: WorkRecord, raw: Fields, parts: list[Part], seen_ns: int
) -> list[Since[WorkWord]]:
    """Return a workload's own account of itself; the last word holds now."""
    entry, created_ns = record.entry, record.created_ns
    sizes = tuple(
        PartSize(part.role, part.count, part.inner, asked_by(part.template.get("spec")))
        for part in parts
    )
    suspended = _suspended(entry, raw)
    restarts = whole(raw, *entry.restarts) if entry.restarts else None
    elastic = _is_elastic(entry, raw, sizes)
    now = WorkWord(sizes or None, elastic, suspended, restarts=restarts or 0)
    told = _suspensions(record, raw, now, seen_ns)
    end = _ended(entry, raw, created_ns, seen_ns)
    if end is not None:
        # What was seen late happened before the end, which has a date of its own.
        told = [Since(min(word.at_ns, end.at_ns), word.what) for word in told]
        return [*told, Since(end.at_ns, replace(now, ended=end.what))]
    if record.words and _has_no_date(record.words[-1].what, now):
        return [Since(max(created_ns, seen_ns), now)]
    return told


def _suspensions(
    record: WorkRecord, raw: Fields, now: WorkWord, seen_ns: int
) -> list[Since[WorkWord]]:
    """
    Return since when a workload may run, or may not; leave out how it ended.

    A condition that says no is of one that was suspended once, from its making on
    as far as is known; one that says yes, of one that was not until then. Its date is
    of use where it agrees with the switch, which changes first.
    """
    entry, created_ns = record.entry, record.created_ns
    condition = _condition(raw, "Suspended")
    is_dated = (text(condition, "status") == "True") == bool(now.suspended)
    own_ns = instant_ns(condition, "lastTransitionTime") if is_dated else None
    if entry.phase is not None and entry.phase.suspended:
        own_ns = instant_ns(raw, *entry.phase.since)
    elif not condition and not record.words:
        own_ns = created_ns
    was_held = bool(condition) and not (is_dated and now.suspended)
    first = replace(now, suspended="Suspended" if was_held else "")
    return [
        Since(created_ns, first),
        Since(dated(own_ns, created_ns, seen_ns), now),
    ]


def _has_no_date(before: WorkWord, now: WorkWord) -> bool:
    """Return whether something changed of which the API keeps no date."""
    was = (before.parts, before.is_elastic, before.restarts)
    return was != (now.parts, now.is_elastic, now.restarts)


def _condition(raw: Fields, kind: str) -> Fields:
    found = rows(raw, "status", "conditions")
    return next((row for row in found if text(row, "type") == kind), {})


def _suspended(entry: Entry, raw: Fields) -> str:
    if (
        entry.suspend
        and fields(raw, *entry.suspend[:-1]).get(entry.suspend[-1]) is True
    ):
        return "Suspended"
    if entry.phase is not None:
        word = text(raw, *entry.phase.path)
        return word if word in entry.phase.suspended else ""
    return ""


def _is_elastic(entry: Entry, raw: Fields, sizes: tuple[PartSize, ...]) -> bool:
    if text(raw, "metadata", "annotations", ELASTIC_ANNOTATION) == "true":
        return True
    if entry.elastic:
        declared = fields(raw, *entry.elastic[:-1]).get(entry.elastic[-1])
        return declared is True or (isinstance(declared, Mapping) and bool(declared))
    least = whole(raw, *entry.least) if entry.least else None
    return least is not None and 0 < least < sum(part.count for part in sizes)


def _ended(
    entry: Entry, raw: Fields, created_ns: int, seen_ns: int
) -> Since[Ended] | None:
    if entry.phase is not None:
        path, not_yet = entry.phase.unless
        if path and text(raw, *path) == not_yet:
            return None
        word = text(raw, *entry.phase.path)
        at_ns = dated(instant_ns(raw, *entry.phase.since), created_ns, seen_ns)
        if word in entry.phase.succeeded:
            return Since(at_ns, Ended.SUCCEEDED)
        return Since(at_ns, Ended.FAILED) if word in entry.phase.failed else None
    for row in rows(raw, "status", "conditions"):
        kind = text(row, "type")
        if text(row, "status") == "True" and kind in entry.succeeded | entry.failed:
            at_ns = dated(instant_ns(row, "lastTransitionTime"), created_ns, seen_ns)
            how = Ended.SUCCEEDED if kind in entry.succeeded else Ended.FAILED
            return Since(at_ns, how)
    return None


WAITS: Final = "WaitsForQuota"
"""The reason of a run that a queue has not let in, where it gives none itself."""


def _refresh_queued(record: WorkRecord, raw: Fields, seen_ns: int) -> None:
    """Take over whether a queue lets a workload in: Kueue's word, or Volcano's."""
    created_ns = record.created_ns
    waits = WorkWord(None, suspended=WAITS)
    told = [Since(created_ns, waits)]
    if record.entry.kind == "PodGroup":
        if text(raw, "status", "phase") not in {"", "Pending"}:
            told.append(Since(seen_ns, WorkWord(None)))
        learn(record.words, told)
        return
    evicted, admitted = _condition(raw, "Evicted"), _condition(raw, "Admitted")
    is_in = text(admitted, "status") == "True"
    is_out = text(evicted, "status") == "True"
    if admitted or evicted:
        first_ns = _since(evicted if is_out else admitted, created_ns, seen_ns)
        if is_in or is_out or evicted:
            record.was_admitted_ns = record.was_admitted_ns or first_ns
    if is_out:
        reason = text(evicted, "reason") or "Evicted"
        at_ns = _since(evicted, created_ns, seen_ns)
        told.append(Since(at_ns, WorkWord(None, suspended=reason)))
    elif admitted:
        at_ns = _since(admitted, created_ns, seen_ns)
        told.append(Since(at_ns, WorkWord(None) if is_in else waits))
    learn(record.words, told)


def _since(condition: Fields, created_ns: int, seen_ns: int) -> int:
    return dated(instant_ns(condition, "lastTransitionTime"), created_ns, seen_ns)
