"""What the commands that read a ledger share: finding runs by name, reading them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Final, Protocol

from goodput_exporter.analysis.histories import History, RunFacts, history
from goodput_exporter.analysis.stretches import Pricing
from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.describe import DEFAULT_DTYPE
from goodput_exporter.domain.fold import Fold
from goodput_exporter.domain.observations import ModelFacts
from goodput_exporter.domain.peaks import peak_of
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.spans import Span
from goodput_exporter.errors import BadInputError, LedgerCorruptError
from goodput_exporter.exposition.addresses import full_name
from goodput_exporter.ledger.entries import Entry
from goodput_exporter.ledger.ledger import BookedRun, Reader
from goodput_exporter.ledger.state import decode_state

NEARNESS: Final = 0.5
"""How alike a known name must be to be offered: typing errors, not guesses."""
OFFERED: Final = 3


class Told(Protocol):
    """What is read of a ledger here, whether this process writes it or another."""

    def runs(self) -> list[BookedRun]:
        """Return every run, in the order of their keys."""

    def bookings(self, key: RunKey) -> Iterator[Entry]:
        """Yield one run's entries in the order of their numbers."""

    def state_of(self, key: RunKey) -> bytes | None:
        """Return one run's last state, closed or not; None if it never had one."""


def find_run(runs: Iterable[BookedRun], name: str) -> BookedRun:
    """
    Return the run that *name* means: its full key, or its run id if only one has it.

    Raises:
        BadInputError: No run, or more than one, goes by the name.
    """
    known = list(runs)
    whole = [run for run in known if full_name(run.key) == name]
    found = whole or [run for run in known if run.key.run == name]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(full_name(run.key) for run in found)
        msg = f"{len(found)} runs are called {name!r}: {names}; write one in full"
        raise BadInputError(msg)
    near = nearest_runs([run.key for run in known], name)
    where = "check ledger.path, or ledger.url and identity.cluster"
    hint = f"did you mean {' or '.join(near)}?" if near else where
    word = "run" if len(known) == 1 else "runs"
    msg = f"no run is called {name!r}; the ledger holds {len(known)} {word}: {hint}"
    raise BadInputError(msg)


def nearest_runs(keys: Iterable[RunKey], name: str) -> list[str]:
    """Return the full names of the runs that look most like *name*."""
    names = {key.run: full_name(key) for key in keys}
    names |= {full: full for full in names.values()}
    close = get_close_matches(name, names, n=OFFERED, cutoff=NEARNESS)
    return list(dict.fromkeys(names[one] for one in close))


def read_run(
    ledger: Told, run: BookedRun, *, pricing: Pricing | None = None
) -> History:
    """Read all entries of one run, and what its last state says beside them."""
    bookings = (entry.booking for entry in ledger.bookings(run.key))
    place = None if pricing is None else pricing.place
    model = None if place is None else place.gpu_model
    facts = facts_of(fold_in(ledger, run.key), gpu_model=model)
    since_ns = run.folded_ns
    return history(run.key, bookings, facts=facts, pricing=pricing, since_ns=since_ns)


def booked_in(ledger: Reader, run: History, window: Span) -> Account:
    """
    Return what the ledger itself adds up, as far as *run* was read.

    A running exporter books on meanwhile; what came after the reading is left out.
    """
    life = run.life
    inside = None if life is None else life.clip(window)
    return Account() if inside is None else ledger.account(run.key, inside)


def fold_in(ledger: Told, key: RunKey) -> Fold | None:
    """Return the fold that a run goes on from, or None if it cannot be read."""
    try:
        state = ledger.state_of(key)
        return None if state is None else decode_state(state)
    except LedgerCorruptError:
        return None  # the report says that this is unknown; verify says why


def facts_of(fold: Fold | None, *, gpu_model: str | None = None) -> RunFacts | None:
    """
    Return what a fold knows and no entry says.

    Args:
        fold: The run's last state; None where it cannot be read.
        gpu_model: NVML's name of its GPUs, where somebody says so.
    """
    if fold is None:
        return None
    facts, progress = fold.facts, fold.progress
    worlds = [life.world_size for life in fold.lives.values() if life.world_size > 0]
    return RunFacts(
        source=fold.source,
        verified=fold.verified,
        upper_bound=progress.upper_bound,
        has_gpus=facts is not None and bool(facts.gpu_uuids),
        outcome=fold.outcome,
        saved_step=progress.saved,
        durable_step=progress.durable,
        step=progress.position,
        tokens=fold.tokens,
        tokens_per_step=fold.tokens_per_step,
        has_flops=fold.flops_per_step is not None or fold.flops_per_token is not None,
        peak_flops=_peak_flops(facts, gpu_model),
        ranks_expected=max([*worlds, len(fold.members), 1]),
        owner=fold.owner,
    )


def _peak_flops(facts: ModelFacts | None, gpu_model: str | None) -> float | None:
    if facts is None:
        return None
    if facts.peak_tflops is not None:
        return facts.peak_tflops * 1e12
    peak = peak_of(gpu_model, facts.dtype or DEFAULT_DTYPE)
    return None if peak is None else peak.flops


def whole_of(runs: Sequence[BookedRun]) -> Span | None:
    """Return from the first to the last booked instant of some runs."""
    starts = [run.first_ns for run in runs if run.first_ns is not None]
    ends = [run.last_ns for run in runs if run.last_ns is not None]
    return Span(min(starts), max(ends)) if starts and ends else None
