"""What agents push to this program, between its HTTP server and its books."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from goodput_exporter.config import Settings
from goodput_exporter.domain.node_view import IngestView
from goodput_exporter.domain.observations import GpuReading
from goodput_exporter.ingest.app import beside, ingest_app
from goodput_exporter.ingest.at_once import AtOnce
from goodput_exporter.ingest.inbox import Inbox
from goodput_exporter.ingest.refusals import Counts
from goodput_exporter.ingest.requests import App
from goodput_exporter.ingest.senders import TokenFile, from_this_machine
from goodput_exporter.services.journal import Journal
from goodput_exporter.wire.kinds import OF_RUNS

KEEP_ALIVE_SECONDS: Final = 75
"""Of an idle connection. An agent pushes every 5 s unless it is told otherwise, up to
once a minute where a fleet is large, and waits up to 20 s after trouble: it needs no
new connection, and no handshake of TLS, for a push."""


class Pushed:
    """
    Takes pushes and hands them to the tick, once each.

    Args:
        settings: Who may push.
        meta: All of the ledger's, as it is resumed from.
        now_ns: The ledger's clock.
    """

    def __init__(
        self, settings: Settings, meta: Mapping[str, str], now_ns: Callable[[], int]
    ) -> None:
        tokens = settings.ingest.tokens_file
        self._inbox = Inbox(meta)
        self._counts = Counts()
        self._ingest = ingest_app(
            take=self._inbox.take,
            who=from_this_machine if tokens is None else TokenFile(tokens),
            now_ns=now_ns,
            counts=self._counts,
        )
        self.gpu_names: dict[str, str] = {}

    @property
    def at_once(self) -> AtOnce:
        """Return the short way for pushes, for a server that has one."""
        return self._ingest.at_once

    def beside(self, others: App) -> App:
        """Return an application that takes pushes, and gives the rest to *others*."""
        return beside(self._ingest, others)

    def hand_over(self, journal: Journal) -> dict[str, str]:
        """Give the books what has come; return what is to be committed with it."""
        drained = self._inbox.drain()
        for delivery in drained.deliveries:
            told = delivery.observations
            journal.take((o for o in told if isinstance(o, OF_RUNS)), delivery.agent)
            names = {o.uuid: o.name for o in told if isinstance(o, GpuReading)}
            self.gpu_names.update(names)
        return drained.meta

    def settle(self, *, is_committed: bool) -> None:
        """Answer the senders whose batches the ledger has."""
        self._inbox.settle(is_committed=is_committed)

    def view(self) -> IngestView:
        """Return what has become of pushes so far."""
        return IngestView(
            refused={reason.value: n for reason, n in self._counts.refused.items()},
            batches={
                "applied": self._inbox.applied,
                "duplicate": self._inbox.duplicates,
                "refused": self._counts.unreadable,
            },
            missing=self._inbox.missing,
            skipped=dict(self._counts.skipped),
        )


def pushed_of(
    settings: Settings, meta: Mapping[str, str], now_ns: Callable[[], int]
) -> Pushed | None:
    """Take pushes, if the settings say so."""
    if settings.ingest.enabled == "no":
        return None
    return Pushed(settings, meta, now_ns)
