"""The reference step time: the lowest tenth seen, and what is slow against it."""

from __future__ import annotations

import pytest

from goodput_exporter.domain.reference import Reference, split_slow


def learned(*durations: int) -> Reference:
    """Return a reference that has seen some steps."""
    reference = Reference()
    for duration in durations:
        reference.observe(duration)
    return reference


def test_there_is_none_before_twenty_samples() -> None:
    """Nineteen tell too little."""
    assert learned(*[100] * 19).lowest_ns is None
    assert learned(*[100] * 20).lowest_ns == 100


def test_it_is_the_tenth_percentile_not_the_fastest() -> None:
    """Of 1..20 it is 2; of 21 the third smallest; of 200 the twentieth."""
    assert learned(*range(20, 0, -1)).lowest_ns == 2
    assert learned(*range(1, 21), 21).lowest_ns == 2
    assert learned(*[100] * 20, 1, 1).lowest_ns == 100
    assert learned(*[100] * 20, 1, 1, 1).lowest_ns == 1


def test_two_hundred_samples_count_and_no_more() -> None:
    """The oldest leaves when the next comes."""
    reference = learned(*[100] * 200)
    for _ in range(19):
        reference.observe(50)
    before = reference.lowest_ns
    reference.observe(50)

    assert before == 100
    assert reference.lowest_ns == 50
    assert len(reference.recent_ns) == 200
    assert len(reference.ordered_ns) == 200


def test_it_never_rises() -> None:
    """A run that slows down stays measured by what it could do."""
    reference = learned(*[100] * 200, *[300] * 400)

    assert reference.lowest_ns == 100
    assert reference.ordered_ns == [300] * 200


def test_the_sample_that_leaves_is_the_oldest_one() -> None:
    """Not the smallest, and not the largest."""
    reference = learned(7, *range(100, 299), 500)

    assert 7 not in reference.ordered_ns
    assert reference.ordered_ns == sorted(reference.recent_ns)


def test_a_group_of_steps_is_as_many_samples() -> None:
    """More than two hundred at once replace all there were."""
    reference = Reference()
    reference.observe(100, 20)
    reference.observe(40, 5000)

    assert reference.lowest_ns == 40
    assert reference.recent_ns == [40] * 200


@pytest.mark.parametrize(
    ("duration", "reference", "split"),
    [
        (100, None, (100, 0)),
        (10_000, None, (10_000, 0)),
        (90, 100, (90, 0)),
        (100, 100, (100, 0)),
        (105, 100, (105, 0)),
        (106, 100, (100, 6)),
        (1051, 1000, (1000, 51)),
        (300, 100, (100, 200)),
        (5, 0, (0, 5)),
    ],
)
def test_beyond_five_percent_the_whole_excess_is_slow(
    duration: int, reference: int | None, split: tuple[int, int]
) -> None:
    """Up to five percent nothing is; and no reference means nothing is slow."""
    assert split_slow(duration, reference) == split
