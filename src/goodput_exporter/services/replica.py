"""One replica of the aggregator: it serves always, and books while it leads."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Protocol

from goodput_exporter.analysis.histories import History, View
from goodput_exporter.analysis.reliability import Reliability
from goodput_exporter.clock import LedgerClock
from goodput_exporter.config import Settings
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.causes import Correction
from goodput_exporter.domain.cluster_watch import ClusterWatch
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.snapshot import Snapshot
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause
from goodput_exporter.errors import BadInputError, GoodputError, LedgerError
from goodput_exporter.exposition.api import Freshness, create_app
from goodput_exporter.exposition.gate import Gate
from goodput_exporter.exposition.past import Past
from goodput_exporter.exposition.render import MetricsPage
from goodput_exporter.ingest.app import Ingest, beside, ingest_app
from goodput_exporter.ingest.inbox import Fate, FullError, Parcel
from goodput_exporter.ingest.refusals import Counts
from goodput_exporter.ingest.requests import App
from goodput_exporter.services.admission import readers_of, senders_of
from goodput_exporter.services.cluster_access import (
    access_of,
    leading_of,
    namespace_of,
)
from goodput_exporter.services.from_settings import tokens_of, write_audit
from goodput_exporter.services.garbage import Sweeping
from goodput_exporter.services.lifecycle import Pace, Ticker, serve
from goodput_exporter.services.own_health import of_ticks
from goodput_exporter.services.pod_label import PodLabel
from goodput_exporter.services.pushed import KEEP_ALIVE_SECONDS
from goodput_exporter.services.sharding import Shard, elsewhere
from goodput_exporter.services.tls import certificate_of
from goodput_exporter.services.web import collect_seldom, compiled
from goodput_exporter.sources.kubernetes.client import ApiServer
from goodput_exporter.sources.kubernetes.waits import Waits

_log = logging.getLogger(__name__)


class Books(Protocol):
    """What the leader holds; ``aggregator.Aggregator``."""

    past: Past

    @property
    def is_taking(self) -> bool:
        """Tell whether pushes can be booked."""

    def take(self, parcel: Parcel) -> Future[Fate]:
        """Take one agent's batch."""

    def tick(self, pace: Pace) -> Snapshot:
        """Book what has come, and return what may be shown."""

    def correct(self, key: RunKey, said: Correction) -> None:
        """Carry out a person's correction."""

    def history(self, key: RunKey, span: Span) -> list[Segment]:
        """Read a run's sealed segments."""

    def close(self, pace: Pace | None) -> None:
        """Let go of everything; None writes nothing more."""


Lead = Callable[[ApiServer, LedgerClock, Counts], Books]
"""Opens the ledger and begins to follow; may raise LedgerError."""


