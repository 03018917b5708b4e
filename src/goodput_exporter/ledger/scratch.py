"""A ledger on no disk, for a replay: accounts and states, and nothing to look up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from goodput_exporter.domain.accounting import Account, Segment
from goodput_exporter.domain.bookings import RunEvent
from goodput_exporter.domain.energy_meter import EnergyPart
from goodput_exporter.domain.energy_totals import EnergyTotals
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.ledger.entries import Entry
from goodput_exporter.ledger.gpu_lines import GpuLine
from goodput_exporter.ledger.ledger import Batch, BookedRun, Finding, Resume
from goodput_exporter.ledger.recording import Ended


class Scratch:
    """
    A ``Ledger`` that adds up what it is given, and forgets the lines.

    Args:
        states: Of the runs that are open.
        ended: Runs that are over.
    """

    def __init__(self, states: Mapping[RunKey, bytes], ended: Iterable[Ended]) -> None:
        over = {each.key: each for each in ended}
        self._states = dict(states) | {key: each.state for key, each in over.items()}
        self._last_ns = {key: each.last_ns for key, each in over.items()}
        self._closed_ns: dict[RunKey, int] = {
            key: each.last_ns or 0 for key, each in over.items()
        }
        self.accounts: dict[RunKey, Account] = {}

    def offer(self, states: Mapping[RunKey, bytes]) -> None:
        """Take states that the recorded ledger had, where this has none."""
        self._states = {**states, **self._states}

    def append(self, batch: Batch) -> int:
        """Add segments to their runs' accounts, and keep the states."""
        for key, booking in batch.bookings:
            account = self.accounts.setdefault(key, Account())
            if isinstance(booking, Segment):
                account.add(booking.state, booking.gpu_ns, booking.cause)
                self._reach(key, booking.span.end_ns)
            elif isinstance(booking, RunEvent):
                self._reach(key, booking.at_ns)
        self._states.update(batch.states)
        for key, words in batch.heard.items():
            self._states[key] += words
        for key in batch.states:
            self._closed_ns.pop(key, None)
        self._closed_ns.update(dict.fromkeys(batch.closed, batch.booked_ns))
        return 0

    def resume(self) -> Resume:
        """Return the states of the runs that are open."""
        states = {k: v for k, v in self._states.items() if k not in self._closed_ns}
        return Resume(states, {})

    def state_of(self, key: RunKey) -> bytes | None:
        """Return one run's last state."""
        return self._states.get(key)

    def runs(self) -> list[BookedRun]:
        """Return the runs, with their ends."""
        return [
            BookedRun(key, None, self._last_ns.get(key), key in self._closed_ns)
            for key in sorted(self._states)
        ]

    def bookings(self, _key: RunKey) -> Iterator[Entry]:
        """Return nothing: a replay shows no history."""
        return iter(())

    def segments(self, _key: RunKey, _window: Span | None = None) -> Iterator[Segment]:
        """Return nothing: a replay shows no history."""
        return iter(())

    def account(self, key: RunKey, _window: Span | None = None) -> Account:
        """Return everything that was added of one run."""
        return self.accounts.get(key, Account())

    def verify(self, _key: RunKey | None = None) -> list[Finding]:
        """Find nothing: there are no lines."""
        return []

    def gpu_lines(self, _window: Span | None = None) -> list[GpuLine]:
        """Return nothing: a replay folds runs."""
        return []

    def gpu_nodes(self) -> dict[str, bytes]:
        """Return nothing: a replay folds runs."""
        return {}

    def energy_parts(self, _window: Span | None = None) -> list[EnergyPart]:
        """Return nothing: a replay folds runs."""
        return []

    def newest_energy(self, _since_ns: int) -> list[EnergyPart]:
        """Return nothing: a replay folds runs."""
        return []

    def energy_totals(self, _key: RunKey) -> EnergyTotals | None:
        """Return nothing: a replay folds runs."""
        return None

    def close(self) -> None:
        """Do nothing."""

    def closed_before(self, at_ns: int) -> set[RunKey]:
        """Return the runs whose end was written down before an instant."""
        return {key for key, closed in self._closed_ns.items() if closed < at_ns}

    def _reach(self, key: RunKey, at_ns: int) -> None:
        self._last_ns[key] = max(self._last_ns.get(key) or at_ns, at_ns)
