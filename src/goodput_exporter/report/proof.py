"""The sum that proves a report: its lines are time x GPUs, and the ledger's own sum."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from goodput_exporter.analysis.histories import History, View
from goodput_exporter.analysis.stretches import Stretch, account_of
from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import AccountingError


@dataclass(frozen=True, slots=True)
class Term:
    """A length of wall time over which one run's book counted so many devices."""

    wall_ns: int
    devices: int

    @property
    def gpu_ns(self) -> int:
        """Return the product."""
        return self.wall_ns * self.devices


@dataclass(frozen=True, slots=True)
class Proof:
    """
    What a report's total is made of; several runs' proofs add up.

    Args:
        terms: Wall time by number of devices, most devices first.
        ledger_gpu_ns: The ledger's own sum of the same window: what counters show.
        moved_gpu_ns: What the view puts into the book, less what it takes out of
            it; zero in the live view.
    """

    terms: tuple[Term, ...]
    ledger_gpu_ns: int
    moved_gpu_ns: int

    @property
    def total_gpu_ns(self) -> int:
        """Return time x GPUs."""
        return sum(term.gpu_ns for term in self.terms)

    @property
    def wall_ns(self) -> int:
        """Return the wall time of all runs together."""
        return sum(term.wall_ns for term in self.terms)


def prove(run: History, window: Span, view: View, ledger: Account) -> Proof:
    """
    Check one run's lines against time x GPUs and against the ledger.

    Args:
        run: Whose.
        window: What the report is about.
        view: Which view it shows.
        ledger: What the ledger itself adds up for the run in the window.

    Raises:
        AccountingError: Two of the sums differ; the ledger changed under the
            reader, or it is not sound.
    """
    live = account_of(run.stretches(View.LIVE), window)
    if _known(live) != _known(ledger):
        msg = (
            f"run {run.key}: its entries sum to {_known(live)} and the ledger's own "
            f"sum is {_known(ledger)}; check it with: goodput-exporter ledger verify"
        )
        raise AccountingError(msg)
    total = account_of(run.stretches(view), window).total_gpu_ns
    proof = Proof(
        terms_of(run, window, view), live.total_gpu_ns, total - live.total_gpu_ns
    )
    if proof.total_gpu_ns != total:
        msg = (
            f"run {run.key}: its states sum to {total} GPU-ns and time x GPUs is "
            f"{proof.total_gpu_ns}; check it with: goodput-exporter ledger verify"
        )
        raise AccountingError(msg)
    return proof


def together(proofs: Iterable[Proof]) -> Proof:
    """Add up the proofs of several runs."""
    walls: defaultdict[int, int] = defaultdict(int)
    ledger = moved = 0
    for proof in proofs:
        ledger += proof.ledger_gpu_ns
        moved += proof.moved_gpu_ns
        for term in proof.terms:
            walls[term.devices] += term.wall_ns
    return Proof(_terms(walls), ledger, moved)


def terms_of(run: History, window: Span, view: View) -> tuple[Term, ...]:
    """Find how many devices a run's book counted, and for how long."""
    told = terms(run.told(view), window)
    if run.quiet is None:
        return told
    # Quiet time has nothing beside it, so that it lies nowhere in the rest.
    walls: defaultdict[int, int] = defaultdict(int)
    for term in (*told, *terms(run.quiet.stretches, window)):
        walls[term.devices] += term.wall_ns
    return _terms(walls)


def terms(stretches: Sequence[Stretch], window: Span) -> tuple[Term, ...]:
    """
    Find how many devices a run's book counted, and for how long.

    Args:
        stretches: All of one run; those of one segment are counted once.
        window: What to look at.
    """
    change: defaultdict[int, int] = defaultdict(int)
    for span, devices in _segments(stretches):
        inside = span.clip(window)
        if inside is not None:
            change[inside.start_ns] += devices
            change[inside.end_ns] -= devices
    walls: defaultdict[int, int] = defaultdict(int)
    devices, before_ns = 0, 0
    for at_ns in sorted(change):
        if devices:
            walls[devices] += at_ns - before_ns
        devices += change[at_ns]
        before_ns = at_ns
    return _terms(walls)


def _segments(stretches: Iterable[Stretch]) -> Iterable[tuple[Span, int]]:
    """Yield what the stretches were cut from: their first pieces stand for them."""
    for stretch in stretches:
        if stretch.begin_gpu_ns == 0:
            yield stretch.span, stretch.devices


def _terms(walls: dict[int, int]) -> tuple[Term, ...]:
    return tuple(Term(walls[devices], devices) for devices in sorted(walls)[::-1])


def _known(account: Account) -> dict[str, int]:
    return {state.value: ns for state, ns in account.gpu_ns.items() if ns}
