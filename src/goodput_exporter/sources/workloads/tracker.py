"""From changes of Kubernetes objects to placements of runs and evidence about them."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Final

from goodput_exporter.domain.evidence import Evidence
from goodput_exporter.domain.placement import MOVED_TO, Ended, Placement, Stage
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.sources.loose import Fields, fields, text
from goodput_exporter.sources.workloads.clues import Clues, event_about, subject_of
from goodput_exporter.sources.workloads.entry import Entry, Use
from goodput_exporter.sources.workloads.identity import RUN_ID_LABEL
from goodput_exporter.sources.workloads.lookups import run_named
from goodput_exporter.sources.workloads.owners import Ref
from goodput_exporter.sources.workloads.pod_words import PodStage
from goodput_exporter.sources.workloads.pods import PodRecord
from goodput_exporter.sources.workloads.register import Register
from goodput_exporter.sources.workloads.run import Run, is_empty, tidy, waited_ns
from goodput_exporter.sources.workloads.shapes import misfits, shape_of
from goodput_exporter.sources.workloads.sweep import next_instant, sweep
from goodput_exporter.sources.workloads.table import entry_of, group_of
from goodput_exporter.sources.workloads.views import view_of
from goodput_exporter.sources.workloads.waits import Wait, wait_of

PATIENCE_NS: Final = 10 * NS_PER_SECOND
"""How long a run waits for an owner that is followed and was not seen yet."""

CLUSTER_WIDE: Final = frozenset({"Node"})
UNBOUND: Final = frozenset({PodStage.GATED, PodStage.SCHEDULING})


class Tracker:
    """
    The state of every training run of one cluster, from its objects alone.

    Objects come in any order, any field of them may be missing or odd, and nothing
    here raises for it: what cannot be used is counted.

    Args:
        cluster: The cluster's name in run keys.
        team_labels: Labels of workloads or pods that name a team, best first.
        run_id_label: Label or annotation that states a run id.
        followed: Group and kind of what is being watched. A run whose owner is of
            such a kind and was not seen yet waits for it, so that it is not named
            after a mere part of it; an owner of any other kind is not waited for.
        patience_ns: How long at most.

    Attributes:
        taken: Changes by kind.
        refused: Changes that could not be used, by kind and reason.
        faults: Fields of another type than the API says, by kind and path.
    """

    def __init__(
        self,
        cluster: str,
        *,
        team_labels: Collection[str] = (),
        run_id_label: str = RUN_ID_LABEL,
        followed: Collection[tuple[str, str]] = (),
        patience_ns: int = PATIENCE_NS,
    ) -> None:
        self.register = Register(cluster, run_id_label, tuple(team_labels))
        self.taken: Counter[str] = Counter()
        self.refused: Counter[tuple[str, str]] = Counter()
        self.faults: Counter[tuple[str, str]] = Counter()
        self._clues = Clues()
        self._followed = frozenset(followed)
        self._patience_ns = patience_ns
        self._closing: list[Placement] = []
        self._timers: list[tuple[int, RunKey]] = []

    @property
    def unclaimed(self) -> int:
        """Return how many events were about nothing that was ever seen."""
        return self._clues.unclaimed

    def follow(self, followed: Collection[tuple[str, str]]) -> None:
        """Note what is being watched now: kinds come and go with their projects."""
        self._followed = frozenset(followed)

    def change(
        self, verb: str, raw: object, seen_ns: int, *, estimated: bool = False
    ) -> None:
        """
        Take one change of one object.

        Args:
            verb: ``added``, ``modified`` or ``deleted``.
            raw: The object as the API's JSON.
            seen_ns: When it was seen, on the ledger's clock.
            estimated: Nobody saw it: it was found missing after a gap, and
                *seen_ns* is the last instant at which it was there.
        """
        found = fields(raw)
        kind = text(found, "kind")
        self.taken[kind or "?"] += 1
        for path in misfits(found, shape_of(kind)):
            self.faults[kind, path] += 1
        if kind == "Event":
            self._event(found, seen_ns)
            return
        ref = self._ref(found, kind)
        if ref is None:
            return
        entry = entry_of(text(found, "apiVersion"), kind)
        if verb == "deleted":
            self._deleted(ref, found, seen_ns, is_estimated=estimated)
        else:
            self._seen(ref, found, entry, seen_ns)

    def _ref(self, raw: Fields, kind: str) -> Ref | None:
        """Name an object; refuse one that cannot be told from others."""
        meta = fields(raw, "metadata")
        uid, name = text(meta, "uid"), text(meta, "name")
        namespace = text(meta, "namespace")
        for value, what in ((kind, "kind"), (uid, "uid"), (name, "name")):
            if not value:
                self.refused[kind or "?", f"no {what}"] += 1
                return None
        if not namespace and kind not in CLUSTER_WIDE:
            self.refused[kind, "no namespace"] += 1
            return None
        entry = entry_of(text(raw, "apiVersion"), kind)
        group = group_of(text(raw, "apiVersion")) if entry is None else entry.group
        return Ref(group, kind, name, uid, namespace)

    def _seen(self, ref: Ref, raw: Fields, entry: Entry | None, seen_ns: int) -> None:
        known = self.register
        if entry is None:
            known.owners.put(ref, raw)
        elif entry.use in {Use.TRAINS, Use.QUEUES}:
            known.take_work(ref, raw, entry, seen_ns)
            self._tell(ref, raw, seen_ns)
        elif ref.kind == "Pod":
            if known.take_pod(ref, raw, seen_ns) and known.key_of.get(ref.uid):
                self._tell(ref, raw, seen_ns)
                self._claim_node(known.pods[ref.uid])
        elif ref.kind == "Node":
            known.take_node(ref.name, raw, seen_ns)
            self._tell(ref, raw, seen_ns)
        elif ref.kind == "Lease":
            known.take_lease(ref.name, raw, seen_ns)
        else:
            known.take_claim(ref, raw)

    def _tell(
        self, ref: Ref, raw: Fields, seen_ns: int, *, is_deleted: bool = False
    ) -> None:
        key = self.register.key_of.get(ref.uid)
        # A node that joins is not ready at first, which took nobody's pods down.
        is_known = ref.kind != "Node" or bool(self.register.on_node.get(ref.name))
        if is_known:
            self._clues.claim(subject_of(ref.kind, ref.namespace, ref.name), key)
        self._clues.of_object(
            ref.uid, raw, seen_ns, is_deleted=is_deleted, key=key, is_known=is_known
        )

    def _claim_node(self, pod: PodRecord) -> None:
        """Tell what its node said of itself since a pod was bound to it."""
        if pod.node:
            bound = (w.at_ns for w in pod.words if w.what.stage not in UNBOUND)
            # Its date is cut to seconds; the node's may be the time of our look.
            since_ns = next(bound, 0) + NS_PER_SECOND
            self._clues.claim(subject_of("Node", "", pod.node), None, since_ns)

    def _deleted(
        self, ref: Ref, raw: Fields, seen_ns: int, *, is_estimated: bool
    ) -> None:
        known, uid = self.register, ref.uid
        entry = entry_of(text(raw, "apiVersion"), ref.kind)
        # A deletion brings the last version, which may say more than the one before.
        if not is_estimated and (uid in known.pods or uid in known.works):
            self._seen(ref, raw, entry, seen_ns)
        if uid in known.key_of or ref.kind == "Node":
            self._tell(ref, raw, seen_ns, is_deleted=True)
        if ref.kind == "Pod":
            if not known.drop_pod(uid, seen_ns, is_estimated=is_estimated):
                self.refused["Pod", "deleted before it was seen"] += 1
        elif ref.kind == "Node":
            known.drop_node(ref.name, uid, seen_ns)
        elif entry is not None and entry.use is Use.SIZES:
            known.drop_claim(ref)
        elif entry is not None and entry.use in {Use.TRAINS, Use.QUEUES}:
            known.drop_work(uid, seen_ns, is_estimated=is_estimated)
        else:
            known.owners.drop(uid)

    def _event(self, raw: Fields, seen_ns: int) -> None:
        kind, name = event_about(raw)
        uid = text(raw, "involvedObject", "uid") or text(raw, "regarding", "uid")
        known = self.register
        is_node = kind == "Node" and name in known.nodes
        is_known = is_node or uid in known.key_of
        if not (kind and name):
            self.refused["Event", "about nothing"] += 1
        self._clues.of_event(raw, seen_ns, is_known=is_known, key=known.key_of.get(uid))

    def drain(self, now_ns: int) -> list[Placement | Evidence]:
        """
        Return what is new, in the order of its dates; evidence before what it is of.

        Args:
            now_ns: The present, on the ledger's clock. Nothing later is told yet.
        """
        while self._timers and self._timers[0][0] <= now_ns:
            key = heapq.heappop(self._timers)[1]
            if key in self.register.runs:
                self.register.touched.add(key)
        clues = (self._with_run(clue) for clue in self._clues.drain())
        found: list[Placement | Evidence] = [*clues, *self._closing]
        self._closing.clear()
        touched, self.register.touched = self.register.touched, set()
        for key in sorted(touched):
            run = self.register.runs.get(key)
            if run is not None:
                found += self._look(run, now_ns)
        return sorted(found, key=_date)

    def _with_run(self, clue: Evidence) -> Evidence:
        """Name the run of whom something was done for; nobody where none is known."""
        if not clue.by:
            return clue
        keys = (run_named(self.register, name) for name in clue.by.split())
        key = next((key for key in keys if key is not None), None)
        by = "" if key is None else f"run/{key.namespace}/{key.run}"
        return replace(clue, by=by)

    def _look(self, run: Run, now_ns: int) -> Iterator[Placement]:
        key = run.key
        if not self._is_settled(run, now_ns):
            self.register.touched.add(key)
            return
        if is_empty(run):
            yield from self._moved(run)
            del self.register.runs[key]
            return
        view = view_of(self.register, run)
        yield from sweep(run, view, now_ns)
        due_ns = next_instant(view, now_ns)
        if due_ns is not None and due_ns != run.due_ns:
            heapq.heappush(self._timers, (due_ns, key))
        run.due_ns = due_ns
        self.register.forget(tidy(run, now_ns))
        if is_empty(run):
            del self.register.runs[key]
        self.register.moved.pop(key, None)

    def _is_settled(self, run: Run, now_ns: int) -> bool:
        """Return whether a run is named for good, or has waited long enough."""
        if run.last is not None or run.since_ns is not None:
            return True
        if now_ns >= run.seen_ns + self._patience_ns:
            return True
        works = (*run.works.values(), *run.queues.values())
        refs = [pod.ref for pod in run.pods.values()] + [work.ref for work in works]
        owners = self.register.owners
        tops = (owners.chain(ref)[-1] for ref in refs)
        return all(
            owners.knows(top.uid) or (top.group, top.kind) not in self._followed
            for top in tops
        )

    def _moved(self, run: Run) -> Iterator[Placement]:
        """Close a run whose objects turned out to belong to another one."""
        key = self.register.moved.pop(run.key, None)
        if run.last is not None and run.last.ended is None:
            reason = "" if key is None else f"{MOVED_TO}{key.run}"
            heir = None if key is None else self.register.runs.get(key)
            at_ns = run.last.at_ns
            if heir is not None and heir.since_ns is not None:
                at_ns = max(at_ns, heir.since_ns)
            left = replace(run.last, at_ns=at_ns, running=0, how=None)
            yield replace(left, ended=Ended.DELETED, reason=reason)

    def remember(self, placement: Placement, left_ns: int | None = None) -> None:
        """
        Take up a run where it was left before a restart of ours.

        Args:
            placement: The last one that was booked; nothing is dated before it.
            left_ns: The last instant at which it is known to have stood so. What
                is missing since is closed there, unless an object says it better.
        """
        run = self.register.runs.setdefault(placement.key, Run(placement.key))
        run.last = placement
        run.left_ns = max(placement.at_ns, left_ns or 0)
        run.largest = run.peak = placement.asked
        run.was_admitted = placement.stage is not Stage.QUEUED
        run.has_run = placement.running > 0 or placement.stage is Stage.DOWN
        run.waits_since_ns = placement.at_ns
        if wait_of(placement.stage, placement.reason) is not None:
            run.waiting_from_ns = placement.at_ns

    def listed(self, left_ns: int) -> None:
        """
        Close the remembered runs of which no object is left.

        To be called once, when every kind was listed after a start.

        Args:
            left_ns: The last instant at which anything was known: they ended at
                some time after it.
        """
        runs = self.register.runs
        for key in [key for key, run in runs.items() if is_empty(run)]:
            last = runs.pop(key).last
            if last is not None and last.ended is None:
                at_ns = max(last.at_ns, left_ns)
                gone = replace(last, at_ns=at_ns, running=0, how=None, reason="")
                end = replace(gone, ended=Ended.DELETED, is_estimated=True)
                self._closing.append(end)

    def waits(self, now_ns: int) -> dict[RunKey, dict[Wait, int]]:
        """Return how long every run has waited by now, in nanoseconds by reason."""
        return {
            key: waited_ns(run, now_ns)
            for key, run in self.register.runs.items()
            if run.last is not None
        }

    def waiting_ns(self, now_ns: int) -> dict[str, int]:
        """Return the longest present wait of a run by queue; ``""`` stands for none."""
        ages: dict[str, int] = {}
        for run in self.register.runs.values():
            if run.last is not None and run.waiting_from_ns is not None:
                queue = run.last.owner.queue or ""
                age_ns = max(0, now_ns - run.waiting_from_ns)
                ages[queue] = max(ages.get(queue, 0), age_ns)
        return ages


def _date(one: Placement | Evidence) -> int:
    return one.at_ns
