"""Half-open spans, and division that loses nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodput_exporter.domain.spans import Span, apportion


def test_a_span_ends_before_its_end() -> None:
    """Two spans that touch share no instant."""
    assert Span(0, 10).clip(Span(10, 20)) is None
    assert Span(10, 20).clip(Span(0, 10)) is None
    assert Span(0, 10).length_ns == 10


@pytest.mark.parametrize(
    ("span", "inside"),
    [
        (Span(0, 100), Span(10, 20)),
        (Span(12, 18), Span(12, 18)),
        (Span(5, 15), Span(10, 15)),
        (Span(15, 25), Span(15, 20)),
        (Span(19, 30), Span(19, 20)),
    ],
)
def test_the_part_inside_a_window_is_what_both_cover(span: Span, inside: Span) -> None:
    """Clipping cuts at either end, or not at all."""
    assert span.clip(Span(10, 20)) == inside


def test_spans_are_ordered_by_their_start_then_their_end() -> None:
    """So a book can be sorted."""
    assert sorted([Span(5, 9), Span(1, 9), Span(1, 2)]) == [
        Span(1, 2),
        Span(1, 9),
        Span(5, 9),
    ]


def test_the_largest_remainder_gets_the_unit_left_over() -> None:
    """Of 10 at 1:1:1 the first gets it; of 7 at 1:2 the one with more left."""
    assert apportion(10, [1, 1, 1]) == [4, 3, 3]
    assert apportion(11, [1, 1, 1]) == [4, 4, 3]
    assert apportion(7, [1, 2]) == [2, 5]
    assert apportion(8, [1, 2]) == [3, 5]


def test_what_weighs_nothing_gets_nothing() -> None:
    """Not even the unit left over."""
    assert apportion(7, [0, 3, 0, 3]) == [0, 4, 0, 3]
    assert apportion(0, [1, 2]) == [0, 0]


@given(
    st.integers(0, 10**30),
    st.lists(st.integers(0, 10**30), min_size=1, max_size=20).filter(any),
)
def test_shares_sum_to_the_whole(total: int, weights: list[int]) -> None:
    """Whatever is divided, nothing is lost, and no share is off by a unit."""
    shares = apportion(total, weights)
    whole = sum(weights)

    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share * whole - total * weight) < whole
