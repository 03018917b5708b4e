"""An exporter at work, with a recorder beside it, that can be killed and started."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from goodput_exporter.domain.fold import Observation
from goodput_exporter.domain.settings import Rules
from goodput_exporter.ledger.ledger import Ledger
from goodput_exporter.ledger.playing import Recording
from goodput_exporter.ledger.recorder import Bounds, Recorder
from goodput_exporter.ledger.recording import Terms
from goodput_exporter.services.replaying import Refolded, bookkeeper, refold
from tests.fakes.ranks import ns
from tests.fakes.stories import START_S


class Recorded:
    """
    A bookkeeper and its recorder, told a story second by second.

    Args:
        folder: Where the recording goes.
        ledger: What is booked into.
        rules: What is in force.
        bounds: How much of the recording is kept.
    """

    def __init__(
        self,
        folder: Path,
        ledger: Ledger,
        rules: Rules | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        self.folder = folder
        self.ledger = ledger
        self._terms = Terms(rules or Rules(), silence_ns=ns(10), retention_ns=ns(900))
        self._bounds = bounds
        self.now_s = 0.0
        self.recorder = Recorder(folder, self._terms, bounds)
        self.start()

    def start(self) -> None:
        """Begin a life of the exporter; one before it was killed just now."""
        self.recorder.close()  # a kill does no less: nothing waits in memory
        self.recorder = Recorder(self.folder, self._terms, self._bounds)
        watched = self.recorder.beside(self.ledger)
        self.books = bookkeeper(watched, self._terms, None)
        self.books.resume(self.now_ns)
        self.recorder.began(self.now_ns)

    @property
    def now_ns(self) -> int:
        """Return the present, on the ledger's clock."""
        return ns(START_S + self.now_s)

    def watch(self, seen: Iterable[Observation], until_s: float) -> Recorded:
        """Take observations as they come, tick every second, and record."""
        begins_ns = self.now_ns
        coming = sorted((each for each in seen if at_ns(each) > begins_ns), key=at_ns)
        while self.now_s < until_s:
            self.now_s += 1
            now = [each for each in coming if at_ns(each) <= self.now_ns]
            coming = coming[len(now) :]
            self.books.take(now)
            self.recorder.take(now)
            if self.books.tick(self.now_ns):
                self.recorder.record(self.now_ns)
            self.books.views(self.now_ns, {})
        return self

    def replay(self, rules: Rules | None = None) -> tuple[Refolded, list[str]]:
        """Fold the recording again; return that, and what is damaged of it."""
        self.recorder.close()
        recording = Recording(self.folder)
        found = refold(recording.frames(), rules)
        return found, recording.damage


def at_ns(seen: Observation) -> int:
    """Return when an observation was made."""
    found: int = getattr(seen, "at_ns", 0)
    return found
