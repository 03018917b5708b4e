"""Evidence out of changing objects: each observation once, and of runs only."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Final

from goodput_exporter.domain.evidence import Evidence, Kind
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.sources.evidence import evidence_of, evidence_of_deleted
from goodput_exporter.sources.loose import Fields, fields, text

HELD: Final = 4_096
"""Subjects whose events are kept until the object itself is seen, or pushed out."""
MOST_EACH: Final = 32
_ORDERS: Final = frozenset({Kind.POD_DELETED, Kind.WORKLOAD_DELETED})
"""Told to go once; the API moves the date when it is done."""


class Clues:
    """
    What was observed of each object, so that it is told once.

    An object repeats with every change what it said before. What has no date of
    its own is told at its first sight only.
    """

    def __init__(self) -> None:
        self._told: dict[str, frozenset[tuple[object, ...]]] = {}
        self._held: OrderedDict[str, list[Evidence]] = OrderedDict()
        self._new: list[Evidence] = []
        self.unclaimed = 0

    def of_object(  # noqa: PLR0913 - what it says, and three facts that it does not
        self,
        uid: str,
        raw: Fields,
        seen_ns: int,
        *,
        is_deleted: bool,
        key: RunKey | None,
        is_known: bool = True,
    ) -> None:
        """
        Take what an object says; about a workload, as the run's that it is of.

        What concerns nobody yet is kept until somebody claims it.
        """
        read = evidence_of_deleted if is_deleted else evidence_of
        told = self._told.get(uid, frozenset())
        marks: set[tuple[object, ...]] = set()
        for found in read(raw, seen_ns):
            seen = _about_run(found, key)
            is_dated = seen.at_ns != seen_ns and seen.kind not in _ORDERS
            mark = (seen.kind, seen.reason, seen.subject, is_dated and seen.at_ns)
            marks.add(mark)
            if mark in told:
                continue
            seen = _not_after(seen, seen_ns)
            if is_known:
                self._new.append(seen)
            else:
                self._hold(seen)
        self._told[uid] = frozenset(marks)
        if is_deleted or not marks:
            del self._told[uid]

    def forget(self, uid: str) -> None:
        """Forget what an object said."""
        self._told.pop(uid, None)

    def of_event(
        self, raw: Fields, seen_ns: int, *, is_known: bool, key: RunKey | None
    ) -> None:
        """Take an event; keep it for a while where nobody knows what it is about."""
        for event in evidence_of(raw, seen_ns):
            found = _not_after(event, seen_ns)
            if is_known:
                self._new.append(_about_run(found, key))
            else:
                self._hold(found)

    def _hold(self, found: Evidence) -> None:
        held = self._held.setdefault(found.subject, [])
        self._held.move_to_end(found.subject)
        if len(held) < MOST_EACH:
            held.append(found)
        else:
            self.unclaimed += 1
        if len(self._held) > HELD:
            self.unclaimed += len(self._held.popitem(last=False)[1])

    def claim(self, subject: str, key: RunKey | None, since_ns: int = 0) -> None:
        """
        Tell what was held about an object that is now seen.

        Args:
            subject: The object.
            key: The run that it is of.
            since_ns: What is dated before it concerns nobody, and is counted so.
        """
        if self._held:
            found = self._held.pop(subject, ())
            told = [_about_run(one, key) for one in found if one.at_ns >= since_ns]
            self._new += told
            self.unclaimed += len(found) - len(told)

    def drain(self) -> list[Evidence]:
        """Return what is new, and forget it."""
        new, self._new = self._new, []
        return new


def _not_after(found: Evidence, seen_ns: int) -> Evidence:
    """Return what was seen, dated when it was seen where its clock runs ahead."""
    return found if found.at_ns <= seen_ns else replace(found, at_ns=seen_ns)


def _about_run(found: Evidence, key: RunKey | None) -> Evidence:
    if key is None or not found.subject.startswith("run/"):
        return found
    return replace(found, subject=f"run/{key.namespace}/{key.run}")


def subject_of(kind: str, namespace: str, name: str) -> str:
    """Return the subject under which evidence is told about an object."""
    if kind == "Node":
        return f"node/{name}"
    return f"{'pod' if kind == 'Pod' else 'run'}/{namespace}/{name}"


def event_about(raw: Fields) -> tuple[str, str]:
    """Return kind and name of what an event is about."""
    about = fields(raw, "involvedObject") or fields(raw, "regarding")
    return text(about, "kind"), text(about, "name")
