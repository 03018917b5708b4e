"""A ledger in memory, and bookings to put into one."""

from __future__ import annotations

from collections.abc import Iterator

from goodput_exporter.domain.accounting import Account, Segment, tally
from goodput_exporter.domain.bookings import RunEvent
from goodput_exporter.domain.energy_meter import PART_NS, EnergyPart
from goodput_exporter.domain.energy_totals import EnergyTotals
from goodput_exporter.domain.gpu_tiling import order
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.domain.states import Cause, RunState
from goodput_exporter.errors import AccountingError, LedgerError
from goodput_exporter.ledger import gpu_audit, gpu_lines
from goodput_exporter.ledger.entries import (
    INT64_MAX,
    INT64_MIN,
    Entry,
    encode,
    require_storable,
)
from goodput_exporter.ledger.gpu_lines import GpuLine
from goodput_exporter.ledger.ledger import Batch, BookedRun, Finding, Resume
from goodput_exporter.ledger.standing import differences, standing_of
from goodput_exporter.ledger.tiling import first_break, reopenings

LLAMA = RunKey("local", "default", "llama")


def segment(
    start_ns: int,
    end_ns: int,
    state: RunState = RunState.PRODUCTIVE,
    *,
    devices: int = 8,
    cause: Cause = Cause.NONE,
) -> Segment:
    """Build a segment; what is not named is eight devices at work."""
    return Segment(Span(start_ns, end_ns), state, devices, cause)


def booked(*segments: Segment, key: RunKey = LLAMA, booked_ns: int = 0) -> Batch:
    """Build the batch that books *segments* of one run."""
    return Batch(booked_ns, [(key, each) for each in segments])


