"""A bookkeeper at work on a ledger in memory, while the story's clock is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from goodput_exporter.domain.fold import Observation
from goodput_exporter.domain.settings import Rules
from goodput_exporter.domain.snapshot import RunView
from goodput_exporter.domain.spans import Span
from goodput_exporter.exposition.windows import Reading, read_window
from goodput_exporter.ledger.ledger import Ledger
from goodput_exporter.services.bookkeeper import AT_ONCE, Bookkeeper
from goodput_exporter.services.gpu_bookkeeper import GpuBookkeeper
from goodput_exporter.services.standstill import Standstill
from tests.fakes.ledger import MemoryLedger
from tests.fakes.ranks import Rank, ns
from tests.fakes.stories import START_S, heard_ns, observations

SILENCE_S = 10.0
RETENTION_S = 900.0


class Office:
    """
    A bookkeeper that lives through stories, second by second.

    Args:
        rules: The settings of the folds.
        ledger: Of an earlier life; a new one unless told.
        most_runs: Runs in memory at once.
        at_once: Runs that a tick looks at.
        begins_s: When it begins, in the story's seconds.
        standstill: Notices that no tick came; None where the story skips ticks.
    """

    def __init__(  # noqa: PLR0913 - a story names what it needs
        self,
        rules: Rules | None = None,
        *,
        ledger: MemoryLedger | None = None,
        most_runs: int = 100,
        begins_s: float = 0.0,
        at_once: int = AT_ONCE,
        standstill: Standstill | None = None,
    ) -> None:
        self.ledger = ledger or MemoryLedger()
        self.books = books_on(
            self.ledger,
            rules,
            most_runs=most_runs,
            at_once=at_once,
            standstill=standstill,
        )
        self.now_s = begins_s
        self.books.resume(self.now_ns)

    @property
    def now_ns(self) -> int:
        """Return the present, on the ledger's clock."""
        return ns(START_S + self.now_s)

    def watch(
        self,
        seen: Iterable[Observation],
        until_s: float,
        *,
        tick_s: float = 1.0,
    ) -> Office:
        """Take observations as they come and tick until *until_s*."""
        coming = sorted(seen, key=heard_ns)
        coming = [one for one in coming if heard_ns(one) > self.now_ns - ns(tick_s)]
        position = 0
        while self.now_s < until_s:
            self.now_s = min(until_s, self.now_s + tick_s)
            while position < len(coming) and heard_ns(coming[position]) <= self.now_ns:
                self.books.take([coming[position]])
                position += 1
            self.books.tick(self.now_ns)
        return self

    def live(self, *ranks: Rank, until_s: float, known_exit: bool = True) -> Office:
        """Watch the lives of ranks until an instant."""
        return self.watch(observations(ranks, known_exit=known_exit), until_s)

    def views(self, gpu_names: Mapping[str, str] | None = None) -> tuple[RunView, ...]:
        """Return what is shown now."""
        return self.books.views(self.now_ns, gpu_names or {})

    def view(self, gpu_names: Mapping[str, str] | None = None) -> RunView:
        """Return what is shown now of the one run in sight."""
        (view,) = self.views(gpu_names)
        return view


def books_on(  # noqa: PLR0913 - as a bookkeeper itself
    ledger: Ledger,
    rules: Rules | None = None,
    *,
    most_runs: int = 100,
    at_once: int = AT_ONCE,
    gpus: GpuBookkeeper | None = None,
    standstill: Standstill | None = None,
) -> Bookkeeper:
    """Return a bookkeeper with the settings of the stories."""
    return Bookkeeper(
        ledger,
        rules or Rules(),
        cluster="local",
        namespace="default",
        silence_ns=ns(SILENCE_S),
        retention_ns=ns(RETENTION_S),
        most_runs=most_runs,
        at_once=at_once,
        gpus=gpus,
        standstill=standstill,
    )


def lifetime(view: RunView) -> Reading:
    """Return what the page says of the whole run."""
    return read_window(view, "lifetime")


def in_no_book(view: RunView) -> Span | None:
    """Return the last span between an end and a reopening, if there is one."""
    return view.outside[-1] if view.outside else None
