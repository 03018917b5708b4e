"""The processes that an agent knew before it was restarted, found again or gone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final

from goodput_exporter.domain.observations import (
    RankExited,
    RankReport,
    RunObservation,
)
from goodput_exporter.sources.heartbeats import HeartbeatSource

KNOWN: Final = "processes"
"""The name among the notes."""
MOST: Final = 4_096
"""As many as a source watches."""

Known = tuple[int, int, str | None, int]
"""A pid, its start in ticks, its run unless pods say whose it is, and since when."""
Place = tuple[int, int, str | None, int]
"""A pid, its start in ticks, a run and a rank: one incarnation after another."""


class Acquaintances:
    """
    Which incarnation lives in which process, so that no exit is missed.

    Args:
        heartbeats: Whose incarnations they are.
    """

    def __init__(self, heartbeats: HeartbeatSource) -> None:
        self._heartbeats = heartbeats
        self._known: dict[str, Known] = {}
        self._newest: dict[Place, str] = {}

    def resume(self, notes: Mapping[str, str], now_ns: int) -> list[RankExited]:
        """
        Watch the processes of an earlier life of ours; return those that are gone.

        Args:
            notes: What it left.
            now_ns: The present.
        """
        gone = []
        for inc, (pid, ticks, run_id, since_ns) in _decoded(notes).items():
            if self._heartbeats.watch(inc, pid, ticks, run_id):
                self._known[inc] = (pid, ticks, run_id, since_ns)
                continue
            detail = f"pid {pid} was gone when the agent came back"
            gone.append(RankExited(inc, now_ns, None, detail, min(since_ns, now_ns)))
        return gone

    def meet(self, seen: Iterable[RunObservation]) -> None:
        """Take down who has appeared, and strike out who is gone."""
        for one in seen:
            if isinstance(one, RankExited) or one.is_bye:
                self._strike_out(one.incarnation)
            elif one.incarnation not in self._known and len(self._known) < MOST:
                self._greet(one)

    def _greet(self, report: RankReport) -> None:
        found = self._heartbeats.identity(report.incarnation)
        if found is not None:
            # With pods a run is its namespace's, and no user's to claim again.
            run_id = report.run_id if report.pod is None else None
            self._known[report.incarnation] = (*found, run_id, report.at_ns)
            # A rank that begins anew in its process has ended there before.
            place = (*found, run_id, report.rank)
            self._known.pop(self._newest.get(place, ""), None)
            self._newest[place] = report.incarnation

    def _strike_out(self, incarnation: str) -> None:
        if self._known.pop(incarnation, None) is not None:
            self._newest = {
                place: inc for place, inc in self._newest.items() if inc != incarnation
            }

    def notes(self) -> dict[str, str]:
        """Return what a later life must know."""
        return {KNOWN: json.dumps(self._known, sort_keys=True)}


def _decoded(notes: Mapping[str, str]) -> dict[str, Known]:
    """Return what the notes say; one that cannot be read is nobody."""
    try:
        found = json.loads(notes.get(KNOWN, "{}"))
        return {
            str(inc): (int(pid), int(ticks), run_id, int(since_ns))
            for inc, (pid, ticks, run_id, since_ns) in found.items()
        }
    except (ValueError, TypeError, AttributeError):
        return {}
