"""Recorded observations folded again, and what the ledger says of the same ticks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from goodput_exporter.domain.accounting import Account, Segment
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.settings import Rules
from goodput_exporter.errors import LedgerError
from goodput_exporter.ledger.ledger import BookedRun, Ledger, Reader
from goodput_exporter.ledger.recording import Head, Terms, Tick
from goodput_exporter.ledger.scratch import Scratch
from goodput_exporter.ledger.standing import standing_of
from goodput_exporter.ledger.state import decode_state
from goodput_exporter.services.bookkeeper import Bookkeeper
from goodput_exporter.services.standstill import Standstill


@dataclass(slots=True)
class Stretch:
    """
    Ticks without a gap, folded again.

    Args:
        head: What they began from.
        until_ns: The last of them.
        accounts: What they booked.
    """

    head: Head
    until_ns: int
    accounts: dict[RunKey, Account] = field(default_factory=dict)


@dataclass(slots=True)
class Refolded:
    """A whole recording: its stretches, and what could not be read of it."""

    stretches: list[Stretch] = field(default_factory=list)
    ticks: int = 0
    skipped: int = 0


def refold(frames: Iterable[Head | Tick], rules: Rules | None = None) -> Refolded:
    """
    Drive a bookkeeper through recorded ticks.

    Where the exporter restarted, the folds are written down and taken up again as
    they were then. After a gap they begin again from the states of the next head.

    Args:
        frames: A recording.
        rules: What to fold under; None takes the rules that were in force.
    """
    found = Refolded()
    ledger, books, terms = Scratch({}, ()), None, Terms()
    forgotten: set[RunKey] = set()
    for frame in frames:
        match frame:
            case Head(why="rotated") if books is not None:
                continue
            case Head():
                if books is None or frame.why != "began":
                    ledger = Scratch(frame.states, frame.ended)
                    found.stretches.append(
                        Stretch(frame, frame.now_ns, ledger.accounts)
                    )
                terms = frame.terms
                books = bookkeeper(ledger, terms, rules)
                _resume(books, frame)
                forgotten.clear()
            case Tick() if books is not None:
                found.ticks += 1
                found.skipped += frame.skipped
                found.stretches[-1].until_ns = frame.now_ns
                ledger.offer(frame.reopened)
                for agent, seen in frame.taken:
                    books.take(seen, agent)
                books.tick(frame.now_ns)
                due = ledger.closed_before(frame.now_ns - terms.retention_ns)
                if due - forgotten:  # a run that comes back later is resumed then
                    books.views(frame.now_ns, {})
                forgotten = due
    return found


def booked(ledger: Reader | Ledger, key: RunKey, stretch: Stretch) -> Account:
    """
    Return what a ledger booked of a run in the ticks of a stretch.

    Compaction may have joined a segment of theirs to one from before: of that
    one, the part counts that the run's state still held then.

    Raises:
        LedgerError: Segments of these ticks were folded into days.
    """
    state = stretch.head.states.get(key)
    standing = None if state is None else standing_of(state)
    open_then = () if standing is None else standing.unnamed
    account = Account()
    for entry in ledger.bookings(key):
        segment = entry.booking
        if not isinstance(segment, Segment) or entry.booked_ns > stretch.until_ns:
            continue
        spans = [segment.span]
        if entry.booked_ns <= stretch.head.now_ns:
            spans = [each for span in open_then if (each := segment.span.clip(span))]
        for span in spans:
            gpu_ns = span.length_ns * segment.devices
            account.add(segment.state, gpu_ns, segment.cause)
    return account


def require_kept(known: Iterable[BookedRun], stretch: Stretch) -> None:
    """
    Check that a ledger's runs have the segments that a stretch is compared with.

    Raises:
        LedgerError: Some were folded into days.
    """
    for run in known:
        folded_ns = run.folded_ns
        if folded_ns is not None and folded_ns > stretch.head.now_ns:
            msg = (
                f"run {run.key}: its segments were folded into days after this "
                "recording began (ledger.keep_days); replay a later one"
            )
            raise LedgerError(msg)


def bookkeeper(ledger: Ledger, terms: Terms, rules: Rules | None) -> Bookkeeper:
    """Return a bookkeeper as the recorded one was, under its rules or others."""
    rules = terms.rules if rules is None else rules
    return Bookkeeper(
        ledger,
        rules,
        cluster=terms.cluster,
        namespace=terms.namespace,
        silence_ns=terms.silence_ns,
        retention_ns=terms.retention_ns,
        node=terms.node,
        standstill=Standstill(rules.settle_ns),
    )


def _resume(books: Bookkeeper, head: Head) -> None:
    """Take up the runs of a head: anew where the exporter began, else in its midst."""
    for fold in books.resume(head.now_ns):
        state = head.states.get(fold.key)
        if head.why != "began" and state is not None:
            fold.resumed_ns = decode_state(state).resumed_ns
