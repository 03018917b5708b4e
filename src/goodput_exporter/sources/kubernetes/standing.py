"""How one followed kind stands: what a metric says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from goodput_exporter.sources.kubernetes.troubles import Trouble


class State(StrEnum):
    """What can be said about a kind's objects; a closed set."""

    RELISTING = "relisting"
    SYNCED = "synced"
    FORBIDDEN = "forbidden"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Standing:
    """
    How one kind stands at one instant. Counts are since the start.

    Args:
        kind: Such as ``Pod``.
        namespace: The only one that is followed, or None for all.
        state: ``SYNCED`` once a list is complete and until the next begins. A
            watch that cannot be had stays synced, with a last event that ages.
        last_event_ns: When the server last said anything about the kind: an
            event, a bookmark or a page. None before the first word.
        synced_ns: When the last list was complete, None before the first.
        objects: That are held now.
        lists, watches: Begun, whatever became of them.
        relists: Lists begun after the first complete one.
        errors: By class; every class is there from the start.
        read: Objects read from lists and events, bookmarks not among them.
        decode_faults: Values left out of objects because of their type.
        left_out: Objects read that nobody wants.
        nameless: Objects read that cannot be told from others.
        repeated: Objects read that had not changed.
        vanished: Objects that a list did not have any more.
    """

    kind: str
    namespace: str | None
    state: State
    last_event_ns: int | None
    synced_ns: int | None
    objects: int
    lists: int
    watches: int
    relists: int
    errors: Mapping[Trouble, int]
    read: int
    decode_faults: int
    left_out: int
    nameless: int
    repeated: int
    vanished: int