class MemoryLedger:
    """
    A ``Ledger`` that forgets everything when it goes.

    Set ``failure`` to make every append fail, as a full disk would; None
    lets the next one through.
    """

    def __init__(self) -> None:
        self.failure: LedgerError | None = None
        self._entries: list[Entry] = []
        self._states: dict[RunKey, bytes] = {}
        self._closed: dict[RunKey, bool] = {}
        self._meta: dict[str, str] = {}
        self._gpu_lines: list[GpuLine] = []
        self._gpu_nodes: dict[str, bytes] = {}
        self._energy: dict[tuple[int, str], EnergyPart] = {}
        self._run_energy: dict[RunKey, EnergyTotals] = {}

    def append(self, batch: Batch) -> int:
        """Take a batch, as a whole or not at all."""
        if self.failure is not None:
            raise self.failure
        _refuse_what_no_disk_holds(batch)
        for key, booking in batch.bookings:
            seq = len(self._entries) + 1
            self._entries.append(Entry(seq, batch.booked_ns, key, booking))
        self._states.update(batch.states)
        for key, words in batch.heard.items():
            self._states[key] += words
        self._closed.update({key: key in batch.closed for key in batch.states})
        self._meta.update(batch.meta)
        for line in batch.gpus.bookings:
            seq = len(self._gpu_lines) + 1
            self._gpu_lines.append(GpuLine(seq, batch.booked_ns, line))
        for name, state in batch.gpus.nodes.items():
            self._gpu_nodes.pop(name, None)
            if state is not None:
                self._gpu_nodes[name] = state
        for part in batch.gpus.energy.parts:
            self._energy[part.start_ns, part.node] = part
        self._run_energy.update(batch.gpus.energy.totals)
        return len(self._entries)

    def resume(self) -> Resume:
        """Return what a restart goes on from."""
        states = {k: v for k, v in self._states.items() if not self._closed[k]}
        return Resume(states, dict(self._meta))

    def state_of(self, key: RunKey) -> bytes | None:
        """Return one run's last state."""
        return self._states.get(key)

    def runs(self) -> list[BookedRun]:
        """Return every run."""
        keys = {entry.key for entry in self._entries} | self._states.keys()
        return [self._run(key) for key in sorted(keys)]

    def bookings(self, key: RunKey) -> Iterator[Entry]:
        """Yield one run's entries."""
        return (entry for entry in list(self._entries) if entry.key == key)

    def segments(self, key: RunKey, window: Span | None = None) -> Iterator[Segment]:
        """Yield one run's segments in time order."""
        for entry in self._by_time(key):
            booking = entry.booking
            if isinstance(booking, Segment) and (
                window is None or booking.span.clip(window) is not None
            ):
                yield booking

    def account(self, key: RunKey, window: Span | None = None) -> Account:
        """Add up one run's segments."""
        return tally(self.segments(key, window), window)

    def verify(self, key: RunKey | None = None) -> list[Finding]:
        """Return the first break of each run's tiling."""
        keys = [run.key for run in self.runs()] if key is None else [key]
        findings = [found for each in keys for found in self._audit(each)]
        if key is None:
            numbers = (len(self._gpu_lines), len(self._gpu_lines))
            findings += gpu_audit.findings(
                gpu_audit.Kept(self.gpu_lines, self._gpu_nodes, self._meta, numbers)
            )
        return findings

    def gpu_lines(self, window: Span | None = None) -> list[GpuLine]:
        """Return the cluster book's lines by time."""
        lines = [
            line
            for line in self._gpu_lines
            if window is None
            or (
                line.booking.span.start_ns < window.end_ns
                and line.booking.span.end_ns >= window.start_ns
            )
        ]
        return sorted(lines, key=lambda line: order((line.seq, line.booking)))

    def gpu_nodes(self) -> dict[str, bytes]:
        """Return what each node of the cluster book needs to go on."""
        return dict(self._gpu_nodes)

    def energy_parts(self, window: Span | None = None) -> list[EnergyPart]:
        """Return what GPUs drew; parts before and after the window, too."""
        begin_ns, end_ns = (
            (INT64_MIN, INT64_MAX)
            if window is None
            else (window.start_ns - PART_NS, window.end_ns + PART_NS)
        )
        return [
            part
            for (start_ns, _), part in sorted(self._energy.items())
            if begin_ns < start_ns < end_ns
        ]

    def newest_energy(self, since_ns: int) -> list[EnergyPart]:
        """Return each node's newest part, and the one before it."""
        newest = {node: start_ns for start_ns, node in sorted(self._energy)}
        return [
            part
            for (start_ns, node), part in sorted(self._energy.items())
            if since_ns <= newest[node] <= start_ns + PART_NS
        ]

    def energy_totals(self, key: RunKey) -> EnergyTotals | None:
        """Return a run's energy so far."""
        return self._run_energy.get(key)

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""

    def _audit(self, key: RunKey) -> list[Finding]:
        state = self._states.get(key)
        standing = None if state is None else standing_of(state)
        by_time = self._by_time(key)
        unnamed = () if standing is None else standing.unnamed
        broken = first_break(by_time, reopenings(by_time), unnamed)
        findings = [] if broken is None else [broken]
        if standing is None:
            return findings
        counted = self.account(key, Span(standing.begins_ns, INT64_MAX))
        return findings + differences(key, standing, counted)

    def _by_time(self, key: RunKey) -> list[Entry]:
        return sorted(self.bookings(key), key=lambda e: (_span(e).start_ns, e.seq))

    def _run(self, key: RunKey) -> BookedRun:
        spans = [
            _span(entry)
            for entry in self.bookings(key)
            if isinstance(entry.booking, Segment | RunEvent)
        ]
        return BookedRun(
            key,
            min((span.start_ns for span in spans), default=None),
            max((span.end_ns for span in spans), default=None),
            self._closed.get(key, False),
        )


def _refuse_what_no_disk_holds(batch: Batch) -> None:
    for line in batch.gpus.bookings:
        gpu_lines.encode(line)
    for key, booking in batch.bookings:
        encode(key, booking)
        require_storable(key)
    for text in (*batch.meta, *batch.meta.values()):
        try:
            text.encode()
        except UnicodeEncodeError as exc:
            msg = f"meta {text!a} is not Unicode text"
            raise AccountingError(msg) from exc


def _span(entry: Entry) -> Span:
    booking = entry.booking
    if isinstance(booking, RunEvent):
        return Span(booking.at_ns, booking.at_ns)
    return booking.span
