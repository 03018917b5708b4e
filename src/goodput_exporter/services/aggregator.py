"""
The cluster in one process, top to bottom: watches and pushes in, books, a page out.

What the API server says of pods, nodes and workloads becomes placements and
evidence; what agents push is named by the pods it is from. Both are folded into
books and committed in one piece; then agents are answered and the page is made.
Which of several replicas does this is ``replica``'s to say.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Final

from goodput_exporter.clock import LedgerClock
from goodput_exporter.config import Settings
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.causes import Correction
from goodput_exporter.domain.cluster_watch import RunWait
from goodput_exporter.domain.fold import Fold
from goodput_exporter.domain.placement import Placement
from goodput_exporter.domain.placing import told_last
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.snapshot import Snapshot
from goodput_exporter.domain.spans import NS_PER_SECOND, Span
from goodput_exporter.exposition.past import Past
from goodput_exporter.ingest.inbox import Delivery, Fate, Inbox, Parcel
from goodput_exporter.ingest.refusals import Counts
from goodput_exporter.services.cluster_gpus import ClusterGpus
from goodput_exporter.services.desk import Desk, answer
from goodput_exporter.services.following import Following
from goodput_exporter.services.from_settings import ledger_of, others_of, rules_of
from goodput_exporter.services.journal import Journal
from goodput_exporter.services.ledger_places import past_of
from goodput_exporter.services.lifecycle import Pace
from goodput_exporter.services.naming import Naming
from goodput_exporter.services.own_health import of_ticks
from goodput_exporter.services.replica import Replica
from goodput_exporter.services.sharding import Shard, parse_shard, require_same
from goodput_exporter.services.waited import Waited
from goodput_exporter.services.watch_view import Hearing, watch_of
from goodput_exporter.sources.kubernetes.client import ApiServer
from goodput_exporter.sources.kubernetes.waits import Waits
from goodput_exporter.sources.workloads.tracker import Tracker

SEEN: Final = "cluster seen until"
"""The name in the ledger's meta of the last instant at which the cluster was known."""
SEEN_EVERY_NS: Final = 15 * NS_PER_SECOND
CORRECTION_SECONDS: Final = 20.0
WAITS: Final = Waits()

_log = logging.getLogger(__name__)


