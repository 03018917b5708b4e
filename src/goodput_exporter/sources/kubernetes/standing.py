"""How one followed kind stands: what a metric says about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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


WORST_FIRST = (State.FORBIDDEN, State.RELISTING, State.SYNCED, State.ABSENT)
"""A right that one namespace does not give is what a person can change."""


def joined(parts: Sequence[Standing]) -> Standing:
    """
    Return how a kind stands that is followed namespace by namespace.

    The worst state holds for all, counts add up, and what is oldest is told: a watch
    that is stale in one namespace is stale.

    Args:
        parts: The same kind's, one for each namespace; at least one.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    return replace(
        first,
        namespace=None,
        state=min((one.state for one in parts), key=WORST_FIRST.index),
        last_event_ns=_oldest([one.last_event_ns for one in parts]),
        synced_ns=_oldest([one.synced_ns for one in parts]),
        objects=sum(one.objects for one in parts),
        lists=sum(one.lists for one in parts),
        watches=sum(one.watches for one in parts),
        relists=sum(one.relists for one in parts),
        errors={
            trouble: sum(one.errors[trouble] for one in parts)
            for trouble in first.errors
        },
        read=sum(one.read for one in parts),
        decode_faults=sum(one.decode_faults for one in parts),
        left_out=sum(one.left_out for one in parts),
        nameless=sum(one.nameless for one in parts),
        repeated=sum(one.repeated for one in parts),
        vanished=sum(one.vanished for one in parts),
    )


def _oldest(instants: Sequence[int | None]) -> int | None:
    """Return the oldest; None where one has not been."""
    known = [one for one in instants if one is not None]
    return min(known) if len(known) == len(instants) else None
