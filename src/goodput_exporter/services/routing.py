"""Whose an observation is: runs by incarnation, by pod, by node, by workload."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from goodput_exporter.domain.evidence import Evidence
from goodput_exporter.domain.observations import RankReport
from goodput_exporter.domain.placement import Placement
from goodput_exporter.domain.runs import RunKey, key_of

BOARD: Final = 20_000
"""Evidence remembered for runs that are not known to be there yet, the newest."""


class Router:
    """
    What is known of which run is where.

    Args:
        cluster, namespace: Of runs that no workload owns.
        node: The node that such runs are on; "" is not known.
    """

    def __init__(self, cluster: str, namespace: str, node: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._node = node
        self._run_of: dict[str, RunKey] = {}
        # Tuples: nearly every place has one run, and a set of one takes 216 bytes.
        self._runs_at: dict[str, tuple[RunKey, ...]] = {}
        self._places_of: dict[RunKey, frozenset[str]] = {}
        self._board: deque[Evidence] = deque(maxlen=BOARD)

    def run_of(self, incarnation: str) -> RunKey | None:
        """Return the run of an incarnation that has been heard before."""
        return self._run_of.get(incarnation)

    def run_of_report(self, report: RankReport) -> RunKey:
        """Return the run that a report belongs to, known or new."""
        known = self._run_of.get(report.incarnation)
        if known is not None:
            return known
        return key_of(report, cluster=self._cluster, namespace=self._namespace)

    def bind(self, incarnation: str, key: RunKey) -> list[Evidence]:
        """
        Note that an incarnation belongs to a run.

        Returns:
            What has been seen lately of the place where the run is.
        """
        self._run_of[incarnation] = key
        if key in self._places_of:
            return []
        # A launcher knows a job by its id alone, and no namespace.
        places = {f"run//{key.run}"}
        if self._node:
            places.add(f"node/{self._node}")
        return self._settle(key, frozenset(places))

    def locate(self, placement: Placement) -> list[Evidence]:
        """
        Note where a run's pods are.

        Returns:
            What has been seen lately of places where it was not known to be.
        """
        key, owner = placement.key, placement.owner
        places = {f"node/{node}" for node in placement.nodes}
        places |= {f"pod/{pod}" for pod in placement.pods}
        if owner.name is not None:
            places.add(f"run/{key.namespace}/{owner.name}")
            places.add(f"run//{owner.name}")
        places.add(f"run/{key.namespace}/{key.run}")
        # Pods that are gone still explain the end that they were part of.
        return self._settle(key, frozenset(places))

    def runs_about(self, evidence: Evidence) -> set[RunKey]:
        """
        Return the runs that an observation may explain an end of; keep it, too.

        What has no subject is about everything, such as maintenance of a cluster.
        """
        self._board.append(evidence)
        if not evidence.subject:
            return set(self._places_of)
        return set(self._runs_at.get(evidence.place, ()))

    def forget(self, keys: Iterable[RunKey]) -> None:
        """Drop runs that have left memory."""
        gone = set(keys)
        for key in gone:
            for place in self._places_of.pop(key, ()):
                left = tuple(run for run in self._runs_at.pop(place) if run != key)
                if left:
                    self._runs_at[place] = left
        if gone:
            kept = (
                (name, key) for name, key in self._run_of.items() if key not in gone
            )
            self._run_of = dict(kept)

    def keep(self, run_of: dict[str, RunKey]) -> None:
        """Replace what is known of incarnations."""
        self._run_of = run_of

    @property
    def incarnations(self) -> int:
        """Return how many incarnations are remembered."""
        return len(self._run_of)

    def _settle(self, key: RunKey, places: frozenset[str]) -> list[Evidence]:
        known = self._places_of.get(key, frozenset())
        new = places - known
        if not new:
            return []
        self._places_of[key] = known | places
        for place in new:
            self._runs_at[place] = (*self._runs_at.get(place, ()), key)
        if not known:
            new |= {""}
        return [seen for seen in self._board if seen.place in new]