def main(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; return the process's exit status."""
    shard = parse_shard(settings.aggregator.shard)

    def lead(server: ApiServer, clock: LedgerClock, counts: Counts) -> Aggregator:
        return Aggregator(settings, server, clock, shard, counts)

    Replica(settings, shard, WAITS, lead).serve()
    return 0


class Aggregator:
    """
    The parts of the one that writes, and the tick that moves them.

    Args:
        settings: As checked by ``config``.
        server: The API server.
        clock: The ledger's.
        shard: Which runs are ours.
        counts: What the ingest counts, for the page.

    Raises:
        LedgerError: The ledger cannot be opened; another may write it still.
    """

    def __init__(
        self,
        settings: Settings,
        server: ApiServer,
        clock: LedgerClock,
        shard: Shard,
        counts: Counts,
    ) -> None:
        self._settings, self._clock, self._shard = settings, clock, shard
        self._counts = counts
        self._ledger = ledger_of(settings, shard.index)
        try:
            self._open(server)
        except BaseException:
            self._ledger.close()
            raise
        self._following.start()

    def _open(self, server: ApiServer) -> None:
        settings, cluster = self._settings, self._settings.identity.cluster
        # Runs without pods are on no node that we know: not on this pod's own.
        nowhere = replace(settings, identity=replace(settings.identity, node=""))
        most_runs = settings.aggregator.most_runs
        rules = rules_of(settings)
        self._others = others_of(settings, self._shard)
        self._journal = Journal(
            nowhere, rules, self._ledger, most_runs=most_runs, others=self._others
        )
        self._books = self._journal.books
        self._desk = Desk()
        self._tracker = Tracker(
            cluster,
            team_labels=settings.kubernetes.team_labels,
            run_id_label=settings.kubernetes.run_id_label,
        )
        self._naming = Naming(
            self._tracker,
            self._shard,
            cluster=cluster,
            namespace=settings.identity.namespace,
        )
        self._following = Following(
            server,
            self._tracker,
            now_ns=self._clock.now_ns,
            waits=WAITS,
            namespaces=settings.kubernetes.namespaces,
        )
        self._hearing = Hearing()
        self._gpus = ClusterGpus(self._tracker)
        self._waited = Waited(self._tracker, self._shard)
        self._started_ns = self._clock.now_ns()
        self._is_watching = self._is_listed = False
        self._resume(self._ledger.resume().meta)
        self.past: Past = past_of(settings, self._ledger, self._shard)

    def _resume(self, meta: Mapping[str, str]) -> None:
        """Take up what an earlier leader left, before anything new is heard."""
        kept = (run.key for run in self._ledger.runs())
        self._unnoted = require_same(self._shard, meta, kept)
        self._inbox = Inbox(meta)
        self._naming.resume(meta, self._clock.now_ns())
        folds = self._journal.resume(self._clock.now_ns())
        self._seen_ns = int(meta.get(SEEN, _last_word_ns(folds)))
        self._left_ns = self._seen_ns
        for fold in folds:
            self._naming.know(fold.lives, fold.key)
            last = told_last(fold)
            if last is not None:
                self._tracker.remember(last, self._left_ns)
        self._waited.resume(meta)
        shown = self._books.views(self._clock.now_ns(), {})
        self._kinds = {run.key: run.kind for run in shown}
        if folds:
            _log.info("resumed", extra={"runs": len(folds)})

    @property
    def is_taking(self) -> bool:
        """Tell whether pushes can be booked: the cluster's pods are known."""
        return self._is_watching

    def take(self, parcel: Parcel) -> Future[Fate]:
        """Take one agent's batch; the future is done once the ledger has it."""
        return self._inbox.take(parcel)

    def tick(self, pace: Pace) -> Snapshot:
        """Watches and pushes in, one commit, and what may be shown of it."""
        now_ns = self._clock.now_ns()
        self._watch(now_ns)
        drained = self._inbox.drain()
        self._hear(drained.deliveries, now_ns)
        asked = self._desk.serve(self._books, now_ns)
        meta = {**self._news(now_ns), **drained.meta}
        is_committed = self._journal.tick(now_ns, meta)
        self._naming.settle(is_committed=is_committed)
        self._waited.settle(is_committed=is_committed)
        if is_committed:
            self._unnoted = {}
        self._inbox.settle(is_committed=is_committed)
        answer(asked, is_committed=is_committed)
        return self._snapshot(pace, now_ns)

    def _watch(self, now_ns: int) -> None:
        """Book what the cluster says; nothing before all of it was listed once."""
        self._following.take()
        self._is_watching = self._is_watching or self._following.is_answered()
        if not self._is_watching:
            return
        if not self._is_listed and self._following.is_listed():
            self._is_listed = True
            self._tracker.listed(self._left_ns)
        self._look(now_ns)

    def _look(self, now_ns: int) -> None:
        found = self._tracker.drain(now_ns)
        self._journal.take(
            one
            for one in found
            if not isinstance(one, Placement) or self._shard.owns(one.key)
        )

    def _hear(self, deliveries: list[Delivery], now_ns: int) -> None:
        """Book what agents say of their nodes, each rank as its pod's."""
        words = self._journal.gpus
        for each in deliveries:
            self._hearing.hear(each.node, now_ns)
            if self._shard.is_first:
                words.take(self._gpus.hear(each.node, each.observations))
                words.meter(each.node, each.observations, now_ns)
            named = self._naming.named(each.observations, each.node, now_ns)
            self._journal.take(named, each.node)
        found = list(self._naming.ripe(now_ns))
        if found and self._is_watching:
            # Where the pods are of a run that a rank has just named: a book that
            # its word opened would begin with it, and they ran before.
            self._look(now_ns)
        for node, ready in found:
            self._journal.take(ready, node)
        words.take(self._gpus.lost(now_ns))

    def _news(self, now_ns: int) -> dict[str, str]:
        """Return what a later leader must know and does not yet."""
        self._waited.look(now_ns, self._kinds)
        news = {**self._unnoted, **self._naming.news(), **self._waited.news()}
        if self._is_watching and now_ns - self._seen_ns >= SEEN_EVERY_NS:
            self._seen_ns = now_ns
            news[SEEN] = str(now_ns)
        return news

    def _snapshot(self, pace: Pace, now_ns: int) -> Snapshot:
        runs = self._books.views(now_ns, self._naming.gpu_names)
        self._kinds = {run.key: run.kind for run in runs}
        return Snapshot(
            at_ns=now_ns,
            node=self._settings.identity.node,
            runs=runs,
            gpus=(),
            health=self._journal.with_books(
                of_ticks(self._started_ns, pace, self._clock)
            ),
            groups=self._books.groups(now_ns),
            node_failures=self._books.node_failures(),
            cluster=self._journal.gpus.view() if self._shard.is_first else None,
            told_energy=self._others.energy((run.key for run in runs), now_ns),
            watched=watch_of(
                self._following,
                self._tracker,
                self._hearing,
                self._run_waits(),
                inbox=self._inbox,
                counts=self._counts,
                naming=self._naming,
                shard=self._shard,
                now_ns=now_ns,
            ),
        )

    def _run_waits(self) -> tuple[RunWait, ...]:
        """Return what the runs on the page have waited, over their whole lives."""
        return tuple(
            RunWait(key, self._kinds[key], {w.value: ns for w, ns in spent.items()})
            for key, spent in self._waited.shown().items()
            if spent and key in self._kinds
        )

    def correct(self, key: RunKey, said: Correction) -> None:
        """Carry out a person's correction, and wait for its commit."""
        self._desk.correct(key, said, patience=CORRECTION_SECONDS)

    def history(self, key: RunKey, span: Span) -> list[Segment]:
        """Read a run's sealed segments."""
        return list(self._ledger.segments(key, span))

    def close(self, pace: Pace | None) -> None:
        """
        Let go of everything; book what has come, if that is still ours to do.

        Args:
            pace: None where another replica may lead already: then nothing more is
                written, and agents push again what was not committed.
        """
        self._following.close()
        try:
            if pace is not None:
                self.tick(pace)
        finally:
            self._journal.close()
            self._others.close()
            self._ledger.close()


def _last_word_ns(folds: list[Fold]) -> int:
    """Return when the cluster last said anything of the runs, as far as is known."""
    return max((fold.placed.at_ns for fold in folds if fold.placed), default=0)
