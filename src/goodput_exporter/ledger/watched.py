"""A ledger that is watched: which states were read from it and written to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from goodput_exporter.domain.accounting import Account, Segment
from goodput_exporter.domain.energy_meter import EnergyPart
from goodput_exporter.domain.energy_totals import EnergyTotals
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.ledger.entries import Entry
from goodput_exporter.ledger.gpu_lines import GpuLine
from goodput_exporter.ledger.ledger import Batch, BookedRun, Finding, Ledger, Resume
from goodput_exporter.ledger.recording import Ended


@dataclass(slots=True)
class Known:
    """
    The states that a ledger holds, as far as they went through.

    Args:
        states: Of every open run.
        ended: Of runs that are over and were read all the same.
        last_ns: The ends of runs, as listed.
        reopened: Those read since this was last emptied.
    """

    states: dict[RunKey, bytes] = field(default_factory=dict)
    ended: dict[RunKey, Ended] = field(default_factory=dict)
    last_ns: dict[RunKey, int | None] = field(default_factory=dict)
    reopened: dict[RunKey, bytes] = field(default_factory=dict)

    def lately_ended(self, since_ns: int) -> tuple[Ended, ...]:
        """Return the runs that ended since an instant, and forget the others."""
        self.ended = {
            key: each
            for key, each in self.ended.items()
            if (each.last_ns or 0) >= since_ns
        }
        return tuple(self.ended.values())


class Watched:
    """
    A ``Ledger`` in front of another, which does everything.

    Args:
        ledger: The other.
        known: Takes the states.
    """

    def __init__(self, ledger: Ledger, known: Known) -> None:
        self._ledger = ledger
        self._known = known

    def append(self, batch: Batch) -> int:
        """Append, and note the states of the batch once it is there."""
        last = self._ledger.append(batch)
        for key, state in batch.states.items():
            self._known.states[key] = state
            self._known.ended.pop(key, None)
        for key, words in batch.heard.items():
            self._known.states[key] += words
        for key in batch.closed:
            # Kept as open ones are: whoever replays must know its end as well.
            self._known.ended[key] = Ended(
                key, batch.booked_ns, self._known.states.pop(key)
            )
        return last

    def resume(self) -> Resume:
        """Resume, and note every open run's state."""
        found = self._ledger.resume()
        self._known.states = dict(found.states)
        self._known.ended.clear()
        return found

    def state_of(self, key: RunKey) -> bytes | None:
        """Read a state, and note it."""
        state = self._ledger.state_of(key)
        if state is not None and key not in self._known.states:
            self._known.reopened[key] = state
            self._known.ended[key] = Ended(key, self._known.last_ns.get(key), state)
        return state

    def runs(self) -> list[BookedRun]:
        """List the runs, and note when they ended."""
        found = self._ledger.runs()
        self._known.last_ns = {run.key: run.last_ns for run in found if run.closed}
        return found

    def bookings(self, key: RunKey) -> Iterator[Entry]:
        """Pass the entries on."""
        return self._ledger.bookings(key)

    def segments(self, key: RunKey, window: Span | None = None) -> Iterator[Segment]:
        """Pass the segments on."""
        return self._ledger.segments(key, window)

    def account(self, key: RunKey, window: Span | None = None) -> Account:
        """Pass the account on."""
        return self._ledger.account(key, window)

    def verify(self, key: RunKey | None = None) -> list[Finding]:
        """Pass the findings on."""
        return self._ledger.verify(key)

    def gpu_lines(self, window: Span | None = None) -> Sequence[GpuLine]:
        """Pass the cluster book's lines on."""
        return self._ledger.gpu_lines(window)

    def gpu_nodes(self) -> Mapping[str, bytes]:
        """Pass the cluster book's nodes on."""
        return self._ledger.gpu_nodes()

    def energy_parts(self, window: Span | None = None) -> Sequence[EnergyPart]:
        """Pass what GPUs drew on."""
        return self._ledger.energy_parts(window)

    def newest_energy(self, since_ns: int) -> Sequence[EnergyPart]:
        """Pass what nodes' GPUs drew lately on."""
        return self._ledger.newest_energy(since_ns)

    def energy_totals(self, key: RunKey) -> EnergyTotals | None:
        """Pass what a run drew on."""
        return self._ledger.energy_totals(key)

    def close(self) -> None:
        """Close the other."""
        self._ledger.close()
