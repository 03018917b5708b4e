"""Who owns whom: chains from a pod up to the workload that a person made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from goodput_exporter.sources.loose import Fields, rows, text
from goodput_exporter.sources.workloads.table import NAMED_IN, SERIES, group_of

DEEPEST: Final = 6
"""Owners above an object that are followed; a worker of a LeaderWorkerSet has four."""


@dataclass(frozen=True, slots=True)
class Ref:
    """
    One object, as its dependents name it.

    Args:
        group, kind, name, uid: Its own.
        namespace: Where it is; owners are where their dependents are.
    """

    group: str
    kind: str
    name: str
    uid: str
    namespace: str


class Owners:
    """
    The owner of every object that was seen, and of some that were not.

    Objects come in any order. An owner that is not seen, or may not be read, is
    known by what its dependents say of it, and the chain ends there.
    """

    def __init__(self) -> None:
        self._above: dict[str, Ref | None] = {}
        self._below: defaultdict[str, set[str]] = defaultdict(set)
        self._by_name: dict[tuple[str, str, str, str], str] = {}
        self._names: dict[str, tuple[str, str, str, str]] = {}
        self._waiting: defaultdict[tuple[str, str, str, str], set[str]] = defaultdict(
            set
        )

    def __len__(self) -> int:
        return len(self._above)

    def knows(self, uid: str) -> bool:
        """Return whether the object itself was seen."""
        return uid in self._above

    def uid_of(self, namespace: str, group: str, kind: str, name: str) -> str | None:
        """Return the uid of an object that was seen, by its name; None else."""
        return self._by_name.get((namespace, group, kind, name))

    def put(self, ref: Ref, raw: Fields) -> bool:
        """Note an object's owner; return whether anybody's chain changed."""
        name = (ref.namespace, ref.group, ref.kind, ref.name)
        owner = self._owner_in(ref, raw)
        is_new = ref.uid not in self._above
        # An orphan is still what it was made for.
        owner = owner or self._above.get(ref.uid)
        if not is_new and self._above[ref.uid] == owner:
            return False
        self._leave(ref.uid)
        self._above[ref.uid] = owner
        self._by_name[name], self._names[ref.uid] = ref.uid, name
        if owner is not None:
            self._below[owner.uid].add(ref.uid)
        for child in self._waiting.pop(name, ()):
            self._adopt(child, ref)
        return True

    def _adopt(self, child: str, ref: Ref) -> None:
        """Tie what had named *ref* before it was seen, unless it found an owner."""
        above = self._above.get(child)
        if child in self._above and (above is None or above.kind == "Pod"):
            self._leave(child)
            self._above[child] = ref
            self._below[ref.uid].add(child)

    def drop(self, uid: str) -> None:
        """Forget an object that is gone, once nobody below it needs the way up."""
        if self._below.get(uid):
            return
        above = self._above.get(uid)
        self._leave(uid)
        self._above.pop(uid, None)
        self._below.pop(uid, None)
        name = self._names.pop(uid, None)
        if name is not None and self._by_name.get(name) == uid:
            del self._by_name[name]
        if above is not None and not self._below.get(above.uid):
            self._below.pop(above.uid, None)

    def _leave(self, uid: str) -> None:
        before = self._above.get(uid)
        if before is not None:
            self._below[before.uid].discard(uid)

    def _owner_in(self, ref: Ref, raw: Fields) -> Ref | None:
        owner = controller_in(raw, ref.namespace)
        if ref.kind == "Workload" and owner is not None and owner.kind == "Pod":
            return None  # a group of pods owns the workload that stands above it
        if owner is None or (owner.kind == "Pod" and not self.knows(owner.uid)):
            owner = self._named(ref, raw) or owner
        if owner is None or (owner.group, owner.kind) in SERIES:
            return None
        return owner

    def _named(self, ref: Ref, raw: Fields) -> Ref | None:
        for label, group, kind in NAMED_IN:
            name = text(raw, "metadata", "labels", label)
            name = name or text(raw, "metadata", "annotations", label)
            if name and (ref.group, ref.kind) != (group, kind):
                place = (ref.namespace, group, kind, name)
                uid = self._by_name.get(place)
                if uid is not None:
                    return Ref(group, kind, name, uid, ref.namespace)
                self._waiting[place].add(ref.uid)
        return None

    def chain(self, ref: Ref) -> list[Ref]:
        """Return an object and its owners, to the top; a cycle ends where it closes."""
        chain, seen = [ref], {ref.uid}
        for _ in range(DEEPEST):
            above = self._above.get(chain[-1].uid)
            if above is None or above.uid in seen:
                break
            chain.append(above)
            seen.add(above.uid)
        return chain

    def below(self, uid: str) -> Iterator[str]:
        """Yield every object under one, itself first."""
        waiting, seen = [uid], {uid}
        while waiting:
            here = waiting.pop()
            yield here
            for child in sorted(self._below.get(here, ())):
                if child not in seen:
                    seen.add(child)
                    waiting.append(child)


def controller_in(raw: Fields, namespace: str) -> Ref | None:
    """Return the owner that controls an object, else its first owner."""
    refs = [row for row in rows(raw, "metadata", "ownerReferences") if text(row, "uid")]
    found = next((row for row in refs if row.get("controller") is True), None)
    found = found or (refs[0] if refs else None)
    if found is None or text(found, "kind") == "Node":
        return None  # a static pod's node is where it is, not what it belongs to
    return Ref(
        group_of(text(found, "apiVersion")),
        text(found, "kind"),
        text(found, "name"),
        text(found, "uid"),
        namespace,
    )
