"""A run that was out comes back: by what, and that this counts once."""

from __future__ import annotations

from goodput_exporter.domain.book import note
from goodput_exporter.domain.bookings import EventKind
from goodput_exporter.domain.fold import Fold
from goodput_exporter.domain.life import Life
from goodput_exporter.domain.outage import is_out
from goodput_exporter.domain.states import How


def begin_return(fold: Fold, life: Life) -> How:
    """
    Let a rank that comes back begin a restart, which counts once all are back.

    Until then it may still turn out that pods were made anew: the first ranks of
    many are there before the last pod runs.

    Args:
        fold: Changed in place; something of the run is or was missing.
        life: The first to be back.

    Returns:
        By what it comes back, as far as is known now.
    """
    count_return(fold)
    how = _by(fold, life)
    if fold.incidents:
        fold.incidents[-1].how = how
        fold.is_returning = True
    return how


def come_with_pods(fold: Fold) -> None:
    """Let what the cluster saw come back decide: ranks alone cannot tell."""
    if fold.incidents and fold.placed is not None and fold.placed.how is not None:
        fold.incidents[-1].how = fold.placed.how


def returned(fold: Fold, at_ns: int) -> None:
    """Note that nothing of the run is missing any more."""
    if not fold.incidents:
        return
    incident = fold.incidents[-1]
    if incident.returned_ns is None:
        incident.returned_ns = at_ns
        how = {} if incident.how is None else {"how": incident.how.value}
        note(fold.book, at_ns, EventKind.RETURNED, incident=incident.number, **how)


def count_if_back(fold: Fold) -> None:
    """Count the restart that has begun if nothing of the run is out any more."""
    if not is_out(fold):
        count_return(fold)


def count_return(fold: Fold) -> None:
    """Count the restart that has begun: it is whole, or another thing ended it."""
    if not fold.is_returning:
        return
    fold.is_returning = False
    incident = fold.incidents[-1]
    key = f"{(incident.how or How.PROCESS).value}|{incident.cause.value}"
    fold.restarts[key] = fold.restarts.get(key, 0) + 1


def _by(fold: Fold, life: Life) -> How:
    if fold.stepping_on:
        return How.ELASTIC
    incident = fold.incidents[-1] if fold.incidents else None
    if incident is not None and incident.how is not None:
        # The pods were back before the first rank.
        return incident.how
    # A process of that number whose exit was seen is another one, on another node.
    in_place = life.pid is not None and any(
        other.pid == life.pid and other.exit_code is None
        for other in fold.lives.values()
        if other is not life
    )
    return How.IN_PROCESS if in_place else How.PROCESS
