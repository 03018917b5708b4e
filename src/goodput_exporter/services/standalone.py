"""
Everything for one machine in one process, top to bottom.

Heartbeats and NVML are observed, folded into books, written to the ledger,
and only then shown: on ``/metrics``, the API and the page.
"""

from __future__ import annotations

import json
import logging
from typing import Final

from goodput_exporter.clock import boot_id
from goodput_exporter.config import Settings
from goodput_exporter.domain.accounting import Segment
from goodput_exporter.domain.causes import Correction
from goodput_exporter.domain.fold import Fold
from goodput_exporter.domain.node_view import NodeView
from goodput_exporter.domain.observations import GpuSample, RankExited
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.snapshot import ExporterHealth, Snapshot
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause
from goodput_exporter.exposition.api import Freshness, create_app
from goodput_exporter.exposition.gate import Gate
from goodput_exporter.exposition.render import MetricsPage
from goodput_exporter.ledger.ledger import Ledger
from goodput_exporter.services.agent_views import reader_view
from goodput_exporter.services.desk import Desk, answer
from goodput_exporter.services.from_settings import (
    CLOCK,
    clock_from,
    ledger_of,
    rules_of,
    tokens_of,
    write_audit,
)
from goodput_exporter.services.journal import Journal
from goodput_exporter.services.ledger_past import LedgerPast
from goodput_exporter.services.lifecycle import Pace, Ticker, serve
from goodput_exporter.services.machine_gpus import MachineGpus
from goodput_exporter.services.node_parts import nvml_of, udp_of
from goodput_exporter.services.own_health import of_ticks, with_senses
from goodput_exporter.services.pushed import KEEP_ALIVE_SECONDS, pushed_of
from goodput_exporter.services.reader_tokens import known_readers
from goodput_exporter.services.tls import certificate_of
from goodput_exporter.services.web import compiled
from goodput_exporter.services.witness import Witness
from goodput_exporter.sources.heartbeats import HeartbeatSource

_log = logging.getLogger(__name__)

CORRECTION_SECONDS: Final = 20.0
"""How long a person waits for the tick that commits a correction."""
WATCHED: Final = "watched"
"""The name in the ledger's meta of pids by incarnation."""


