"""A person's word on an incident's cause, of a run in memory or long over."""

from __future__ import annotations

from goodput_exporter.domain.causes import Correction, correct_cause
from goodput_exporter.domain.fold import incident_of
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.errors import BadInputError
from goodput_exporter.ledger.ledger import Ledger
from goodput_exporter.services.shelf import Shelf
from goodput_exporter.services.spending import spent_on


def correct(
    shelf: Shelf, ledger: Ledger, key: RunKey, said: Correction, now_ns: int
) -> None:
    """
    Let a correction stand; the next tick decides the run and commits it.

    Args:
        shelf: The runs in memory; the run is opened where it is not among them.
        ledger: Where the run is found, and what its incident has cost.
        key: The run.
        said: The correction.
        now_ns: The present.

    Raises:
        BadInputError: There is no such run, or no such incident of it.
        LedgerError: The ledger cannot be read.
    """
    if key not in shelf.runs:
        if ledger.state_of(key) is None:
            raise BadInputError(_not_to_correct(key, ledger))
        if not shelf.open(key, now_ns):
            msg = f"run {key} cannot be taken up now: memory is full of runs"
            raise BadInputError(msg)
    tended = shelf.runs[key]
    spent = None
    if incident_of(tended.fold, said.incident) is None:
        spent = spent_on(key, ledger.bookings(key), said.incident)
    if not correct_cause(tended.fold, said, spent):
        msg = (
            f"run {key} has no incident {said.incident}; it has had "
            f"{tended.fold.interruptions}"
        )
        raise BadInputError(msg)
    tended.changed = tended.is_urgent = True


def _not_to_correct(key: RunKey, ledger: Ledger) -> str:
    """Say why no cause of a run without a state can be corrected."""
    if any(run.key == key for run in ledger.runs()):
        return (
            f"run {key} has entries in the ledger and no state to go on from, so "
            "nothing can be booked for it; if it was not imported so, restore a "
            "backup that has its state"
        )
    return f"run {key} is not in the ledger; look for its name in the API"
