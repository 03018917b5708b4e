"""The objects of one kind as last seen, and what each new sight of one changes."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Generic, TypeVar

import msgspec

from goodput_exporter.sources.kubernetes.changes import Change, Verb
from goodput_exporter.sources.kubernetes.kinds import Kind
from goodput_exporter.sources.kubernetes.lean import Object, identity, version_of

T = TypeVar("T", bound=Object)


class Held(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """An object and the last instant at which it is known to have been there."""

    found: T
    seen_ns: int


class Store(Generic[T]):
    """
    What is known of one kind; written by one thread.

    Every object that is read ends in exactly one of: a change, ``left_out``,
    ``nameless`` or ``repeated``.

    Args:
        kind: Whose objects, and which of them to keep.
    """

    def __init__(self, kind: Kind[T]) -> None:
        self._kind = kind
        self._api_version = kind.api_version(kind.versions[0])
        self._held: dict[str, Held[T]] = {}
        self.read = 0
        self.left_out = 0
        self.nameless = 0
        self.repeated = 0
        self.vanished = 0

    def __len__(self) -> int:
        return len(self._held)

    def serve(self, version: str) -> None:
        """Note in which version the objects come from now on."""
        self._api_version = self._kind.api_version(version)

    def objects(self) -> list[T]:
        """Return what is held; safe from any thread, as the copy is one step."""
        return [held.found for held in list(self._held.values())]

    def see(self, found: T | None, seen_ns: int) -> tuple[str | None, Change | None]:
        """
        Take in that an object exists, as it is now.

        Args:
            found: As read; None for an item that is no object.
            seen_ns: When.

        Returns:
            Its identity if it is held now, and what that changes.
        """
        self.read += 1
        key = None if found is None else identity(found)
        if found is None or key is None:
            self.nameless += 1
            return None, None
        before = self._held.get(key)
        if before is None and not self._kind.wants(found):
            self.left_out += 1
            return None, None
        if before is not None and _is_same(found, before.found):
            self.repeated += 1
            self._held[key] = Held(before.found, seen_ns)
            return key, None
        kept = self._kind.compact(found)
        self._held[key] = Held(kept, seen_ns)
        verb = Verb.ADDED if before is None else Verb.MODIFIED
        return key, self._change(verb, kept, seen_ns)

    def lose(self, found: T | None, seen_ns: int) -> Change | None:
        """Take in that an object was deleted; None if it was not held."""
        self.read += 1
        key = None if found is None else identity(found)
        if found is None or key is None:
            self.nameless += 1
            return None
        if self._held.pop(key, None) is None:
            self.left_out += 1
            return None
        return self._change(Verb.DELETED, self._kind.compact(found), seen_ns)

    def keep_only(self, there: AbstractSet[str], alive_ns: int) -> list[Change]:
        """
        Delete whatever is not *there* in a complete list.

        Args:
            there: The identities that the list has.
            alive_ns: Until when the watch before the list would have told of a
                deletion. An object seen later, by a list that was never
                completed, is dated by that.
        """
        gone = [key for key in self._held if key not in there]
        self.vanished += len(gone)
        return [self._estimate(self._held.pop(key), alive_ns) for key in gone]

    def _estimate(self, held: Held[T], alive_ns: int) -> Change:
        seen_ns = max(held.seen_ns, alive_ns)
        return self._change(Verb.DELETED, held.found, seen_ns, estimated=True)

    def _change(
        self, verb: Verb, found: T, seen_ns: int, *, estimated: bool = False
    ) -> Change:
        name, version = self._kind.name, self._api_version
        return Change(name, verb, found, seen_ns, estimated, version)


def _is_same(found: Object, before: Object) -> bool:
    """Return whether nothing changed; what has no version might have."""
    version = version_of(found)
    return version is not None and version == version_of(before)