def main(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; return the process's exit status."""
    ledger = ledger_of(settings)
    try:
        station = Station(settings, ledger)
        try:
            station.serve()
        finally:
            station.close()
    finally:
        ledger.close()
    return 0


class Station:
    """
    The parts of the standalone exporter, and the tick that moves them.

    Args:
        settings: As checked by ``config``.
        ledger: Open for writing.
    """

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._settings = settings
        self._ledger = ledger
        self._meta = dict(ledger.resume().meta)
        self._clock = clock_from(self._meta)
        self._heartbeats = HeartbeatSource(
            self._clock,
            unix_path=settings.heartbeats.unix_path,
            udp=udp_of(settings),
        )
        self._nvml = nvml_of(settings, self._clock)
        self._journal = Journal(settings, rules_of(settings), ledger)
        self._books = self._journal.books
        self._witness = Witness(settings)
        self._machine = MachineGpus(
            settings.identity.cluster,
            settings.identity.namespace,
            settings.identity.node,
        )
        self._pushed = pushed_of(settings, self._meta, self._clock.now_ns)
        self._desk = Desk()
        self._page = MetricsPage()
        self._started_ns = self._clock.now_ns()
        self._latest: Snapshot | None = None
        self._watched: dict[str, tuple[int, int]] = {}
        self._ticker = Ticker(self._tick, settings.books.tick_seconds)
        self._resume()

    def serve(self) -> None:
        """Answer requests until told to stop."""
        http, pushed = self._settings.http, self._pushed
        app = create_app(
            latest=lambda: self._latest,
            metrics=self._page.latest,
            metrics_gzip=self._page.latest_gzip,
            freshness=Freshness(self._clock.now_ns),
            audit=write_audit,
            tokens=tokens_of(http.tokens_file),
            allowed_hosts=frozenset(http.allowed_hosts),
            history=self._history,
            correct=self._correct,
            past=LedgerPast(self._ledger),
        )
        self._ticker.start()
        gated = Gate(app, known_readers(http.readers_file))
        serve(
            gated if pushed is None else pushed.beside(gated),
            http.host,
            http.port,
            ready=self._announce,
            keep_alive_seconds=KEEP_ALIVE_SECONDS,
            certificate=certificate_of(http),
            engine=compiled(None if pushed is None else pushed.at_once),
        )

    def close(self) -> None:
        """Take what is still queued, book it, and let go of everything."""
        self._ticker.stop()
        self._heartbeats.close()
        self._journal.take(self._heartbeats.drain())
        self._commit(self._clock.now_ns())
        self._journal.close()
        if self._nvml is not None:
            self._nvml.close()
        _log.info("stopped; all that was received is in the ledger or with its senders")

    def _announce(self, address: str) -> None:
        _log.info("listening", extra={"page": address, "metrics": f"{address}metrics"})
        _log.info(
            "taking heartbeats",
            extra={
                "unix": str(self._settings.heartbeats.unix_path),
                "udp": str(self._heartbeats.udp_address),
                "ledger": self._settings.ledger.url or str(self._settings.ledger.path),
            },
        )

    def _tick(self, pace: Pace) -> None:
        heard = self._heartbeats.drain()
        self._journal.take(heard)
        self._machine.hear(heard)
        now_ns = self._clock.now_ns()
        gpus = () if self._nvml is None else tuple(self._nvml.read())
        xids = () if self._nvml is None else self._nvml.xids()
        self._journal.take(self._witness.drain(gpus, xids, now_ns))
        self._journal.gpus.meter(self._settings.identity.node, gpus, now_ns)
        self._journal.gpus.take(
            self._machine.look(gpus, self._books.incarnations(), now_ns)
        )
        asked = self._desk.serve(self._books, now_ns)
        is_committed = self._commit(now_ns)
        answer(asked, is_committed=is_committed)
        names = {} if self._pushed is None else self._pushed.gpu_names
        names |= {gpu.uuid: gpu.name for gpu in gpus if isinstance(gpu, GpuSample)}
        snapshot = Snapshot(
            at_ns=now_ns,
            node=self._settings.identity.node,
            runs=self._books.views(now_ns, names),
            gpus=gpus,
            health=self._health(pace),
            groups=self._books.groups(now_ns),
            node_failures=self._books.node_failures(),
            cluster=self._journal.gpus.view(),
            node_view=NodeView(
                xids=xids,
                reader=reader_view(self._nvml),
                ingest=None if self._pushed is None else self._pushed.view(),
            ),
        )
        self._page.render(snapshot)
        self._latest = snapshot

    def _commit(self, now_ns: int) -> bool:
        """Decide and write down; tell whether the ledger has it, senders too."""
        pushed = {} if self._pushed is None else self._pushed.hand_over(self._journal)
        meta = {**self._changed_meta(), **pushed}
        is_committed = self._journal.tick(now_ns, meta)
        if self._pushed is not None:
            self._pushed.settle(is_committed=is_committed)
        return is_committed

    def _health(self, pace: Pace) -> ExporterHealth:
        own = of_ticks(self._started_ns, pace, self._clock)
        own = with_senses(own, self._heartbeats, self._witness, self._nvml)
        return self._journal.with_books(own)

    def _correct(
        self, key: RunKey, incident: int, cause: Cause, by: str, note: str
    ) -> None:
        said = Correction(incident, cause, by, note, self._clock.now_ns())
        self._desk.correct(key, said, patience=CORRECTION_SECONDS)

    def _history(self, key: RunKey, span: Span) -> list[Segment]:
        return list(self._ledger.segments(key, span))

    def _resume(self) -> None:
        """Look after the processes that an earlier life of this program knew."""
        now_ns = self._clock.now_ns()
        known = json.loads(self._meta.get(WATCHED, "{}"))
        folds = self._journal.resume(now_ns)
        for fold in folds:
            self._journal.take(self._exits_while_away(fold, known, now_ns))
        if folds:
            _log.info("resumed", extra={"runs": len(folds)})

    def _exits_while_away(
        self, fold: Fold, known: dict[str, list[int]], now_ns: int
    ) -> list[RankExited]:
        gone: list[RankExited] = []
        alive = {
            name: life.reported_ns for name, life in fold.lives.items() if life.is_alive
        }
        for report in fold.inbox:
            if report.incarnation not in fold.lives:
                alive[report.incarnation] = report.at_ns
        for name, reported_ns in alive.items():
            if name not in known:
                continue
            pid, start_ticks = known[name]
            if self._heartbeats.watch(name, pid, start_ticks, fold.key.run):
                self._watched[name] = (pid, start_ticks)
                continue
            detail = f"pid {pid} was gone when the exporter came back"
            gone.append(RankExited(name, now_ns, None, detail, reported_ns))
        return gone

    def _changed_meta(self) -> dict[str, str]:
        """Return what a later life of this program must know and does not yet."""
        watched = {
            name: identity
            for name in self._books.incarnations()
            if (identity := self._heartbeats.identity(name)) is not None
        }
        wanted = {
            CLOCK: json.dumps([boot_id(), self._clock.offset_ns]),
            WATCHED: json.dumps(watched, sort_keys=True),
        }
        changed = {k: v for k, v in wanted.items() if self._meta.get(k) != v}
        self._meta.update(changed)
        return changed
