"""A tick's batch into the ledger: whole, or tried again until it is, then published."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from goodput_exporter.domain.bookings import Booking
from goodput_exporter.domain.describe import counted_of
from goodput_exporter.domain.placement import Owner
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.errors import AccountingError, LedgerError
from goodput_exporter.ledger.gpu_lines import NO_GPUS
from goodput_exporter.ledger.ledger import Batch, Ledger
from goodput_exporter.ledger.state import encode_state
from goodput_exporter.services.gpu_bookkeeper import GpuBookkeeper, GpuPart
from goodput_exporter.services.group_totals import GroupTotals
from goodput_exporter.services.node_failures import NodeFailures
from goodput_exporter.services.shelf import Shelf

_log = logging.getLogger(__name__)


class Committing:
    """
    Who gives batches to the ledger, one at a time.

    Args:
        ledger: Where they go.
        shelf: The runs that they are of.
        groups, node_failures: Their totals, added to each batch.
        gpus: The cluster book; None keeps none.

    Attributes:
        entries, commits: What the ledger took.
        failures: How often it took nothing.
        left_out: Batches of no run that can never be stored.
    """

    def __init__(
        self,
        ledger: Ledger,
        shelf: Shelf,
        groups: GroupTotals,
        node_failures: NodeFailures,
        gpus: GpuBookkeeper | None,
    ) -> None:
        self._ledger = ledger
        self._shelf = shelf
        self._groups = groups
        self._node_failures = node_failures
        self._gpus = gpus
        self._gpu_part = GpuPart()
        self._unsent: Batch | None = None
        self._tries = 0
        self.entries = 0
        self.commits = 0
        self.failures = 0
        self.left_out = 0

    def retry(self) -> bool:
        """Try again what the ledger did not take; True once nothing is left of it."""
        return self._unsent is None or self._commit(self._unsent)

    def commit(self, batch: Batch, gpu_part: GpuPart) -> bool:
        """
        Write a batch down, and publish it; what fails is kept for ``retry``.

        Args:
            batch: Nothing may be decided before it is committed.
            gpu_part: What of it is of the cluster book.

        Returns:
            Whether the ledger has it.
        """
        self._gpu_part = gpu_part
        return self._commit(batch)

    def write_down(self, key: RunKey, now_ns: int) -> None:
        """
        Commit what was decided of one run, without letting time pass for it.

        Raises:
            LedgerError: The ledger took nothing.
        """
        fold = self._shelf.runs[key].fold
        pending, fold.book.pending = fold.book.pending, []
        batch = Batch(
            booked_ns=now_ns,
            bookings=[(key, booking) for booking in pending],
            states={key: encode_state(fold)},
            closed=frozenset() if fold.ended_ns is None else frozenset({key}),
        )
        self._ledger.append(batch)

    def _commit(self, batch: Batch) -> bool:
        owners = {key: self._shelf.runs[key].fold.owner for key in batch.states}
        batch = self._node_failures.added_to(self._groups.added_to(batch, owners))
        try:
            self._ledger.append(batch)
        except AccountingError:
            return self._commit_what_can_be(batch)
        except LedgerError as exc:
            self._keep(batch, exc)
            return False
        if self._unsent is not None:
            _log.info("the ledger takes entries again")
        self._unsent = None
        self.commits += 1
        self.entries += len(batch.bookings)
        self._publish(batch, owners)
        return True

    def _keep(self, batch: Batch, exc: LedgerError) -> None:
        self.failures += 1
        if self._unsent is None:
            self._tries = 1
            _log.exception(
                "the ledger took nothing; %d entries wait", len(batch.bookings)
            )
        else:
            self._tries += 1
            # At each doubling: the log may lie on the disk that is full.
            if self._tries.bit_count() == 1:
                _log.warning(
                    "the ledger takes nothing, tried %d times: %s", self._tries, exc
                )
        self._unsent = batch

    def _commit_what_can_be(self, batch: Batch) -> bool:
        """Go on without what can never be stored."""
        keys = [*batch.states, *batch.heard]
        if len(keys) > 1:
            return self._commit_apart(batch, keys)
        if not keys:
            self.left_out += 1
            _log.exception("what is of no run cannot be stored and is left out")
            return True
        for key in keys:
            self._shelf.set_back(key)
        # What is of no run must be durable before anybody is answered.
        return self._commit(_only(batch, set(), is_first=True))

    def _commit_apart(self, batch: Batch, keys: list[RunKey]) -> bool:
        """Commit run by run: what can never be stored costs its own run only."""
        for number, key in enumerate(keys):
            if not self._commit(_only(batch, {key}, is_first=number == 0)):
                rest = set(keys[number:])
                self._unsent = _only(batch, rest, is_first=number == 0)
                return False
        return True

    def _publish(self, batch: Batch, owners: Mapping[RunKey, Owner]) -> None:
        self._groups.publish(batch, owners)
        self._node_failures.publish(batch)
        if self._gpus is not None:
            self._gpus.publish(self._gpu_part)
        booked: dict[RunKey, list[Booking]] = {key: [] for key in batch.states}
        for key, booking in batch.bookings:
            booked[key].append(booking)
        for key, words in batch.heard.items():
            self._shelf.runs[key].later.append(words)
        for key, state in batch.states.items():
            tended = self._shelf.runs[key]
            tended.state, tended.later = state, []
            tended.published.add(booked[key], batch.booked_ns)
            tended.published.counted = counted_of(tended.fold)
            tended.closed_ns = batch.booked_ns if key in batch.closed else None


def _only(batch: Batch, keys: set[RunKey], *, is_first: bool) -> Batch:
    """Return what a batch holds of some runs; the first has what is of none."""
    return replace(
        batch,
        bookings=[(key, booking) for key, booking in batch.bookings if key in keys],
        states={key: state for key, state in batch.states.items() if key in keys},
        heard={key: words for key, words in batch.heard.items() if key in keys},
        closed=batch.closed & keys,
        gpus=batch.gpus if is_first else NO_GPUS,
    )
