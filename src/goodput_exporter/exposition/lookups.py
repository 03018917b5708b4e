"""Finds what a request is about, or says why it cannot be answered."""

from __future__ import annotations

from collections.abc import Callable

from goodput_exporter.analysis.figures import shown
from goodput_exporter.domain.snapshot import RunView, Snapshot
from goodput_exporter.exposition.addresses import Ambiguous, Missing, find
from goodput_exporter.exposition.shapes import Problem
from goodput_exporter.exposition.windows import (
    LIFETIME,
    WINDOW_SECONDS,
    History,
    Reading,
    read_window,
)

Latest = Callable[[], Snapshot | None]
Elsewhere = Callable[[str], str]
"""Says of a name that no run here has where to ask for it; empty where nowhere else."""


class RefusedError(Exception):
    """
    A request that is answered with a ``Problem``.

    Args:
        status: The HTTP status.
        problem: What the client is told.
    """

    def __init__(self, status: int, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.status = status
        self.problem = problem


def snapshot_of(latest: Latest) -> Snapshot:
    """Return the last snapshot, or refuse with 503 before the first tick."""
    snapshot = latest()
    if snapshot is None:
        detail = "no tick has been completed yet; ask again in a few seconds"
        raise RefusedError(503, Problem(detail=detail))
    return snapshot


def nowhere_else(_: str) -> str:
    """Know of no other place: all runs are here."""
    return ""


def run_of(
    snapshot: Snapshot, name: str, elsewhere: Elsewhere = nowhere_else
) -> RunView:
    """Return the run that *name* means, or refuse with 404 or 409."""
    found = find(snapshot.runs, name)
    match found:
        case Missing(nearest=nearest):
            hint = f"; did you mean {nearest}?" if nearest else ""
            place = elsewhere(name)
            where = f". {shown(place)}" if place else ""
            detail = f"no run is called {shown(name)[:200]}{hint}{where}"
            raise RefusedError(404, Problem(detail=detail, nearest=nearest))
        case Ambiguous(candidates=candidates):
            detail = f"{len(candidates)} runs are called {shown(name)[:200]}; name one"
            raise RefusedError(409, Problem(detail=detail, candidates=list(candidates)))
    return found


def named_reading(view: RunView, window: str, history: History | None) -> Reading:
    """Read a named window, or refuse with 422."""
    known = (*WINDOW_SECONDS, LIFETIME)
    if window not in known:
        detail = f"window {shown(window)[:64]!r} is none of {', '.join(known)}"
        raise RefusedError(422, Problem(detail=detail))
    return read_window(view, window, history)
