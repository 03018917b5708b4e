"""Runs by what they have in common: sums, and ratios of sums, in any window."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from goodput_exporter.domain.accounting import Account
from goodput_exporter.domain.placement import Owner
from goodput_exporter.domain.ratios import LayerRatios, ratios
from goodput_exporter.domain.rollups import GroupKind, groups_of
from goodput_exporter.domain.runs import RunKey


@dataclass(slots=True)
class GroupAccount:
    """
    One group of runs in one window.

    Args:
        name: What its runs have in common; None is the group of those of which
            nobody said it.
        runs: Those with time in the window.
        account: All of their time in it.
    """

    name: str | None
    runs: list[RunKey] = field(default_factory=list)
    account: Account = field(default_factory=Account)

    @property
    def ratios(self) -> LayerRatios:
        """Return the ratios of the sums, never a mean of the runs' ratios."""
        return ratios(self.account)


def group_name(key: RunKey, owner: Owner, by: GroupKind) -> str | None:
    """Return which group of a kind a run is in; None where nobody said it."""
    found = (group.name for group in groups_of(key, owner) if group.kind == by)
    return next(found, None)


def group_accounts(
    runs: Iterable[tuple[RunKey, Owner, Account]], by: GroupKind
) -> list[GroupAccount]:
    """
    Add up runs by what they have in common, the largest group first.

    Every run is in exactly one group, so the groups add up to the runs; one whose
    account is empty is in none.

    Args:
        runs: Each with its account in the window.
        by: What they have in common.
    """
    found: dict[str | None, GroupAccount] = {}
    for key, owner, account in runs:
        if account.total_gpu_ns:
            name = group_name(key, owner, by)
            group = found.setdefault(name, GroupAccount(name))
            group.runs.append(key)
            group.account.merge(account)
    return sorted(
        found.values(), key=lambda one: (-one.account.total_gpu_ns, one.name or "")
    )
