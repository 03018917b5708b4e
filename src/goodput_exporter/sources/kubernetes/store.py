"""The objects of one kind as last seen, and what each new sight of one changes."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Generic, TypeVar, cast

import msgspec

from goodput_exporter.sources.kubernetes.changes import Change, Verb
from goodput_exporter.sources.kubernetes.kinds import Kind
from goodput_exporter.sources.kubernetes.lean import Object, identity, version_of
from goodput_exporter.sources.kubernetes.packed import Kept, packed, unpacked

T = TypeVar("T", bound=Object)


class Held(msgspec.Struct, frozen=True, gc=False):
    """An object, its version, and the last instant at which it is known to be there."""

    kept: Kept
    version: str | None
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
        self._read = msgspec.msgpack.Decoder(kind.type).decode
        self._held: dict[str, Held] = {}
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
        # Whatever is held is of the kind's type: nothing else was packed.
        return [cast("T", unpacked(held.kept)) for held in list(self._held.values())]

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
        version = version_of(found)
        # What has no version may have changed.
        if before is not None and version is not None and version == before.version:
            self.repeated += 1
            self._held[key] = Held(before.kept, version, seen_ns)
            return key, None
        kept = packed(self._kind.compact(found), self._read)
        self._held[key] = Held(kept, version, seen_ns)
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
        kept = packed(self._kind.compact(found), self._read)
        return self._change(Verb.DELETED, kept, seen_ns)

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

    def _estimate(self, held: Held, alive_ns: int) -> Change:
        seen_ns = max(held.seen_ns, alive_ns)
        return self._change(Verb.DELETED, held.kept, seen_ns, estimated=True)

    def _change(
        self, verb: Verb, kept: Kept, seen_ns: int, *, estimated: bool = False
    ) -> Change:
        name, version = self._kind.name, self._api_version
        return Change(name, verb, kept, seen_ns, estimated, version)
