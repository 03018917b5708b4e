"""Run names and the uid that each belongs to: nobody joins another user's run."""

from __future__ import annotations

import re
from typing import Final

from goodput_exporter.sources.refusals import Reason, RefusedError

# What ``key_of`` of the domain calls the run of an incarnation that names none.
_UNNAMED: Final = re.compile(r"unnamed-([0-9a-f]{16})")


class Claims:
    """
    The run names of the incarnations that are kept, and who owns them.

    A name belongs to the first uid that the kernel vouched for, for as long as
    an incarnation of the run is kept. A name that only unverified senders have
    said is nobody's: they cannot be told apart, so none of them can own it.

    Args:
        limit: How many names at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: dict[str, int] = {}
        # Its keys are among those of _kept, which bounds it.
        self._owners: dict[str, int] = {}

    def check(self, run_id: str | None, inc: str, uid: int | None) -> None:
        """
        Refuse a sender that may not speak for a run.

        Args:
            run_id: What it names; None is no run of anybody.
            inc: The incarnation that it speaks for.
            uid: Its user, by the kernel's word; None where nobody vouches.

        Raises:
            RefusedError: The run belongs to another user, or to an incarnation
                that has not named one.
        """
        if run_id is None:
            return
        owner = self._owners.get(run_id)
        if owner is not None and owner != uid:
            who = "an unverified sender" if uid is None else f"uid {uid}"
            detail = f"run {run_id} belongs to uid {owner}, and this is {who}"
            raise RefusedError(Reason.OWNER, detail)
        unnamed = _UNNAMED.fullmatch(run_id)
        if unnamed is not None and unnamed[1] != inc:
            detail = f"run {run_id} stands for inc {unnamed[1]}, and this is inc {inc}"
            raise RefusedError(Reason.OWNER, detail)

    def has_room(self, run_id: str) -> bool:
        """Return whether one more incarnation may bear this name."""
        return run_id in self._kept or len(self._kept) < self._limit

    def keep(self, run_id: str) -> None:
        """Count one more incarnation of a run."""
        self._kept[run_id] = self._kept.get(run_id, 0) + 1

    def claim(self, run_id: str | None, uid: int | None) -> None:
        """Give a kept run that nobody owns to a user that the kernel vouches for."""
        if uid is not None and run_id in self._kept:
            self._owners.setdefault(run_id, uid)

    def drop(self, run_id: str | None) -> None:
        """Count one incarnation less; the last one takes the claim with it."""
        if run_id is None:
            return
        self._kept[run_id] -= 1
        if not self._kept[run_id]:
            del self._kept[run_id]
            self._owners.pop(run_id, None)


def is_unnamed(run_id: str, inc: str) -> bool:
    """Return whether a run of the ledger only stands for an incarnation."""
    unnamed = _UNNAMED.fullmatch(run_id)
    return unnamed is not None and unnamed[1] == inc
