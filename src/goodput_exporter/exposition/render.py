"""The metrics page: text format 0.0.4, rendered once per tick, read at any time."""

from __future__ import annotations

import gzip
from threading import Lock
from typing import Any, Final

from goodput_exporter.domain.snapshot import Snapshot
from goodput_exporter.exposition.budget import Budget
from goodput_exporter.exposition.families import GROUPS
from goodput_exporter.exposition.family import Group
from goodput_exporter.exposition.isolation import Isolation
from goodput_exporter.exposition.own_families import PAGE, PageFacts
from goodput_exporter.exposition.run_families import RUNS
from goodput_exporter.exposition.table import Table

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
GZIP_LEVEL: Final = 1
"""Level 9 takes over ten times as long for a page a fifth smaller."""


class MetricsPage:
    """
    The page that is served between two ticks.

    One thread renders; any thread may ask for the latest page meanwhile.

    Args:
        groups: What the page is made of.
        isolation: Where failures go; tests bring their own clock in it.
        series_budget: Series that runs may have at most; None is no bound.
    """

    def __init__(
        self,
        groups: tuple[Group[Any], ...] = GROUPS,
        isolation: Isolation | None = None,
        series_budget: int | None = None,
    ) -> None:
        self.isolation = isolation or Isolation()
        self._budget = (
            None
            if series_budget is None
            else Budget(series_budget, RUNS.families, self.isolation)
        )
        self._groups = [
            (group, Table(group.families, group.labels, self.isolation))
            for group in groups
        ]
        self._own = Table[PageFacts](PAGE, lambda _: (), self.isolation)
        self._latest: tuple[int, bytes] = (0, b"")  # numbered, from 1 on
        self._room = 2**17  # glibc's own bound at the start
        # By the page's number: the page itself would stay until the next scrape.
        self._packed: tuple[int, bytes] = (0, gzip.compress(b"", mtime=0))
        self._packing = Lock()

    def render(self, snapshot: Snapshot) -> bytes:
        """Render the page of one tick, keep it as the latest, and return it."""
        self.isolation.begin_page()
        tables = self.isolation.each(
            self._groups,
            lambda pair: pair[1].metric,
            lambda pair: self._table(*pair, snapshot),
        )
        done = [table for table in tables if table is not None]
        parts = [part for pieces, _ in done for part in pieces]
        facts = PageFacts(
            series=sum(series for _, series in done),
            dropped=dict(self.isolation.dropped),
            errors=dict(self.isolation.errors),
        )
        parts.extend(self._own.render((facts,))[0])
        page = _page(parts)
        self._latest = (self._latest[0] + 1, page)
        self._keep_room(len(page))
        return page

    def _table(
        self, group: Group[Any], table: Table[Any], snapshot: Snapshot
    ) -> tuple[list[bytes], int]:
        """Render one group; runs within their budget."""
        subjects = group.subjects(snapshot)
        if self._budget is None or group is not RUNS:
            return table.render(subjects)
        runs = list(subjects)
        while True:
            chosen = self._budget.chosen(runs)
            done = table.render(chosen)
            if not self._budget.is_exceeded(len(chosen), done[1]):
                return done

    def _keep_room(self, size: int) -> None:
        """
        Let the next page have this one's memory instead of new pages of it.

        glibc asks the kernel for every block as big as the biggest freed so
        far, and a page grows with its digits: faulting it in again took a fifth
        of the time. Freeing an untouched block of twice the size raises that
        bound, and how much free memory is held back, with the page and not
        beyond. Other allocators lose nothing by it.
        """
        if size > self._room:
            self._room = 2 * size
            bytes(self._room)

    def latest(self) -> bytes:
        """Return the latest page; empty before the first tick."""
        return self._latest[1]

    def latest_gzip(self) -> bytes:
        """Return the latest page compressed; packed once, when first asked for."""
        with self._packing:
            number, page = self._latest
            if self._packed[0] != number:
                packed = gzip.compress(page, compresslevel=GZIP_LEVEL, mtime=0)
                self._packed = (number, packed)
            return self._packed[1]


def _page(parts: list[bytes]) -> bytes:
    """Join lines that begin with their line break into lines that end with it."""
    if not parts:
        return b""
    parts[0] = parts[0].removeprefix(b"\n")
    return b"".join([*parts, b"\n"])
