"""What held since when: the dated words of one object, on which nothing goes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Since(Generic[T]):
    """
    Something that held from an instant on, until the next such word.

    Args:
        at_ns: From when, on the ledger's clock.
        what: What held.
    """

    at_ns: int
    what: T


def learn(known: list[Since[T]], told: Sequence[Since[T]]) -> bool:
    """
    Append what the newest version of an object tells beyond what is known.

    An object tells its whole past again with every change, in less and less
    detail: what is not newer than the last known word is old. Dates are whole
    seconds, so what comes after that word in the same account is newer, be it of
    the same second. Only the last of *told* holds now, so it counts even where its
    own date is older.

    Args:
        known: The words so far, in order of their dates; grows.
        told: The object's own account, in order; its last word holds now.

    Returns:
        Whether anything was new.
    """
    before = len(known)
    follows_from = _place_after(known, told)
    for index, word in enumerate(told):
        if not known:
            known.append(word)
            continue
        last = known[-1]
        is_now = index == len(told) - 1
        is_same_second = index >= follows_from and word.at_ns == last.at_ns
        is_newer = word.at_ns > last.at_ns or is_same_second
        if word.what != last.what and (is_now or is_newer):
            known.append(Since(max(word.at_ns, last.at_ns), word.what))
            follows_from = min(follows_from, index)
    return len(known) > before


def _place_after(known: Sequence[Since[T]], told: Sequence[Since[T]]) -> int:
    """Return from where in an account the words follow the last that is known."""
    if not known:
        return 0
    places = (place for place, word in enumerate(told, 1) if word == known[-1])
    return max(places, default=len(told))


def as_of(known: Sequence[Since[T]], at_ns: int) -> T | None:
    """Return what held at an instant; None before the first word."""
    for word in reversed(known):
        if word.at_ns <= at_ns:
            return word.what
    return None


def forget(known: list[Since[T]], before_ns: int) -> None:
    """Leave out the words that ended before an instant."""
    last = 0
    for index, word in enumerate(known):
        if word.at_ns <= before_ns:
            last = index
    del known[:last]


def dated(own_ns: int | None, created_ns: int, seen_ns: int) -> int:
    """
    Return an object's own date, where it can be true.

    Nothing was seen before it happened, and nothing happened to an object before
    it was created: clocks of nodes differ, the API server's is the one to trust.
    """
    if own_ns is None:
        return max(created_ns, seen_ns)
    return max(created_ns, min(own_ns, seen_ns))
