"""The lineage forgets detail of early steps, and never a nanosecond."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.domain.progress import GROUPS, Group, Progress, cut, keep

Counted = tuple[int, int, int]
"""Steps of one heartbeat, and their productive and slow GPU time."""

HEARTBEATS = st.lists(
    st.tuples(st.integers(1, 5), st.integers(0, 10**15), st.integers(0, 10**12)),
    max_size=40,
).map(lambda some: some * 40)


def lineage_of(heartbeats: list[Counted]) -> Progress:
    """Return a run that never had a durable checkpoint."""
    progress, step = Progress(), 0
    for count, productive, slow in heartbeats:
        keep(progress, Group(step, step + count - 1, productive, slow))
        step += count
    return progress


def sums(groups: list[Group]) -> tuple[int, int]:
    """Return the productive and the slow GPU time of some groups."""
    return sum(g.productive for g in groups), sum(g.slow for g in groups)


@given(HEARTBEATS)
def test_a_run_without_checkpoints_is_remembered_whole_in_bounded_space(
    heartbeats: list[Counted],
) -> None:
    """However many heartbeats came, the groups are few, adjoining and add up."""
    progress = lineage_of(heartbeats)

    groups = progress.lineage
    assert len(groups) <= GROUPS
    assert sums(groups) == (
        sum(productive for _, productive, _ in heartbeats),
        sum(slow for _, _, slow in heartbeats),
    )
    assert all(b.first == a.last + 1 for a, b in pairwise(groups))


@given(HEARTBEATS, st.floats(0, 1))
def test_a_rollback_loses_and_keeps_what_there_was(
    heartbeats: list[Counted], where: float
) -> None:
    """Cut anywhere, also inside a merged group: lost and kept are the whole."""
    progress = lineage_of(heartbeats)
    before = sums(progress.lineage)
    last = progress.lineage[-1].last if progress.lineage else 0

    lost = cut(progress, int(last * where))
    kept = sums(progress.lineage)

    assert (lost.productive + kept[0], lost.slow + kept[1]) == before
    assert all(group.last <= int(last * where) for group in progress.lineage)


def test_the_newest_steps_are_cut_exactly() -> None:
    """A run is rolled back by few steps: those are not among the merged ones."""
    progress = lineage_of([(1, 1000 + n, n) for n in range(5000)])

    lost = cut(progress, 4899)

    assert lost.productive == sum(1000 + n for n in range(4900, 5000))
    assert lost.slow == sum(range(4900, 5000))
