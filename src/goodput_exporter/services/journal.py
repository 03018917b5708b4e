"""The books and, beside them, the recording of what they were told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from goodput_exporter.config import Settings
from goodput_exporter.domain.fold import Fold, Observation
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.snapshot import ExporterHealth
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.ledger.days import DAY_NS
from goodput_exporter.ledger.ledger import Ledger
from goodput_exporter.ledger.recorder import Bounds, Recorder
from goodput_exporter.ledger.recording import Terms
from goodput_exporter.services.bookkeeper import Bookkeeper
from goodput_exporter.services.gpu_bookkeeper import GpuBookkeeper
from goodput_exporter.services.other_shards import OtherShards
from goodput_exporter.services.shelf import RUNS
from goodput_exporter.services.standstill import Standstill

MEBIBYTE: Final = 1024 * 1024


class Journal:
    """
    A bookkeeper that is told everything, and a recorder that is told the same.

    Args:
        settings: As checked by ``config``.
        rules: The settings of the folds.
        ledger: Open for writing; the recorder notes what is read of it and written.
        most_runs: In memory at once.
        others: Who owns the runs that are not in this ledger; None: nobody.
    """

    def __init__(
        self,
        settings: Settings,
        rules: Rules,
        ledger: Ledger,
        *,
        most_runs: int = RUNS,
        others: OtherShards | None = None,
    ) -> None:
        self._recorder = recorder_of(settings, rules)
        beside = ledger if self._recorder is None else self._recorder.beside(ledger)
        self.gpus = GpuBookkeeper(others=others)
        self.books = Bookkeeper(
            beside,
            rules,
            cluster=settings.identity.cluster,
            namespace=settings.identity.namespace,
            silence_ns=round(settings.books.silence_seconds * NS_PER_SECOND),
            retention_ns=round(settings.retention.finished_seconds * NS_PER_SECOND),
            node=settings.identity.node,
            most_runs=most_runs,
            gpus=self.gpus,
            standstill=Standstill(rules.settle_ns),
        )

    @property
    def failures(self) -> int:
        """Return how often a tick could not be recorded."""
        return 0 if self._recorder is None else self._recorder.counts.failures

    def with_books(self, own: ExporterHealth) -> ExporterHealth:
        """Add to what a program says of itself what the books say."""
        return replace(
            own,
            ledger_entries=self.books.entries,
            ledger_commits=self.books.commits,
            ledger_failures=self.books.failures,
            recording_failures=self.failures,
            ledger_up=self.books.is_committing,
            runs_refused=self.books.refused,
            run_setbacks=self.books.setbacks,
        )

    def resume(self, now_ns: int) -> list[Fold]:
        """Take up the runs of an earlier life; see ``Bookkeeper.resume``."""
        folds = self.books.resume(now_ns)
        if self._recorder is not None:
            self._recorder.began(now_ns)
        return folds

    def take(self, observations: Iterable[Observation], agent: str = "") -> None:
        """Take what sources saw; see ``Bookkeeper.take``."""
        seen = list(observations)
        self.books.take(seen, agent)
        if self._recorder is not None:
            self._recorder.take(seen, agent)

    def tick(self, now_ns: int, meta: Mapping[str, str] | None = None) -> bool:
        """Decide and write down; see ``Bookkeeper.tick``. Then record the tick."""
        is_committed = self.books.tick(now_ns, meta)
        if is_committed and self._recorder is not None:
            self._recorder.record(now_ns)
        return is_committed

    def close(self) -> None:
        """Finish the recording."""
        if self._recorder is not None:
            self._recorder.close()


def recorder_of(settings: Settings, rules: Rules) -> Recorder | None:
    """
    Open a recording, unless the settings want none.

    Raises:
        ConfigError: The compressor is not installed.
    """
    wanted = settings.recording
    if wanted.folder is None:
        return None
    terms = Terms(
        rules=rules,
        cluster=settings.identity.cluster,
        namespace=settings.identity.namespace,
        node=settings.identity.node,
        silence_ns=round(settings.books.silence_seconds * NS_PER_SECOND),
        retention_ns=round(settings.retention.finished_seconds * NS_PER_SECOND),
    )
    bounds = Bounds(wanted.most_mebibytes * MEBIBYTE, wanted.keep_days * DAY_NS)
    return Recorder(Path(wanted.folder), terms, bounds)
