"""The application with a snapshot of one's own behind it."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI

from goodput_exporter.domain.snapshot import Snapshot
from goodput_exporter.domain.spans import NS_PER_SECOND
from goodput_exporter.exposition.api import Freshness, create_app
from goodput_exporter.exposition.corrections import Correct
from goodput_exporter.exposition.credentials import AuditRecord
from goodput_exporter.exposition.lookups import Elsewhere, nowhere_else
from goodput_exporter.exposition.past import Past
from goodput_exporter.exposition.windows import History
from tests.fakes.snapshots import run_view, snapshot

TOKEN = "a-long-random-token"  # noqa: S105 - a test's own


def app_with(  # noqa: PLR0913 - one argument per edge
    shown: Snapshot | None = None,
    *,
    empty: bool = False,
    audited: list[AuditRecord] | None = None,
    tokens: frozenset[str] = frozenset({TOKEN}),
    allowed_hosts: frozenset[str] | None = None,
    history: History | None = None,
    age_seconds: int = 1,
    metrics_gzip: Callable[[], bytes] | None = None,
    latest: Callable[[], Snapshot | None] | None = None,
    correct: Correct | None = None,
    past: Past | None = None,
    elsewhere: Elsewhere = nowhere_else,
) -> FastAPI:
    """
    Return the application over *shown*, or over one ordinary run.

    Args:
        shown: What the last tick published.
        empty: No tick has been completed.
        audited: Where the audit goes.
        tokens: As in ``create_app``, and so are the next two.
        allowed_hosts: See there.
        history: See there.
        age_seconds: How long ago the last tick was.
        metrics_gzip: As in ``create_app``.
        correct: As in ``create_app``.
        past: As in ``create_app``.
        elsewhere: As in ``create_app``.
        latest: Where snapshots come from, in place of *shown*.
    """
    published = None if empty else shown or snapshot(run_view())
    now_ns = (published.at_ns if published else 0) + age_seconds * NS_PER_SECOND
    records = [] if audited is None else audited
    return create_app(
        latest=latest or (lambda: published),
        metrics=lambda: b"# plain\n",
        metrics_gzip=metrics_gzip,
        freshness=Freshness(lambda: now_ns),
        audit=records.append,
        tokens=tokens,
        allowed_hosts=allowed_hosts,
        history=history,
        correct=correct,
        past=past,
        elsewhere=elsewhere,
    )
