"""Groups of runs: sums that add up to the runs, and ratios of these sums."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.analysis.groups import group_accounts, group_name
from goodput_exporter.domain.accounting import Account, is_bad
from goodput_exporter.domain.placement import Owner
from goodput_exporter.domain.ratios import ratio_of_sums
from goodput_exporter.domain.rollups import GroupKind
from goodput_exporter.domain.runs import RunKey
from goodput_exporter.domain.states import Cause, RunState

Run = tuple[RunKey, Owner, Account]
LIVE = [state for state in RunState if state is not RunState.LOST]


@st.composite
def runs(draw: st.DrawFn) -> list[Run]:
    """Draw runs of a few owners, some of which nobody named, each with an account."""
    names = st.sampled_from([None, "a", "b"])
    found: list[Run] = []
    for number in range(draw(st.integers(0, 8))):
        space = draw(st.sampled_from(["ml", "web"]))
        owner = Owner(
            team=draw(names),
            queue=draw(names),
            gpu_model=draw(names),
            pool=draw(names),
        )
        account = Account()
        for state in draw(st.lists(st.sampled_from(LIVE), max_size=5)):
            cause = draw(st.sampled_from(Cause)) if is_bad(state) else Cause.NONE
            account.add(state, draw(st.integers(0, 10**15)), cause)
        found.append((RunKey("east", space, f"run-{number}"), owner, account))
    return found


@given(runs(), st.sampled_from(GroupKind))
def test_groups_add_up_to_their_runs(told: Sequence[Run], by: GroupKind) -> None:
    """State by state and cause by cause; every run with time is in exactly one."""
    found = group_accounts(told, by)

    whole, summed = Account(), Account()
    for _, _, account in told:
        whole.merge(account)
    for group in found:
        summed.merge(group.account)
    for state in RunState:
        assert summed.of(state) == whole.of(state)
    for cause in Cause:
        assert summed.bad_gpu_ns.get(cause, 0) == whole.bad_gpu_ns.get(cause, 0)
    members = [key for group in found for key in group.runs]
    assert sorted(members) == sorted(key for key, _, own in told if own.total_gpu_ns)


@given(runs(), st.sampled_from(GroupKind))
def test_a_groups_ratios_are_of_its_sums(told: Sequence[Run], by: GroupKind) -> None:
    """With its coverage; a mean of ratios would weigh one GPU like a thousand."""
    for group in group_accounts(told, by):
        mine = [
            own for key, owner, own in told if group_name(key, owner, by) == group.name
        ]

        assert group.ratios == ratio_of_sums(mine)


def test_what_nobody_said_is_a_group_without_a_name() -> None:
    """A run without a team is in no team, and not left out."""
    account = Account()
    account.add(RunState.PRODUCTIVE, 5)
    one = (RunKey("east", "ml", "llama"), Owner(team="blue"), account)
    other = (RunKey("east", "ml", "qwen"), Owner(), account)

    names = {group.name for group in group_accounts([one, other], GroupKind.TEAM)}

    assert names == {"blue", None}