class Replica:
    """
    Serves health and metrics from the start; everything else while it leads.

    A follower knows nothing of the cluster: when it is its turn it opens the
    ledger, which only one can, lists the cluster, and goes on from there.

    Args:
        settings: As checked by ``config``.
        shard: Which runs are ours.
        waits: Time limits of requests to the API server.
        lead: Opens what the leader holds.
    """

    def __init__(
        self, settings: Settings, shard: Shard, waits: Waits, lead: Lead
    ) -> None:
        self._settings = settings
        self._server = ApiServer(access_of(settings), waits)
        self._clock = LedgerClock()
        self._lead = lead
        self._shard = shard
        self._counts = Counts()
        self._namespace = namespace_of(settings)
        self._leading = leading_of(settings, shard, self._server)
        self._label = PodLabel(
            self._server, self._namespace, self._labelled_pod(), shard
        )
        self._page = MetricsPage(series_budget=settings.exposition.series_budget)
        self._started_ns = self._clock.now_ns()
        self._latest: Snapshot | None = None
        self._books: Books | None = None
        self._trouble = ""
        self._pace = Pace()
        self._sweeping = Sweeping()
        self._ticker = Ticker(self._tick, settings.books.tick_seconds)

    def serve(self) -> None:
        """Answer requests until told to stop."""
        http = self._settings.http
        ingest = self._ingest()
        collect_seldom()
        self._leading.start()
        self._label.start()
        self._ticker.start()
        try:
            serve(
                self._app(ingest),
                http.host,
                http.port,
                ready=self._announce,
                keep_alive_seconds=KEEP_ALIVE_SECONDS,
                certificate=certificate_of(http),
                engine=compiled(ingest.at_once),
            )
        finally:
            self._close()

    def _ingest(self) -> Ingest:
        return ingest_app(
            take=self._take,
            who=senders_of(self._settings, self._server, self._namespace),
            now_ns=self._clock.now_ns,
            leader=self._elsewhere,
            counts=self._counts,
        )

    def _app(self, ingest: App) -> Callable[..., object]:
        http = self._settings.http
        hosts = frozenset(http.allowed_hosts)
        app = create_app(
            latest=lambda: self._latest,
            metrics=self._page.latest,
            metrics_gzip=self._page.latest_gzip,
            freshness=Freshness(self._clock.now_ns),
            audit=write_audit,
            tokens=tokens_of(http.tokens_file),
            allowed_hosts=None if "*" in hosts else hosts,
            history=self._history,
            correct=self._correct,
            past=LeadersPast(self._leader),
            elsewhere=partial(elsewhere, self._shard),
        )
        return beside(ingest, Gate(app, readers_of(self._settings, self._server)))

    def _announce(self, address: str) -> None:
        page = {"page": address, "metrics": f"{address}metrics"}
        _log.info("listening", extra=page)

    def _tick(self, pace: Pace) -> None:
        self._pace = pace
        self._change()
        if self._books is None:
            snapshot = self._waiting(pace)
        else:
            snapshot = self._books.tick(pace)
        self._page.render(snapshot)
        self._latest = snapshot
        self._sweeping.settle()

    def _change(self) -> None:
        """Begin to lead, or cease to, as the Lease says."""
        is_leader = self._leading.is_leader
        if not is_leader:
            self._trouble = ""  # of a ledger that is another's to open now
        if self._books is not None and not is_leader:
            _log.warning("this replica leads no more; %s does", self._leading.leader)
            self._label.want(is_leader=False)
            gone, self._books = self._books, None
            gone.close(None)
        if self._books is None and is_leader:
            self._begin()

    def _begin(self) -> None:
        try:
            self._books = self._lead(self._server, self._clock, self._counts)
        except GoodputError as exc:
            if str(exc) != self._trouble:
                _log.warning("this replica would lead, but its ledger: %s", exc)
            self._trouble = str(exc)
            return
        self._trouble = ""
        self._label.want(is_leader=True)

    def _waiting(self, pace: Pace) -> Snapshot:
        """Return what a replica without books shows: that it is there."""
        own = of_ticks(self._started_ns, pace, self._clock)
        return Snapshot(
            at_ns=self._clock.now_ns(),
            node=self._settings.identity.node,
            runs=(),
            gpus=(),
            health=replace(own, ledger_up=not self._trouble),
            watched=ClusterWatch(is_leader=False),
        )

    def _elsewhere(self) -> str | None:
        """Return who takes pushes, unless we do; empty where nobody is known to."""
        books = self._books
        if books is not None and books.is_taking:
            return None
        return self._leading.leader

    def _take(self, parcel: Parcel) -> Future[Fate]:
        books = self._books
        if books is None:
            msg = "this replica has just ceased to lead; send it to its successor"
            raise FullError(msg)
        return books.take(parcel)

    def _leader(self) -> Books:
        books = self._books
        if books is None:
            who = self._leading.leader or "not known"
            msg = f"this replica holds no ledger; the leader is {who}"
            raise LedgerError(msg)
        return books

    def _correct(
        self, key: RunKey, incident: int, cause: Cause, by: str, note: str
    ) -> None:
        place = elsewhere(self._shard, str(key))
        if place:
            raise BadInputError(place)
        said = Correction(incident, cause, by, note, self._clock.now_ns())
        self._leader().correct(key, said)

    def _history(self, key: RunKey, span: Span) -> list[Segment]:
        return self._leader().history(key, span)

    def _close(self) -> None:
        self._ticker.stop()
        books, self._books = self._books, None
        if books is not None:
            books.close(self._pace if self._leading.is_leader else None)
        self._label.stop()
        self._leading.stop()
        _log.info("stopped; all that was acknowledged is in the ledger")

    def _labelled_pod(self) -> str | None:
        """Return the pod to label: none where nobody would look."""
        ours = self._settings.aggregator
        return None if ours.lease is None else ours.pod


class LeadersPast:
    """
    What the API reads of the ledger, which only the leader holds.

    Args:
        leader: Returns who holds it here, or raises LedgerError.
    """

    def __init__(self, leader: Callable[[], Books]) -> None:
        self._leader = leader

    def runs(self, names: tuple[str, ...]) -> list[History]:
        """See ``LedgerPast.runs``."""
        return self._leader().past.runs(names)

    def reliability(self, runs: list[History], window: Span, view: View) -> Reliability:
        """See ``LedgerPast.reliability``."""
        return self._leader().past.reliability(runs, window, view)
