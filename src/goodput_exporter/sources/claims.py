"""Run names and the uid that each belongs to: nobody joins another user's run."""

from __future__ import annotations

import re
from typing import Final

from goodput_exporter.sources.refusals import Reason, RefusedError

# What ``key_of`` of the domain calls the run of an incarnation that names none.
_UNNAMED: Final = re.compile(r"unnamed-([0-9a-f]{16})")


Name = tuple[str, str]
"""A namespace, and a run in it; the namespace of what is in no pod is empty."""
Claimant = int | str
"""A user of this machine, or a namespace of pods."""


class Claims:
    """
    The run names of the incarnations that are kept, and who owns them.

    A name belongs to the first uid that the kernel vouched for, for as long as
    an incarnation of the run is kept. A name that only unverified senders have
    said is nobody's: they cannot be told apart, so none of them can own it. Pods
    speak within their namespace, and the same name in another is another run.

    Args:
        limit: How many names at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: dict[Name, int] = {}
        # Its keys are among those of _kept, which bounds it.
        self._owners: dict[Name, Claimant] = {}

    def check(self, name: Name | None, inc: str, who: Claimant | None) -> None:
        """
        Refuse a sender that may not speak for a run.

        Args:
            name: What it names; None is no run of anybody.
            inc: The incarnation that it speaks for.
            who: Its user or its pod's namespace; None where nobody vouches.

        Raises:
            RefusedError: The run belongs to another user, or to an incarnation
                that has not named one.
        """
        if name is None:
            return
        _, run_id = name
        owner = self._owners.get(name)
        if owner is not None and owner != who:
            detail = f"run {run_id} belongs to {said(owner)}, and this is {said(who)}"
            raise RefusedError(Reason.OWNER, detail)
        unnamed = _UNNAMED.fullmatch(run_id)
        if unnamed is not None and unnamed[1] != inc:
            detail = f"run {run_id} stands for inc {unnamed[1]}, and this is inc {inc}"
            raise RefusedError(Reason.OWNER, detail)

    def has_room(self, name: Name) -> bool:
        """Return whether one more incarnation may bear this name."""
        return name in self._kept or len(self._kept) < self._limit

    def keep(self, name: Name) -> None:
        """Count one more incarnation of a run."""
        self._kept[name] = self._kept.get(name, 0) + 1

    def claim(self, name: Name | None, who: Claimant | None) -> None:
        """Give a kept run that nobody owns to someone who is vouched for."""
        if who is not None and name is not None and name in self._kept:
            self._owners.setdefault(name, who)

    def drop(self, name: Name | None) -> None:
        """Count one incarnation less; the last one takes the claim with it."""
        if name is None:
            return
        self._kept[name] -= 1
        if not self._kept[name]:
            del self._kept[name]
            self._owners.pop(name, None)


def said(who: Claimant | None) -> str:
    """Return a claimant in words."""
    if who is None:
        return "an unverified sender"
    return f"uid {who}" if isinstance(who, int) else f"a pod in {who}"


def is_unnamed(run_id: str, inc: str) -> bool:
    """Return whether a run of the ledger only stands for an incarnation."""
    unnamed = _UNNAMED.fullmatch(run_id)
    return unnamed is not None and unnamed[1] == inc
